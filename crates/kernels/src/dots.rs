//! Sums of products of rows that lie without gaps, kept in registers.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::fresh::Shared;
use crate::lanes::{load, vectorized};

/// Adds up the products of `F` rows with `T` others over `vectors` vectors: `[F][T]`.
///
/// # Safety
/// From each of `rows` and `others` on there are `vectors` vectors.
#[inline(always)]
#[expect(unsafe_code, reason = "the caller promises")]
pub(crate) unsafe fn correlate<S: Simd, const F: usize, const T: usize>(
    simd: S,
    rows: [*const f32; F],
    others: [*const f32; T],
    vectors: usize,
    sums: &mut [[S::f32s; T]; F],
) {
    for place in (0..vectors).map(|vector| vector * S::F32_LANES) {
        // SAFETY: by the promise the vectors are there.
        unsafe {
            let others: [S::f32s; T] = std::array::from_fn(|t| load::<S>(others[t].add(place)));
            for f in 0..F {
                let row = load::<S>(rows[f].add(place));
                for t in 0..T {
                    sums[f][t] = simd.mul_add_e_f32s(row, others[t], sums[f][t]);
                }
            }
        }
    }
}

/// `x W^T`, with what is done to it then, for so few rows that laying out the weights would take longer than the sums.
#[derive(Clone, Copy)]
pub(crate) struct FewRows<'a> {
    /// `[rows, inputs]`.
    pub(crate) x: &'a [f32],
    /// `[outputs, inputs]`.
    pub(crate) weight: &'a [f32],
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) relu: bool,
    /// Rows, inputs and outputs.
    pub(crate) sizes: [usize; 3],
}

impl FewRows<'_> {
    /// Writes some of the outputs of every row to `y`, `[rows, outputs]`; nobody else may write there.
    pub(crate) fn write(self, outputs: Range<usize>, y: Shared) {
        vectorized(Writing { all: self, outputs, y });
    }
}

struct Writing<'a> {
    all: FewRows<'a>,
    outputs: Range<usize>,
    y: Shared,
}

impl WithSimd for Writing<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [rows, inputs, outputs] = self.all.sizes;
        assert!(self.all.x.len() == rows * inputs && self.all.weight.len() == outputs * inputs);
        assert!(self.outputs.end <= outputs && self.all.bias.is_none_or(|bias| bias.len() == outputs));
        let mut row = 0;
        while row < rows {
            match rows - row {
                1 => self.rows::<S, 1>(simd, row),
                2 => self.rows::<S, 2>(simd, row),
                _ => self.rows::<S, 3>(simd, row),
            }
            row += 3;
        }
    }
}

/// So many outputs are summed up at a time.
const OUTPUTS: usize = 4;

impl Writing<'_> {
    /// `T` rows from `row` on.
    #[inline(always)]
    fn rows<S: Simd, const T: usize>(&self, simd: S, row: usize) {
        let FewRows { x, weight, bias, relu, sizes: [_, inputs, outputs] } = self.all;
        let vectors = inputs / S::F32_LANES;
        let others: [&[f32]; T] = std::array::from_fn(|t| &x[(row + t) * inputs..][..inputs]);
        for first in self.outputs.clone().step_by(OUTPUTS) {
            let count = OUTPUTS.min(self.outputs.end - first);
            // Outputs beyond the last one are the last one again, and are not written.
            let weights: [&[f32]; OUTPUTS] =
                std::array::from_fn(|k| &weight[(first + k.min(count - 1)) * inputs..][..inputs]);
            let mut sums = [[simd.splat_f32s(0.0); T]; OUTPUTS];
            // SAFETY: each row has `inputs` floats, which are at least so many vectors.
            #[expect(unsafe_code, reason = "see above")]
            unsafe {
                let others = others.map(<[f32]>::as_ptr);
                correlate::<S, OUTPUTS, T>(simd, weights.map(<[f32]>::as_ptr), others, vectors, &mut sums);
            }
            for (k, (weights, sums)) in weights.iter().zip(sums).enumerate().take(count) {
                for (t, (other, sum)) in others.iter().zip(sums).enumerate() {
                    let rest = vectors * S::F32_LANES;
                    let rest: f32 = weights[rest..].iter().zip(&other[rest..]).map(|(w, x)| w * x).sum();
                    let value = simd.reduce_sum_f32s(sum) + rest + bias.map_or(0.0, |bias| bias[first + k]);
                    let value = if relu && value < 0.0 { 0.0 } else { value };
                    // SAFETY: the place is one of this call's own.
                    #[expect(unsafe_code, reason = "see above")]
                    unsafe {
                        self.y.at((row + t) * outputs + first + k, 1).write(value);
                    }
                }
            }
        }
    }
}
