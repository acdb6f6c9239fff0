//! Noise that keeps a network from leaning on single units.
//!
//! Srivastava et al., "Dropout", 2014.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::ops;

/// Sets each value to 0 with the given probability while training (on an autodiff device); does nothing otherwise.
#[derive(Module, Debug)]
pub struct Dropout {
    probability: f64,
}

impl Dropout {
    /// Dropout with `probability` from 0 (nothing happens) to below 1.
    pub fn new(probability: f64) -> Self {
        Self { probability }
    }

    /// Applies the noise.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if self.acts_on(&x) { ops::dropout(x, self.probability) } else { x }
    }

    /// Whether anything happens to `x`.
    pub(super) fn acts_on<const D: usize>(&self, x: &Tensor<D>) -> bool {
        self.probability > 0.0 && x.device().is_autodiff()
    }
}
