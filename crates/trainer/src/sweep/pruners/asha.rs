//! Asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020): at each rung the best of those
//! that came so far go on. Nobody waits for others: a trial is compared with those that were there before it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Prune, Track, at_least_one};

/// One line for `firebox list`.
pub const SUMMARY: &str = "at each rung the best quarter goes on, without waiting for others; the usual first choice";

/// Settings of the rungs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Asha {
    /// The first rung: after so many evaluations.
    pub grace: usize,
    /// One in so many goes on, and has so many times as many evaluations before the next rung.
    pub reduction: usize,
}

impl Default for Asha {
    fn default() -> Self {
        Self { grace: 1, reduction: 4 }
    }
}

impl Asha {
    pub(super) fn check(&self) -> Result<(), String> {
        at_least_one("grace", self.grace)?;
        match self.reduction {
            0 | 1 => {
                Err(format!("reduction is {}; it must be at least 2, or nobody would be left behind", self.reduction))
            }
            _ => Ok(()),
        }
    }
}

impl Prune for Asha {
    fn judges(&self, evaluations: usize) -> bool {
        let mut rung = self.grace.max(1);
        while rung < evaluations {
            rung = rung.saturating_mul(self.reduction.max(2));
        }
        rung == evaluations
    }

    fn ends(&self, own: &Track, others: &[&Track], _of: usize) -> bool {
        let evaluations = own.losses.len();
        let Some(loss) = own.best(evaluations).filter(|_| self.judges(evaluations)) else { return false };
        let rivals: Vec<f64> = others.iter().filter_map(|other| other.best(evaluations)).collect();
        let better = rivals.iter().filter(|&&rival| rival < loss).count();
        // While there are fewer than one place has candidates for, the best of them has it.
        let places = ((rivals.len() + 1) / self.reduction.max(2)).max(1);
        better >= places
    }
}
