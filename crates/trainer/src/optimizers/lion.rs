//! Lion: the sign of a momentum, the same step for every weight.
//!
//! Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023; defaults as the paper's.

use burn::optim::LionConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rule, Traits};

/// One line for `firebox list`.
pub const SUMMARY: &str = "the sign of a momentum; wants a learning rate 3 to 10 times below AdamW's";

/// Settings of Lion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lion {
    /// The learning rate before any schedule.
    pub learning_rate: f64,
    /// How much of the momentum stands in the direction of a step.
    pub beta1: f64,
    /// How much of the momentum stays in each step.
    pub beta2: f64,
    /// How strongly weights are pulled to 0, in units of the learning rate; not norms and biases.
    pub weight_decay: f64,
}

impl Default for Lion {
    fn default() -> Self {
        Self { learning_rate: 1e-4, beta1: 0.9, beta2: 0.99, weight_decay: 0.0 }
    }
}

impl Lion {
    pub(super) fn rule(&self, traits: Traits) -> Rule {
        let config = LionConfig::new()
            .with_beta_1(self.beta1 as f32)
            .with_beta_2(self.beta2 as f32)
            .with_weight_decay(if traits.decays { self.weight_decay as f32 } else { 0.0 });
        Rule::new(config.build(), &[("momentum", "exp_avg")])
    }
}
