//! Which examples are nearly equal: a picture saved again, a text with a word changed, a row with a number rounded?
//!
//! - Images: small pictures of 32 x 32 greys, taken of the part of an image in which something is, correlate with at least
//!   [`CORRELATION`] once they are laid over each other, and show it at nearly the same place and size. Up to [`EACH_WITH_EACH`] images are compared each with each, first by coarser pictures of 8 x 8; of more
//!   those are that agree in a band of bits.
//! - Texts: the Jaccard index of their shingles of five characters is at least [`JACCARD`]; candidates come from `MinHash`.
//! - Rows: all categories are equal, and all numbers to within a thousandth of their column's spread.

mod alignment;
mod images;
mod rows;
mod texts;

use super::{Depth, Found};
use crate::dataset::Dataset;
use crate::error::Error;
use crate::registry::Entry;
use crate::survey::twins::Twin;
use crate::survey::{Gates, Progress, Survey};

pub use images::{CORRELATION, EACH_WITH_EACH};
pub use rows::TOLERANCE;
pub use texts::JACCARD;

/// This check in the list of checks.
pub const ENTRY: Entry = Entry {
    name: "near_duplicates",
    summary: "examples that are nearly equal, within and across the parts of the split",
};

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    let (twins, remarks) = twins(survey, found.progress);
    for remark in remarks {
        found.remark(remark);
    }
    let (across, within): (Vec<Twin>, Vec<Twin>) = twins.into_iter().partition(|twin| survey.is_across(twin));
    let level = (gates.near_duplicates_across_splits.severity(), "near_duplicates_across_splits");
    let what =
        ["is nearly equal to one of another part of the split", "are nearly equal to one of another part of the split"];
    found.add_some(survey.repeated(ENTRY.name, level, Survey::best(across), what));
    let level = (gates.near_duplicates.severity(), "near_duplicates");
    let what = [
        "is nearly equal to another one of the same part of the split",
        "are nearly equal to another one of the same part of the split",
    ];
    found.add_some(survey.repeated(ENTRY.name, level, Survey::best(within), what));
    Ok(())
}

/// Every pair of rows that are nearly equal, and how alike they are; exact duplicates are not among them.
pub fn pairs(dataset: &Dataset, seed: u64, progress: Progress<'_>) -> Result<Vec<(u32, u32, f32)>, Error> {
    let survey = Survey::read(dataset, Depth::Thorough, seed, progress)?;
    let (twins, _) = twins(&survey, progress);
    let row = |place: u32| survey.rows[place as usize];
    Ok(twins.into_iter().map(|twin| (row(twin.first), row(twin.second), twin.likeness)).collect())
}

/// Every pair, and what was left out.
fn twins(survey: &Survey<'_>, progress: Progress<'_>) -> (Vec<Twin>, Vec<String>) {
    let (mut pairs, mut remarks) = (Vec::new(), Vec::new());
    if !survey.images.is_empty() {
        images::compare(&survey.images, EACH_WITH_EACH, survey.seed, progress, &mut pairs, &mut remarks);
        // Where an image is missing there is none to compare.
        let pictured = |at: u32| survey.pictured[at as usize];
        for (a, b, _) in &mut pairs {
            (*a, *b) = (pictured(*a), pictured(*b));
        }
    } else if !survey.texts.is_empty() && survey.texts.len() == survey.closely.len() {
        texts::compare(survey, progress, &mut pairs, &mut remarks);
    } else if !survey.columns.is_empty() {
        rows::compare(survey, progress, &mut pairs, &mut remarks);
    }
    let place = |at: u32| survey.closely[at as usize];
    let equal = |a: u32, b: u32| survey.contents[a as usize] == survey.contents[b as usize];
    let twins =
        pairs.into_iter().map(|(a, b, likeness)| (place(a), place(b), likeness)).filter(|&(a, b, _)| !equal(a, b));
    (twins.map(|(a, b, likeness)| survey.twin(a, b, likeness)).collect(), remarks)
}
