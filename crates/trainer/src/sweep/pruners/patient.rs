//! What gets no better for a while ends; or, before another pruner, only what gets no better for a while may be ended by that one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Prune, Pruner, Track, at_least_one};

/// One line for `firebox list`.
pub const SUMMARY: &str = "what gets no better for a while ends, or is judged by another pruner only then";

/// How long is waited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Patient {
    /// Evaluations without a better loss after which a trial ends.
    pub patience: usize,
    /// By how much a loss must be less to count as better.
    pub min_delta: f64,
    /// Who judges what got no better; it ends at once if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<Box<Pruner>>,
}

impl Default for Patient {
    fn default() -> Self {
        Self { patience: 5, min_delta: 0.0, then: None }
    }
}

impl Patient {
    pub(super) fn check(&self) -> Result<(), String> {
        at_least_one("patience", self.patience)?;
        if !(self.min_delta.is_finite() && self.min_delta >= 0.0) {
            return Err(format!("min_delta is {}; it must be at least 0", self.min_delta));
        }
        self.then.as_ref().map_or(Ok(()), |then| then.check())
    }
}

impl Prune for Patient {
    fn judges(&self, evaluations: usize) -> bool {
        evaluations > self.patience && self.then.as_ref().is_none_or(|then| then.judges(evaluations))
    }

    fn compares(&self, evaluations: usize) -> bool {
        self.then.as_ref().is_some_and(|then| then.compares(evaluations))
    }

    fn ends(&self, own: &Track, others: &[&Track], of: usize) -> bool {
        let evaluations = own.losses.len();
        let Some(before) = evaluations.checked_sub(self.patience).and_then(|before| own.best(before)) else {
            return false;
        };
        // Without a number before there is nothing to be better than, and nothing is.
        let better = own.best(evaluations).is_some_and(|best| best < before - self.min_delta);
        !better && self.then.as_ref().is_none_or(|then| then.ends(own, others, of))
    }
}
