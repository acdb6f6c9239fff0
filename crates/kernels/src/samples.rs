//! Numbers and sizes to test with.

use crate::conv2d::Conv2d;

/// A convolution that keeps the size of its images, of which nothing is even.
pub(crate) const PLAIN: Conv2d = Conv2d {
    batch: 2,
    channels: 3,
    size: [7, 9],
    filters: 5,
    kernel: [3, 3],
    stride: [1, 1],
    padding: [1, 1],
    dilation: [1, 1],
    groups: 1,
};

/// Numbers without a pattern, from -1 to 1.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The same in 64 bits.
pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Whether what was found is what was wanted, to `1e-5` of the largest.
#[track_caller]
pub(crate) fn near(found: &[f32], wanted: &[f64], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let largest = wanted.iter().fold(1.0_f64, |largest, value| largest.max(value.abs()));
    for (k, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!((f64::from(*found) - wanted).abs() <= 1e-5 * largest, "{what}[{k}]: {found}, not {wanted}");
    }
}

/// The gradient of the sum of `weights` times `f` at `x`, by differences in 64 bits.
pub(crate) fn differences(x: &[f64], weights: &[f32], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let score = |x: &[f64]| f(x).iter().zip(weights).map(|(y, w)| y * f64::from(*w)).sum::<f64>();
    (0..x.len())
        .map(|k| {
            let mut moved = x.to_vec();
            moved[k] += STEP;
            let up = score(&moved);
            moved[k] -= 2.0 * STEP;
            (up - score(&moved)) / (2.0 * STEP)
        })
        .collect()
}
