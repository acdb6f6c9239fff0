//! Are the data fit to be learnt from? The fast checks run before the first step, and a failed gate ends the training there.

use data_loader::Dataset;
use data_loader::checks::{self, Finding, Report, Severity};

use crate::Error;

/// How many warnings are told; all stand in the report.
const TOLD: usize = 5;

/// What was found in the data of a new run.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// The report; none if nothing was checked.
    pub report: Option<Report>,
    /// What the user should know, as sentences.
    pub notices: Vec<String>,
}

/// Runs the fast checks.
///
/// # Errors
/// [`Error::DataGate`] if a gate of the config fails; and if data can no longer be read.
pub fn examine(dataset: &Dataset, seed: u64) -> Result<Examined, Error> {
    let Some(report) = checks::before_training(dataset, seed)? else {
        let limit = dataset.config().gates.before_training_mib;
        let text = "The data were not checked before training, because their files are larger than \
                    `data.gates.before_training_mib`; `firebox data check CONFIG` does it.";
        let notices = if limit == 0 { Vec::new() } else { vec![text.to_owned()] };
        return Ok(Examined { report: None, notices });
    };
    pass(&report)?;
    let left = checks::left_to_data_check(&dataset.config().gates);
    let mut notices = Vec::new();
    if !left.is_empty() {
        notices.push(format!(
            "Not asked before a training, because it takes longer: {}. `firebox data check CONFIG` asks it, and ends with code 3 if a gate fails.",
            left.iter().map(|gate| format!("`data.gates.{gate}`")).collect::<Vec<_>>().join(", ")
        ));
    }
    let warnings: Vec<&Finding> =
        report.findings.iter().filter(|finding| finding.severity == Severity::Warning).collect();
    notices.extend(warnings.iter().take(TOLD).map(|finding| format!("The data: {}", finding.message)));
    if warnings.len() > TOLD {
        let more = warnings.len() - TOLD;
        notices.push(format!("The data: {more} more warnings stand in data-report.json of the run."));
    }
    Ok(Examined { report: Some(report), notices })
}

/// Nothing if every gate holds.
///
/// # Errors
/// [`Error::DataGate`].
pub fn pass(report: &Report) -> Result<(), Error> {
    let failed: Vec<&Finding> = report.failed().collect();
    match failed.first() {
        None => Ok(()),
        Some(first) => {
            Err(Error::DataGate { message: first.message.clone(), way_out: first.way_out(), more: failed.len() - 1 })
        }
    }
}
