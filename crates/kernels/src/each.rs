//! The same for every float of some slices.

use crate::fresh::Shared;

/// A function of the floats in the same place of several slices. [`at`](Self::at) must be `#[inline(always)]`.
pub(crate) trait Function<const N: usize>: Copy {
    /// Its value.
    fn at(self, floats: [f32; N]) -> f32;
}

/// Writes the function of the floats in the same place of every slice to `result`, from `start` on. The slices must be as long as each
/// other; nobody else may write to those places.
#[inline(always)]
pub(crate) fn each<const N: usize>(slices: [&[f32]; N], result: Shared, start: usize, function: impl Function<N>) {
    let length = slices[0].len();
    let slices = slices.map(|slice| &slice[..length]);
    let to = result.at(start, length);
    // One loop over single floats: of two, one in the other, the outer one would be turned into vectors, with shuffles between them.
    for place in 0..length {
        // SAFETY: `place` is below `length`, for which there is room, and nobody else writes there.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            to.add(place).write(function.at(slices.map(|slice| slice[place])));
        }
    }
}
