//! Functions of each float alone.

use rayon::prelude::*;

use crate::each::{Function, each};
use crate::fresh::{Shared, written};
use crate::lanes::{exp, upper_tail, widest};
use crate::threads::least_of_floats;

/// So many floats are worth a task of their own.
const TASK: usize = 1 << 14;

/// Declares a function of each float and the type that computes it.
macro_rules! function {
    ($(#[$meta:meta])* $name:ident, $kind:ident, $count:literal, |$($x:ident),*| $body:expr) => {
        #[derive(Clone, Copy)]
        pub(crate) struct $kind;

        impl Function<$count> for $kind {
            #[inline(always)]
            fn at(self, [$($x),*]: [f32; $count]) -> f32 {
                $body
            }
        }

        $(#[$meta])*
        ///
        /// # Panics
        /// If the slices are not as long as each other.
        pub fn $name($($x: &[f32]),*) -> Vec<f32> {
            widest!(fn work(slices: [&[f32]; $count], result: Shared, start: usize, function: $kind) = each);
            let slices = [$($x),*];
            let length = slices[0].len();
            assert!(slices.iter().all(|slice| slice.len() == length), "slices of different lengths");
            // SAFETY: the tasks write every place between them, each those from its start to the next one's.
            #[expect(unsafe_code, reason = "see above")]
            unsafe {
                written(length, |result| {
                    (0..length.div_ceil(TASK)).into_par_iter().with_min_len(least_of_floats(TASK)).for_each(|task| {
                        let start = task * TASK;
                        let end = (start + TASK).min(length);
                        work(slices.map(|slice| &slice[start..end]), result, start, $kind);
                    });
                })
            }
        }
    };
}

function!(
    /// `max(x, 0)`; what is no number stays none.
    relu, Relu, 1, |x| if x < 0.0 { 0.0 } else { x }
);
function!(
    /// The gradient with respect to `x` of [`relu`], whose result was `y`.
    relu_gradient, ReluGradient, 2, |y, gradient| passed(y, gradient)
);
function!(
    /// `x Phi(x)`, Phi being the distribution function of the normal distribution.
    gelu, Gelu, 1, |x| {
        let (tail, _) = upper_tail(x.abs());
        x * if x < 0.0 { tail } else { 1.0 - tail }
    }
);
function!(
    /// The gradient with respect to `x` of [`gelu`]: `Phi(x) + x phi(x)` times that of the result.
    gelu_gradient, GeluGradient, 2, |x, gradient| {
        let (tail, density) = upper_tail(x.abs());
        gradient * x.mul_add(density, if x < 0.0 { tail } else { 1.0 - tail })
    }
);
function!(
    /// `x (1 + tanh(u)) / 2` with `u = sqrt(2 / pi) (x + 0.044715 x^3)` (Hendrycks and Gimpel 2016).
    gelu_tanh, GeluTanh, 1, |x| x * half_tanh(x).0
);
function!(
    /// The gradient with respect to `x` of [`gelu_tanh`]: of `s = 1 / (1 + exp(-2 u))` the derivative by `u` is `2 s (1 - s)`.
    gelu_tanh_gradient, GeluTanhGradient, 2, |x, gradient| {
        let (share, slope) = half_tanh(x);
        // Where the share is 0 or 1 it does not change, however large the slope would be.
        let change = share * (1.0 - share);
        let steep = if change == 0.0 { 0.0 } else { 2.0 * x * slope };
        gradient * steep.mul_add(change, share)
    }
);

/// What a rectifier whose result was `y` lets through of a gradient.
#[inline(always)]
pub(crate) fn passed(y: f32, gradient: f32) -> f32 {
    if y > 0.0 { gradient } else { 0.0 * y }
}

/// `(1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u))`, and the derivative of `u`.
#[inline(always)]
fn half_tanh(x: f32) -> (f32, f32) {
    const ROOT: f32 = 0.797_884_6; // sqrt(2 / pi)
    const CUBE: f32 = 0.044_715;
    let u = ROOT * x * (CUBE * x).mul_add(x, 1.0);
    (1.0 / (1.0 + exp(-2.0 * u)), ROOT * (3.0 * CUBE * x).mul_add(x, 1.0))
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
        let tanh =
            |x: f64| x * 0.5 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh());
        check(gelu_tanh, |x, _, gradient| gelu_tanh_gradient(x, gradient), tanh);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for f in [relu, gelu, gelu_tanh] {
            assert!(f(&[f32::NAN])[0].is_nan());
            assert_eq!(f(&[f32::INFINITY])[0], f32::INFINITY);
            assert_eq!(f(&[-1e30])[0].abs(), 0.0);
        }
        assert!(relu_gradient(&[f32::NAN], &[1.0])[0].is_nan() && gelu_gradient(&[f32::NAN], &[1.0])[0].is_nan());
        assert_eq!(relu(&[f32::NEG_INFINITY]), [0.0]);
        assert_eq!(gelu_tanh_gradient(&[1e15, -1e15], &[1.0, 1.0]), [1.0, 0.0]);
    }
}
