//! The residual network for small images.
//!
//! He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015, section 4.2: three stages of `n` blocks, the
//! image halved and the channels doubled between them, `6n + 2` weighted layers in all. Where the shape changes the shortcut
//! is a 1 x 1 convolution with batch norm (option B of the paper; its own CIFAR tables pad with zeros, option A). Parameters
//! are named as in torchvision's `ResNet`.
//!
//! Shapes: B batch, C channels, H height, W width, N channels of the stage, K outputs.

use burn::module::Module;
use burn::tensor::Tensor;
use data_loader::signature::{InputKind, InputSpec, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{BatchNorm, Conv2d, Conv2dConfig, Ending, Init, Linear};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops};

/// One line for `firebox list`.
pub const SUMMARY: &str = "residual blocks in three stages for small images (He et al. 2015)";

/// The deepest of the paper has 1202 layers.
const MOST_DEPTH: usize = 1202;
/// Far beyond any width in use, and far below where four times it overflows.
const MOST_WIDTH: usize = 1 << 20;

/// Settings of [`Resnet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResnetConfig {
    /// Weighted layers, `6n + 2`: the paper has 20, 32, 44, 56 and 110.
    pub depth: usize,
    /// Channels of the first stage; the second has twice, the third four times as many.
    pub width: usize,
}

impl Default for ResnetConfig {
    fn default() -> Self {
        Self { depth: 20, width: 16 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Resnet {
    conv1: Conv2d,
    bn1: BatchNorm,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    fc: Linear,
    ending: Ending,
}

impl NetworkConfig for ResnetConfig {
    type Network = Resnet;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Resnet, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "resnet", reason };
        if self.depth < 8 || self.depth % 6 != 2 || self.width == 0 {
            return Err(unfit("`depth` must be 6n + 2, such as 20, 32, 44 or 56, and `width` at least 1".into()));
        }
        if self.depth > MOST_DEPTH || self.width > MOST_WIDTH {
            return Err(unfit(format!("`depth` may be at most {MOST_DEPTH} and `width` at most {MOST_WIDTH}")));
        }
        let [InputSpec { kind: InputKind::Image { .. }, shape, .. }] = signature.inputs.as_slice() else {
            return Err(unfit("it reads images and nothing else".into()));
        };
        // Of any size: the head takes means over the image.
        let [Some(channels), ..] = shape.as_slice() else {
            return Err(unfit("it needs images whose channels are known".into()));
        };
        let (blocks, w) = ((self.depth - 2) / 6, self.width);
        let (outputs, ending) = Ending::new(signature, "resnet", 4 * w, init)?;
        Ok(Resnet {
            conv1: convolution(*channels, w, 3, 1, init),
            bn1: BatchNorm::new(w, init),
            layer1: stage(blocks, w, w, 1, init),
            layer2: stage(blocks, w, 2 * w, 2, init),
            layer3: stage(blocks, 2 * w, 4 * w, 2, init),
            fc: Linear::new(4 * w, outputs, init),
            ending,
        })
    }
}

impl Network for Resnet {
    /// # Shapes
    /// - image: `[B, C, H, W]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let mut x = self.bn1.forward_relu(self.conv1.forward(inputs.image()?));
        for block in [&self.layer1, &self.layer2, &self.layer3].into_iter().flatten() {
            x = block.forward(x);
        }
        let y = self.fc.forward(ops::global_avg_pool2d(x));
        Ok(self.ending.forward(y))
    }
}

/// Two 3 x 3 convolutions, to whose result the input is added.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    /// Brings the input to the shape of the result, where they differ.
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl Block {
    fn new(inputs: usize, outputs: usize, stride: usize, init: &mut Init) -> Self {
        Self {
            conv1: convolution(inputs, outputs, 3, stride, init),
            bn1: BatchNorm::new(outputs, init),
            conv2: convolution(outputs, outputs, 3, 1, init),
            bn2: BatchNorm::new(outputs, init),
            downsample: (stride != 1 || inputs != outputs)
                .then(|| (convolution(inputs, outputs, 1, stride, init), BatchNorm::new(outputs, init))),
        }
    }

    /// # Shapes
    /// - `x`: `[B, N, H, W]`
    /// - result: as `x`, or `[B, 2N, H / 2, W / 2]` rounded up where a stage begins
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.bn1.forward_relu(self.conv1.forward(x.clone()));
        let y = self.conv2.forward(y);
        let shortcut = match &self.downsample {
            Some((conv, norm)) => norm.forward(conv.forward(x)),
            None => x,
        };
        self.bn2.forward_add_relu(y, shortcut)
    }
}

