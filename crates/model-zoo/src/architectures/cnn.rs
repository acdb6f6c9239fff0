//! A plain convolutional network for small images.
//!
//! Runs of 3 x 3 convolutions that keep the size, a maximum over 2 x 2 after each run, then one hidden linear layer, after
//! Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.
//!
//! Shapes: B batch, C channels, H height, W width, K outputs.

use burn::module::Module;
use data_loader::signature::{InputKind, InputSpec, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Conv2d, Conv2dConfig, Dropout, Ending, Init, Linear};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops};

/// One line for `firebox list`.
pub const SUMMARY: &str =
    "runs of 3 x 3 convolutions and poolings for small images (after Simonyan and Zisserman 2015)";

/// Settings of [`Cnn`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CnnConfig {
    /// Filters of each convolution; each inner list is a run that ends in a pooling, which halves the image.
    pub channels: Vec<Vec<usize>>,
    /// Units of the hidden linear layer.
    pub hidden: usize,
    /// Probability with which a hidden unit is silenced while training.
    pub dropout: f64,
}

impl Default for CnnConfig {
    fn default() -> Self {
        Self { channels: vec![vec![32, 64]], hidden: 128, dropout: 0.0 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Cnn {
    runs: Vec<Vec<Conv2d>>,
    fc1: Linear,
    fc2: Linear,
    dropout: Dropout,
    ending: Ending,
}

impl NetworkConfig for CnnConfig {
    type Network = Cnn;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Cnn, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "cnn", reason };
        let empty = self.channels.is_empty() || self.channels.iter().any(|run| run.is_empty() || run.contains(&0));
        if empty || self.hidden == 0 || !(0.0..1.0).contains(&self.dropout) {
            return Err(unfit(
                "`channels` must hold at least one run of numbers above 0, `hidden` be at least 1, `dropout` from 0 to below 1"
                    .into(),
            ));
        }
        let [InputSpec { kind: InputKind::Image { .. }, shape, .. }] = signature.inputs.as_slice() else {
            return Err(unfit("it reads images and nothing else".into()));
        };
        let [Some(channels), Some(height), Some(width)] = shape.as_slice() else {
            return Err(unfit("it needs images of one fixed size".into()));
        };
        let halvings = self.channels.len() as u32;
        let halved = |size: usize| size.checked_shr(halvings).unwrap_or(0);
        let area = halved(*height) * halved(*width);
        if area == 0 {
            return Err(unfit(format!("{halvings} poolings leave nothing of images of {height} x {width} pixels")));
        }
        let mut inputs = *channels;
        let mut runs = Vec::new();
        for run in &self.channels {
            let mut convolutions = Vec::new();
            for &filters in run {
                convolutions.push(Conv2dConfig { padding: 1, ..Conv2dConfig::new(inputs, filters, 3) }.init(init));
                inputs = filters;
            }
            runs.push(convolutions);
        }
        let (outputs, ending) = Ending::new(signature, "cnn", self.hidden, init)?;
        Ok(Cnn {
            runs,
            fc1: Linear::new(inputs * area, self.hidden, init),
            fc2: Linear::new(self.hidden, outputs, init),
            dropout: Dropout::new(self.dropout),
            ending,
        })
    }
}

impl Network for Cnn {
    /// # Shapes
    /// - image: `[B, C, H, W]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let mut x = inputs.image()?;
        for run in &self.runs {
            for convolution in run {
                x = convolution.forward_relu(x);
            }
            x = ops::max_pool2d(x, [2, 2]);
        }
        let [batch, channels, height, width] = x.dims();
        let x = x.reshape([batch, channels * height * width]);
        let x = self.dropout.forward(self.fc1.forward_relu(x));
        let y = self.fc2.forward(x);
        Ok(self.ending.forward(y))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use data_loader::signature::{Dtype, OutputSpec};
    use data_loader::task::Task;

    use super::*;
    use crate::summary;

    fn images(size: usize) -> Signature {
        let kind = InputKind::Image { mean: vec![0.0], std: vec![1.0] };
        let shape = vec![Some(1), Some(size), Some(size)];
        let image = InputSpec { name: "image".into(), dtype: Dtype::U8, shape, kind };
        let labels = (0..10).map(|k| k.to_string()).collect();
        Signature { task: Task::Classify, inputs: vec![image], output: OutputSpec::Classes { labels } }
    }

    #[test]
    fn the_default_on_mnist_has_the_count_of_its_layers() {
        let network = CnnConfig::default().build(&images(28), 0, &Device::flex()).unwrap();
        let layers = (9 * 32 + 32) + (9 * 32 * 64 + 64) + (64 * 14 * 14 * 128 + 128) + (128 * 10 + 10);
        assert_eq!(summary::parameters(&network), layers);
    }

    #[test]
    fn images_that_poolings_make_vanish_are_refused() {
        let deep = CnnConfig { channels: vec![vec![4]; 3], ..CnnConfig::default() };
        assert!(deep.build(&images(8), 0, &Device::flex()).is_ok());
        assert!(matches!(deep.build(&images(7), 0, &Device::flex()), Err(Error::Unfit { .. })));
        let absurd = CnnConfig { channels: vec![vec![1]; 100], ..CnnConfig::default() };
        assert!(matches!(absurd.build(&images(28), 0, &Device::flex()), Err(Error::Unfit { .. })));
    }
}
