//! Functions of each float alone.

use rayon::prelude::*;

use crate::fresh::{Shared, written};
use crate::lanes::{WIDTH, upper_tail, vectorized};

/// So many floats are worth a task of their own.
const TASK: usize = 1 << 14;

/// `max(x, 0)`; what is no number stays none.
pub fn relu(x: &[f32]) -> Vec<f32> {
    each([x], |[x]| if x < 0.0 { 0.0 } else { x })
}

/// The gradient with respect to `x` of [`relu`], whose result was `y`.
pub fn relu_gradient(y: &[f32], gradient: &[f32]) -> Vec<f32> {
    each([y, gradient], |[y, gradient]| if y > 0.0 { gradient } else { 0.0 * y })
}

/// `max(x + y, 0)`.
pub fn add_relu(x: &[f32], y: &[f32]) -> Vec<f32> {
    each([x, y], |[x, y]| if x + y < 0.0 { 0.0 } else { x + y })
}

/// `x Phi(x)`, Phi being the distribution function of the normal distribution.
pub fn gelu(x: &[f32]) -> Vec<f32> {
    each([x], |[x]| {
        let (tail, _) = upper_tail(x.abs());
        x * if x < 0.0 { tail } else { 1.0 - tail }
    })
}

/// The gradient with respect to `x` of [`gelu`]: `Phi(x) + x phi(x)` times that of the result.
pub fn gelu_gradient(x: &[f32], gradient: &[f32]) -> Vec<f32> {
    each([x, gradient], |[x, gradient]| {
        let (tail, density) = upper_tail(x.abs());
        gradient * x.mul_add(density, if x < 0.0 { tail } else { 1.0 - tail })
    })
}

/// `x (1 + tanh(u)) / 2` with `u = sqrt(2 / pi) (x + 0.044715 x^3)` (Hendrycks and Gimpel 2016).
pub fn gelu_tanh(x: &[f32]) -> Vec<f32> {
    each([x], |[x]| x * half_tanh(x).0)
}

/// The gradient with respect to `x` of [`gelu_tanh`].
pub fn gelu_tanh_gradient(x: &[f32], gradient: &[f32]) -> Vec<f32> {
    each([x, gradient], |[x, gradient]| {
        let (share, slope) = half_tanh(x);
        // Of s = 1 / (1 + exp(-2 u)) the derivative by u is 2 s (1 - s).
        gradient * (2.0 * x * slope * share).mul_add(1.0 - share, share)
    })
}

/// `(1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u))`, and the derivative of `u`.
#[inline(always)]
fn half_tanh(x: f32) -> (f32, f32) {
    const ROOT: f32 = 0.797_884_6; // sqrt(2 / pi)
    const CUBE: f32 = 0.044_715;
    let u = ROOT * x * (CUBE * x).mul_add(x, 1.0);
    (1.0 / (1.0 + crate::lanes::exp(-2.0 * u)), ROOT * (3.0 * CUBE * x).mul_add(x, 1.0))
}

/// Applies `f` to the floats in the same place of every slice.
///
/// # Panics
/// If the slices are not as long as each other.
fn each<const N: usize>(slices: [&[f32]; N], f: impl Fn([f32; N]) -> f32 + Copy + Send + Sync) -> Vec<f32> {
    let length = slices[0].len();
    assert!(slices.iter().all(|slice| slice.len() == length), "slices of different lengths");
    // SAFETY: the tasks write every place between them, each those from its start to the next one's.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(length, |result| {
            (0..length.div_ceil(TASK)).into_par_iter().with_min_len(1).for_each(|task| {
                let start = task * TASK;
                let end = (start + TASK).min(length);
                vectorized(|| apply(slices.map(|slice| &slice[start..end]), start, result, f));
            });
        })
    }
}

#[inline(always)]
fn apply<const N: usize>(slices: [&[f32]; N], start: usize, result: Shared, f: impl Fn([f32; N]) -> f32) {
    let length = slices[0].len();
    let to = result.at(start, length);
    let whole = length / WIDTH * WIDTH;
    for first in (0..whole).step_by(WIDTH) {
        let chunks: [&[f32; WIDTH]; N] = slices.map(|slice| slice[first..].first_chunk().expect("it is long enough"));
        let values: [f32; WIDTH] = std::array::from_fn(|lane| f(chunks.map(|chunk| chunk[lane])));
        // SAFETY: `first + WIDTH` is at most `length`, for which there is room.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            to.add(first).cast::<[f32; WIDTH]>().write_unaligned(values);
        }
    }
    for place in whole..length {
        // SAFETY: `place` is below `length`.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            to.add(place).write(f(slices.map(|slice| slice[place])));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{differences, near, numbers, wide};

    fn check(
        f: impl Fn(&[f32]) -> Vec<f32>,
        to_x: impl Fn(&[f32], &[f32], &[f32]) -> Vec<f32>,
        exact: impl Fn(f64) -> f64 + Copy,
    ) {
        for (count, seed) in [(0, 1), (1, 2), (17, 3), (40_000, 4)] {
            let x: Vec<f32> = numbers(count, seed).iter().map(|x| 5.0 * x).collect();
            let gradient = numbers(count, seed + 9);
            let y = f(&x);
            near(&y, &wide(&x).iter().map(|&x| exact(x)).collect::<Vec<_>>(), "result");
            let few = count.min(300);
            let wanted = differences(&wide(&x[..few]), &gradient, |x| x.iter().map(|&x| exact(x)).collect());
            near(&to_x(&x, &y, &gradient)[..few], &wanted, "gradient");
        }
    }

    /// The error function by its series, and beyond 3 by its continued fraction (Abramowitz and Stegun 7.1.5 and 7.1.14).
    fn phi(x: f64) -> f64 {
        let z = x.abs() / std::f64::consts::SQRT_2;
        let tail = if z < 3.0 {
            let (mut term, mut sum) = (z, z);
            for n in 1..200 {
                term *= -z * z / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            1.0 - sum * std::f64::consts::FRAC_2_SQRT_PI
        } else {
            let fraction = (1..200).rev().fold(z, |below, n| z + f64::from(n) / 2.0 / below);
            (-z * z).exp() / std::f64::consts::PI.sqrt() / fraction
        };
        if x < 0.0 { tail / 2.0 } else { 1.0 - tail / 2.0 }
    }

    #[test]
    fn functions_and_their_gradients() {
        check(relu, |_, y, gradient| relu_gradient(y, gradient), |x| x.max(0.0));
        check(gelu, |x, _, gradient| gelu_gradient(x, gradient), |x| x * phi(x));
        let tanh = |x: f64| x * 0.5 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh());
        check(gelu_tanh, |x, _, gradient| gelu_tanh_gradient(x, gradient), tanh);
        assert_eq!(add_relu(&[1.0, -2.0], &[2.0, 1.0]), [3.0, 0.0]);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for f in [relu, gelu, gelu_tanh] {
            assert!(f(&[f32::NAN])[0].is_nan());
            assert_eq!(f(&[f32::INFINITY])[0], f32::INFINITY);
        }
        assert!(relu_gradient(&[f32::NAN], &[1.0])[0].is_nan() && gelu_gradient(&[f32::NAN], &[1.0])[0].is_nan());
        assert_eq!(relu(&[f32::NEG_INFINITY]), [0.0]);
    }
}
