//! What if the learning rate drops now and then?
//!
//! factor^n, n being how many drops lie at or before the epoch of the step (`StepLR` and `MultiStepLR` of `PyTorch`; the
//! schedule of `ResNet`, He et al. 2016).

use data_loader::Entry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_at_least, check_share, check_warmup, warmed, warmup_steps};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "step", summary: "a smaller rate every few epochs, or at given epochs" };

/// A smaller rate every few epochs, or at given epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Every how many epochs the rate drops; not used where `milestones` are given.
    pub every_epochs: f64,
    /// By what the rate is multiplied at each drop.
    pub factor: f64,
    /// After how many epochs the rate drops, each one a drop.
    pub milestones: Vec<f64>,
    /// Over how many steps the rate grows to its full size; below 1, over which fraction of all steps.
    pub warmup: f64,
}

impl Default for Step {
    fn default() -> Self {
        Self { every_epochs: 30.0, factor: 0.1, milestones: Vec::new(), warmup: 0.0 }
    }
}

impl Step {
    /// The part of the base rate at a step.
    pub(super) fn factor(&self, step: u64, total_steps: u64, steps_per_epoch: f64) -> f64 {
        // Drops are compared in whole steps: epochs as fractions would round a drop one step late.
        let length = steps_per_epoch;
        let drops = if self.milestones.is_empty() {
            let every = (self.every_epochs * length).round().max(1.0);
            (step as f64 / every).floor()
        } else {
            self.milestones.iter().filter(|epoch| step as f64 >= (**epoch * length).round()).count() as f64
        };
        warmed(step, warmup_steps(self.warmup, total_steps)) * self.factor.powf(drops)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_warmup(self.warmup)?;
        check_share("factor", self.factor)?;
        if !(self.every_epochs.is_finite() && self.every_epochs > 0.0) {
            return Err(format!("`every_epochs` is {}; it must be a number above 0", self.every_epochs));
        }
        self.milestones.iter().try_for_each(|epoch| check_at_least("milestones", *epoch, 0.0))
    }
}
