//! A network that gives examples back through a narrow place.
//!
//! Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", 2006. What is usual comes through well, what is
//! unusual does not: how far the answer lies from the example says how much of an anomaly it is. Tables go through linear layers;
//! images first through convolutions that halve them, and last through their mirror. With `noise` it must also undo the noise (Vincent
//! et al., "Extracting and Composing Robust Features with Denoising Autoencoders", 2008). Linear layers without a hidden one find the
//! plane of the first principal components (Baldi and Hornik 1989).
//!
//! Shapes: B batch, C channels, H height, W width, F numbers of an example, N features before the code.

use burn::module::Module;
use burn::tensor::{Distribution, Tensor};
use data_loader::reconstruction;
use data_loader::signature::{InputKind, InputSpec, OutputSpec, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Activation, Conv2d, Conv2dConfig, ConvTranspose2d, Init, Linear};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output};

/// One line for `firebox list`.
pub const SUMMARY: &str = "an encoder and a decoder with a narrow place between them; what comes back badly is unusual";

/// More layers than this do not learn without shortcuts between them.
const MOST_LAYERS: usize = 100;
/// Sixteen stages halve any image that fits into memory to a pixel.
const MOST_STAGES: usize = 16;
/// Far beyond any number of filters in use, and far below where its products overflow.
const MOST_FILTERS: usize = 1 << 16;

/// Settings of [`Autoencoder`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AutoencoderConfig {
    /// How many numbers pass through the narrow place; a quarter of the example's numbers if left out, from 1 to 32.
    pub code: Option<usize>,
    /// Units of the linear layers before the narrow place; behind it they come in reverse. None makes it linear.
    pub hidden: Vec<usize>,
    /// Filters of the convolutions, each of which halves the image, for images alone; `[32, 64]` if left out.
    pub channels: Option<Vec<usize>>,
    /// What stands between the layers.
    pub activation: Activation,
    /// Standard deviation of the noise that is added to examples while training, in units of the normalised numbers.
    pub noise: f64,
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        Self { code: None, hidden: vec![64, 32], channels: None, activation: Activation::Relu, noise: 0.0 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Autoencoder {
    /// Each halves the image.
    conv_encoder: Vec<Conv2d>,
    /// The last one makes the code.
    encoder: Vec<Linear>,
    /// From the code to what the encoder began with.
    decoder: Vec<Linear>,
    /// Each doubles the image.
    conv_decoder: Vec<ConvTranspose2d>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    inputs: Vec<InputSpec>,
    noise: f64,
}

impl AutoencoderConfig {
    /// The size of the code for examples of so many numbers.
    fn code_of(&self, numbers: usize) -> usize {
        self.code.unwrap_or_else(|| (numbers / 4).clamp(1, 32))
    }

    fn check(&self, signature: &Signature) -> Result<usize, String> {
        if signature.output != OutputSpec::Inputs {
            return Err(format!("it gives examples back, but the task is `{}`", signature.task));
        }
        let features = reconstruction::features(signature).filter(|features| !features.is_empty());
        let Some(features) = features else {
            return Err("it reads numbers, categories and images of one size".into());
        };
        if self.hidden.len() > MOST_LAYERS || self.hidden.contains(&0) {
            return Err(format!("`hidden` must be at most {MOST_LAYERS} layers of at least 1 unit"));
        }
        if !(self.noise.is_finite() && self.noise >= 0.0) {
            return Err(format!("`noise` is {}; it must be at least 0", self.noise));
        }
        let numbers = features.iter().map(|(_, width)| width).sum();
        let code = self.code_of(numbers);
        if code == 0 || (code >= numbers && self.noise == 0.0) {
            return Err(format!(
                "a `code` of {code} numbers is no narrow place for examples of {numbers}: nothing would be learnt; make it smaller, or \
                 set `noise`"
            ));
        }
        Ok(numbers)
    }
}

impl NetworkConfig for AutoencoderConfig {
    type Network = Autoencoder;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Autoencoder, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "autoencoder", reason };
        let numbers = self.check(signature).map_err(unfit)?;
        let (mut conv_encoder, mut conv_decoder, mut features) = (Vec::new(), Vec::new(), numbers);
        match (only_image(&signature.inputs), &self.channels) {
            (Some([channels, height, width]), chosen) => {
                let filters = chosen.clone().unwrap_or_else(|| vec![32, 64]);
                let halved = |side: usize| filters.iter().fold(side, |side, _| side.div_ceil(2));
                if filters.len() > MOST_STAGES || !filters.iter().all(|stage| (1..=MOST_FILTERS).contains(stage)) {
                    let sizes = format!("at most {MOST_STAGES} stages of 1 to {MOST_FILTERS} filters");
                    return Err(unfit(format!("`channels` must be {sizes}")));
                }
                let mut before = channels;
                for &after in &filters {
                    let conv = Conv2dConfig { stride: 2, padding: 1, ..Conv2dConfig::new(before, after, 3) };
                    conv_encoder.push(conv.init(init));
                    conv_decoder.insert(0, ConvTranspose2d::new(after, before, 2, init));
                    before = after;
                }
                features = before * halved(height) * halved(width);
            }
            (None, Some(_)) => return Err(unfit("`channels` is for images alone".into())),
            (None, None) => {}
        }
        let sizes: Vec<usize> = [&[features][..], &self.hidden, &[self.code_of(numbers)]].concat();
        let encoder = sizes.windows(2).map(|pair| Linear::new(pair[0], pair[1], init)).collect();
        let decoder = sizes.windows(2).rev().map(|pair| Linear::new(pair[1], pair[0], init)).collect();
        Ok(Autoencoder {
            conv_encoder,
            encoder,
            decoder,
            conv_decoder,
            activation: self.activation,
            inputs: signature.inputs.clone(),
            noise: self.noise,
        })
    }
}

