//! What is the average of the weights over the last steps?
//!
//! Polyak and Juditsky, 1992, in exponential form: `average <- decay * average + (1 - decay) * weights` after every step. The
//! decay grows to its full size over the first steps, so that a short training is not the average of its random beginning.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The decay of the update that follows `steps` steps: `min(decay, (1 + steps) / (10 + steps))`, as TensorFlow's
/// `ExponentialMovingAverage` has it.
pub fn decay_after(steps: u64, decay: f64) -> f64 {
    decay.min((1.0 + steps as f64) / (10.0 + steps as f64))
}

/// Moves `average` towards `network`, which lies on an autodiff device. Running statistics are averaged like weights.
pub fn update<M: Module>(average: M, network: &M, decay: f64) -> M {
    let mut current = Current { tensors: GradientsParams::new() };
    network.visit(&mut current);
    average.map(&mut Blend { tensors: current.tensors, decay })
}

/// The weights as they are, by parameter; a map of tensors of any rank is what burn calls gradients.
struct Current {
    tensors: GradientsParams,
}

impl ModuleVisitor for Current {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.tensors.register(param.id, param.val().inner());
    }
}

struct Blend {
    tensors: GradientsParams,
    decay: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.tensors.remove::<D>(param.id) {
            Some(current) => {
                let decay = self.decay;
                param.map(|average| average * decay + current * (1.0 - decay))
            }
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_forgotten_sooner() {
        assert_eq!(decay_after(0, 0.999), 0.1);
        assert_eq!(decay_after(90, 0.999), 0.91);
        assert_eq!(decay_after(1_000_000, 0.999), 0.999);
        assert_eq!(decay_after(0, 0.0), 0.0);
        // What is left of the first weights after a short training; without the warm-up it is 0.999^480 = 0.62.
        let left: f64 = (0..480).map(|step| decay_after(step, 0.999)).product();
        assert!(left < 1e-12, "{left}");
    }
}
