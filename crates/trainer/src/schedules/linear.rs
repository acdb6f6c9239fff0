//! What if the learning rate goes down along a line?
//!
//! floor + (1 - floor) (1 - t), where t goes from 0 after the warm-up to 1 after the last step (the schedule of BERT, Devlin
//! et al. 2019, without its step at a rate of 0).

use data_loader::Entry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_share, check_warmup, decayed, warmed, warmup_steps};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "linear", summary: "a warm-up, then down to a floor along a line" };

/// A warm-up, then down to a floor along a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Linear {
    /// Over how many steps the rate grows to its full size; below 1, over which fraction of all steps.
    pub warmup: f64,
    /// Where the rate ends, as a fraction of the full rate.
    pub floor: f64,
}

impl Default for Linear {
    fn default() -> Self {
        Self { warmup: 0.05, floor: 0.0 }
    }
}

impl Linear {
    /// The part of the base rate at a step.
    pub(super) fn factor(&self, step: u64, total_steps: u64) -> f64 {
        let warmup = warmup_steps(self.warmup, total_steps);
        let left = 1.0 - decayed(step, warmup, total_steps);
        warmed(step, warmup) * (self.floor + (1.0 - self.floor) * left)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_warmup(self.warmup)?;
        check_share("floor", self.floor)
    }
}