/// Channels, height and width of the only input, if it is an image of one size.
fn only_image(inputs: &[InputSpec]) -> Option<[usize; 3]> {
    let [InputSpec { kind: InputKind::Image { .. }, shape, .. }] = inputs else { return None };
    match shape[..] {
        [Some(channels), Some(height), Some(width)] => Some([channels, height, width]),
        _ => None,
    }
}

impl Autoencoder {
    /// # Shapes
    /// - result: `[B, F]`, as [`reconstruction`] lays the numbers of an example side by side
    fn row(&self, inputs: &Inputs) -> Result<Tensor<2>, Error> {
        let mut parts: Vec<Tensor<2>> = Vec::new();
        for spec in &self.inputs {
            match &spec.kind {
                InputKind::Image { .. } => parts.push(inputs.image()?.flatten(1, 3)),
                InputKind::Categories { sizes, .. } => {
                    let codes = inputs.categories()?;
                    let one_hot = |(column, &size): (usize, &usize)| {
                        let [batch, _] = codes.dims();
                        let places = Tensor::arange(0..size as i64, &codes.device()).reshape([1, size]);
                        let column = codes.clone().slice_dim(1, column..column + 1).expand([batch, size]);
                        column.equal(places.expand([batch, size])).float()
                    };
                    parts.extend(sizes.iter().enumerate().map(one_hot));
                }
                _ => parts.push(inputs.numbers()?),
            }
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(parts, 1) })
    }
}

impl Network for Autoencoder {
    /// # Shapes
    /// - image, numbers and categories: side by side `[B, F]`; an image alone `[B, C, H, W]`
    /// - between encoder and decoder: `[B, code]`
    /// - result: `[B, F]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let mut x = self.row(inputs)?;
        let [batch, numbers] = x.dims();
        if self.noise > 0.0 && x.device().is_autodiff() {
            let noise = Tensor::random([batch, numbers], Distribution::Normal(0.0, self.noise), &x.device());
            x = x + noise;
        }
        // The sides of the image before each halving, to which it grows again.
        let mut sides = Vec::new();
        let mut small = [0; 4];
        if let (false, Some([channels, height, width])) = (self.conv_encoder.is_empty(), only_image(&self.inputs)) {
            let mut image = x.reshape([batch, channels, height, width]);
            for conv in &self.conv_encoder {
                let [_, _, height, width] = image.dims();
                sides.push([height, width]);
                image = self.activation.forward(conv.forward(image));
            }
            small = image.dims();
            x = image.flatten(1, 3);
        }
        for half in [&self.encoder, &self.decoder] {
            for (k, layer) in half.iter().enumerate() {
                x = layer.forward(x);
                if k + 1 < half.len() {
                    x = self.activation.forward(x);
                }
            }
        }
        if !self.conv_decoder.is_empty() {
            let mut image = self.activation.forward(x.reshape(small));
            for (k, conv) in self.conv_decoder.iter().enumerate() {
                image = conv.forward(image);
                if let Some([height, width]) = sides.pop() {
                    image = image.slice_dim(2, 0..height).slice_dim(3, 0..width);
                }
                if k + 1 < self.conv_decoder.len() {
                    image = self.activation.forward(image);
                }
            }
            x = image.flatten(1, 3);
        }
        Ok(Output::Reconstruction(x))
    }
}
