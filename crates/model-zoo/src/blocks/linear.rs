//! A linear map with bias.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::Init;
use crate::ops;

/// `x W^T + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[outputs, inputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// With bias and PyTorch's default weights.
    pub fn new(inputs: usize, outputs: usize, init: &mut Init) -> Self {
        Self { weight: init.fan_in([outputs, inputs], inputs), bias: Some(init.fan_in([outputs], inputs)) }
    }

    /// With normal weights of standard deviation `std`, and no bias to begin with.
    pub fn normal(inputs: usize, outputs: usize, std: f64, init: &mut Init) -> Self {
        Self { weight: init.normal([outputs, inputs], std), bias: Some(init.constant([outputs], 0.0)) }
    }

    /// Applies the map to the last axis.
    ///
    /// # Shapes
    /// - `x`: `[..., inputs]`
    /// - result: `[..., outputs]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::linear(x, ops::trace::applied(&self.weight), self.bias.as_ref().map(Param::val))
    }

    /// The same, rectified.
    ///
    /// # Shapes
    /// As of [`forward`](Self::forward).
    pub fn forward_relu<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::linear_relu(x, ops::trace::applied(&self.weight), self.bias.as_ref().map(Param::val))
    }
}
