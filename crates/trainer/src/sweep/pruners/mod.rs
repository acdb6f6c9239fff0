//! Which trials lead nowhere and should end early? Each pruner answers from the losses of the trials so far, and from nothing else.
//!
//! One file each, listed once below; `[sweep.pruner.asha]` in a config is `asha.rs`.

use data_loader::Entry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod asha;
pub mod hyperband;
pub mod median;
pub mod none;
pub mod patient;
pub mod percentile;

/// Every pruner, alphabetically.
pub const MEMBERS: &[Entry] = &[
    Entry { name: "asha", summary: asha::SUMMARY },
    Entry { name: "hyperband", summary: hyperband::SUMMARY },
    Entry { name: "median", summary: median::SUMMARY },
    Entry { name: "none", summary: none::SUMMARY },
    Entry { name: "patient", summary: patient::SUMMARY },
    Entry { name: "percentile", summary: percentile::SUMMARY },
];

/// The losses of a trial, one for each evaluation so far: what is better is less, and what is no number is worst.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Which trial of the study.
    pub number: u64,
    /// Its losses.
    pub losses: Vec<f64>,
    /// Whether it came to its end.
    pub complete: bool,
}

impl Track {
    /// The best loss of the first `evaluations`; none if there are not as many.
    pub fn best(&self, evaluations: usize) -> Option<f64> {
        let seen = self.losses.get(..evaluations).filter(|seen| !seen.is_empty())?;
        Some(seen.iter().copied().filter(|loss| !loss.is_nan()).fold(f64::INFINITY, f64::min))
    }
}

/// Ends trials early.
pub trait Prune {
    /// Whether a trial may end after so many evaluations.
    fn judges(&self, evaluations: usize) -> bool;

    /// Whether it is compared then, so that what each reached must be known to all.
    fn compares(&self, evaluations: usize) -> bool {
        self.judges(evaluations)
    }

    /// Whether a trial, which has more evaluations before it, should end after its latest one, `of` them being planned.
    fn ends(&self, own: &Track, others: &[&Track], of: usize) -> bool;
}

/// A pruner with its settings, as it stands under `[sweep.pruner.<name>]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pruner {
    /// Asynchronous successive halving.
    Asha(asha::Asha),
    /// Successive halving with several first rungs.
    Hyperband(hyperband::Hyperband),
    /// What is worse than the median.
    Median(median::Median),
    /// Every trial comes to its end.
    None(none::None),
    /// What gets no better for a while.
    Patient(patient::Patient),
    /// What is worse than a percentile.
    Percentile(percentile::Percentile),
}

impl Default for Pruner {
    fn default() -> Self {
        Self::Asha(asha::Asha::default())
    }
}

impl Pruner {
    /// The name under `[sweep.pruner.<name>]`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Asha(_) => "asha",
            Self::Hyperband(_) => "hyperband",
            Self::Median(_) => "median",
            Self::None(_) => "none",
            Self::Patient(_) => "patient",
            Self::Percentile(_) => "percentile",
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// A sentence that says which do not.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Asha(pruner) => pruner.check(),
            Self::Hyperband(pruner) => pruner.check(),
            Self::Median(pruner) => pruner.check(),
            Self::None(_) => Ok(()),
            Self::Patient(pruner) => pruner.check(),
            Self::Percentile(pruner) => pruner.check(),
        }
    }
}

impl Prune for Pruner {
    fn judges(&self, evaluations: usize) -> bool {
        self.member().judges(evaluations)
    }

    fn compares(&self, evaluations: usize) -> bool {
        self.member().compares(evaluations)
    }

    fn ends(&self, own: &Track, others: &[&Track], of: usize) -> bool {
        self.member().ends(own, others, of)
    }
}

impl Pruner {
    fn member(&self) -> &dyn Prune {
        match self {
            Self::Asha(pruner) => pruner,
            Self::Hyperband(pruner) => pruner,
            Self::Median(pruner) => pruner,
            Self::None(pruner) => pruner,
            Self::Patient(pruner) => pruner,
            Self::Percentile(pruner) => pruner,
        }
    }
}

/// A whole number of evaluations that must be there.
fn at_least_one(name: &str, value: usize) -> Result<(), String> {
    if value == 0 { Err(format!("{name} is 0; it must be at least 1")) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