fn stage(blocks: usize, inputs: usize, outputs: usize, stride: usize, init: &mut Init) -> Vec<Block> {
    (0..blocks)
        .map(|k| match k {
            0 => Block::new(inputs, outputs, stride, init),
            _ => Block::new(outputs, outputs, 1, init),
        })
        .collect()
}

/// A convolution that keeps the size but for its stride; the batch norm behind it makes a bias idle.
fn convolution(inputs: usize, outputs: usize, kernel: usize, stride: usize, init: &mut Init) -> Conv2d {
    let padding = kernel / 2;
    Conv2dConfig { stride, padding, bias: false, ..Conv2dConfig::new(inputs, outputs, kernel) }.init_kaiming(init)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use data_loader::signature::{Dtype, OutputSpec};
    use data_loader::task::Task;

    use super::*;
    use crate::{summary, weights};

    fn cifar() -> Signature {
        let kind = InputKind::Image { mean: vec![0.5; 3], std: vec![0.25; 3] };
        let image =
            InputSpec { name: "image".into(), dtype: Dtype::U8, shape: vec![Some(3), Some(32), Some(32)], kind };
        let labels = (0..10).map(|k| k.to_string()).collect();
        Signature { task: Task::Classify, inputs: vec![image], output: OutputSpec::Classes { labels } }
    }

    /// Table 6 of the paper, in millions and with option A, whose shortcuts have no parameters.
    #[test]
    fn parameter_counts_are_those_of_the_paper() {
        // With the shortcuts of option B these are the counts of the models at github.com/chenyaofo/pytorch-cifar-models.
        let published = [(20, 0.27, 272_474), (32, 0.46, 466_906), (44, 0.66, 661_338), (56, 0.85, 855_770)];
        for (depth, millions, with_projections) in published {
            let network = ResnetConfig { depth, width: 16 }.build(&cifar(), 0, &Device::flex()).unwrap();
            let count = summary::parameters(&network);
            let projections = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64);
            assert_eq!(count, with_projections, "depth {depth}");
            assert!(((count - projections) as f64 / 1e6 - millions).abs() < 0.01, "depth {depth}");
        }
    }

    /// Nine `w x w` filters a convolution and two numbers a channel of a batch norm, stage by stage.
    #[test]
    fn the_parameter_count_has_a_closed_form() {
        for (depth, width) in [(8, 4), (20, 16), (32, 8)] {
            let (n, w) = ((depth - 2) / 6, width);
            let stem = 3 * 9 * w + 2 * w;
            let same = |c: usize| 2 * (9 * c * c + 2 * c);
            let wider = |c: usize| 9 * c * 2 * c + 9 * 4 * c * c + c * 2 * c + 3 * 4 * c;
            let stages = n * same(w) + wider(w) + (n - 1) * same(2 * w) + wider(2 * w) + (n - 1) * same(4 * w);
            let network = ResnetConfig { depth, width }.build(&cifar(), 0, &Device::flex()).unwrap();
            assert_eq!(summary::parameters(&network), stem + stages + 4 * w * 10 + 10);
        }
    }

    #[test]
    fn parameters_have_the_names_of_torchvision() {
        let network = ResnetConfig { depth: 8, width: 4 }.build(&cifar(), 0, &Device::flex()).unwrap();
        let names = weights::names(&network);
        for name in [
            "conv1.weight",
            "bn1.running_var",
            "layer1.0.conv2.weight",
            "layer2.0.downsample.0.weight",
            "layer2.0.downsample.1.bias",
            "fc.bias",
        ] {
            assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
        }
        assert!(!names.iter().any(|name| name.starts_with("layer1.0.downsample")));
    }

    #[test]
    fn depths_that_are_not_6n_plus_2_are_refused() {
        for depth in [0, 2, 7, 18, 21, 52, 1208, 2_000_000] {
            let built = ResnetConfig { depth, width: 16 }.build(&cifar(), 0, &Device::flex());
            assert!(matches!(built, Err(Error::Unfit { architecture: "resnet", .. })), "{depth}");
        }
    }
}
