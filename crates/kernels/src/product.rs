//! Products of matrices that lie anywhere in a slice.
//!
//! ```text
//! for each block of the inner axis:            rows of B that stay in the second cache
//!     for each panel of columns of B:          laid out so that the vectors of one row follow those of the one before
//!         for each tile of rows of A:          sums of several rows by several vectors, in registers
//! ```
//!
//! Each sum goes over the inner axis in its order, so that no bit depends on how the work is dealt out.

use std::cell::RefCell;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::fresh::{Aligned, Shared};
use crate::lanes::{WIDTH, load, store, tile_rows, vectorized};
use crate::squares::{SIDE, turn};
use crate::threads::least_of_products;

/// A matrix within a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) data: &'a [f32],
    /// Rows and columns.
    pub(crate) size: [usize; 2],
    /// From a row to the next, and from a column to the next.
    pub(crate) steps: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Row after row without gaps.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { data, size: [rows, columns], steps: [columns, 1] }
    }

    /// Rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        let ([rows, columns], [down, across]) = (self.size, self.steps);
        Self { data: self.data, size: [columns, rows], steps: [across, down] }
    }

    /// Some of the rows.
    pub(crate) fn rows(self, rows: std::ops::Range<usize>) -> Self {
        let start = (rows.start * self.steps[0]).min(self.data.len());
        Self { data: &self.data[start..], size: [rows.len(), self.size[1]], steps: self.steps }
    }

    /// Some of the columns.
    pub(crate) fn columns(self, columns: std::ops::Range<usize>) -> Self {
        self.transposed().rows(columns).transposed()
    }

    fn fits(&self) -> bool {
        let [rows, columns] = self.size;
        rows == 0 || columns == 0 || (rows - 1) * self.steps[0] + (columns - 1) * self.steps[1] < self.data.len()
    }
}

/// Where a product is put: rows of floats, `step` apart.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) first: *mut f32,
    /// How many floats there are from `first` on.
    pub(crate) length: usize,
    pub(crate) step: usize,
}

/// How much of the inner axis is gone through at a time.
const DEPTH: usize = 512;
/// Rows of B that lie so near each other are read where they lie.
const NEAR: usize = 128;
/// Vectors of a panel.
const VECTORS: usize = 3;

thread_local! {
    /// A panel of B.
    static PANEL: RefCell<Aligned> = RefCell::new(Aligned::zeros(0));
}

/// `target = factor a b`, or that added to what is there, on this thread.
///
/// # Safety
/// The places of the target are there and nobody else's; what is added to was written before.
#[expect(unsafe_code, reason = "the caller promises")]
pub(crate) unsafe fn multiply(a: Matrix<'_>, b: Matrix<'_>, target: Target, factor: f32, add: bool) {
    let ([rows, inner], [depth, columns]) = (a.size, b.size);
    assert!(inner == depth && a.fits() && b.fits(), "{:?} by {:?}", a.size, b.size);
    assert!(rows == 0 || columns == 0 || (rows - 1) * target.step + columns <= target.length && columns <= target.step);
    PANEL.with_borrow_mut(|panel| vectorized(Multiply { a, b, target, factor, add, panel }));
}

struct Multiply<'a> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    target: Target,
    factor: f32,
    add: bool,
    panel: &'a mut Aligned,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match tile_rows(S::REGISTER_COUNT) {
            8 => self.blocks::<S, 8>(simd),
            _ => self.blocks::<S, 4>(simd),
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn blocks<S: Simd, const F: usize>(self, simd: S) {
        let Self { a, b, target, factor, add, panel } = self;
        let ([rows, inner], columns) = (a.size, b.size[1]);
        let vectors = columns.div_ceil(S::F32_LANES);
        let parts = vectors.div_ceil(VECTORS);
        let depth = inner.min(DEPTH);
        let panel = panel.at_least(depth * VECTORS * S::F32_LANES);
        if inner == 0 && !add {
            for row in 0..rows {
                // SAFETY: the rows of the target were checked, and are this call's own.
                #[expect(unsafe_code, reason = "see above")]
                unsafe {
                    std::slice::from_raw_parts_mut(target.first.add(row * target.step), columns).fill(0.0);
                }
            }
        }
        for start in (0..inner).step_by(DEPTH) {
            let count = DEPTH.min(inner - start);
            for part in 0..parts {
                // As even as may be: a single vector would leave registers unused.
                let [column, end] = [part, part + 1].map(|part| (part * vectors / parts * S::F32_LANES).min(columns));
                let wide = end - column;
                let block = b.columns(column..column + wide).rows(start..start + count);
                let in_place = b.steps[1] == 1 && b.steps[0] <= NEAR && wide.is_multiple_of(S::F32_LANES);
                let (panel, width) = if in_place {
                    (block.data, b.steps[0])
                } else {
                    let width = wide.next_multiple_of(S::F32_LANES);
                    lay_panel(block, panel, width);
                    (&*panel, width)
                };
                for row in (0..rows).step_by(F) {
                    let high = F.min(rows - row);
                    // Rows beyond the last one are the last one again, and are not written.
                    let first = a.data[row * a.steps[0] + start * a.steps[1]..].as_ptr();
                    let lefts: [*const f32; F] =
                        std::array::from_fn(|f| first.wrapping_add(f.min(high - 1) * a.steps[0]));
                    let adds = add || start > 0;
                    // SAFETY: the tile's rows lie in A, the panel has `count` rows of `width` floats, and `high` rows of
                    // `wide` floats of the target were checked and are this call's own.
                    #[expect(unsafe_code, reason = "see above")]
                    unsafe {
                        let to = target.first.add(row * target.step + column);
                        let place = Place { to, step: target.step, high, wide, factor, adds };
                        match wide.div_ceil(S::F32_LANES) {
                            1 => tile::<S, F, 1>(simd, lefts, a.steps[1], panel.as_ptr(), width, count, place),
                            2 => tile::<S, F, 2>(simd, lefts, a.steps[1], panel.as_ptr(), width, count, place),
                            _ => tile::<S, F, 3>(simd, lefts, a.steps[1], panel.as_ptr(), width, count, place),
                        }
                    }
                }
            }
        }
    }
}

