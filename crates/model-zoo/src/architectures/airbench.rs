//! A small convolutional network that learns fast.
//!
//! In the spirit of the network of Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024: 2 x 2 convolutions first, three groups of
//! two convolutions with a pooling between them, GELU, filters that begin by passing their input on, and a head whose scores begin
//! small. Other than there, the first layer is learnt from random weights and not set to whiten the training data, and the batch norms have a
//! scale and PyTorch's habits.
//!
//! Shapes: B batch, C channels, H height, W width, N channels of the group, K outputs.

use burn::module::Module;
use burn::tensor::Tensor;
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{BatchNorm, Conv2d, Conv2dConfig, Ending, Init, Linear};
use crate::inputs::{at_least, only_image};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops};

/// One line for `firebox list`.
pub const SUMMARY: &str = "a small convolutional network that learns fast, for images of some 32 pixels (Jordan 2024)";

/// By what the scores are multiplied.
const SCALE: f64 = 1.0 / 9.0;
/// One pixel is lost to the first layer, and each of three poolings halves.
const LEAST: usize = 9;
/// Far beyond any width in use, and far below where its products overflow.
const MOST_WIDTH: usize = 1 << 16;

/// Settings of [`Airbench`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AirbenchConfig {
    /// Channels of each group.
    pub channels: [usize; 3],
}

impl Default for AirbenchConfig {
    fn default() -> Self {
        Self { channels: [64, 256, 256] }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Airbench {
    whiten: Conv2d,
    groups: Vec<Group>,
    head: Linear,
    ending: Ending,
}

/// Two convolutions with a pooling between them.
#[derive(Module, Debug)]
struct Group {
    conv1: Conv2d,
    norm1: BatchNorm,
    conv2: Conv2d,
    norm2: BatchNorm,
}

impl NetworkConfig for AirbenchConfig {
    type Network = Airbench;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Airbench, Error> {
        if self.channels.iter().any(|width| !(1..=MOST_WIDTH).contains(width)) {
            let reason = format!("`channels` must be from 1 to {MOST_WIDTH} in each group");
            return Err(Error::Unfit { architecture: "airbench", reason });
        }
        let (channels, sides) = only_image(signature, "airbench")?;
        at_least(sides, LEAST, "airbench")?;
        // As many filters as there are numbers in two by two pixels, and their opposites.
        let mut inputs = 2 * 4 * channels;
        let whiten = Conv2dConfig::new(channels, inputs, 2).init(init);
        let mut groups = Vec::new();
        for &width in &self.channels {
            groups.push(Group {
                conv1: passing(inputs, width, init),
                norm1: BatchNorm::new(width, init),
                conv2: passing(width, width, init),
                norm2: BatchNorm::new(width, init),
            });
            inputs = width;
        }
        let (outputs, ending) = Ending::new(signature, "airbench", inputs, init)?;
        let head = Linear { bias: None, ..Linear::new(inputs, outputs, init) };
        Ok(Airbench { whiten, groups, head, ending })
    }
}

/// A convolution whose first filters pass a channel each on as it is.
fn passing(inputs: usize, outputs: usize, init: &mut Init) -> Conv2d {
    let config = Conv2dConfig { padding: 1, bias: false, ..Conv2dConfig::new(inputs, outputs, 3) };
    config.init_passing(init)
}

impl Group {
    /// # Shapes
    /// - `x`: `[B, C, H, W]`
    /// - result: `[B, N, H / 2, W / 2]`, rounded down
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = ops::max_pool2d(self.conv1.forward(x), [2, 2]);
        let x = ops::gelu(self.norm1.forward(x));
        ops::gelu(self.norm2.forward(self.conv2.forward(x)))
    }
}

impl Network for Airbench {
    /// # Shapes
    /// - image: `[B, C, H, W]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let x = inputs.image()?;
        let [_, _, height, width] = x.dims();
        at_least([Some(height), Some(width)], LEAST, "airbench")?;
        let x = ops::gelu(self.whiten.forward(x));
        let x = self.groups.iter().fold(x, |x, group| group.forward(x));
        let y = self.head.forward(ops::global_max_pool2d(x)) * SCALE;
        Ok(self.ending.forward(y))
    }
}
