//! From pixels to the elements of tiles, and back. Pixels lie row by row, [`GROUP`] channels of each side by side.

use pulp::{Simd, WithSimd};

use super::ELEMENTS;
use super::filters::GROUP;
use crate::lanes::{load, store};

/// `Bt d B` of every tile of 4 x 4 pixels that begins at an even row and column.
pub(super) struct FromImages<'a> {
    pub(super) pixels: &'a [f32],
    /// Pixels from a row to the next.
    pub(super) pitch: usize,
    /// Rows of tiles, and tiles of a row.
    pub(super) tiles: [usize; 2],
    pub(super) to: &'a mut [f32],
    /// Floats from an element to the next, and from a tile to the next.
    pub(super) steps: [usize; 2],
}

/// `A g At` of every tile of 2 x 2 gradients.
pub(super) struct FromGradients<'a> {
    pub(super) pixels: &'a [f32],
    pub(super) pitch: usize,
    pub(super) tiles: [usize; 2],
    pub(super) to: &'a mut [f32],
    pub(super) steps: [usize; 2],
}

/// `At m A` of every tile of sums: 2 x 2 results, row by row, to which the biases are added and which are rectified if `relu` says so.
pub(super) struct ToResults<'a> {
    pub(super) biases: [f32; GROUP],
    pub(super) relu: bool,
    pub(super) sums: &'a [f32],
    pub(super) steps: [usize; 2],
    pub(super) tiles: [usize; 2],
    pub(super) pixels: &'a mut [f32],
}

/// Checks that the elements of every tile lie within `length` floats.
#[inline(always)]
fn check(length: usize, [rows, across]: [usize; 2], [element, tile]: [usize; 2]) {
    let last = (ELEMENTS - 1) * element + (rows * across).saturating_sub(1) * tile;
    assert!(rows * across == 0 || last + GROUP <= length, "{length} floats are not enough");
}

impl WithSimd for FromImages<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pixels, pitch, tiles: [rows, across], to, steps: [element, tile] } = self;
        assert!(pitch >= 2 * across + 2 && pixels.len() >= (2 * rows + 2) * pitch * GROUP);
        check(to.len(), [rows, across], [element, tile]);
        assert!(GROUP.is_multiple_of(S::F32_LANES));
        for lane in (0..GROUP).step_by(S::F32_LANES) {
            for row in 0..rows {
                // SAFETY: a tile lies in 4 rows and columns of the pixels, and its elements in `to`, as was checked for the last one.
                #[expect(unsafe_code, reason = "see above")]
                unsafe {
                    let first = pixels.as_ptr().add(2 * row * pitch * GROUP + lane);
                    let column = |x: usize| {
                        let pixel = |y: usize| load::<S>(first.add((y * pitch + x) * GROUP));
                        before(simd, [pixel(0), pixel(1), pixel(2), pixel(3)])
                    };
                    let mut left = [column(0), column(1)];
                    for x in 0..across {
                        let right = [column(2 * x + 2), column(2 * x + 3)];
                        let to = to.as_mut_ptr().add((row * across + x) * tile + lane);
                        for y in 0..4 {
                            let elements = before(simd, [left[0][y], left[1][y], right[0][y], right[1][y]]);
                            for (x, value) in elements.into_iter().enumerate() {
                                store::<S>(to.add((4 * y + x) * element), value);
                            }
                        }
                        left = right;
                    }
                }
            }
        }
    }
}

