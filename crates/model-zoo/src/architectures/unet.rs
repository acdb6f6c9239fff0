//! A network that answers for every pixel.
//!
//! Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015, with the changes that became usual:
//! padded convolutions, so that the answer is as large as the image, and batch norm. An image whose sides cannot be halved often enough is
//! padded with zeros on the way in, and cut again on the way out.
//!
//! Shapes: B batch, C channels, H height, W width, N channels of the level, K classes.

use burn::module::Module;
use burn::tensor::Tensor;
use data_loader::signature::{OutputSpec, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Conv2d, Conv2dConfig, ConvNorm, ConvTranspose2d, Init, Norm, conv_norm};
use crate::inputs::only_image;
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops};

/// One line for `firebox list`.
pub const SUMMARY: &str =
    "an encoder and a decoder with bridges between them, for the class of every pixel (Ronneberger et al. 2015)";

/// Sixteen levels halve any image that fits into memory to a pixel.
const MOST_DEPTH: usize = 16;
/// Far beyond any width in use, and far below where its multiples overflow.
const MOST_WIDTH: usize = 1 << 16;

/// Settings of [`Unet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UnetConfig {
    /// How often the image is halved.
    pub depth: usize,
    /// Channels of the first level; each level has twice as many as the one before.
    pub width: usize,
}

impl Default for UnetConfig {
    fn default() -> Self {
        Self { depth: 4, width: 64 }
    }
}

/// Two convolutions.
type Pair = (ConvNorm, ConvNorm);

/// The network.
#[derive(Module, Debug)]
pub struct Unet {
    /// One for each level, from the largest image to the smallest.
    encoder: Vec<Pair>,
    /// From each level to the one above, from the smallest image to the largest.
    up: Vec<ConvTranspose2d>,
    /// What comes from below, and the bridge.
    decoder: Vec<Pair>,
    head: Conv2d,
}

impl NetworkConfig for UnetConfig {
    type Network = Unet;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Unet, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "unet", reason };
        if !(1..=MOST_DEPTH).contains(&self.depth) || !(1..=MOST_WIDTH).contains(&self.width) {
            return Err(unfit(format!("`depth` must be from 1 to {MOST_DEPTH}, and `width` from 1 to {MOST_WIDTH}")));
        }
        let (channels, sides) = only_image(signature, "unet")?;
        // An image is filled up to a multiple of 2^depth; beyond its next power of two there would be more filling than image.
        let largest = sides.iter().flatten().max().map(|side| side.next_power_of_two());
        if let Some(largest) = largest.filter(|largest| 1 << self.depth > *largest) {
            let (depth, most) = (self.depth, largest.ilog2());
            return Err(unfit(format!(
                "a `depth` of {depth} halves the images beyond a pixel; at most {most} is of use"
            )));
        }
        let OutputSpec::Mask { labels } = &signature.output else {
            return Err(unfit(format!("it segments, but the task is `{}`", signature.task)));
        };
        let width = |level: usize| self.width << level;
        let encoder = (0..=self.depth)
            .map(|level| pair(if level == 0 { channels } else { width(level - 1) }, width(level), init))
            .collect();
        let up = (0..self.depth).rev().map(|level| ConvTranspose2d::new(width(level + 1), width(level), 2, init));
        let up = up.collect();
        let decoder = (0..self.depth).rev().map(|level| pair(2 * width(level), width(level), init)).collect();
        let head = Conv2dConfig::new(self.width, labels.len(), 1).init(init);
        Ok(Unet { encoder, up, decoder, head })
    }
}

fn pair(inputs: usize, outputs: usize, init: &mut Init) -> Pair {
    let first = conv_norm(Conv2dConfig::new(inputs, outputs, 3), Norm::USUAL, init);
    (first, conv_norm(Conv2dConfig::new(outputs, outputs, 3), Norm::USUAL, init))
}

fn pair_forward(pair: &Pair, x: Tensor<4>) -> Tensor<4> {
    [&pair.0, &pair.1].into_iter().fold(x, |x, (conv, norm)| norm.forward_relu(conv.forward(x)))
}

impl Network for Unet {
    /// # Shapes
    /// - image: `[B, C, H, W]`
    /// - result: `[B, K, H, W]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let x = inputs.image()?;
        let [_, _, height, width] = x.dims();
        let multiple = 1 << self.up.len();
        let missing = |side: usize| side.next_multiple_of(multiple) - side;
        let mut x = match (missing(height), missing(width)) {
            (0, 0) => x,
            (rows, columns) => ops::pad_image(x, (0, rows), (0, columns)),
        };
        let mut bridges = Vec::new();
        for (level, pair) in self.encoder.iter().enumerate() {
            if level > 0 {
                x = ops::max_pool2d(x, [2, 2]);
            }
            x = pair_forward(pair, x);
            bridges.push(x.clone());
        }
        bridges.pop();
        for (up, pair) in self.up.iter().zip(&self.decoder) {
            let Some(bridge) = bridges.pop() else { break };
            x = pair_forward(pair, Tensor::cat(vec![bridge, up.forward(x)], 1));
        }
        let scores = self.head.forward(x);
        Ok(Output::Mask(scores.slice_dim(2, 0..height).slice_dim(3, 0..width)))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use data_loader::Task;

    use super::*;
    use crate::inputs::Input;
    use crate::published::{count, photographs};

    fn two_classes() -> Signature {
        let output = OutputSpec::Mask { labels: vec!["ground".into(), "thing".into()] };
        Signature { task: Task::Segment, output, ..photographs(32) }
    }

    /// 31,037,698 is the count of the form that is most often used, of the repository Pytorch-UNet, for two classes.
    #[test]
    fn the_parameter_count_is_the_usual_one() {
        assert_eq!(count(&UnetConfig::default(), &two_classes()), 31_037_698);
    }

    #[test]
    fn images_of_any_size_get_a_mask_of_their_size() {
        let network = UnetConfig { depth: 3, width: 2 }.build(&two_classes(), 0, &Device::flex()).unwrap();
        for [height, width] in [[1, 1], [7, 9], [8, 16], [13, 24]] {
            let pixels = Tensor::<4>::from_data(
                TensorData::new(vec![0.5_f32; 3 * height * width], [1, 3, height, width]),
                &Device::flex(),
            );
            let answer = network.forward(&Inputs::new(vec![("image".into(), Input::Image(pixels))])).unwrap();
            let Output::Mask(scores) = answer else { panic!("{answer:?}") };
            assert_eq!(scores.dims(), [1, 2, height, width]);
        }
    }
}
