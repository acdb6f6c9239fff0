//! How are the weights changed?
//!
//! One file each, listed once below; `[optimizer.adamw]` in a config is `adamw.rs`. The rules come from burn-optim;
//! [`stepper`](crate::stepper) applies them.

use std::sync::Arc;

use burn::optim::DynOptimizer;
use data_loader::Entry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod adam;
pub mod adamw;
pub mod lion;
pub mod muon;
pub mod sgd;

/// Every optimizer, alphabetically.
pub const MEMBERS: &[Entry] = &[
    Entry { name: "adam", summary: adam::SUMMARY },
    Entry { name: "adamw", summary: adamw::SUMMARY },
    Entry { name: "lion", summary: lion::SUMMARY },
    Entry { name: "muon", summary: muon::SUMMARY },
    Entry { name: "sgd", summary: sgd::SUMMARY },
];

/// An optimizer with its settings, as it stands under `[optimizer.<name>]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam.
    Adam(adam::Adam),
    /// Adam with decoupled weight decay.
    Adamw(adamw::Adamw),
    /// The sign of a momentum.
    Lion(lion::Lion),
    /// Orthogonalised momentum for the matrices between layers, `AdamW` for the rest.
    Muon(muon::Muon),
    /// Stochastic gradient descent with momentum.
    Sgd(sgd::Sgd),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adamw(adamw::Adamw::default())
    }
}

/// Which rule a parameter falls under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Whether weight decay pulls on it: matrices and filters yes, norms and biases no.
    pub decays: bool,
    /// Whether it is a matrix between layers: neither an embedding, whose rows are looked up, nor the head, which is the last
    /// matrix of the network.
    pub hidden_matrix: bool,
}

/// The rule for one kind of parameter.
#[derive(Clone)]
pub struct Rule {
    pub(crate) update: Arc<dyn DynOptimizer>,
    /// burn's name and PyTorch's name of each thing that is remembered.
    pub(crate) fields: &'static [(&'static str, &'static str)],
    /// By what the learning rate is multiplied.
    pub(crate) rate: f64,
}

impl Rule {
    pub(crate) fn new(update: impl DynOptimizer + 'static, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self { update: Arc::new(update), fields, rate: 1.0 }
    }

    pub(crate) fn at_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }
}

impl Optimizer {
    /// The name under `[optimizer.<name>]`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Adam(_) => "adam",
            Self::Adamw(_) => "adamw",
            Self::Lion(_) => "lion",
            Self::Muon(_) => "muon",
            Self::Sgd(_) => "sgd",
        }
    }

    /// The learning rate before any schedule.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Adam(o) => o.learning_rate,
            Self::Adamw(o) => o.learning_rate,
            Self::Lion(o) => o.learning_rate,
            Self::Muon(o) => o.learning_rate,
            Self::Sgd(o) => o.learning_rate,
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// A sentence that says which do not.
    pub fn check(&self) -> Result<(), String> {
        let rate = self.learning_rate();
        if !(rate.is_finite() && rate > 0.0) {
            return Err(format!("learning_rate is {rate}; it must be above 0"));
        }
        match self {
            Self::Adam(o) => fractions(
                &[("beta1", o.beta1), ("beta2", o.beta2)],
                &[("weight_decay", o.weight_decay), ("epsilon", o.epsilon)],
            ),
            Self::Adamw(o) => fractions(
                &[("beta1", o.beta1), ("beta2", o.beta2)],
                &[("weight_decay", o.weight_decay), ("epsilon", o.epsilon)],
            ),
            Self::Lion(o) => fractions(&[("beta1", o.beta1), ("beta2", o.beta2)], &[("weight_decay", o.weight_decay)]),
            Self::Muon(o) => fractions(
                &[("momentum", o.momentum)],
                &[("weight_decay", o.weight_decay), ("adamw_learning_rate", o.adamw_learning_rate)],
            ),
            Self::Sgd(o) if o.nesterov && o.momentum == 0.0 => {
                Err("nesterov looks ahead along the momentum, which is 0".into())
            }
            Self::Sgd(o) => fractions(&[("momentum", o.momentum)], &[("weight_decay", o.weight_decay)]),
        }
    }

    /// The rule for a parameter.
    pub(crate) fn rule(&self, traits: Traits) -> Rule {
        match self {
            Self::Adam(o) => o.rule(traits),
            Self::Adamw(o) => o.rule(traits),
            Self::Lion(o) => o.rule(traits),
            Self::Muon(o) => o.rule(traits),
            Self::Sgd(o) => o.rule(traits),
        }
    }
}

fn fractions(below_one: &[(&str, f64)], not_negative: &[(&str, f64)]) -> Result<(), String> {
    for (name, value) in below_one {
        // Judged as burn will use it: a number just below 1 is 1 in 32 bits.
        if !(0.0..1.0).contains(&(*value as f32)) {
            return Err(format!("{name} is {value}; it must be from 0 to below 1"));
        }
    }
    for (name, value) in not_negative {
        let single = *value as f32;
        if !(single.is_finite() && single >= 0.0) {
            return Err(format!("{name} is {value}; it must be at least 0"));
        }
        if *name == "epsilon" && single == 0.0 {
            return Err(format!("epsilon is {value}; it must be above 0 to keep the division finite"));
        }
    }
    Ok(())
}
