//! Does an example stand in the data more than once, and above all: is a model judged on what it was trained on?
//!
//! Two examples are equal if all their features are, whatever their targets, by half a SHA-256 of them. Rows of a table in which
//! few columns with few values tell them apart are equal by chance; those are told as a note, and fail no gate.

use super::Found;
use crate::error::Error;
use crate::registry::Entry;
use crate::survey::coincidence::Coincidence;
use crate::survey::report::Severity;
use crate::survey::twins::Twin;
use crate::survey::{Gates, Survey};

/// This check in the list of checks.
pub const ENTRY: Entry =
    Entry { name: "exact_duplicates", summary: "examples of equal contents, within and across the parts of the split" };

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    let mut order: Vec<u32> = (0..survey.rows.len() as u32).collect();
    let key = |place: u32| (survey.contents[place as usize], survey.parts[place as usize] as u8, place);
    order.sort_unstable_by_key(|&place| key(place));
    let groups = || order.chunk_by(|&a, &b| survey.contents[a as usize] == survey.contents[b as usize]);
    let repeated = || groups().filter(|group| group.len() > 1);
    let chance = repeated().next().and_then(|_| Coincidence::of(survey));
    let by_chance =
        |group: &[u32]| chance.as_ref().is_some_and(|chance| chance.explains(survey, group[0], group.len() - 1));
    let (usual, wondrous): (Vec<&[u32]>, Vec<&[u32]>) = repeated().partition(|group| by_chance(group));
    for group in &wondrous {
        found.report.duplicates.extend(survey.droppable(group)?);
    }
    // Each group begins with its first example of training, or of the earliest part that has one.
    let twins = |groups: Vec<&[u32]>| -> Vec<Twin> {
        let of = |group: &[u32]| group[1..].iter().map(|&other| survey.twin(group[0], other, 1.0)).collect::<Vec<_>>();
        groups.into_iter().flat_map(of).collect()
    };
    let (usual, twins) = (twins(usual), twins(wondrous));
    let (across, within): (Vec<Twin>, Vec<Twin>) = twins.into_iter().partition(|twin| survey.is_across(twin));
    let level = (gates.exact_duplicates_across_splits.severity(), "exact_duplicates_across_splits");
    let what = [
        "has the contents of one of another part of the split",
        "have the contents of one of another part of the split",
    ];
    found.add_some(survey.repeated(ENTRY.name, level, across, what));
    let level = (gates.exact_duplicates.severity(), "exact_duplicates");
    let what =
        ["repeats another one of the same part of the split", "repeat another one of the same part of the split"];
    found.add_some(survey.repeated(ENTRY.name, level, within, what));
    // So few columns with so few values say nothing of where a row came from.
    let (across, within): (Vec<Twin>, Vec<Twin>) = usual.into_iter().partition(|twin| survey.is_across(twin));
    let level = (Severity::Note, "exact_duplicates_across_splits");
    let what = [
        "has values so frequent that an equal one in another part of the split is no wonder",
        "have values so frequent that equal ones in another part of the split are no wonder",
    ];
    found.add_some(survey.repeated(ENTRY.name, level, across, what));
    let level = (Severity::Note, "exact_duplicates");
    let what = [
        "has values so frequent that an equal one in the same part of the split is no wonder",
        "have values so frequent that equal ones in the same part of the split are no wonder",
    ];
    found.add_some(survey.repeated(ENTRY.name, level, within, what));
    Ok(())
}
