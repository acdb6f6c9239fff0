//! The same for every float of some slices.

use crate::fresh::Shared;
use crate::lanes::WIDTH;

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
    let whole = length / WIDTH * WIDTH;
    let mut first = 0;
    while first < whole {
        let chunks: [&[f32; WIDTH]; N] = slices.map(|slice| slice[first..].first_chunk().expect("it is long enough"));
        let mut values = [0.0_f32; WIDTH];
        for lane in 0..WIDTH {
            values[lane] = function.at(chunks.map(|chunk| chunk[lane]));
        }
        // SAFETY: `first + WIDTH` is at most `length`, for which there is room, and nobody else writes there.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            to.add(first).cast::<[f32; WIDTH]>().write_unaligned(values);
        }
        first += WIDTH;
    }
    for place in whole..length {
        // SAFETY: `place` is below `length`.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            to.add(place).write(function.at(slices.map(|slice| slice[place])));
        }
    }
}
