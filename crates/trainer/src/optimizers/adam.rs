//! Adam: a step of about the learning rate for every weight, whatever the size of its gradient.
//!
//! Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015; defaults as PyTorch's.

use burn::optim::AdamConfig;
use burn::optim::decay::WeightDecayConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rule, Traits, adamw};

/// One line for `firebox list`.
pub const SUMMARY: &str = "adaptive moments; weight decay, if any, goes through the gradient";

/// Settings of Adam.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adam {
    /// The learning rate before any schedule.
    pub learning_rate: f64,
    /// How much of the average gradient stays in each step.
    pub beta1: f64,
    /// How much of the average squared gradient stays in each step.
    pub beta2: f64,
    /// Keeps the division finite.
    pub epsilon: f64,
    /// How strongly weights are pulled to 0; not norms and biases.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl Adam {
    pub(super) fn rule(&self, traits: Traits) -> Rule {
        let mut config = AdamConfig::new()
            .with_beta_1(self.beta1 as f32)
            .with_beta_2(self.beta2 as f32)
            .with_epsilon(self.epsilon as f32);
        if traits.decays && self.weight_decay > 0.0 {
            config = config.with_weight_decay(Some(WeightDecayConfig::new(self.weight_decay as f32)));
        }
        Rule::new(config.build(), adamw::FIELDS)
    }
}
