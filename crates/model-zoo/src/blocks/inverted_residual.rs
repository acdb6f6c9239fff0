//! A block that widens, filters each channel by itself, and narrows again.
//!
//! Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, with the gate of MobileNetV3
//! and EfficientNet. Parameters are named as in torchvision's `InvertedResidual` and `MBConv`.

use burn::module::Module;
use burn::tensor::Tensor;

use super::conv_norm::{ConvNorm, Norm, conv_norm, conv_norm_forward};
use super::{Activation, Conv2dConfig, DropPath, Either, Init, SqueezeExcite};
use crate::ops;

/// The sizes of a block.
#[derive(Clone, Copy, Debug)]
pub struct InvertedResidualConfig {
    /// Channels of the input.
    pub inputs: usize,
    /// Channels between; as many as `inputs` leaves the widening out.
    pub hidden: usize,
    /// Channels of the result.
    pub outputs: usize,
    /// Height and width of the depthwise kernel.
    pub kernel: usize,
    /// Steps between its windows.
    pub stride: usize,
    /// After the widening and the depthwise convolution.
    pub activation: Activation,
    /// The gate, where there is one: its channels, what stands in it, and what it ends with.
    pub gate: Option<(usize, Activation, Activation)>,
    /// How the batch norms keep their statistics.
    pub norm: Norm,
    /// Whether images are padded as TensorFlow does it.
    pub same: bool,
}

/// The block. Where it keeps the shape, its input is added to its result.
#[derive(Module, Debug)]
pub struct InvertedResidual {
    block: Vec<Either<ConvNorm, SqueezeExcite>>,
    drop_path: DropPath,
    #[module(skip)]
    activation: Activation,
    shortcut: bool,
}

impl InvertedResidualConfig {
    /// With fresh weights.
    pub fn init(&self, drop_path: DropPath, init: &mut Init) -> InvertedResidual {
        let mut block = Vec::new();
        if self.hidden != self.inputs {
            block.push(Either::One(conv_norm(Conv2dConfig::new(self.inputs, self.hidden, 1), self.norm, init)));
        }
        let depthwise = Conv2dConfig {
            stride: self.stride,
            groups: self.hidden,
            same: self.same,
            ..Conv2dConfig::new(self.hidden, self.hidden, self.kernel)
        };
        block.push(Either::One(conv_norm(depthwise, self.norm, init)));
        if let Some((squeezed, activation, gate)) = self.gate {
            block.push(Either::Other(SqueezeExcite::new(self.hidden, squeezed, activation, gate, init)));
        }
        block.push(Either::One(conv_norm(Conv2dConfig::new(self.hidden, self.outputs, 1), self.norm, init)));
        let shortcut = self.stride == 1 && self.inputs == self.outputs;
        InvertedResidual { block, drop_path, activation: self.activation, shortcut }
    }
}

impl InvertedResidual {
    /// # Shapes
    /// - `x`: `[batch, inputs, height, width]`
    /// - result: `[batch, outputs, height / stride, width / stride]`, rounded up
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut y = x.clone();
        for (at, layer) in self.block.iter().enumerate() {
            y = match layer {
                Either::One(layer) if at + 1 == self.block.len() => conv_norm_forward(layer, y),
                Either::One(layer) => self.activation.forward(conv_norm_forward(layer, y)),
                Either::Other(gate) => gate.forward(y),
            };
        }
        if self.shortcut { ops::add(x, self.drop_path.forward(y)) } else { y }
    }
}
