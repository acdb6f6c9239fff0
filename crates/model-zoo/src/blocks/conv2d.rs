//! A convolution over images.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::Init;
use crate::ops;

/// The sizes of a convolution. The kernel is square, the padding the same on every side.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dConfig {
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the result.
    pub outputs: usize,
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Steps between windows.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
    /// Into how many independent parts the channels fall; as many as `inputs` makes it depthwise.
    pub groups: usize,
    /// Whether a bias is added; a following batch norm makes it idle.
    pub bias: bool,
}

impl Conv2dConfig {
    /// Stride 1, no padding, one group, with bias.
    pub fn new(inputs: usize, outputs: usize, kernel: usize) -> Self {
        Self { inputs, outputs, kernel, stride: 1, padding: 0, groups: 1, bias: true }
    }

    /// With PyTorch's default weights.
    pub fn init(&self, init: &mut Init) -> Conv2d {
        let channels = self.inputs / self.groups;
        let fan_in = channels * self.kernel * self.kernel;
        Conv2d {
            weight: init.fan_in([self.outputs, channels, self.kernel, self.kernel], fan_in),
            bias: self.bias.then(|| init.fan_in([self.outputs], fan_in)),
            stride: self.stride,
            padding: self.padding,
            groups: self.groups,
        }
    }

    /// With the normal weights of He et al. 2015 (mode fan-out), as residual networks use them.
    pub fn init_kaiming(&self, init: &mut Init) -> Conv2d {
        let channels = self.inputs / self.groups;
        let area = self.kernel * self.kernel;
        Conv2d {
            weight: init
                .kaiming_fan_out([self.outputs, channels, self.kernel, self.kernel], self.outputs * area / self.groups),
            bias: self.bias.then(|| init.fan_in([self.outputs], channels * area)),
            stride: self.stride,
            padding: self.padding,
            groups: self.groups,
        }
    }
}

/// Cross-correlation with a bank of filters.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[outputs, inputs / groups, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
    stride: usize,
    padding: usize,
    groups: usize,
}

impl Conv2d {
    /// Applies the filters.
    ///
    /// # Shapes
    /// - `x`: `[batch, inputs, height, width]`
    /// - result: `[batch, outputs, (height + 2 padding - kernel) / stride + 1, ...]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv2d(
            x,
            self.weight.val(),
            self.bias.as_ref().map(Param::val),
            [self.stride; 2],
            [self.padding; 2],
            self.groups,
        )
    }
}
