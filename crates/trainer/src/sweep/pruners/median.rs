//! What is worse than the median of the others at the same evaluation ends (Golovin et al., "Google Vizier", 2017).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::percentile::Percentile;
use super::{Prune, Track};

/// One line for `firebox list`.
pub const SUMMARY: &str = "what is worse than the median of the others at the same evaluation ends";

/// From when on trials are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Median {
    /// No trial ends before so many are complete.
    pub startup: usize,
    /// No trial ends in its first evaluations.
    pub warmup: usize,
    /// Trials are judged every so many evaluations.
    pub interval: usize,
}

impl Default for Median {
    fn default() -> Self {
        Self { startup: 5, warmup: 0, interval: 1 }
    }
}

impl Median {
    fn as_percentile(&self) -> Percentile {
        Percentile { best: 50.0, startup: self.startup, warmup: self.warmup, interval: self.interval }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        self.as_percentile().check()
    }
}

impl Prune for Median {
    fn judges(&self, evaluations: usize) -> bool {
        self.as_percentile().judges(evaluations)
    }

    fn ends(&self, own: &Track, others: &[&Track], of: usize) -> bool {
        self.as_percentile().ends(own, others, of)
    }
}
