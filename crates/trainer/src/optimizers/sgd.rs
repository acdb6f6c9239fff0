//! Stochastic gradient descent with momentum.
//!
//! Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013; defaults and dampening 0 as
//! PyTorch's, but momentum 0.9, which nearly everyone sets.

use burn::optim::SgdConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rule, Traits};

/// One line for `firebox list`.
pub const SUMMARY: &str = "stochastic gradient descent with momentum";

/// Settings of stochastic gradient descent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sgd {
    /// The learning rate before any schedule.
    pub learning_rate: f64,
    /// How much of the previous direction stays.
    pub momentum: f64,
    /// Whether the gradient is looked up ahead (Nesterov).
    pub nesterov: bool,
    /// How strongly weights are pulled to 0; not norms and biases.
    pub weight_decay: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: 0.1, momentum: 0.9, nesterov: false, weight_decay: 0.0 }
    }
}

impl Sgd {
    pub(super) fn rule(&self, traits: Traits) -> Rule {
        let mut config = SgdConfig::new();
        if self.momentum > 0.0 {
            config = config.with_momentum(Some(MomentumConfig {
                momentum: self.momentum,
                dampening: 0.0,
                nesterov: self.nesterov,
            }));
        }
        if traits.decays && self.weight_decay > 0.0 {
            config = config.with_weight_decay(Some(WeightDecayConfig::new(self.weight_decay as f32)));
        }
        Rule::new(config.build(), &[("momentum.velocity", "momentum_buffer")])
    }
}
