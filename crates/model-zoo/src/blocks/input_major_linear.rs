//! A linear map whose weights lie as GPT-2's do, with the inputs first.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::Init;
use crate::ops;

/// `x W + b`, which transformers calls `Conv1D`.
#[derive(Module, Debug)]
pub struct InputMajorLinear {
    /// `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
}

impl InputMajorLinear {
    /// Normal weights of the given standard deviation, and no bias to begin with.
    pub fn new(inputs: usize, outputs: usize, std: f64, init: &mut Init) -> Self {
        Self { weight: init.normal([inputs, outputs], std), bias: init.constant([outputs], 0.0) }
    }

    /// Applies the map to the last axis.
    ///
    /// # Shapes
    /// - `x`: `[..., inputs]`
    /// - result: `[..., outputs]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::input_major_linear(x, ops::trace::applied(&self.weight), self.bias.val())
    }
}
