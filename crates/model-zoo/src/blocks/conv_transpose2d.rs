//! A convolution that enlarges images.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::Init;
use crate::ops;

/// Spreads each pixel over a square of `stride` pixels; the squares do not overlap.
#[derive(Module, Debug)]
pub struct ConvTranspose2d {
    /// `[inputs, outputs, stride, stride]`.
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
    stride: usize,
}

impl ConvTranspose2d {
    /// With PyTorch's default weights, the kernel being as large as the stride.
    pub fn new(inputs: usize, outputs: usize, stride: usize, init: &mut Init) -> Self {
        let fan_in = outputs * stride * stride;
        Self {
            weight: init.fan_in([inputs, outputs, stride, stride], fan_in),
            bias: init.fan_in([outputs], fan_in),
            stride,
        }
    }

    /// # Shapes
    /// - `x`: `[batch, inputs, height, width]`
    /// - result: `[batch, outputs, stride height, stride width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv_transpose2d(x, ops::trace::applied(&self.weight), self.bias.val(), self.stride)
    }
}
