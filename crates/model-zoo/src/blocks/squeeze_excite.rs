//! A gate on channels.
//!
//! Hu, Shen and Sun, "Squeeze-and-Excitation Networks", 2018, parameters named as in torchvision's `SqueezeExcitation`.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{Activation, Conv2d, Conv2dConfig, Init};
use crate::ops;

/// Multiplies each channel by a number between 0 and 1 that follows from the means of all channels.
#[derive(Module, Debug)]
pub struct SqueezeExcite {
    fc1: Conv2d,
    fc2: Conv2d,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    gate: Activation,
}

impl SqueezeExcite {
    /// From `channels` to `squeezed` and back; `activation` stands between, `gate` ends in 0 to 1.
    pub fn new(channels: usize, squeezed: usize, activation: Activation, gate: Activation, init: &mut Init) -> Self {
        let mut pointwise = |inputs, outputs| Conv2dConfig::new(inputs, outputs, 1).init_kaiming(init);
        Self { fc1: pointwise(channels, squeezed), fc2: pointwise(squeezed, channels), activation, gate }
    }

    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - result: as `x`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let means = ops::global_avg_pool2d(x.clone()).unsqueeze_dims::<4>(&[2, 3]);
        let squeezed = self.activation.forward(self.fc1.forward(means));
        ops::multiply(x, self.gate.forward(self.fc2.forward(squeezed)))
    }
}
