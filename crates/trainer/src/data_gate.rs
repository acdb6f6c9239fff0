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
    let warnings: Vec<&Finding> =
        report.findings.iter().filter(|finding| finding.severity == Severity::Warning).collect();
    let mut notices: Vec<String> =
        warnings.iter().take(TOLD).map(|finding| format!("The data: {}", finding.message)).collect();
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
