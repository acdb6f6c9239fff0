//! LeNet-5, the small convolutional network for small images.
//!
//! LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998, in today's form:
//! ReLU for the sigmoids, maxima for the learnt sub-sampling, a linear head for the radial one.
//!
//! Shapes: B batch, C channels, H height, W width, K classes.

use burn::module::Module;
use data_loader::signature::{InputKind, InputSpec, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Conv2d, Conv2dConfig, Dropout, Ending, Init, Linear};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops};

/// One line for `firebox list`.
pub const SUMMARY: &str = "two convolutions and three linear layers for small images (LeCun et al. 1998)";

/// Settings of [`Lenet`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LenetConfig {
    /// Filters of the first and the second convolution.
    pub channels: [usize; 2],
    /// Units of the two hidden linear layers.
    pub hidden: [usize; 2],
    /// Probability with which a hidden unit is silenced while training.
    pub dropout: f64,
}

impl Default for LenetConfig {
    fn default() -> Self {
        Self { channels: [6, 16], hidden: [120, 84], dropout: 0.0 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Lenet {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
    dropout: Dropout,
    ending: Ending,
}

impl NetworkConfig for LenetConfig {
    type Network = Lenet;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Lenet, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "lenet", reason };
        let [InputSpec { kind: InputKind::Image { .. }, shape, .. }] = signature.inputs.as_slice() else {
            return Err(unfit("it reads images and nothing else".into()));
        };
        let [Some(channels), Some(height), Some(width)] = shape.as_slice() else {
            return Err(unfit("it needs images of one fixed size".into()));
        };
        if *height < 12 || *width < 12 {
            return Err(unfit(format!("images of {height} x {width} pixels are smaller than 12 x 12")));
        }
        if self.channels.contains(&0) || self.hidden.contains(&0) || !(0.0..1.0).contains(&self.dropout) {
            return Err(unfit("`channels` and `hidden` must be at least 1 and `dropout` from 0 to below 1".into()));
        }
        // The first convolution keeps the size, the second takes 4 off, each pooling halves.
        let area = ((height / 2 - 4) / 2) * ((width / 2 - 4) / 2);
        let [c1, c2] = self.channels;
        let [h1, h2] = self.hidden;
        let (outputs, ending) = Ending::new(signature, "lenet", h2, init)?;
        Ok(Lenet {
            conv1: Conv2dConfig { padding: 2, ..Conv2dConfig::new(*channels, c1, 5) }.init(init),
            conv2: Conv2dConfig::new(c1, c2, 5).init(init),
            fc1: Linear::new(c2 * area, h1, init),
            fc2: Linear::new(h1, h2, init),
            fc3: Linear::new(h2, outputs, init),
            dropout: Dropout::new(self.dropout),
            ending,
        })
    }
}

impl Network for Lenet {
    /// # Shapes
    /// - image: `[B, C, H, W]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let x = inputs.image()?;
        let [batch, ..] = x.dims();
        let x = ops::max_pool2d(self.conv1.forward_relu(x), [2, 2]);
        let x = ops::max_pool2d(self.conv2.forward_relu(x), [2, 2]);
        let [_, channels, height, width] = x.dims();
        let x = x.reshape([batch, channels * height * width]);
        let x = self.dropout.forward(self.fc1.forward_relu(x));
        let x = self.dropout.forward(self.fc2.forward_relu(x));
        Ok(self.ending.forward(self.fc3.forward(x)))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use data_loader::signature::{Dtype, OutputSpec};
    use data_loader::task::Task;

    use super::*;
    use crate::summary;

    /// 61,706 is the count of LeNet-5 in this form, as Zhang et al., "Dive into Deep Learning", section 7.6, build it.
    #[test]
    fn the_default_on_mnist_has_the_published_count() {
        let kind = InputKind::Image { mean: vec![0.0], std: vec![1.0] };
        let shape = vec![Some(1), Some(28), Some(28)];
        let image = InputSpec { name: "image".into(), dtype: Dtype::U8, shape, kind };
        let labels = (0..10).map(|k| k.to_string()).collect();
        let signature = Signature { task: Task::Classify, inputs: vec![image], output: OutputSpec::Classes { labels } };
        let network = LenetConfig::default().build(&signature, 0, &Device::flex()).unwrap();
        assert_eq!(summary::parameters(&network), 61_706);
    }
}
