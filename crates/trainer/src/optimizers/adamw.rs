//! Adam with decoupled weight decay.
//!
//! Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019; defaults as PyTorch's.

use burn::optim::AdamWConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rule, Traits};

/// One line for `firebox list`.
pub const SUMMARY: &str = "Adam with decoupled weight decay, the usual first choice";

/// What Adam remembers, in burn's words and PyTorch's.
pub(super) const FIELDS: &[(&str, &str)] =
    &[("momentum.moment_1", "exp_avg"), ("momentum.moment_2", "exp_avg_sq"), ("momentum.time", "step")];

/// Settings of `AdamW`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adamw {
    /// The learning rate before any schedule.
    pub learning_rate: f64,
    /// How much of the average gradient stays in each step.
    pub beta1: f64,
    /// How much of the average squared gradient stays in each step.
    pub beta2: f64,
    /// Keeps the division finite.
    pub epsilon: f64,
    /// How strongly weights are pulled to 0, in units of the learning rate; not norms and biases.
    pub weight_decay: f64,
}

impl Default for Adamw {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 1e-2 }
    }
}

impl Adamw {
    pub(super) fn rule(&self, traits: Traits) -> Rule {
        let config = AdamWConfig::new()
            .with_beta_1(self.beta1 as f32)
            .with_beta_2(self.beta2 as f32)
            .with_epsilon(self.epsilon as f32)
            .with_weight_decay(if traits.decays { self.weight_decay as f32 } else { 0.0 });
        Rule::new(config.build(), FIELDS)
    }
}
