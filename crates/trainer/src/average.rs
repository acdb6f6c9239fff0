//! What is the average of the weights over the last steps?
//!
//! Polyak and Juditsky, 1992, in exponential form: `average <- decay * average + (1 - decay) * weights` after every step.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

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
