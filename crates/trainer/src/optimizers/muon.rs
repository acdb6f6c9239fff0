//! Muon: momentum made orthogonal, for the matrices between layers. Everything else goes to `AdamW`: embeddings, the head,
//! norms, biases, and filters, which are no matrices.
//!
//! Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.

use burn::optim::MuonConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rule, Traits, adamw::Adamw};

/// One line for `firebox list`.
pub const SUMMARY: &str = "orthogonalised momentum for matrices between layers, AdamW for everything else";

/// Settings of Muon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Muon {
    /// The learning rate of matrices between layers before any schedule.
    pub learning_rate: f64,
    /// How much of the previous direction stays.
    pub momentum: f64,
    /// How strongly weights are pulled to 0; not norms and biases.
    pub weight_decay: f64,
    /// The learning rate of everything else before any schedule.
    pub adamw_learning_rate: f64,
}

impl Default for Muon {
    fn default() -> Self {
        Self { learning_rate: 0.02, momentum: 0.95, weight_decay: 0.0, adamw_learning_rate: 3e-4 }
    }
}

impl Muon {
    pub(super) fn rule(&self, traits: Traits) -> Rule {
        if !traits.hidden_matrix {
            let adamw = Adamw { weight_decay: self.weight_decay, ..Adamw::default() };
            return adamw.rule(traits).at_rate(self.adamw_learning_rate / self.learning_rate);
        }
        let mut config =
            MuonConfig::new().with_momentum(MomentumConfig { momentum: self.momentum, dampening: 0.0, nesterov: true });
        if self.weight_decay > 0.0 {
            config = config.with_weight_decay(Some(WeightDecayConfig::new(self.weight_decay as f32)));
        }
        Rule::new(config.build(), &[("momentum.velocity", "momentum_buffer")])
    }
}