impl WithSimd for FromGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pixels, pitch, tiles: [rows, across], to, steps: [element, tile] } = self;
        assert!(pitch >= 2 * across && pixels.len() >= 2 * rows * pitch * GROUP);
        check(to.len(), [rows, across], [element, tile]);
        assert!(GROUP.is_multiple_of(S::F32_LANES));
        for lane in (0..GROUP).step_by(S::F32_LANES) {
            for row in 0..rows {
                for x in 0..across {
                    // SAFETY: a tile lies in 2 rows and columns of the pixels, and its elements in `to`, as was checked for the last one.
                    #[expect(unsafe_code, reason = "see above")]
                    unsafe {
                        let first = pixels.as_ptr().add((2 * row * pitch + 2 * x) * GROUP + lane);
                        let column = |x: usize| {
                            spread(simd, [load::<S>(first.add(x * GROUP)), load::<S>(first.add((pitch + x) * GROUP))])
                        };
                        let (left, right) = (column(0), column(1));
                        let to = to.as_mut_ptr().add((row * across + x) * tile + lane);
                        for y in 0..4 {
                            for (x, value) in spread(simd, [left[y], right[y]]).into_iter().enumerate() {
                                store::<S>(to.add((4 * y + x) * element), value);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl WithSimd for ToResults<'_> {
    /// Whether all of it is finite.
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { biases, relu, sums, steps: [element, tile], tiles: [rows, across], pixels } = self;
        assert!(pixels.len() >= 4 * rows * across * GROUP && GROUP.is_multiple_of(S::F32_LANES));
        check(sums.len(), [rows, across], [element, tile]);
        let zero = simd.splat_f32s(0.0);
        // Nothing times 0 is anything else but 0, if it is finite.
        let mut odd = zero;
        for lane in (0..GROUP).step_by(S::F32_LANES) {
            // SAFETY: a vector lies within the group.
            #[expect(unsafe_code, reason = "see above")]
            let bias = unsafe { load::<S>(biases.as_ptr().add(lane)) };
            for row in 0..rows {
                for x in 0..across {
                    // SAFETY: the elements of a tile lie in `sums`, and its 2 x 2 results in `pixels`, as was checked for the last one.
                    #[expect(unsafe_code, reason = "see above")]
                    unsafe {
                        let first = sums.as_ptr().add((row * across + x) * tile + lane);
                        let column = |x: usize| {
                            let sum = |y: usize| load::<S>(first.add((4 * y + x) * element));
                            gathered(simd, [sum(0), sum(1), sum(2), sum(3)])
                        };
                        let columns = [column(0), column(1), column(2), column(3)];
                        let to = pixels.as_mut_ptr().add((4 * row * across + 2 * x) * GROUP + lane);
                        for y in 0..2 {
                            let line = gathered(simd, columns.map(|column| column[y]));
                            for (x, value) in line.into_iter().enumerate() {
                                let value = simd.add_f32s(value, bias);
                                odd = simd.mul_add_e_f32s(value, zero, odd);
                                let value = match relu {
                                    true => simd.select_f32s(simd.less_than_f32s(value, zero), zero, value),
                                    false => value,
                                };
                                store::<S>(to.add((2 * y * across + x) * GROUP), value);
                            }
                        }
                    }
                }
            }
        }
        simd.reduce_sum_f32s(odd) == 0.0
    }
}

/// `Bt d`.
#[inline(always)]
fn before<S: Simd>(simd: S, d: [S::f32s; 4]) -> [S::f32s; 4] {
    [simd.sub_f32s(d[0], d[2]), simd.add_f32s(d[1], d[2]), simd.sub_f32s(d[2], d[1]), simd.sub_f32s(d[1], d[3])]
}

/// `A g`.
#[inline(always)]
fn spread<S: Simd>(simd: S, g: [S::f32s; 2]) -> [S::f32s; 4] {
    [g[0], simd.add_f32s(g[0], g[1]), simd.sub_f32s(g[0], g[1]), simd.neg_f32s(g[1])]
}

/// `At m`.
#[inline(always)]
fn gathered<S: Simd>(simd: S, m: [S::f32s; 4]) -> [S::f32s; 2] {
    [simd.add_f32s(simd.add_f32s(m[0], m[1]), m[2]), simd.sub_f32s(simd.sub_f32s(m[1], m[2]), m[3])]
}
