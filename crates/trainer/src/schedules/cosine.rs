//! What if the learning rate goes down along half a cosine?
//!
//! floor + (1 - floor) (1 + cos pi t) / 2, where t goes from 0 after the warm-up to 1 after the last step (SGDR without
//! restarts, Loshchilov and Hutter 2017).

use std::f64::consts::PI;

use data_loader::Entry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_share, check_warmup, decayed, warmed, warmup_steps};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "cosine", summary: "a warm-up, then down to a floor along half a cosine" };

/// A warm-up, then down to a floor along half a cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cosine {
    /// Over how many steps the rate grows to its full size; below 1, over which fraction of all steps.
    pub warmup: f64,
    /// Where the rate ends, as a fraction of the full rate.
    pub floor: f64,
}

impl Default for Cosine {
    fn default() -> Self {
        Self { warmup: 0.05, floor: 0.0 }
    }
}

impl Cosine {
    /// The part of the base rate at a step.
    pub(super) fn factor(&self, step: u64, total_steps: u64) -> f64 {
        let warmup = warmup_steps(self.warmup, total_steps);
        let left = f64::midpoint(1.0, (PI * decayed(step, warmup, total_steps)).cos());
        warmed(step, warmup) * (self.floor + (1.0 - self.floor) * left)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_warmup(self.warmup)?;
        check_share("floor", self.floor)
    }
}
