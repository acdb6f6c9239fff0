//! What is done with gradients between the backward pass and the update?

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Adds `more` to `sum`, parameter by parameter.
pub fn add<M: Module>(network: &M, sum: Option<GradientsParams>, more: GradientsParams) -> GradientsParams {
    struct Adder {
        sum: GradientsParams,
        more: GradientsParams,
    }
    impl ModuleVisitor for Adder {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(more) = self.more.remove::<D>(param.id) {
                let total = match self.sum.remove::<D>(param.id) {
                    Some(sum) => sum + more,
                    None => more,
                };
                self.sum.register(param.id, total);
            }
        }
    }
    let Some(sum) = sum else { return more };
    let mut adder = Adder { sum, more };
    network.visit(&mut adder);
    adder.sum
}

/// Multiplies every gradient by a number on the device, `[1]`.
pub fn scale<M: Module>(network: &M, gradients: GradientsParams, factor: &Tensor<1>) -> GradientsParams {
    struct Scaler<'a> {
        gradients: GradientsParams,
        factor: &'a Tensor<1>,
    }
    impl ModuleVisitor for Scaler<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                self.gradients.register(param.id, gradient * self.factor.clone().reshape([1; D]));
            }
        }
    }
    let mut scaler = Scaler { gradients, factor };
    network.visit(&mut scaler);
    scaler.gradients
}

/// The Euclidean norm of all gradients together, `[1]` on the device.
pub fn norm<M: Module>(network: &M, gradients: &GradientsParams) -> Option<Tensor<1>> {
    struct Squares<'a> {
        gradients: &'a GradientsParams,
        sum: Option<Tensor<1>>,
    }
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                let squares = gradient.square().sum();
                self.sum = Some(match self.sum.take() {
                    Some(sum) => sum + squares,
                    None => squares,
                });
            }
        }
    }
    let mut squares = Squares { gradients, sum: None };
    network.visit(&mut squares);
    squares.sum.map(Tensor::sqrt)
}

/// Shortens all gradients together to `max_norm` where they are longer, and gives their norm before. Everything stays on the
/// device. (Pascanu, Mikolov and Bengio, 2013, as PyTorch's `clip_grad_norm_`.)
pub fn clip<M: Module>(network: &M, gradients: GradientsParams, max_norm: f64) -> (GradientsParams, Option<Tensor<1>>) {
    let Some(norm) = norm(network, &gradients) else { return (gradients, None) };
    let factor = ((norm.clone() + 1e-6).recip() * max_norm).clamp_max(1.0);
    (scale(network, gradients, &factor), Some(norm))
}
