//! A convolutional network with the manners of a transformer.
//!
//! Liu, Mao, Wu, Feichtenhofer, Darrell and Xie, "A ConvNet for the 2020s", 2022. Parameters are named as in torchvision's `ConvNeXt`.
//!
//! Shapes: B batch, C channels, H height, W width, N channels of the stage, K outputs.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Conv2d, Conv2dConfig, DropPath, Either, Ending, Gap, Init, LayerNorm, Linear};
use crate::inputs::{at_least, only_image};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops};

/// One line for `firebox list`.
pub const SUMMARY: &str = "depthwise convolutions and perceptrons in four stages: ConvNeXt-T (Liu et al. 2022)";

const EPSILON: f64 = 1e-6;
/// What a block adds is multiplied by this to begin with.
const SCALE: f32 = 1e-6;
/// The standard deviation of fresh weights.
const STD: f64 = 0.02;
/// How much wider the perceptron of a block is than its input.
const EXPANSION: usize = 4;
const MOST_BLOCKS: usize = 1000;
/// Far beyond any width in use, and far below where its multiples overflow.
const MOST_WIDTH: usize = 1 << 20;

/// Settings of [`Convnext`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConvnextConfig {
    /// Blocks of each stage.
    pub blocks: [usize; 4],
    /// Channels of each stage.
    pub channels: [usize; 4],
    /// Pixels on a side of the squares that the first layer reads; 4 for photographs, 1 or 2 for images of some 32 pixels.
    pub patch: usize,
    /// Probability with which the last block is left out for an example while training; earlier ones less often.
    pub drop_path: f64,
}

impl Default for ConvnextConfig {
    fn default() -> Self {
        Self { blocks: [3, 3, 9, 3], channels: [96, 192, 384, 768], patch: 4, drop_path: 0.1 }
    }
}

/// A convolution and a norm of channels, the norm first between stages and last at the beginning.
type Stem = (Conv2d, LayerNorm);
type Step = (LayerNorm, Conv2d);

/// The network.
#[derive(Module, Debug)]
pub struct Convnext {
    /// The stem, then stages with steps between them.
    features: Vec<Either<Stem, Either<Step, Vec<Block>>>>,
    classifier: (LayerNorm, Gap, Linear),
    /// Sides of an image must have so many pixels.
    least: usize,
    ending: Ending,
}

impl NetworkConfig for ConvnextConfig {
    type Network = Convnext;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Convnext, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "convnext", reason };
        if self.blocks.contains(&0) || self.blocks.iter().any(|blocks| *blocks > MOST_BLOCKS) {
            return Err(unfit(format!("`blocks` must be from 1 to {MOST_BLOCKS} in each stage")));
        }
        if self.channels.contains(&0) || self.channels.iter().any(|width| *width > MOST_WIDTH) {
            return Err(unfit(format!("`channels` must be from 1 to {MOST_WIDTH} in each stage")));
        }
        if !(1..=64).contains(&self.patch) || !(0.0..1.0).contains(&self.drop_path) {
            return Err(unfit("`patch` must be from 1 to 64, and `drop_path` from 0 to below 1".into()));
        }
        let (channels, sides) = only_image(signature, "convnext")?;
        // Each of the three steps halves a side and rounds down.
        let least = 8 * self.patch;
        at_least(sides, least, "convnext")?;
        let [first, .., last] = self.channels;
        let stem = (squares(channels, first, self.patch, init), norm(first, init));
        let mut features = vec![Either::One(stem)];
        let mut paths = DropPath::rising(self.blocks.iter().sum(), self.drop_path);
        for (stage, (&blocks, &width)) in self.blocks.iter().zip(&self.channels).enumerate() {
            if stage > 0 {
                let before = self.channels[stage - 1];
                let step = (norm(before, init), squares(before, width, 2, init));
                features.push(Either::Other(Either::One(step)));
            }
            let blocks = paths.by_ref().take(blocks).map(|path| Block::new(width, path, init)).collect();
            features.push(Either::Other(Either::Other(blocks)));
        }
        let (outputs, ending) = Ending::new(signature, "convnext", last, init)?;
        let classifier = (norm(last, init), Gap {}, linear(last, outputs, init));
        Ok(Convnext { features, classifier, least, ending })
    }
}

impl Network for Convnext {
    /// # Shapes
    /// - image: `[B, C, H, W]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let mut x = inputs.image()?;
        let [_, _, height, width] = x.dims();
        at_least([Some(height), Some(width)], self.least, "convnext")?;
        for layer in &self.features {
            x = match layer {
                Either::One((convolution, norm)) => norm.forward_image(convolution.forward(x)),
                Either::Other(Either::One((norm, convolution))) => convolution.forward(norm.forward_image(x)),
                Either::Other(Either::Other(blocks)) => blocks.iter().fold(x, |x, block| block.forward(x)),
            };
        }
        let (norm, _, head) = &self.classifier;
        let y = head.forward(norm.forward(ops::global_avg_pool2d(x)));
        Ok(self.ending.forward(y))
    }
}

/// A depthwise convolution and a perceptron at each pixel, to whose scaled result the input is added.
#[derive(Module, Debug)]
#[expect(clippy::struct_field_names, reason = "torchvision's name")]
struct Block {
    block: (Conv2d, Gap, LayerNorm, Linear, Gap, Linear),
    /// `[N, 1, 1]`.
    layer_scale: Param<Tensor<3>>,
    drop_path: DropPath,
}

impl Block {
    fn new(width: usize, drop_path: DropPath, init: &mut Init) -> Self {
        let block = (
            depthwise(width, init),
            Gap {},
            norm(width, init),
            linear(width, EXPANSION * width, init),
            Gap {},
            linear(EXPANSION * width, width, init),
        );
        Self { block, layer_scale: init.constant([width, 1, 1], SCALE), drop_path }
    }

    /// # Shapes
    /// - `x`: `[B, N, H, W]`
    /// - result: as `x`
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (convolution, _, norm, wide, _, narrow) = &self.block;
        let y = norm.forward(convolution.forward(x.clone()).permute([0, 2, 3, 1]));
        let y = narrow.forward(ops::gelu(wide.forward(y))).permute([0, 3, 1, 2]);
        let scaled = ops::multiply(y, self.layer_scale.val().unsqueeze::<4>());
        ops::add(x, self.drop_path.forward(scaled))
    }
}

fn norm(width: usize, init: &mut Init) -> LayerNorm {
    LayerNorm::of(width, EPSILON, init)
}

fn linear(inputs: usize, outputs: usize, init: &mut Init) -> Linear {
    Linear::normal(inputs, outputs, STD, init)
}

/// A convolution over squares of `side` pixels beside each other.
fn squares(inputs: usize, outputs: usize, side: usize, init: &mut Init) -> Conv2d {
    Conv2dConfig { stride: side, ..Conv2dConfig::new(inputs, outputs, side) }.init_normal(STD, init)
}

/// Seven by seven pixels of one channel.
fn depthwise(width: usize, init: &mut Init) -> Conv2d {
    let config = Conv2dConfig { padding: 3, groups: width, ..Conv2dConfig::new(width, width, 7) };
    config.init_normal(STD, init)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::{count, photographs};

    #[test]
    fn parameter_counts_are_those_of_torchvision() {
        assert_eq!(count(&ConvnextConfig::default(), &photographs(224)), 28_589_128);
        let small = ConvnextConfig { blocks: [3, 3, 27, 3], ..ConvnextConfig::default() };
        assert_eq!(count(&small, &photographs(224)), 50_223_688);
    }
}
