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
        let zeros = [[simd.splat_f32s(0.0); ROWS]; OUTPUTS];
        let vectors = inputs / S::F32_LANES;
        if rows <= ROWS || vectors <= DEPTH {
            for tile in self.tiles() {
                let mut sums = zeros;
                self.add(simd, tile, 0..vectors, &mut sums);
                self.finish::<S>(simd, tile, &sums);
            }
            return;
        }
        let mut sums = vec![zeros; self.outputs.len().div_ceil(OUTPUTS) * rows.div_ceil(ROWS)];
        for start in (0..vectors).step_by(DEPTH) {
            let some = start..(start + DEPTH).min(vectors);
            for (tile, sums) in self.tiles().zip(&mut sums) {
                self.add(simd, tile, some.clone(), sums);
            }
        }
        for (tile, sums) in self.tiles().zip(&sums) {
            self.finish::<S>(simd, tile, sums);
        }
    }
}

/// So many outputs of so many rows are summed up at a time.
const OUTPUTS: usize = 4;
const ROWS: usize = 3;
/// And so many vectors of their inputs, which stay in the first cache while the same weights meet all rows.
const DEPTH: usize = 64;

/// Outputs and rows that are summed up together.
#[derive(Clone, Copy)]
struct Tile {
    output: usize,
    row: usize,
}

impl Writing<'_> {
    fn tiles(&self) -> impl Iterator<Item = Tile> + use<> {
        let (outputs, rows) = (self.outputs.clone(), self.all.sizes[0]);
        outputs.step_by(OUTPUTS).flat_map(move |output| (0..rows).step_by(ROWS).map(move |row| Tile { output, row }))
    }

    /// The weights of an output of a tile. Outputs beyond the last one are the last one again, and are not written.
    #[inline(always)]
    fn weights(&self, tile: Tile) -> [&[f32]; OUTPUTS] {
        let inputs = self.all.sizes[1];
        std::array::from_fn(|k| &self.all.weight[(tile.output + k).min(self.outputs.end - 1) * inputs..][..inputs])
    }

    #[inline(always)]
    fn row(&self, row: usize) -> &[f32] {
        let inputs = self.all.sizes[1];
        &self.all.x[row * inputs..][..inputs]
    }

    #[inline(always)]
    fn add<S: Simd>(&self, simd: S, tile: Tile, vectors: Range<usize>, sums: &mut [[S::f32s; ROWS]; OUTPUTS]) {
        match self.all.sizes[0] - tile.row {
            1 => self.add_rows::<S, 1>(simd, tile, vectors, sums),
            2 => self.add_rows::<S, 2>(simd, tile, vectors, sums),
            _ => self.add_rows::<S, ROWS>(simd, tile, vectors, sums),
        }
    }

    /// Adds up some vectors of `T` rows.
    #[inline(always)]
    fn add_rows<S: Simd, const T: usize>(
        &self,
        simd: S,
        tile: Tile,
        vectors: Range<usize>,
        all: &mut [[S::f32s; ROWS]; OUTPUTS],
    ) {
        let floats = vectors.start * S::F32_LANES..vectors.end * S::F32_LANES;
        let others: [*const f32; T] = std::array::from_fn(|t| self.row(tile.row + t)[floats.clone()].as_ptr());
        let weights = self.weights(tile).map(|weights| weights[floats.clone()].as_ptr());
        let mut sums: [[S::f32s; T]; OUTPUTS] = all.map(|sums| std::array::from_fn(|t| sums[t]));
        // SAFETY: each slice has so many vectors.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            correlate::<S, OUTPUTS, T>(simd, weights, others, vectors.len(), &mut sums);
        }
        for (all, sums) in all.iter_mut().zip(sums) {
            all[..T].copy_from_slice(&sums);
        }
    }

    /// Writes what was summed up, with what no vector held.
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, tile: Tile, sums: &[[S::f32s; ROWS]; OUTPUTS]) {
        let FewRows { bias, relu, sizes: [rows, inputs, outputs], .. } = self.all;
        let whole = inputs / S::F32_LANES * S::F32_LANES;
        let written = OUTPUTS.min(self.outputs.end - tile.output);
        for (k, (weights, sums)) in self.weights(tile).iter().zip(sums).enumerate().take(written) {
            for (t, &sum) in sums.iter().enumerate().take(rows - tile.row) {
                let x = self.row(tile.row + t);
                let rest: f32 = weights[whole..].iter().zip(&x[whole..]).map(|(w, x)| w * x).sum();
                let value = simd.reduce_sum_f32s(sum) + rest + bias.map_or(0.0, |bias| bias[tile.output + k]);
                let value = if relu && value < 0.0 { 0.0 } else { value };
                // SAFETY: the place is one of this call's own.
                #[expect(unsafe_code, reason = "see above")]
                unsafe {
                    self.y.at((tile.row + t) * outputs + tile.output + k, 1).write(value);
                }
            }
        }
    }
}
