//! What if the learning rate goes up and far down once?
//!
//! Smith and Topin (2018) as in `PyTorch`'s `OneCycleLR` with cosine annealing and two phases: from base/div up to base at
//! step `pct_start` N - 1, down to base/(div `final_div`) at the last step N - 1.

use std::f64::consts::PI;

use data_loader::Entry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_at_least, check_share};

/// How it is listed.
pub const ENTRY: Entry =
    Entry { name: "one_cycle", summary: "up to the rate and far below where it began, along two half cosines" };

/// Up to the rate and far below where it began, along two half cosines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OneCycle {
    /// The fraction of all steps in which the rate grows.
    pub pct_start: f64,
    /// How many times smaller than the full rate the first one is.
    pub div: f64,
    /// How many times smaller than the first rate the last one is.
    pub final_div: f64,
}

impl Default for OneCycle {
    fn default() -> Self {
        Self { pct_start: 0.3, div: 25.0, final_div: 1e4 }
    }
}

impl OneCycle {
    /// The part of the base rate at a step.
    pub(super) fn factor(&self, step: u64, total_steps: u64) -> f64 {
        let (first, last) = (1.0 / self.div, 1.0 / (self.div * self.final_div));
        let step = step as f64;
        let peak = self.pct_start * total_steps as f64 - 1.0;
        let end = total_steps as f64 - 1.0;
        if step <= peak { anneal(first, 1.0, step, peak) } else { anneal(1.0, last, step - peak, end - peak) }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_share("pct_start", self.pct_start)?;
        check_at_least("div", self.div, 1.0)?;
        check_at_least("final_div", self.final_div, 1.0)
    }
}

/// From `from` to `to` along half a cosine; a phase without length is at its end.
fn anneal(from: f64, to: f64, done: f64, length: f64) -> f64 {
    let part = if length > 0.0 { (done / length).clamp(0.0, 1.0) } else { 1.0 };
    to + (from - to) / 2.0 * (1.0 + (PI * part).cos())
}
