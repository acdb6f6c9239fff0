//! What is done to the sums of a row of places before they are the result.

use crate::each::{Function, each};
use crate::fresh::Shared;
use crate::lanes::widest;

/// What is done to a sum before it is the result.
#[derive(Clone, Copy)]
pub(super) struct Ending {
    pub(super) bias: f32,
    pub(super) relu: bool,
}

impl Function<1> for Ending {
    #[inline(always)]
    fn at(self, [sum]: [f32; 1]) -> f32 {
        let value = sum + self.bias;
        if self.relu && value < 0.0 { 0.0 } else { value }
    }
}

widest!(
    pub(super) fn rows_widest(
        sums: &[f32],
        run: usize,
        places: [usize; 2],
        to: [usize; 2],
        ending: Ending,
        result: Shared,
    ) = write_rows
);

/// Writes the first places of each row of sums behind each other, each row `down` from the one before.
#[inline(always)]
fn write_rows(
    sums: &[f32],
    run: usize,
    [rows, columns]: [usize; 2],
    [first, down]: [usize; 2],
    ending: Ending,
    result: Shared,
) {
    for y in 0..rows {
        each([&sums[y * run..][..columns]], result, first + y * down, ending);
    }
}
