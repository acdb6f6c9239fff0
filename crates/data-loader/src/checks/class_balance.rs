//! Has every class enough examples to be learnt, and is each there where it must be?

use super::{Found, counted, grouped};
use crate::error::Error;
use crate::registry::Entry;
use crate::split::Part;
use crate::survey::report::{Finding, Severity};
use crate::survey::{Gates, Survey};

/// This check in the list of checks.
pub const ENTRY: Entry =
    Entry { name: "class_balance", summary: "classes that are rare, or that a part of the split lacks" };

/// The fewest examples that a class should have in training.
const FEWEST: usize = 10;
/// How many times as many examples as the smallest class the largest may have before it is said.
const UNEVEN: usize = 10;

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    let classes = found.report.classes.clone();
    let [train, ..] = Part::ALL.map(|part| part as usize);
    let level = gates.class_balance.severity();
    let named = |classes: &[&str]| {
        let named: Vec<String> = classes.iter().take(5).map(|class| format!("`{class}`")).collect();
        let more = classes.len().saturating_sub(5);
        if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
    };

    let unknown: Vec<&str> =
        classes.iter().filter(|class| class.examples[train] == 0).map(|class| class.class.as_str()).collect();
    if !unknown.is_empty() {
        let text = format!("Training has no example of {}, which other parts of the split have.", named(&unknown));
        found.add(Finding::new(ENTRY.name, level, unknown.len(), text).gated("class_balance"));
    }
    let (fewest, severity, key) = match gates.smallest_class {
        Some(fewest) => (fewest as usize, Severity::Error, "smallest_class"),
        None => (FEWEST, level, "class_balance"),
    };
    let rare: Vec<&str> = classes
        .iter()
        // Of a class without any example it is said above, which a gate that was set does not leave to it.
        .filter(|class| class.examples[train] < fewest && (class.examples[train] > 0 || gates.smallest_class.is_some()))
        .map(|class| class.class.as_str())
        .collect();
    if !rare.is_empty() {
        let text = format!("Training has fewer than {fewest} examples of {}.", named(&rare));
        found.add(Finding::new(ENTRY.name, severity, rare.len(), text).gated(key));
    }
    for part in [Part::Validation, Part::Test] {
        let lacking: Vec<&str> = classes
            .iter()
            .filter(|class| class.examples[part as usize] == 0)
            .map(|class| class.class.as_str())
            .collect();
        if !lacking.is_empty() && !survey.dataset.part(part).is_empty() {
            let text =
                format!("The {part} split has no example of {}, so nothing is known of them there.", named(&lacking));
            found.add(Finding::new(ENTRY.name, level, lacking.len(), text).gated("class_balance"));
        }
    }
    let in_training = || classes.iter().filter(|class| class.examples[train] > 0);
    let most = in_training().max_by_key(|class| class.examples[train]);
    let least = in_training().min_by_key(|class| class.examples[train]);
    if let (Some(most), Some(least)) = (most, least)
        && most.examples[train] >= UNEVEN * least.examples[train]
    {
        let text = format!(
            "Classes are uneven: training has {} of `{}` and {} of `{}`; `data.sampler = \"balanced\"` shows each as often.",
            counted(most.examples[train], "example"),
            most.class,
            grouped(least.examples[train]),
            least.class
        );
        // That it is so is no mistake of the data.
        found.add(Finding::new(ENTRY.name, Severity::Note, classes.len(), text));
    }
    Ok(())
}
