//! Adam with decoupled weight decay.
//!
//! Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019; defaults as PyTorch's.

use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Tensor};
use model_zoo::ops;
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
        let weight_decay = if traits.decays { self.weight_decay as f32 } else { 0.0 };
        let config = AdamWConfig::new()
            .with_beta_1(self.beta1 as f32)
            .with_beta_2(self.beta2 as f32)
            .with_epsilon(self.epsilon as f32)
            .with_weight_decay(weight_decay);
        let settings = Adamw { weight_decay: f64::from(weight_decay), ..self.clone() };
        Rule::new(InOnePass { settings, passes: config.build() }, FIELDS)
    }
}

/// The rule in one pass where there is a kernel for it, else in burn's passes; both round alike.
#[derive(Clone)]
struct InOnePass {
    settings: Adamw,
    passes: AdamW,
}

impl Optimizer for InOnePass {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        rate: f64,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        if !ops::has_adamw_step(&weight) {
            return self.passes.step(rate, weight, gradient, state);
        }
        let zeros = || weight.zeros_like();
        let before = state.map(|state| state.momentum);
        let time = before.as_ref().map_or(0, |before| before.time) + 1;
        let averages = before.map_or_else(|| [zeros(), zeros()], |before| [before.moment_1, before.moment_2]);
        let Adamw { beta1, beta2, epsilon, weight_decay, .. } = self.settings;
        let settings = ops::Adamw {
            rate: rate as f32,
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            epsilon: epsilon as f32,
            kept: (1.0 - rate * weight_decay) as f32,
            time: time as i32,
        };
        let [weight, m, v] = ops::adamw_step(weight, gradient, averages, settings);
        (weight, Some(AdamWState::new(AdaptiveMomentumState::new(time, m, v))))
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        AdamW::to_device(state, device)
    }
}

#[cfg(test)]
mod tests {
    use data_loader::random::Random;

    use super::*;

    /// The same bits in one pass as in burn's.
    #[test]
    fn one_pass_is_what_many_are() {
        let device = Device::flex();
        let mut random = Random::derive(&[7]);
        let mut tensor = || {
            let values: Vec<f32> = (0..5 * 7).map(|_| random.unit() as f32 - 0.5).collect();
            Tensor::<2>::from_data(burn::tensor::TensorData::new(values, [5, 7]), &device)
        };
        let settings = Adamw { learning_rate: 1e-2, weight_decay: 0.1, ..Adamw::default() };
        let passes = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.1).build();
        let fused = InOnePass { settings, passes: passes.clone() };
        let (mut one, mut many, mut state, mut burns) = (tensor(), None, None, None);
        many.get_or_insert(one.clone());
        for _ in 0..5 {
            let gradient = tensor();
            let shared = one.clone();
            let held: Vec<f32> = shared.clone().try_into_vec_as().unwrap();
            (one, state) = fused.step(1e-2, one, gradient.clone(), state);
            // Whoever else holds the weight keeps it as it was.
            assert_eq!(shared.try_into_vec_as::<f32>().unwrap(), held);
            let (next, next_state) = passes.step(1e-2, many.take().unwrap(), gradient, burns);
            (many, burns) = (Some(next), next_state);
        }
        let bits = |tensor: Tensor<2>| -> Vec<u32> {
            tensor.try_into_vec_as::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
        };
        assert_eq!(bits(one), bits(many.unwrap()));
        assert_eq!(bits(state.unwrap().momentum.moment_2), bits(burns.unwrap().momentum.moment_2));
    }
}
