//! Vectors of floats as wide as the processor has them.
//!
//! Kernels that go over floats one by one are written as loops over arrays of [`WIDTH`] floats, which the compiler turns into vector
//! instructions where it knows that there are some: in functions that `widest!` wraps. Those that must keep sums in registers say so with
//! pulp's vectors, in [`vectorized`].

use std::sync::OnceLock;

use pulp::{Arch, Simd, WithSimd};

use crate::squares::total;

/// How many floats are gone over at a time: as many as the widest vectors have.
pub(crate) const WIDTH: usize = 16;

/// The vector instructions of this processor.
pub(crate) fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(Arch::new)
}

/// A function that does what another one does, with the widest vector instructions of this processor. The other one, and all that it calls
/// for many floats, must be `#[inline(always)]`: what is not inlined is compiled for any processor.
macro_rules! widest {
    ($(#[$meta:meta])* $visible:vis fn $name:ident $(<$generic:ident: $bound:path>)? ($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $body:path) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "as many as its body has")]
        $visible fn $name $(<$generic: $bound>)? ($($argument: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,fma,lzcnt,popcnt")]
                fn with_avx512 $(<$generic: $bound>)? ($($argument: $type),*) $(-> $result)? {
                    $body($($argument),*)
                }
                #[target_feature(enable = "avx2,bmi1,bmi2,fma,lzcnt,popcnt")]
                fn with_avx2 $(<$generic: $bound>)? ($($argument: $type),*) $(-> $result)? {
                    $body($($argument),*)
                }
                // SAFETY: the processor has the instructions, which was found out by asking it.
                #[expect(unsafe_code, reason = "see above")]
                unsafe {
                    match $crate::lanes::arch() {
                        pulp::x86::Arch::V4(_) => return with_avx512($($argument),*),
                        pulp::x86::Arch::V3(_) => return with_avx2($($argument),*),
                        _ => {}
                    }
                }
            }
            $body($($argument),*)
        }
    };
}

pub(crate) use widest;

/// Does `work` with the widest vectors.
pub(crate) fn vectorized<W: WithSimd>(work: W) -> W::Output {
    arch().dispatch(work)
}

/// How many rows, or filters, a tile of sums has that are kept in registers, three vectors of each.
pub(crate) const fn tile_rows(registers: usize) -> usize {
    if registers >= 32 { 8 } else { 4 }
}

/// As many floats as a vector has, from `place` on.
///
/// # Safety
/// They must all be there.
#[inline(always)]
#[expect(unsafe_code, reason = "the caller promises")]
pub(crate) unsafe fn load<S: Simd>(place: *const f32) -> S::f32s {
    // SAFETY: by the promise; a vector is as many floats, of which every pattern of bits is one, and need not be aligned.
    unsafe { place.cast::<S::f32s>().read_unaligned() }
}

/// Writes a vector to `place` and the places behind it.
///
/// # Safety
/// There must be room.
#[inline(always)]
#[expect(unsafe_code, reason = "the caller promises")]
pub(crate) unsafe fn store<S: Simd>(place: *mut f32, value: S::f32s) {
    // SAFETY: by the promise; it need not be aligned.
    unsafe { place.cast::<S::f32s>().write_unaligned(value) }
}

/// The sums of several floats of each place of `slices`, which are all as long.
#[inline(always)]
pub(crate) fn sums<const N: usize, const K: usize>(
    slices: [&[f32]; N],
    each: impl Fn([f32; N]) -> [f32; K],
) -> [f32; K] {
    let length = slices.first().map_or(0, |slice| slice.len());
    let slices = slices.map(|slice| &slice[..length]);
    let whole = length / WIDTH * WIDTH;
    let mut lanes = [[0.0_f32; WIDTH]; K];
    for start in (0..whole).step_by(WIDTH) {
        let chunks: [&[f32; WIDTH]; N] = slices.map(|slice| slice[start..].first_chunk().expect("it is long enough"));
        for lane in 0..WIDTH {
            let values = each(chunks.map(|chunk| chunk[lane]));
            for k in 0..K {
                lanes[k][lane] += values[k];
            }
        }
    }
    let mut totals = lanes.map(|lanes| total(&lanes));
    for place in whole..length {
        let values = each(slices.map(|slice| slice[place]));
        for k in 0..K {
            totals[k] += values[k];
        }
    }
    totals
}

/// The largest of `values`; no number if one of them is none, and minus infinity if there are none.
#[inline(always)]
pub(crate) fn maximum(values: &[f32]) -> f32 {
    if values.len() < 4 * WIDTH {
        let mut largest = f32::NEG_INFINITY;
        for &value in values {
            largest = if value > largest || value.is_nan() { value } else { largest };
        }
        return if values.iter().any(|value| value.is_nan()) { f32::NAN } else { largest };
    }
    let (chunks, rest) = values.as_chunks::<WIDTH>();
    let (mut lanes, mut is_nan) = ([f32::NEG_INFINITY; WIDTH], [0_u32; WIDTH]);
    for chunk in chunks {
        for lane in 0..WIDTH {
            lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
            is_nan[lane] |= u32::from(chunk[lane].is_nan());
        }
    }
    let mut largest = f32::NEG_INFINITY;
    for &value in lanes.iter().chain(rest) {
        if value > largest || value.is_nan() {
            largest = value;
        }
    }
    if is_nan.iter().any(|&nan| nan != 0) || rest.iter().any(|value| value.is_nan()) { f32::NAN } else { largest }
}

/// The exponential function: within 2 units of the last place; 0 below -87.3, where the result would have less than all digits.
///
/// The whole part of `x / ln 2` goes into the exponent; on what is left, at most half of `ln 2` away from 0, a polynomial of degree 6
/// (fitted for the least relative error) is off by less than 4e-9.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 as a float of few digits, whose multiples are exact, and the rest.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Adding this leaves the whole part in the lowest bits.
    const SHIFT: f32 = 12_582_912.0;
    let low = x < -87.3;
    // Comparisons that are false where x is no number, so that it stays none.
    let x = if x > 88.7 { 88.72284 } else { x };
    let x = if low { -87.3 } else { x };
    let shifted = x.mul_add(LOG2_E, SHIFT);
    let whole = shifted - SHIFT;
    let r = whole.mul_add(-LN_2_LOW, whole.mul_add(-LN_2_HIGH, x));
    let p = 0.001_381_460_8_f32.mul_add(r, 0.008_368_71);
    let p = p.mul_add(r, 0.041_668_39).mul_add(r, 0.166_665_21).mul_add(r, 0.499_999_94);
    let p = (r * r).mul_add(p, r) + 1.0;
    // In two steps, since the largest result has an exponent that no single factor has.
    let bits = shifted.to_bits().wrapping_sub(SHIFT.to_bits()) as i32;
    let half = bits >> 1;
    let power = |whole: i32| f32::from_bits(((whole + 127) as u32) << 23);
    let result = p * power(half) * power(bits - half);
    if low { 0.0 } else { result }
}

