//! What is done to the sums of a row of places before they are the result.

use std::ops::Range;

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

/// Places of results, row by row in the rows of a sheet, which are `run` long. Where they are shorter than those of the result, what lies
/// behind the end of one is the begin of the next.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) run: usize,
    /// Rows and columns of the result.
    pub(super) places: [usize; 2],
}

impl Rows {
    /// How many places there are, with those behind the ends of rows.
    pub(super) fn count(&self) -> usize {
        match self.places {
            [0, _] | [_, 0] => 0,
            [rows, columns] => (rows - 1) * self.run + columns,
        }
    }

    /// The rows of the result of which something lies at some places, and at which.
    #[inline(always)]
    pub(super) fn within(self, places: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let [rows, columns] = self.places;
        let first = (places.start + 1).saturating_sub(columns).div_ceil(self.run);
        (first..rows.min(places.end.div_ceil(self.run))).map(move |row| {
            let start = row * self.run;
            (row, start.max(places.start)..(start + columns).min(places.end))
        })
    }
}

widest!(
    pub(super) fn rows_widest(
        sums: &[f32],
        places: Range<usize>,
        rows: Rows,
        to: [usize; 2],
        ending: Ending,
        result: Shared,
    ) = write_rows
);

/// Writes the sums of some places; in the result each row lies `down` from the one before.
#[inline(always)]
fn write_rows(
    sums: &[f32],
    places: Range<usize>,
    rows: Rows,
    [first, down]: [usize; 2],
    ending: Ending,
    result: Shared,
) {
    for (row, seen) in rows.within(places.clone()) {
        let sums = &sums[seen.start - places.start..seen.end - places.start];
        each([sums], result, first + row * down + seen.start - row * rows.run, ending);
    }
}
