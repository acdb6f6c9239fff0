//! How large is the learning rate at a step?
//!
//! A schedule is a pure function of the step: it has no state, so there is nothing to save and nothing to forget. It gives
//! a rate for each step that is done, counted from 0; no step is spent at a rate of 0 by a warm-up.

use data_loader::Entry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod constant;
pub mod cosine;
pub mod linear;
pub mod one_cycle;
pub mod step;

pub use constant::Constant;
pub use cosine::Cosine;
pub use linear::Linear;
pub use one_cycle::OneCycle;
pub use step::Step;

/// Every schedule, in alphabetical order.
pub const MEMBERS: &[Entry] = &[constant::ENTRY, cosine::ENTRY, linear::ENTRY, one_cycle::ENTRY, step::ENTRY];

/// How the learning rate changes over the steps of a run: a table such as `[schedule.cosine]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The same rate from beginning to end, after an optional warm-up.
    Constant(Constant),
    /// A warm-up, then down to a floor along half a cosine.
    Cosine(Cosine),
    /// A warm-up, then down to a floor along a line.
    Linear(Linear),
    /// Up to the rate and far below where it began, along two half cosines.
    OneCycle(OneCycle),
    /// A smaller rate every few epochs, or at given epochs.
    Step(Step),
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant(Constant::default())
    }
}

impl Schedule {
    /// The word used in configs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant(_) => "constant",
            Self::Cosine(_) => "cosine",
            Self::Linear(_) => "linear",
            Self::OneCycle(_) => "one_cycle",
            Self::Step(_) => "step",
        }
    }

    /// The learning rate of a step, counted from 0, of `total_steps`. `base` is the rate that the user wrote. Steps beyond
    /// the last one get the rate of the last one.
    pub fn learning_rate(&self, base: f64, step: u64, total_steps: u64, steps_per_epoch: f64) -> f64 {
        let step = step.min(total_steps.saturating_sub(1));
        let factor = match self {
            Self::Constant(schedule) => schedule.factor(step, total_steps),
            Self::Cosine(schedule) => schedule.factor(step, total_steps),
            Self::Linear(schedule) => schedule.factor(step, total_steps),
            Self::OneCycle(schedule) => schedule.factor(step, total_steps),
            Self::Step(schedule) => schedule.factor(step, total_steps, steps_per_epoch),
        };
        base * factor
    }

    /// Whether the settings can be meant.
    ///
    /// # Errors
    /// A sentence that names the setting, its value, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Constant(schedule) => schedule.check(),
            Self::Cosine(schedule) => schedule.check(),
            Self::Linear(schedule) => schedule.check(),
            Self::OneCycle(schedule) => schedule.check(),
            Self::Step(schedule) => schedule.check(),
        }
    }
}

/// How many steps a warm-up takes: a fraction of all steps if `warmup` is less than 1, else so many steps.
fn warmup_steps(warmup: f64, total_steps: u64) -> f64 {
    let steps = if warmup < 1.0 { warmup * total_steps as f64 } else { warmup };
    steps.round().max(0.0)
}

/// The part of the rate that a warm-up leaves: 1/(n+1), 2/(n+1), ... over its n steps, then 1.
fn warmed(step: u64, warmup_steps: f64) -> f64 {
    ((step as f64 + 1.0) / (warmup_steps + 1.0)).min(1.0)
}

/// How far a decay has come that begins when the warm-up ends: 0 at its first step, close to 1 at the last step of all.
fn decayed(step: u64, warmup_steps: f64, total_steps: u64) -> f64 {
    let length = (total_steps as f64 - warmup_steps).max(1.0);
    ((step as f64 - warmup_steps) / length).clamp(0.0, 1.0)
}

/// Whether a warm-up can be meant.
fn check_warmup(warmup: f64) -> Result<(), String> {
    check_at_least("warmup", warmup, 0.0)
}

/// Whether a number is finite and not below a limit.
fn check_at_least(key: &str, value: f64, least: f64) -> Result<(), String> {
    if value.is_finite() && value >= least {
        return Ok(());
    }
    Err(format!("`{key}` is {value}; it must be a number of at least {least}"))
}

/// Whether a number lies in `[0, 1]`.
fn check_share(key: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(format!("`{key}` is {value}; it must lie between 0 and 1"))
}

#[cfg(test)]
mod tests;
