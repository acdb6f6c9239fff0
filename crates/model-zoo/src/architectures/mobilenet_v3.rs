//! A network for small processors.
//!
//! Howard et al., "Searching for MobileNetV3", 2019, tables 1 and 2. Parameters are named as in torchvision's `MobileNetV3`.
//!
//! Shapes: B batch, C channels, H height, W width, K outputs.

use burn::module::Module;
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{
    Activation, Conv2dConfig, ConvNorm, DropPath, Dropout, Either, Ending, Gap, Init, InvertedResidual,
    InvertedResidualConfig, Linear, Norm, conv_norm, conv_norm_forward,
};
use crate::inputs::only_image;
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops};

/// One line for `firebox list`.
pub const SUMMARY: &str = "inverted residual blocks for small processors, small or large (Howard et al. 2019)";

/// Kernel, channels between, channels of the result, gated, with hard swish (else with ReLU), stride.
type Row = (usize, usize, usize, bool, bool, usize);

#[rustfmt::skip]
const LARGE: &[Row] = &[
    (3, 16, 16, false, false, 1),
    (3, 64, 24, false, false, 2), (3, 72, 24, false, false, 1),
    (5, 72, 40, true, false, 2), (5, 120, 40, true, false, 1), (5, 120, 40, true, false, 1),
    (3, 240, 80, false, true, 2), (3, 200, 80, false, true, 1), (3, 184, 80, false, true, 1), (3, 184, 80, false, true, 1),
    (3, 480, 112, true, true, 1), (3, 672, 112, true, true, 1),
    (5, 672, 160, true, true, 2), (5, 960, 160, true, true, 1), (5, 960, 160, true, true, 1),
];
#[rustfmt::skip]
const SMALL: &[Row] = &[
    (3, 16, 16, true, false, 2),
    (3, 72, 24, false, false, 2), (3, 88, 24, false, false, 1),
    (5, 96, 40, true, true, 2), (5, 240, 40, true, true, 1), (5, 240, 40, true, true, 1),
    (5, 120, 48, true, true, 1), (5, 144, 48, true, true, 1),
    (5, 288, 96, true, true, 2), (5, 576, 96, true, true, 1), (5, 576, 96, true, true, 1),
];
/// Far beyond any multiple in use.
const MOST_WIDTH: f64 = 64.0;

/// Which of the two networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// 11 blocks, 2.5 million parameters for 1000 classes.
    #[default]
    Small,
    /// 15 blocks, 5.5 million parameters.
    Large,
}

/// Settings of [`MobilenetV3`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MobilenetV3Config {
    /// Which of the two networks.
    pub size: Size,
    /// By what the channels of every layer are multiplied; the result is rounded to a multiple of 8.
    pub width: f64,
    /// Probability with which a unit before the head is silenced while training.
    pub dropout: f64,
}

impl Default for MobilenetV3Config {
    fn default() -> Self {
        Self { size: Size::Small, width: 1.0, dropout: 0.2 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct MobilenetV3 {
    features: Vec<Either<ConvNorm, InvertedResidual>>,
    classifier: (Linear, Gap, Dropout, Linear),
    ending: Ending,
}

/// The multiple of 8 nearest to `channels`, at least 8 and not more than a tenth below.
pub(super) fn in_eights(channels: f64) -> usize {
    let nearest = ((channels + 4.0) / 8.0).floor().max(1.0) * 8.0;
    let rounded = if nearest < 0.9 * channels { nearest + 8.0 } else { nearest };
    rounded as usize
}

impl NetworkConfig for MobilenetV3Config {
    type Network = MobilenetV3;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<MobilenetV3, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "mobilenet_v3", reason };
        let fits = self.width > 0.0 && self.width <= MOST_WIDTH;
        if !fits || !(0.0..1.0).contains(&self.dropout) {
            return Err(unfit(format!(
                "`width` must be above 0 and at most {MOST_WIDTH}, and `dropout` from 0 to below 1"
            )));
        }
        let (channels, _) = only_image(signature, "mobilenet_v3")?;
        let scaled = |channels: usize| in_eights(channels as f64 * self.width);
        let (rows, penultimate) = match self.size {
            Size::Small => (SMALL, 1024),
            Size::Large => (LARGE, 1280),
        };
        let mut inputs = scaled(16);
        let stem = Conv2dConfig { stride: 2, ..Conv2dConfig::new(channels, inputs, 3) };
        let mut features = vec![Either::One(conv_norm(stem, Norm::MOBILE, init))];
        for &(kernel, hidden, outputs, gated, swish, stride) in rows {
            let [hidden, outputs] = [hidden, outputs].map(scaled);
            let config = InvertedResidualConfig {
                inputs,
                hidden,
                outputs,
                kernel,
                stride,
                activation: if swish { Activation::HardSwish } else { Activation::Relu },
                gate: gated.then(|| (in_eights((hidden / 4) as f64), Activation::Relu, Activation::HardSigmoid)),
                norm: Norm::MOBILE,
                same: false,
            };
            features.push(Either::Other(config.init(DropPath::new(0.0), init)));
            inputs = outputs;
        }
        let last = 6 * inputs;
        features.push(Either::One(conv_norm(Conv2dConfig::new(inputs, last, 1), Norm::MOBILE, init)));
        let penultimate = scaled(penultimate);
        let (outputs, ending) = Ending::new(signature, "mobilenet_v3", penultimate, init)?;
        let mut linear = |inputs, outputs| Linear::normal(inputs, outputs, 0.01, init);
        let classifier = (linear(last, penultimate), Gap {}, Dropout::new(self.dropout), linear(penultimate, outputs));
        Ok(MobilenetV3 { features, classifier, ending })
    }
}

impl Network for MobilenetV3 {
    /// # Shapes
    /// - image: `[B, C, H, W]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let mut x = inputs.image()?;
        for layer in &self.features {
            x = match layer {
                Either::One(layer) => ops::hard_swish(conv_norm_forward(layer, x)),
                Either::Other(block) => block.forward(x),
            };
        }
        let (hidden, _, dropout, head) = &self.classifier;
        let y = dropout.forward(ops::hard_swish(hidden.forward(ops::global_avg_pool2d(x))));
        Ok(self.ending.forward(head.forward(y)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::{count, photographs};

    #[test]
    fn parameter_counts_are_those_of_torchvision() {
        for (size, published) in [(Size::Small, 2_542_856), (Size::Large, 5_483_032)] {
            let config = MobilenetV3Config { size, ..MobilenetV3Config::default() };
            assert_eq!(count(&config, &photographs(224)), published, "{size:?}");
        }
    }

    #[test]
    fn channels_come_in_eights_and_are_hardly_fewer() {
        for (channels, expected) in [(1.0, 8), (11.9, 16), (12.0, 16), (16.0, 16), (28.0, 32), (100.0, 104), (67.9, 64)]
        {
            assert_eq!(in_eights(channels), expected, "{channels}");
        }
    }
}