/// `1 - Phi(z)` and the density of the normal distribution at `z`, for `z >= 0`.
///
/// `exp(z^2 / 2) (1 - Phi(z))` is a polynomial of degree 8 in `1 / (1 + 0.42 z / sqrt 2)` to within 4e-7 of itself (fitted for the least
/// relative error up to 9, beyond which both are 0).
#[inline(always)]
pub(crate) fn upper_tail(z: f32) -> (f32, f32) {
    const STEEPNESS: f32 = 0.42 * std::f32::consts::FRAC_1_SQRT_2;
    const ROOT: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
    let bell = exp(-0.5 * z * z);
    let t = 1.0 / STEEPNESS.mul_add(z, 1.0);
    let p = 0.076_004_416_f32.mul_add(t, -0.345_052_4);
    let p = p.mul_add(t, 0.484_961_57).mul_add(t, -0.173_068_6).mul_add(t, 0.292_421_94);
    let p = p.mul_add(t, 0.187_104_61).mul_add(t, 0.240_897_2).mul_add(t, 0.236_731_26);
    (0.5 * p * t * bell, ROOT * bell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_function_is_right_to_the_last_places() {
        for k in -100_000..=100_000 {
            let x = k as f32 * 0.000_873;
            let exact = f64::from(x).exp();
            let far = (f64::from(exp(x)) / exact - 1.0).abs();
            assert!(far < 2.5e-7 || x < -87.3, "exp({x}): {far}");
        }
        assert_eq!((exp(f32::NEG_INFINITY), exp(-1000.0), exp(0.0)), (0.0, 0.0, 1.0));
        assert!(exp(f32::NAN).is_nan() && exp(f32::INFINITY) > 3.4e38);
    }

    /// By Simpson's rule over the density.
    #[test]
    fn the_tail_is_what_the_density_leaves() {
        for k in 0..=60 {
            let z = k as f32 / 10.0;
            let density = |t: f64| (-0.5 * t * t).exp() / std::f64::consts::TAU.sqrt();
            let (from, to, steps) = (f64::from(z), f64::from(z) + 8.0, 4000);
            let h = (to - from) / f64::from(steps);
            let inner: f64 =
                (1..steps).map(|k| if k % 2 == 1 { 4.0 } else { 2.0 } * density(from + f64::from(k) * h)).sum();
            let exact = h / 3.0 * (density(from) + inner + density(to));
            let (tail, bell) = upper_tail(z);
            assert!((f64::from(tail) / exact - 1.0).abs() < 2e-6, "{z}: {tail}, {exact}");
            assert!((f64::from(bell) / density(from) - 1.0).abs() < 2e-6);
        }
    }

    #[test]
    fn the_largest_is_found() {
        for length in [0, 1, 15, 16, 17, 100] {
            let mut values: Vec<f32> = (0..length).map(|k| -((k * 37 % 101) as f32)).collect();
            assert_eq!(maximum(&values), values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            if length > 0 {
                values[length / 2] = f32::NAN;
                assert!(maximum(&values).is_nan());
            }
        }
    }

    #[test]
    fn sums_are_sums() {
        for length in [0, 1, 15, 16, 17, 100] {
            let values: Vec<f32> = (0..length).map(|k| k as f32).collect();
            let [sum, squares] = sums([&values, &values], |[a, b]| [a, a * b]);
            let n = length as f32;
            assert_eq!((sum, squares), (n * (n - 1.0) / 2.0, (n - 1.0) * n * (2.0 * n - 1.0) / 6.0).map_zero(length));
        }
    }

    trait MapZero {
        fn map_zero(self, length: usize) -> Self;
    }

    impl MapZero for (f32, f32) {
        fn map_zero(self, length: usize) -> Self {
            if length == 0 { (0.0, 0.0) } else { self }
        }
    }
}