/// A panel is written so many rows at a time where its columns are copied: what is written stays near until its lines are full.
const ROWS: usize = 64;

/// Copies a block of B row by row, each `width` floats; columns that are not there are 0.
#[inline(always)]
fn lay_panel(b: Matrix<'_>, panel: &mut [f32], width: usize) {
    let ([rows, columns], [down, across]) = (b.size, b.steps);
    assert!(b.fits() && columns <= width && panel.len() >= rows * width);
    if across == 1 {
        for (k, row) in panel.chunks_exact_mut(width).take(rows).enumerate() {
            row[..columns].copy_from_slice(&b.data[k * down..][..columns]);
            row[columns..].fill(0.0);
        }
        return;
    }
    if columns < width {
        panel[..rows * width].fill(0.0);
    }
    if down == 1 && rows >= SIDE && columns >= SIDE {
        for row in (0..rows).step_by(SIDE) {
            for column in (0..columns).step_by(SIDE) {
                // What is left at the ends is turned with some of what was turned already.
                let (row, column) = (row.min(rows - SIDE), column.min(columns - SIDE));
                // SAFETY: the square lies within the block, whose rows and columns lie within B, as was checked, and in the panel.
                #[expect(unsafe_code, reason = "see above")]
                unsafe {
                    let (from, to) = (b.data.as_ptr().add(column * across + row), panel.as_mut_ptr());
                    turn(from, across, to.add(row * width + column), width);
                }
            }
        }
        return;
    }
    for first in (0..rows).step_by(ROWS) {
        let count = ROWS.min(rows - first);
        for column in 0..columns {
            let from = &b.data[column * across + first * down..];
            let to = panel[first * width + column..].iter_mut().step_by(width).take(count);
            to.zip(from.iter().step_by(down)).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Where the sums of a tile go.
#[derive(Clone, Copy)]
struct Place {
    to: *mut f32,
    step: usize,
    high: usize,
    wide: usize,
    factor: f32,
    adds: bool,
}

/// # Safety
/// `count` floats of each of `lefts`, `step` apart, and rows of the panel are there, and the place is this call's own.
#[inline(always)]
#[expect(unsafe_code, reason = "the caller promises")]
unsafe fn tile<S: Simd, const F: usize, const V: usize>(
    simd: S,
    lefts: [*const f32; F],
    step: usize,
    panel: *const f32,
    width: usize,
    count: usize,
    place: Place,
) {
    let mut sums = [[simd.splat_f32s(0.0); V]; F];
    for k in 0..count {
        // SAFETY: by the promise.
        unsafe {
            let right: [S::f32s; V] = std::array::from_fn(|v| load::<S>(panel.add(k * width + v * S::F32_LANES)));
            for f in 0..F {
                let left = simd.splat_f32s(*lefts[f].add(k * step));
                for v in 0..V {
                    sums[f][v] = simd.mul_add_e_f32s(left, right[v], sums[f][v]);
                }
            }
        }
    }
    let factor = simd.splat_f32s(place.factor);
    let whole = place.high == F && place.wide == V * S::F32_LANES;
    // SAFETY: by the promise; of a vector that goes beyond the last column only what lies before it is touched.
    unsafe {
        if whole {
            for (f, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    let to = place.to.add(f * place.step + v * S::F32_LANES);
                    let value = simd.mul_f32s(sum, factor);
                    store::<S>(to, if place.adds { simd.add_f32s(value, load::<S>(to)) } else { value });
                }
            }
        } else {
            write_part::<S, F, V>(simd, &sums, place);
        }
    }
}

/// Writes the rows and columns of a tile that there are.
///
/// # Safety
/// The place is this call's own.
#[inline(always)]
#[expect(unsafe_code, reason = "the caller promises")]
unsafe fn write_part<S: Simd, const F: usize, const V: usize>(simd: S, sums: &[[S::f32s; V]; F], place: Place) {
    // Only places known beforehand are asked of the sums, so that they need not leave their registers while they grow.
    let mut room = [[[0.0_f32; WIDTH]; V]; F];
    for (room, sums) in room.iter_mut().zip(sums) {
        for (room, &sum) in room.iter_mut().zip(sums) {
            let value = simd.mul_f32s(sum, simd.splat_f32s(place.factor));
            // SAFETY: no vector has more floats than the widest.
            unsafe { store::<S>(room.as_mut_ptr(), value) };
        }
    }
    for (f, row) in room.iter().enumerate().take(place.high) {
        let values = row.iter().flat_map(|values| &values[..S::F32_LANES]);
        for (k, value) in values.enumerate().take(place.wide) {
            // SAFETY: by the promise; only what lies before the last row and column is touched.
            unsafe {
                let to = place.to.add(f * place.step + k);
                *to = if place.adds { *to + value } else { *value };
            }
        }
    }
}

/// `factor a b` into `target`, whose rows are `step` apart; or added to what is there.
pub(crate) fn multiply_into(a: Matrix<'_>, b: Matrix<'_>, target: &mut [f32], step: usize, factor: f32, add: bool) {
    let target = Target { first: target.as_mut_ptr(), length: target.len(), step };
    // SAFETY: the slice is this call's own, and holds floats already.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        multiply(a, b, target, factor, add);
    }
}

/// So many columns are a task where there are few rows: a multiple of every panel's.
const TASK_COLUMNS: usize = 48;
/// So many rows are a task where there are many.
const TASK_ROWS: usize = 256;

/// `a b` into `result`, row after row, by all threads; each task that is done calls `finish` with the rows and columns that it has written,
/// which are nobody else's.
///
/// # Safety
/// The result has room for the product, and nobody else writes there.
#[expect(unsafe_code, reason = "the caller promises")]
pub(crate) unsafe fn multiply_all(
    a: Matrix<'_>,
    b: Matrix<'_>,
    result: Shared,
    finish: impl Fn(std::ops::Range<usize>, std::ops::Range<usize>) + Send + Sync,
) {
    let (rows, columns) = (a.size[0], b.size[1]);
    let tasks_down = rows.div_ceil(TASK_ROWS);
    let tasks_across = columns.div_ceil(TASK_COLUMNS);
    let least = least_of_products(rows.min(TASK_ROWS) * columns.min(TASK_COLUMNS) * a.size[1]);
    (0..tasks_down * tasks_across).into_par_iter().with_min_len(least).for_each(|task| {
        let down = task / tasks_across * TASK_ROWS;
        let across = task % tasks_across * TASK_COLUMNS;
        let (down, across) = (down..(down + TASK_ROWS).min(rows), across..(across + TASK_COLUMNS).min(columns));
        let start = down.start * columns + across.start;
        let length = (down.len() - 1) * columns + across.len();
        let target = Target { first: result.at(start, length), length, step: columns };
        // SAFETY: the rows and columns of this task are nobody else's.
        unsafe {
            multiply(a.rows(down.clone()), b.columns(across.clone()), target, 1.0, false);
        }
        finish(down, across);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{near, numbers, wide};

    #[test]
    fn products_are_those_of_the_definition() {
        for (case, (rows, inner, columns)) in
            [(1, 1, 1), (8, 5, 48), (9, 513, 49), (17, 3, 130), (3, 1100, 15), (0, 2, 3), (2, 0, 3), (70, 33, 16)]
                .into_iter()
                .enumerate()
        {
            let (a, b) = (numbers(rows * inner, case as u64), numbers(inner * columns, case as u64 + 50));
            for (a_turned, b_turned, add) in
                [(false, false, false), (true, false, true), (false, true, true), (true, true, false)]
            {
                let left =
                    if a_turned { Matrix::new(&a, inner, rows).transposed() } else { Matrix::new(&a, rows, inner) };
                let right = if b_turned {
                    Matrix::new(&b, columns, inner).transposed()
                } else {
                    Matrix::new(&b, inner, columns)
                };
                let at = |matrix: &Matrix<'_>, row: usize, column: usize| {
                    f64::from(matrix.data[row * matrix.steps[0] + column * matrix.steps[1]])
                };
                let step = columns + 3;
                let before = numbers(rows * step, 99);
                let mut found = before.clone();
                multiply_into(left, right, &mut found, step, 0.5, add);
                let mut wanted = wide(&before);
                for row in 0..rows {
                    for column in 0..columns {
                        let sum: f64 = (0..inner).map(|k| at(&left, row, k) * at(&right, k, column)).sum();
                        let place = &mut wanted[row * step + column];
                        *place = 0.5 * sum + if add { *place } else { 0.0 };
                    }
                }
                near(&found, &wanted, &format!("{rows} {inner} {columns} {a_turned} {b_turned}"));
            }
        }
    }
}
