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
    /// Whether the image is padded as TensorFlow does it instead: so much that a window begins at every `stride`-th pixel, and where
    /// that is an odd number one more at the end than at the beginning.
    pub same: bool,
    /// Into how many independent parts the channels fall; as many as `inputs` makes it depthwise.
    pub groups: usize,
    /// Whether a bias is added; a following batch norm makes it idle.
    pub bias: bool,
}

impl Conv2dConfig {
    /// Stride 1, no padding, one group, with bias.
    pub fn new(inputs: usize, outputs: usize, kernel: usize) -> Self {
        Self { inputs, outputs, kernel, stride: 1, padding: 0, same: false, groups: 1, bias: true }
    }

    /// With PyTorch's default weights.
    pub fn init(&self, init: &mut Init) -> Conv2d {
        let channels = self.inputs / self.groups;
        let fan_in = channels * self.kernel * self.kernel;
        let weight = init.fan_in([self.outputs, channels, self.kernel, self.kernel], fan_in);
        self.with(weight, self.bias.then(|| init.fan_in([self.outputs], fan_in)))
    }

    /// With normal weights of a standard deviation, and no bias to begin with, as transformers have them.
    pub fn init_normal(&self, std: f64, init: &mut Init) -> Conv2d {
        let channels = self.inputs / self.groups;
        let weight = init.normal([self.outputs, channels, self.kernel, self.kernel], std);
        self.with(weight, self.bias.then(|| init.constant([self.outputs], 0.0)))
    }

    /// With PyTorch's default weights, but that the first filters pass a channel each on as it is.
    pub fn init_passing(&self, init: &mut Init) -> Conv2d {
        let channels = self.inputs / self.groups;
        let weight = init.passing([self.outputs, channels, self.kernel, self.kernel]);
        self.with(weight, self.bias.then(|| init.fan_in([self.outputs], channels * self.kernel * self.kernel)))
    }

    fn with(&self, weight: Param<Tensor<4>>, bias: Option<Param<Tensor<1>>>) -> Conv2d {
        let Self { stride, padding, same, groups, .. } = *self;
        Conv2d { weight, bias, stride, padding, same, groups }
    }

    /// With the normal weights of He et al. 2015 (mode fan-out), as residual networks use them.
    pub fn init_kaiming(&self, init: &mut Init) -> Conv2d {
        let channels = self.inputs / self.groups;
        let area = self.kernel * self.kernel;
        let fan_out = self.outputs * area / self.groups;
        let weight = init.kaiming_fan_out([self.outputs, channels, self.kernel, self.kernel], fan_out);
        self.with(weight, self.bias.then(|| init.fan_in([self.outputs], channels * area)))
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
    same: bool,
    groups: usize,
}

impl Conv2d {
    /// Applies the filters.
    ///
    /// # Shapes
    /// - `x`: `[batch, inputs, height, width]`
    /// - result: `[batch, outputs, (height + 2 padding - kernel) / stride + 1, ...]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(x, ops::conv2d)
    }

    /// The same, rectified.
    ///
    /// # Shapes
    /// As of [`forward`](Self::forward).
    pub fn forward_relu(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(x, ops::conv2d_relu)
    }

    fn apply(&self, x: Tensor<4>, convolution: Convolution) -> Tensor<4> {
        let [_, _, kernel, _] = self.weight.lazy_shape().dims();
        let (x, padding) = match self.same {
            true => padded_as_by_tensorflow(x, kernel, self.stride),
            false => (x, [self.padding; 2]),
        };
        let weight = ops::trace::applied(&self.weight);
        convolution(x, weight, self.bias.as_ref().map(Param::val), [self.stride; 2], padding, self.groups)
    }
}

/// How filters are applied: images, filters, bias, stride, padding, groups.
type Convolution = fn(Tensor<4>, Tensor<4>, Option<Tensor<1>>, [usize; 2], [usize; 2], usize) -> Tensor<4>;

/// Pads an image where both ends do not get the same, and says how much the convolution must add at either end.
fn padded_as_by_tensorflow(x: Tensor<4>, kernel: usize, stride: usize) -> (Tensor<4>, [usize; 2]) {
    let [_, _, height, width] = x.dims();
    let missing = |size: usize| ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size);
    let [down, across] = [height, width].map(missing);
    if down % 2 == 0 && across % 2 == 0 {
        return (x, [down / 2, across / 2]);
    }
    let ends = |missing: usize| (missing / 2, missing.div_ceil(2));
    (ops::pad_image(x, ends(down), ends(across)), [0, 0])
}
