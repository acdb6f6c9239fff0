//! Products of matrices that lie anywhere in a slice, by the `gemm` crate.

use gemm::Parallelism;

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

    fn fits(&self, length: usize) -> bool {
        let [rows, columns] = self.size;
        rows == 0 || columns == 0 || (rows - 1) * self.steps[0] + (columns - 1) * self.steps[1] < length
    }
}

/// Where a product is put: rows of `columns` floats, `step` apart.
pub(crate) struct Target {
    pub(crate) first: *mut f32,
    /// How many floats there are from `first` on.
    pub(crate) length: usize,
    pub(crate) step: usize,
}

/// `target = factor a b`, or that added to what is there, on this thread.
///
/// # Safety
/// The places of the target are there and nobody else's; what is added to was written before.
#[expect(unsafe_code, reason = "the caller promises")]
pub(crate) unsafe fn multiply(a: Matrix<'_>, b: Matrix<'_>, target: Target, factor: f32, add: bool) {
    let ([rows, inner], [depth, columns]) = (a.size, b.size);
    assert!(inner == depth && a.fits(a.data.len()) && b.fits(b.data.len()), "{:?} by {:?}", a.size, b.size);
    assert!(rows == 0 || columns == 0 || (rows - 1) * target.step + columns <= target.length && columns <= target.step);
    let [a_steps, b_steps] = [a.steps, b.steps].map(|steps| steps.map(|step| step as isize));
    // SAFETY: all places were checked to lie in their slices; the target's are promised.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            target.first,
            1,
            target.step as isize,
            add,
            a.data.as_ptr(),
            a_steps[1],
            a_steps[0],
            b.data.as_ptr(),
            b_steps[1],
            b_steps[0],
            1.0,
            factor,
            false,
            false,
            false,
            Parallelism::None,
        );
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
