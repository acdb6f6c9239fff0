//! A network whose depth, width and resolution were balanced by search.
//!
//! Tan and Le, "EfficientNet", 2019, table 1. Parameters are named as in torchvision's `EfficientNet`. The lite form is Google's for
//! phones: no gates, ReLU6, and padding as TensorFlow does it.
//!
//! Shapes: B batch, C channels, H height, W width, K outputs.

use burn::module::Module;
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mobilenet_v3::in_eights;
use crate::blocks::{
    Activation, Conv2dConfig, ConvNorm, DropPath, Dropout, Either, Ending, Init, InvertedResidual,
    InvertedResidualConfig, Linear, Norm, conv_norm, conv_norm_forward,
};
use crate::inputs::only_image;
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops};

/// One line for `firebox list`.
pub const SUMMARY: &str =
    "gated inverted residual blocks: EfficientNet-B0 and the lite form for phones (Tan and Le 2019)";

/// How much wider, kernel, stride, channels of the result, blocks.
#[rustfmt::skip]
const STAGES: &[(usize, usize, usize, usize, usize)] = &[
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
];
/// Channels before the first stage.
const STEM: usize = 32;
/// How much wider the last layer before the head is than the last stage.
const HEAD: usize = 4;
/// Far beyond any multiple in use.
const MOST_WIDTH: f64 = 64.0;

/// Which of the forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// EfficientNet-B0, with gates and SiLU: 5.3 million parameters for 1000 classes.
    #[default]
    B0,
    /// EfficientNet-Lite0, without gates and with ReLU6: 4.7 million parameters.
    Lite0,
}

/// Settings of [`Efficientnet`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EfficientnetConfig {
    /// Which of the forms.
    pub form: Form,
    /// By what the channels of every layer are multiplied; the result is rounded to a multiple of 8.
    pub width: f64,
    /// Probability with which a feature before the head is silenced while training.
    pub dropout: f64,
    /// Probability with which the last block is left out for an example while training; earlier ones less often.
    pub drop_path: f64,
}

impl Default for EfficientnetConfig {
    fn default() -> Self {
        Self { form: Form::B0, width: 1.0, dropout: 0.2, drop_path: 0.2 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Efficientnet {
    features: Vec<Either<ConvNorm, Vec<InvertedResidual>>>,
    classifier: (Dropout, Linear),
    #[module(skip)]
    activation: Activation,
    ending: Ending,
}

impl NetworkConfig for EfficientnetConfig {
    type Network = Efficientnet;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Efficientnet, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "efficientnet", reason };
        if !(self.width > 0.0 && self.width <= MOST_WIDTH) {
            return Err(unfit(format!("`width` must be above 0 and at most {MOST_WIDTH}")));
        }
        if [self.dropout, self.drop_path].iter().any(|probability| !(0.0..1.0).contains(probability)) {
            return Err(unfit("`dropout` and `drop_path` must be from 0 to below 1".into()));
        }
        let (channels, _) = only_image(signature, "efficientnet")?;
        let lite = self.form == Form::Lite0;
        let (activation, norm) = if lite { (Activation::Relu6, Norm::MOBILE) } else { (Activation::Silu, Norm::USUAL) };
        let scaled = |channels: usize| in_eights(channels as f64 * self.width);
        let mut inputs = scaled(STEM);
        let stem = Conv2dConfig { stride: 2, same: lite, ..Conv2dConfig::new(channels, inputs, 3) };
        let mut features = vec![Either::One(conv_norm(stem, norm, init))];
        let blocks: usize = STAGES.iter().map(|(.., blocks)| blocks).sum();
        for (stage, &(expansion, kernel, first, outputs, count)) in STAGES.iter().enumerate() {
            let outputs = scaled(outputs);
            let before: usize = STAGES[..stage].iter().map(|(.., blocks)| blocks).sum();
            let block = |k: usize| {
                let config = InvertedResidualConfig {
                    inputs,
                    hidden: expansion * inputs,
                    outputs,
                    kernel,
                    stride: if k == 0 { first } else { 1 },
                    activation,
                    gate: (!lite).then(|| ((inputs / 4).max(1), activation, Activation::Sigmoid)),
                    norm,
                    same: lite,
                };
                let drop_path = DropPath::new(self.drop_path * (before + k) as f64 / blocks as f64);
                inputs = outputs;
                config.init(drop_path, init)
            };
            features.push(Either::Other((0..count).map(block).collect()));
        }
        let last = HEAD * inputs;
        features.push(Either::One(conv_norm(Conv2dConfig::new(inputs, last, 1), norm, init)));
        let (outputs, ending) = Ending::new(signature, "efficientnet", last, init)?;
        let bound = 1.0 / (outputs as f64).sqrt();
        let head = Linear { weight: init.uniform([outputs, last], bound), bias: Some(init.constant([outputs], 0.0)) };
        let classifier = (Dropout::new(self.dropout), head);
        Ok(Efficientnet { features, classifier, activation, ending })
    }
}

impl Network for Efficientnet {
    /// # Shapes
    /// - image: `[B, C, H, W]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let mut x = inputs.image()?;
        for layer in &self.features {
            x = match layer {
                Either::One(layer) => self.activation.forward(conv_norm_forward(layer, x)),
                Either::Other(stage) => stage.iter().fold(x, |x, block| block.forward(x)),
            };
        }
        let (dropout, head) = &self.classifier;
        let y = head.forward(dropout.forward(ops::global_avg_pool2d(x)));
        Ok(self.ending.forward(y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::{count, photographs};

    /// Those of torchvision's `efficientnet_b0` and of timm's `tf_efficientnet_lite0`.
    #[test]
    fn parameter_counts_are_the_published_ones() {
        for (form, published) in [(Form::B0, 5_288_548), (Form::Lite0, 4_652_008)] {
            let config = EfficientnetConfig { form, ..EfficientnetConfig::default() };
            assert_eq!(count(&config, &photographs(224)), published, "{form:?}");
        }
    }
}
