//! What is wrong with the data? One file for each check.
//!
//! A [survey](crate::survey) reads every record once and keeps what the checks need; each check turns that into findings. The
//! [gates](crate::survey::Gates) of a config say how bad a finding is. Before a training only the checks run that cost little
//! beside it.

// Every check has one shape, also those in which nothing can go wrong.
#![allow(clippy::unnecessary_wraps)]

pub mod cardinality;
pub mod class_balance;
pub mod constant;
pub mod duplicate_columns;
pub mod exact_duplicates;
pub mod image_quality;
pub mod isolation_forest;
pub mod label_errors;
pub mod leakage;
pub mod missing;
pub mod near_duplicates;
pub mod outliers;
pub mod unreadable;
pub mod wrong_extension;

use crate::dataset::Dataset;
use crate::error::Error;
use crate::registry::Entry;
use crate::split::Part;
pub use crate::survey::report::{
    ClassCount, ColumnFacts, Finding, Pair, Remark, Report, SHOWN, Sample, Severity, Shown, VERSION,
};
use crate::survey::{Column, Survey, Targets, Values};
pub use crate::survey::{Depth, Gates, Level, Progress};

/// Every check, alphabetically.
pub const MEMBERS: &[Entry] = &[
    cardinality::ENTRY,
    class_balance::ENTRY,
    constant::ENTRY,
    duplicate_columns::ENTRY,
    exact_duplicates::ENTRY,
    image_quality::ENTRY,
    isolation_forest::ENTRY,
    label_errors::ENTRY,
    leakage::ENTRY,
    missing::ENTRY,
    near_duplicates::ENTRY,
    outliers::ENTRY,
    unreadable::ENTRY,
    wrong_extension::ENTRY,
];

/// How a check is run.
struct Check {
    entry: Entry,
    /// Whether it runs before every training too.
    fast: bool,
    /// Whether it says anything of the steps of a series, which are no examples.
    series: bool,
    run: fn(&Survey<'_>, &Gates, &mut Found<'_>) -> Result<(), Error>,
}

/// The checks in the order of the list.
const CHECKS: &[Check] = &[
    Check { entry: cardinality::ENTRY, fast: true, series: false, run: cardinality::run },
    Check { entry: class_balance::ENTRY, fast: true, series: false, run: class_balance::run },
    Check { entry: constant::ENTRY, fast: true, series: true, run: constant::run },
    Check { entry: duplicate_columns::ENTRY, fast: true, series: true, run: duplicate_columns::run },
    Check { entry: exact_duplicates::ENTRY, fast: true, series: false, run: exact_duplicates::run },
    Check { entry: image_quality::ENTRY, fast: false, series: false, run: image_quality::run },
    Check { entry: isolation_forest::ENTRY, fast: false, series: true, run: isolation_forest::run },
    Check { entry: label_errors::ENTRY, fast: false, series: false, run: label_errors::run },
    Check { entry: leakage::ENTRY, fast: true, series: false, run: leakage::run },
    Check { entry: missing::ENTRY, fast: true, series: true, run: missing::run },
    Check { entry: near_duplicates::ENTRY, fast: false, series: false, run: near_duplicates::run },
    Check { entry: outliers::ENTRY, fast: false, series: true, run: outliers::run },
    Check { entry: unreadable::ENTRY, fast: true, series: true, run: unreadable::run },
    Check { entry: wrong_extension::ENTRY, fast: false, series: true, run: wrong_extension::run },
];

/// Where a check puts what it found.
struct Found<'r> {
    report: &'r mut Report,
    progress: Progress<'r>,
    check: &'static str,
    /// What models said of examples that they never saw, where such models were trained.
    answers: Option<&'r label_errors::OutOfFold>,
}

/// The gates of the config that would end a training and belong to checks that do not run before it.
pub fn left_to_data_check(gates: &Gates) -> Vec<&'static str> {
    let slow = |name: &str| CHECKS.iter().any(|check| check.entry.name == name && !check.fast);
    gates.strict().into_iter().filter(|gate| slow(gate.trim_end_matches("_across_splits"))).collect()
}

impl Found<'_> {
    /// Adds a finding.
    fn add(&mut self, finding: Finding) {
        self.report.findings.push(finding);
    }

    /// Adds a finding, if there is one.
    fn add_some(&mut self, finding: Option<Finding>) {
        self.report.findings.extend(finding);
    }

    /// Says that something was left out, in a sentence.
    fn remark(&mut self, reason: String) {
        self.report.remarks.push(Remark { check: self.check.to_owned(), reason });
    }
}

/// Checks a data set. One that was opened by [`Dataset::open_for_checks`] goes on where a training would stop at an example that
/// cannot be read. `seed` chooses rows where a check does not look at all of them.
pub fn check(dataset: &Dataset, depth: Depth, seed: u64, progress: Progress<'_>) -> Result<Report, Error> {
    check_with(dataset, None, depth, seed, progress)
}

