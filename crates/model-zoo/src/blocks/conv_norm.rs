//! A convolution and the batch norm behind it, named 0 and 1 as in torchvision's `Conv2dNormActivation`.

use burn::tensor::Tensor;

use super::{BatchNorm, Conv2d, Conv2dConfig, Init};

/// How a batch norm keeps its statistics.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    /// Added to the variance before its root is taken.
    pub epsilon: f64,
    /// How much of the running statistics each batch replaces.
    pub momentum: f64,
}

impl Norm {
    /// PyTorch's defaults.
    pub const USUAL: Self = Self { epsilon: 1e-5, momentum: 0.1 };
    /// What the mobile networks were trained with at Google, in PyTorch's terms.
    pub const MOBILE: Self = Self { epsilon: 1e-3, momentum: 0.01 };
}

/// A convolution without bias, and a batch norm.
pub type ConvNorm = (Conv2d, BatchNorm);

/// A convolution that keeps the size but for its stride, with the weights of He et al. 2015, and a batch norm.
pub fn conv_norm(config: Conv2dConfig, norm: Norm, init: &mut Init) -> ConvNorm {
    let config = Conv2dConfig { padding: config.kernel / 2, bias: false, ..config };
    (config.init_kaiming(init), BatchNorm::of(config.outputs, norm, init))
}

/// # Shapes
/// - `x`: `[batch, inputs, height, width]`
/// - result: `[batch, outputs, height / stride, width / stride]`, rounded up
pub fn conv_norm_forward(layer: &ConvNorm, x: Tensor<4>) -> Tensor<4> {
    layer.1.forward(layer.0.forward(x))
}
