//! Which files and rows cannot be read, are broken off, say something that cannot be, or cannot be prepared for a network?

use super::{Found, counted};
use crate::error::Error;
use crate::registry::Entry;
use crate::survey::report::{Finding, SHOWN, Sample, Severity, Shown};
use crate::survey::{Gates, Survey};

/// This check in the list of checks.
pub const ENTRY: Entry = Entry {
    name: "unreadable",
    summary: "files and rows that cannot be read, lack their target or cannot be prepared for a network",
};

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    if let Some(why) = &survey.dataset.unfit {
        let text = format!("The transforms cannot be fitted, so no training can begin: {why}");
        found.add(Finding::new(ENTRY.name, Severity::Error, 1, text).gated("transforms"));
    }
    let Some(first) = survey.bad.first() else { return Ok(()) };
    let level = gates.unreadable(survey.dataset.config().loader.bad_examples);
    let verb = if survey.bad_count == 1 { "cannot be used" } else { "cannot be used, among them" };
    // What is wrong is a sentence of its own, and names the file or the row.
    let text = format!("{} {verb}: {}", counted(survey.bad_count, "example"), first.message);
    let examples = survey.bad.iter().take(SHOWN).map(|bad| Sample {
        id: bad.id.clone(),
        part: bad.part,
        target: None,
        why: bad.message.clone(),
        shown: Shown::Nothing,
    });
    let finding = Finding::new(ENTRY.name, level.severity(), survey.bad_count, text).gated("unreadable");
    found.add(Finding { examples: examples.collect(), ..finding });
    Ok(())
}