/// The same with what models said of examples that they never saw, from which labels are found that are probably wrong.
pub fn check_with(
    dataset: &Dataset,
    answers: Option<&label_errors::OutOfFold>,
    depth: Depth,
    seed: u64,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    let gates = &dataset.config().gates;
    gates.check()?;
    let survey = Survey::read(dataset, depth, seed, progress)?;
    let mut report = Report {
        version: VERSION,
        card: dataset.card().name().to_owned(),
        thorough: depth == Depth::Thorough,
        seed,
        parts: Part::ALL.map(|part| dataset.part(part).len()),
        rows: survey.rows.len(),
        closely: survey.closely.len(),
        checks: Vec::new(),
        remarks: Vec::new(),
        classes: classes(&survey),
        columns: columns(&survey),
        findings: Vec::new(),
        duplicates: Vec::new(),
        label_errors: None,
    };
    for check in CHECKS.iter().filter(|check| check.fast || depth == Depth::Thorough) {
        report.checks.push(check.entry.name.to_owned());
        let mut found = Found { report: &mut report, progress: &mut *progress, check: check.entry.name, answers };
        if dataset.card().schema().windows.is_some() && !check.series {
            found.remark("Examples are windows over a series, and this is not asked of its steps.".into());
            continue;
        }
        (check.run)(&survey, gates, &mut found)?;
    }
    // The order of equally bad findings is that of the checks.
    report.findings.sort_by_key(|finding| finding.severity);
    Ok(report)
}

/// The checks that cost little beside a training; none if the files are larger than the config allows for that, or nothing is
/// to be checked.
pub fn before_training(dataset: &Dataset, seed: u64) -> Result<Option<Report>, Error> {
    let limit = dataset.config().gates.before_training_mib;
    let bytes: u64 = dataset.card().files.iter().map(|file| file.bytes).sum();
    if limit == 0 || bytes > limit.saturating_mul(1 << 20) {
        return Ok(None);
    }
    check(dataset, Depth::Fast, seed, &mut |_, _, _| {}).map(Some)
}

/// The classes, those with the most examples first.
fn classes(survey: &Survey<'_>) -> Vec<ClassCount> {
    let Targets::Classes { names, of } = &survey.targets else { return Vec::new() };
    let mut counts: Vec<ClassCount> =
        names.iter().map(|class| ClassCount { class: class.clone(), examples: [0; 3] }).collect();
    for (&class, &part) in of.iter().zip(&survey.parts) {
        if let Some(count) = counts.get_mut(class as usize) {
            count.examples[part as usize] += 1;
        }
    }
    counts.sort_by(|a, b| {
        let total = |count: &ClassCount| count.examples.iter().sum::<usize>();
        total(b).cmp(&total(a)).then_with(|| a.class.cmp(&b.class))
    });
    counts
}

/// What is typical of each feature.
fn columns(survey: &Survey<'_>) -> Vec<ColumnFacts> {
    let features = &survey.dataset.card().schema().features.0;
    let facts = features.iter().zip(&survey.missing).map(|((name, kind), missing)| {
        let mut facts = ColumnFacts {
            name: name.clone(),
            kind: kind.name().to_owned(),
            missing: missing.iter().sum(),
            distinct: None,
            range: None,
            most: None,
        };
        if let Some(column) = survey.columns.iter().find(|column| column.name == *name) {
            describe(column, &mut facts);
        }
        facts
    });
    facts.collect()
}

fn describe(column: &Column, facts: &mut ColumnFacts) {
    match &column.values {
        Values::Numbers(numbers) => {
            let mut sorted: Vec<f64> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
            sorted.sort_by(f64::total_cmp);
            if let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) {
                facts.range = Some([first, crate::statistics::quantile(&sorted, 0.5), last]);
            }
            sorted.dedup();
            facts.distinct = Some(sorted.len());
        }
        Values::Words { codes, words } => {
            let mut counts = vec![0; words.len()];
            for &code in codes {
                if let Some(count) = counts.get_mut(code as usize) {
                    *count += 1;
                }
            }
            let most = counts.iter().zip(words).max_by_key(|(count, _)| **count);
            facts.most = most.map(|(&count, word)| (word.clone(), count));
            facts.distinct = Some(words.len());
        }
    }
}

/// `1 example`, `12 examples`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    format!("{} {thing}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A whole number with commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as a percentage with two digits that count.
fn percent(share: f64) -> String {
    let value = share * 100.0;
    match value {
        _ if value >= 10.0 => format!("{value:.0} %"),
        _ if value >= 1.0 => format!("{value:.1} %"),
        _ => format!("{value:.2} %"),
    }
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "columns_tests.rs"]
mod columns_tests;

#[cfg(test)]
#[path = "kinds_tests.rs"]
mod kinds_tests;
