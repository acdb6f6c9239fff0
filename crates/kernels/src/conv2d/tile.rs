//! The sums that are kept in registers.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::lanes::{load, store, tile_rows, vectorized};

/// How many vectors of places a tile has at most.
pub(super) const TILE_VECTORS: usize = 3;

/// How far from a place each tap sees.
#[derive(Clone, Debug)]
pub(super) struct Distances {
    each: Vec<usize>,
    farthest: usize,
}

impl Distances {
    pub(super) fn new(each: Vec<usize>) -> Self {
        Self { farthest: each.iter().copied().max().unwrap_or(0), each }
    }
}

/// The filters of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bank<'a> {
    pub(super) weights: &'a [f32],
    pub(super) filters: usize,
    /// From a filter to the next, and from a tap to the next.
    pub(super) steps: [usize; 2],
}

/// With how many filters a tile is filled: 1 where there is but one, as in depthwise convolutions.
pub(super) fn tile_of(filters: usize) -> usize {
    struct Rows;
    impl WithSimd for Rows {
        type Output = usize;
        fn with_simd<S: Simd>(self, _simd: S) -> usize {
            tile_rows(S::REGISTER_COUNT)
        }
    }
    if filters == 1 { 1 } else { vectorized(Rows) }
}

/// How many floats a vector has.
pub(super) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        fn with_simd<S: Simd>(self, _simd: S) -> usize {
            S::F32_LANES
        }
    }
    vectorized(Lanes)
}

/// Sums up the taps of `F` filters at the places of `V` vectors.
///
/// # Safety
/// Each of `filters` has a weight for each of `distances`, `step` apart; from `sheet` on there are `V` vectors at each distance; from
/// `result` on there is room for `V` vectors at each of `F` multiples of `row`.
#[inline(always)]
#[expect(unsafe_code, reason = "the caller promises")]
unsafe fn sum<S: Simd, const F: usize, const V: usize>(
    simd: S,
    distances: &[usize],
    (filters, step): ([*const f32; F], usize),
    sheet: *const f32,
    (result, row): (*mut f32, usize),
) {
    let mut sums = [[simd.splat_f32s(0.0); V]; F];
    for (tap, &distance) in distances.iter().enumerate() {
        // SAFETY: by the promise there are V vectors at each distance, and a weight of each filter.
        unsafe {
            let seen: [S::f32s; V] = std::array::from_fn(|v| load::<S>(sheet.add(distance + v * S::F32_LANES)));
            for (sums, filter) in sums.iter_mut().zip(&filters) {
                let w = simd.splat_f32s(*filter.add(tap * step));
                for (sum, &seen) in sums.iter_mut().zip(&seen) {
                    *sum = simd.mul_add_e_f32s(w, seen, *sum);
                }
            }
        }
    }
    for (f, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: by the promise there is room for V vectors in each of F rows.
            unsafe { store::<S>(result.add(f * row + v * S::F32_LANES), sum) };
        }
    }
}

/// Sums of the filters of a tile at places that follow each other: `[tile][row]`, each row whole vectors.
pub(super) struct Sum<'a> {
    pub(super) distances: &'a Distances,
    pub(super) bank: Bank<'a>,
    /// Which filters; those that are fewer than a tile has are filled up with the last one.
    pub(super) filters: Range<usize>,
    pub(super) tile: usize,
    /// From the first place on.
    pub(super) sheets: &'a [f32],
    pub(super) sums: &'a mut [f32],
    pub(super) row: usize,
}

impl WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.tile {
            1 => self.vectors::<S, 1>(simd),
            8 => self.vectors::<S, 8>(simd),
            _ => self.vectors::<S, 4>(simd),
        }
    }
}

impl Sum<'_> {
    #[inline(always)]
    fn vectors<S: Simd, const F: usize>(self, simd: S) {
        let Self { distances: Distances { each: distances, farthest }, bank, filters, tile, sheets, sums, row } = self;
        let [filter_step, tap_step] = bank.steps;
        // What the tiles below look at and write to.
        assert!(tile == F && !filters.is_empty() && filters.end <= bank.filters && row.is_multiple_of(S::F32_LANES));
        let last = (filters.end - 1) * filter_step + distances.len().saturating_sub(1) * tap_step;
        assert!(distances.is_empty() || last < bank.weights.len());
        assert!(sheets.len() >= farthest + row && sums.len() >= F * row);
        let first = bank.weights[filters.start * filter_step..].as_ptr();
        let rows: [*const f32; F] = std::array::from_fn(|f| first.wrapping_add(f.min(filters.len() - 1) * filter_step));
        let vectors = row / S::F32_LANES;
        let parts = vectors.div_ceil(TILE_VECTORS);
        for part in 0..parts {
            // As even as may be: a single vector would leave registers unused.
            let (from, to) = (part * vectors / parts, (part + 1) * vectors / parts);
            let place = from * S::F32_LANES;
            // SAFETY: the lengths were checked above for the last filter and the last vector.
            #[expect(unsafe_code, reason = "see above")]
            unsafe {
                let (sheet, result) = (sheets.as_ptr().add(place), sums.as_mut_ptr().add(place));
                match to - from {
                    1 => sum::<S, F, 1>(simd, distances, (rows, tap_step), sheet, (result, row)),
                    2 => sum::<S, F, 2>(simd, distances, (rows, tap_step), sheet, (result, row)),
                    _ => sum::<S, F, 3>(simd, distances, (rows, tap_step), sheet, (result, row)),
                }
            }
        }
    }
}
