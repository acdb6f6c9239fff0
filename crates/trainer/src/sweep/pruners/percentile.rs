//! What is not among the best so many in a hundred at the same evaluation ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Prune, Track, at_least_one};

/// One line for `firebox list`.
pub const SUMMARY: &str = "what is not among the best so many in a hundred at the same evaluation ends";

/// Who goes on, and from when on trials are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Percentile {
    /// So many in a hundred go on.
    pub best: f64,
    /// No trial ends before so many are complete.
    pub startup: usize,
    /// No trial ends in its first evaluations.
    pub warmup: usize,
    /// Trials are judged every so many evaluations.
    pub interval: usize,
}

impl Default for Percentile {
    fn default() -> Self {
        Self { best: 25.0, startup: 5, warmup: 0, interval: 1 }
    }
}

impl Percentile {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(self.best > 0.0 && self.best < 100.0) {
            return Err(format!("best is {}; it must be between 0 and 100", self.best));
        }
        at_least_one("interval", self.interval)
    }
}

impl Prune for Percentile {
    fn judges(&self, evaluations: usize) -> bool {
        evaluations > self.warmup && (evaluations - self.warmup - 1).is_multiple_of(self.interval.max(1))
    }

    fn ends(&self, own: &Track, others: &[&Track], _of: usize) -> bool {
        let evaluations = own.losses.len();
        let Some(loss) = own.best(evaluations).filter(|_| self.judges(evaluations)) else { return false };
        let complete = others.iter().filter(|other| other.complete);
        if complete.clone().count() < self.startup.max(1) {
            return false;
        }
        let at = |other: &&&Track| other.losses.get(evaluations - 1).copied().filter(|loss| !loss.is_nan());
        let mut reached: Vec<f64> = complete.filter_map(|other| at(&other)).collect();
        reached.sort_by(f64::total_cmp);
        percentile(&reached, self.best).is_some_and(|bound| loss > bound)
    }
}

/// The value below which so many in a hundred of the ascending `sorted` lie, with a line between neighbours.
fn percentile(sorted: &[f64], hundredths: f64) -> Option<f64> {
    let place = hundredths / 100.0 * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    let share = place.fract();
    // Between infinite neighbours there is no line.
    Some(if share == 0.0 || low == high { low } else { low + (high - low) * share })
}
