//! A learnt vector for each token or category.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

use super::Init;
use crate::ops;

/// A table of vectors, looked up by index.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[vocabulary, features]`.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Normal weights of the given standard deviation (PyTorch's default is 1, transformers use 0.02).
    pub fn new(vocabulary: usize, features: usize, std: f64, init: &mut Init) -> Self {
        Self { weight: init.normal([vocabulary, features], std) }
    }

    /// Looks up each index.
    ///
    /// # Shapes
    /// - `indices`: `[batch, length]`
    /// - result: `[batch, length, features]`
    pub fn forward(&self, indices: Tensor<2, Int>) -> Tensor<3> {
        ops::embedding(self.weight.val(), indices)
    }
}
