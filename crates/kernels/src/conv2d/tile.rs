//! The sums that are kept in registers.

use pulp::{Simd, WithSimd};

use crate::lanes::{load, store};

/// With how many filters a tile is filled: 1 where there is but one, as in depthwise convolutions.
pub(super) fn tile_of(filters: usize, most: usize) -> usize {
    if filters == 1 { 1 } else { most }
}

/// How many vectors of places a tile has at most.
const TILE_VECTORS: usize = 3;

/// Sums up the taps of `F` filters at the places of `V` vectors.
///
/// # Safety
/// `weights` holds `F` floats for each of `distances`; from `sheet` on there are `V` vectors at each distance; from `result` on there is
/// room for `V` vectors at each of `F` multiples of `row`.
#[inline(always)]
#[expect(unsafe_code, reason = "the caller promises")]
unsafe fn sum<S: Simd, const F: usize, const V: usize>(
    simd: S,
    distances: &[usize],
    weights: *const f32,
    sheet: *const f32,
    result: *mut f32,
    row: usize,
) {
    let mut sums = [[simd.splat_f32s(0.0); V]; F];
    let mut weight = weights;
    for &distance in distances {
        // SAFETY: by the promise there are V vectors at each distance, and F weights for each.
        unsafe {
            let seen: [S::f32s; V] = std::array::from_fn(|v| load::<S>(sheet.add(distance + v * S::F32_LANES)));
            for (f, sums) in sums.iter_mut().enumerate() {
                let w = simd.splat_f32s(*weight.add(f));
                for (sum, &seen) in sums.iter_mut().zip(&seen) {
                    *sum = simd.mul_add_e_f32s(w, seen, *sum);
                }
            }
            weight = weight.add(F);
        }
    }
    for (f, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: by the promise there is room for V vectors in each of F rows.
            unsafe { store::<S>(result.add(f * row + v * S::F32_LANES), sum) };
        }
    }
}

/// Sums of every filter of a group at every place.
pub(super) struct Sum<'a> {
    pub(super) distances: &'a [usize],
    pub(super) weights: &'a [f32],
    /// Filters of a tile, and how many tiles there are.
    pub(super) tile: usize,
    pub(super) tiles: usize,
    pub(super) taps: usize,
    pub(super) count: usize,
    pub(super) sheets: &'a [f32],
    pub(super) sums: &'a mut [f32],
    pub(super) row: usize,
}

impl WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.tile {
            1 => self.tiles::<S, 1>(simd),
            8 => self.tiles::<S, 8>(simd),
            _ => self.tiles::<S, 4>(simd),
        }
    }
}

impl Sum<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const F: usize>(self, simd: S) {
        let Self { distances, weights, tile, tiles, taps, count, sheets, sums, row } = self;
        let farthest = distances.iter().copied().max().unwrap_or(0);
        let vectors = count.div_ceil(S::F32_LANES);
        // What the tiles below look at and write to.
        assert_eq!(tile, F);
        assert!(weights.len() >= tiles * F * taps && distances.len() == taps);
        assert!(sheets.len() >= farthest + vectors * S::F32_LANES);
        assert!(vectors * S::F32_LANES <= row && sums.len() >= tiles * F * row);
        let mut vector = 0;
        while vector < vectors {
            let width = (vectors - vector).min(TILE_VECTORS);
            let place = vector * S::F32_LANES;
            for tile in 0..tiles {
                // SAFETY: the lengths were checked above for the last tile and the last vector.
                #[expect(unsafe_code, reason = "see above")]
                unsafe {
                    let weights = weights.as_ptr().add(tile * F * taps);
                    let (sheet, result) = (sheets.as_ptr().add(place), sums.as_mut_ptr().add(tile * F * row + place));
                    match width {
                        1 => sum::<S, F, 1>(simd, distances, weights, sheet, result, row),
                        2 => sum::<S, F, 2>(simd, distances, weights, sheet, result, row),
                        _ => sum::<S, F, 3>(simd, distances, weights, sheet, result, row),
                    }
                }
            }
            vector += width;
        }
    }
}
