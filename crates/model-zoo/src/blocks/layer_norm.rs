//! Normalisation over the features of each example.
//!
//! Ba, Kiros and Hinton, "Layer Normalization", 2016.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::Init;
use crate::ops;

const EPSILON: f64 = 1e-5;

/// Brings the last axis to mean 0 and variance 1, then scales and shifts it.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[features]`.
    pub weight: Param<Tensor<1>>,
    /// `[features]`.
    pub bias: Param<Tensor<1>>,
    epsilon: f64,
}

impl LayerNorm {
    /// Scale 1 and shift 0.
    pub fn new(features: usize, init: &mut Init) -> Self {
        Self::of(features, EPSILON, init)
    }

    /// The same with another number added to the variance before its root is taken.
    pub fn of(features: usize, epsilon: f64, init: &mut Init) -> Self {
        Self { weight: init.constant([features], 1.0), bias: init.constant([features], 0.0), epsilon }
    }

    /// Normalises the last axis.
    ///
    /// # Shapes
    /// - `x`: `[..., features]`
    /// - result: as `x`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::layer_norm(x, ops::trace::applied(&self.weight), self.bias.val(), self.epsilon)
    }

    /// Normalises the channels of each pixel.
    ///
    /// # Shapes
    /// - `x`: `[batch, features, height, width]`
    /// - result: as `x`
    pub fn forward_image(&self, x: Tensor<4>) -> Tensor<4> {
        self.forward(x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2])
    }
}
