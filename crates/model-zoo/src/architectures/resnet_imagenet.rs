//! The residual network for photographs.
//!
//! He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015, table 1, with the stride of a bottleneck on its 3 x 3
//! convolution, as torchvision and everybody since has it (version 1.5). Parameters are named as in torchvision's `ResNet`.
//!
//! Shapes: B batch, C channels, H height, W width, K outputs.

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
pub const SUMMARY: &str =
    "residual blocks in four stages for photographs: ResNet-18, 34, 50, 101, 152 (He et al. 2015)";

/// Blocks of each stage, and whether they are bottlenecks, by depth.
const DEPTHS: &[(usize, [usize; 4], bool)] = &[
    (18, [2, 2, 2, 2], false),
    (34, [3, 4, 6, 3], false),
    (50, [3, 4, 6, 3], true),
    (101, [3, 4, 23, 3], true),
    (152, [3, 8, 36, 3], true),
];
/// How much wider the result of a bottleneck is than its middle.
const EXPANSION: usize = 4;
/// Far beyond any width in use, and far below where its multiples overflow.
const MOST_WIDTH: usize = 1 << 16;

/// What stands before the first stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// A 7 x 7 convolution and a pooling, each with stride 2, as the paper has it.
    #[default]
    Large,
    /// A 3 x 3 convolution with stride 1: for images of some 32 pixels, of which the other would leave 8.
    Small,
}

/// Settings of [`ResnetImagenet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResnetImagenetConfig {
    /// Weighted layers: 18, 34, 50, 101 or 152.
    pub depth: usize,
    /// Channels of the first stage; each stage has twice as many as the one before.
    pub width: usize,
    /// What stands before the first stage.
    pub stem: Stem,
}

impl Default for ResnetImagenetConfig {
    fn default() -> Self {
        Self { depth: 18, width: 64, stem: Stem::Large }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct ResnetImagenet {
    conv1: Conv2d,
    bn1: BatchNorm,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
    fc: Linear,
    pools: bool,
    ending: Ending,
}

impl NetworkConfig for ResnetImagenetConfig {
    type Network = ResnetImagenet;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<ResnetImagenet, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "resnet_imagenet", reason };
        let known = DEPTHS.iter().find(|(depth, ..)| *depth == self.depth);
        let Some(&(_, blocks, bottleneck)) = known else {
            return Err(unfit(format!("`depth` is {}; it must be 18, 34, 50, 101 or 152", self.depth)));
        };
        if !(1..=MOST_WIDTH).contains(&self.width) {
            return Err(unfit(format!("`width` must be from 1 to {MOST_WIDTH}")));
        }
        // Of any size, however small: each stage rounds up, and the head takes means over the image.
        let (channels, sides) = only_image(signature, "resnet_imagenet")?;
        at_least(sides, 1, "resnet_imagenet")?;
        let (kernel, stride) = match self.stem {
            Stem::Large => (7, 2),
            Stem::Small => (3, 1),
        };
        let w = self.width;
        let conv1 = convolution(channels, w, kernel, stride, init);
        let bn1 = BatchNorm::new(w, init);
        let expansion = if bottleneck { EXPANSION } else { 1 };
        let mut inputs = w;
        let mut stage = |at: usize| {
            let middle = w << at;
            let first = if at == 0 { 1 } else { 2 };
            let made = (0..blocks[at]).map(|k| {
                let stride = if k == 0 { first } else { 1 };
                let block = Block::new(inputs, middle, stride, bottleneck, init);
                inputs = expansion * middle;
                block
            });
            made.collect::<Vec<_>>()
        };
        let [layer1, layer2, layer3, layer4] = [stage(0), stage(1), stage(2), stage(3)];
        let (outputs, ending) = Ending::new(signature, "resnet_imagenet", expansion * 8 * w, init)?;
        let fc = Linear::new(expansion * 8 * w, outputs, init);
        let pools = self.stem == Stem::Large;
        Ok(ResnetImagenet { conv1, bn1, layer1, layer2, layer3, layer4, fc, pools, ending })
    }
}

impl Network for ResnetImagenet {
    /// # Shapes
    /// - image: `[B, C, H, W]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let mut x = self.bn1.forward_relu(self.conv1.forward(inputs.image()?));
        if self.pools {
            x = ops::max_pool2d_strided(x, 3, 2, 1);
        }
        for block in [&self.layer1, &self.layer2, &self.layer3, &self.layer4].into_iter().flatten() {
            x = block.forward(x);
        }
        let y = self.fc.forward(ops::global_avg_pool2d(x));
        Ok(self.ending.forward(y))
    }
}

/// Two 3 x 3 convolutions, or a 3 x 3 one between two of 1 x 1, to whose result the input is added.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm>,
    /// Brings the input to the shape of the result, where they differ.
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl Block {
    fn new(inputs: usize, middle: usize, stride: usize, bottleneck: bool, init: &mut Init) -> Self {
        let outputs = if bottleneck { EXPANSION * middle } else { middle };
        let (kernel, first) = if bottleneck { (1, 1) } else { (3, stride) };
        Self {
            conv1: convolution(inputs, middle, kernel, first, init),
            bn1: BatchNorm::new(middle, init),
            conv2: convolution(middle, middle, 3, if bottleneck { stride } else { 1 }, init),
            bn2: BatchNorm::new(middle, init),
            conv3: bottleneck.then(|| convolution(middle, outputs, 1, 1, init)),
            bn3: bottleneck.then(|| BatchNorm::new(outputs, init)),
            downsample: (stride != 1 || inputs != outputs)
                .then(|| (convolution(inputs, outputs, 1, stride, init), BatchNorm::new(outputs, init))),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.bn1.forward_relu(self.conv1.forward(x.clone()));
        let y = self.conv2.forward(y);
        let shortcut = match &self.downsample {
            Some((conv, norm)) => norm.forward(conv.forward(x)),
            None => x,
        };
        match (&self.conv3, &self.bn3) {
            (Some(conv), Some(norm)) => norm.forward_add_relu(conv.forward(self.bn2.forward_relu(y)), shortcut),
            _ => self.bn2.forward_add_relu(y, shortcut),
        }
    }
}

/// A convolution that keeps the size but for its stride; the batch norm behind it makes a bias idle.
fn convolution(inputs: usize, outputs: usize, kernel: usize, stride: usize, init: &mut Init) -> Conv2d {
    let padding = kernel / 2;
    Conv2dConfig { stride, padding, bias: false, ..Conv2dConfig::new(inputs, outputs, kernel) }.init_kaiming(init)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::{count, photographs};

    #[test]
    fn parameter_counts_are_those_of_torchvision() {
        for (depth, published) in [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032)] {
            let config = ResnetImagenetConfig { depth, ..ResnetImagenetConfig::default() };
            assert_eq!(count(&config, &photographs(224)), published, "depth {depth}");
        }
    }
}
