//! What if the learning rate does not change?

use data_loader::Entry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_warmup, warmed, warmup_steps};

/// How it is listed.
pub const ENTRY: Entry =
    Entry { name: "constant", summary: "the same rate from beginning to end, after an optional warm-up" };

/// The same rate from beginning to end, after an optional warm-up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Constant {
    /// Over how many steps the rate grows to its full size; below 1, over which fraction of all steps.
    pub warmup: f64,
}

impl Constant {
    /// The part of the base rate at a step.
    pub(super) fn factor(&self, step: u64, total_steps: u64) -> f64 {
        warmed(step, warmup_steps(self.warmup, total_steps))
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_warmup(self.warmup)
    }
}
