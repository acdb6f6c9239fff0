//! A transformer over patches of a series.
//!
//! Nie, Nguyen, Sinthong and Kalagnanam, "A Time Series is Worth 64 Words", 2023 (`PatchTST`), in the form and with the parameter names of
//! `PatchTSTForPrediction` of the library transformers: pre-norm layers with batch norm, the patches flattened before the head, as in the
//! paper. It differs from the library's default in that places are learnt and in that the second layer of each perceptron is called
//! `ff.1` and not `ff.3`; the library counts what has no parameters.
//!
//! Channels are read independently, so that no other channel has a say in what is told of one. This network therefore reads the
//! history of what is to be told, and refuses data with other channels.
//!
//! Shapes: B batch, T known steps, P patches, L steps of a patch, F features, H horizon, Q quantiles.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{BatchNorm, Dropout, Init, Level, Linear};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops, output};

/// One line for `firebox list`.
pub const SUMMARY: &str = "a transformer over patches of a series (Nie et al. 2023)";

/// Deeper and wider than anything that was ever trained.
const MOST_LAYERS: usize = 1000;
const MOST_FEATURES: usize = 1 << 20;
/// The standard deviation of the places to begin with.
const STD: f64 = 0.02;

/// Settings of [`PatchTst`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PatchTstConfig {
    /// Steps of each patch.
    pub patch: usize,
    /// Steps between the beginnings of two patches; the last one ends with the last step.
    pub stride: usize,
    /// Layers of attention.
    pub layers: usize,
    /// Features of each patch; the heads share them.
    pub features: usize,
    /// Heads of each attention.
    pub heads: usize,
    /// Units of the perceptron in each layer.
    pub hidden: usize,
    /// Probability with which a feature is silenced while training, in the perceptron, before each sum and before the head.
    pub dropout: f64,
    /// To what each window is relative: "standard", "last" or "none".
    pub level: Level,
}

impl Default for PatchTstConfig {
    fn default() -> Self {
        Self {
            patch: 8,
            stride: 4,
            layers: 3,
            features: 32,
            heads: 4,
            hidden: 64,
            dropout: 0.0,
            level: Level::Standard,
        }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct PatchTst {
    model: Model,
    head: Head,
    dropout: Dropout,
    patch: usize,
    stride: usize,
    quantiles: usize,
    #[module(skip)]
    level: Level,
}

#[derive(Module, Debug)]
struct Model {
    encoder: Stack,
}

#[derive(Module, Debug)]
struct Stack {
    embedder: Embedder,
    positional_encoder: Places,
    layers: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Embedder {
    input_embedding: Linear,
}

#[derive(Module, Debug)]
struct Places {
    /// `[P, F]`.
    position_enc: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
struct Head {
    projection: Linear,
}

impl NetworkConfig for PatchTstConfig {
    type Network = PatchTst;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<PatchTst, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "patch_tst", reason };
        let sizes = [self.patch, self.stride, self.layers, self.features, self.heads, self.hidden];
        if sizes.contains(&0) || !(0.0..1.0).contains(&self.dropout) {
            return Err(unfit("every size must be at least 1 and `dropout` from 0 to below 1".into()));
        }
        if self.layers > MOST_LAYERS || self.features.max(self.hidden) > MOST_FEATURES {
            return Err(unfit(format!(
                "`layers` may be at most {MOST_LAYERS}, `features` and `hidden` at most {MOST_FEATURES}"
            )));
        }
        if !self.features.is_multiple_of(self.heads) {
            return Err(unfit(format!("{} features cannot be shared by {} heads", self.features, self.heads)));
        }
        let task = output::forecast(signature, "patch_tst")?;
        if !task.history || task.channels != 1 {
            return Err(unfit(
                "it reads the history of what is to be told and no other channel; use `[model.tcn]` or `[model.lstm_forecast]`".into(),
            ));
        }
        if self.patch > task.length {
            return Err(unfit(format!(
                "a `patch` of {} steps does not fit into {} known steps",
                self.patch, task.length
            )));
        }
        let patches = (task.length - self.patch) / self.stride + 1;
        Ok(PatchTst {
            model: Model {
                encoder: Stack {
                    embedder: Embedder { input_embedding: Linear::new(self.patch, self.features, init) },
                    positional_encoder: Places { position_enc: init.normal([patches, self.features], STD) },
                    layers: (0..self.layers).map(|_| Layer::new(self, init)).collect(),
                },
            },
            head: Head { projection: Linear::new(patches * self.features, task.horizon * task.quantiles, init) },
            dropout: Dropout::new(self.dropout),
            patch: self.patch,
            stride: self.stride,
            quantiles: task.quantiles,
            level: self.level,
        })
    }
}

impl Network for PatchTst {
    /// # Shapes
    /// - series: `[B, T, 1]`
    /// - result: `[B, H, Q]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let (x, taken) = self.level.take(inputs.series()?);
        let [batch, time, _] = x.dims();
        let Stack { embedder, positional_encoder, layers } = &self.model.encoder;
        let places = positional_encoder.position_enc.val();
        let [patches, features] = places.dims();
        let needed = self.patch + self.stride * (patches - 1);
        if time < needed {
            let reason = format!("{time} known steps do not hold {patches} patches");
            return Err(Error::Unfit { architecture: "patch_tst", reason });
        }
        let x: Tensor<2> = x.reshape([batch, time]);
        let cut = |k: usize| {
            let start = time - needed + k * self.stride;
            x.clone().slice_dim(1, start..start + self.patch).unsqueeze_dim::<3>(1)
        };
        let cuts = Tensor::cat((0..patches).map(cut).collect(), 1);
        let mut z = ops::add(embedder.input_embedding.forward(cuts), places.unsqueeze::<3>());
        for layer in layers {
            z = layer.forward(z);
        }
        let z = self.dropout.forward(z.reshape([batch, patches * features]));
        let y = self.head.projection.forward(z);
        let numbers = y.dims()[1];
        let y = y.reshape([batch, numbers / self.quantiles, self.quantiles]);
        Ok(Output::Horizon(match taken {
            Some(taken) => taken.give_back(y),
            None => y,
        }))
    }
}

#[derive(Module, Debug)]
struct Layer {
    self_attn: Attention,
    norm_sublayer1: Norm,
    ff: Vec<Linear>,
    norm_sublayer3: Norm,
    dropout: Dropout,
}

impl Layer {
    fn new(config: &PatchTstConfig, init: &mut Init) -> Self {
        let (f, hidden) = (config.features, config.hidden);
        Self {
            self_attn: Attention {
                k_proj: Linear::new(f, f, init),
                v_proj: Linear::new(f, f, init),
                q_proj: Linear::new(f, f, init),
                out_proj: Linear::new(f, f, init),
                heads: config.heads,
            },
            norm_sublayer1: Norm { batchnorm: BatchNorm::new(f, init) },
            ff: vec![Linear::new(f, hidden, init), Linear::new(hidden, f, init)],
            norm_sublayer3: Norm { batchnorm: BatchNorm::new(f, init) },
            dropout: Dropout::new(config.dropout),
        }
    }

    /// # Shapes
    /// - `x`: `[B, P, F]`
    /// - result: as `x`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let attended = self.self_attn.forward(self.norm_sublayer1.forward(x.clone()));
        let x = ops::add(x, self.dropout.forward(attended));
        let inner = ops::gelu(self.ff[0].forward(self.norm_sublayer3.forward(x.clone())));
        ops::add(x, self.dropout.forward(self.ff[1].forward(self.dropout.forward(inner))))
    }
}

/// Batch norm over the features of all patches.
#[derive(Module, Debug)]
struct Norm {
    batchnorm: BatchNorm,
}

impl Norm {
    /// # Shapes
    /// - `x`: `[B, P, F]`
    /// - result: as `x`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.batchnorm.forward(x.swap_dims(1, 2)).swap_dims(1, 2)
    }
}

/// Attention of patches to each other, with a projection for each of key, value and query.
#[derive(Module, Debug)]
struct Attention {
    k_proj: Linear,
    v_proj: Linear,
    q_proj: Linear,
    out_proj: Linear,
    heads: usize,
}

impl Attention {
    /// # Shapes
    /// - `x`: `[B, P, F]`
    /// - result: as `x`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, patches, features] = x.dims();
        let [query, key, value] = [&self.q_proj, &self.k_proj, &self.v_proj].map(|projection| {
            let heads = projection.forward(x.clone()).reshape([batch, patches, self.heads, features / self.heads]);
            heads.swap_dims(1, 2)
        });
        let mixed = ops::attention(query, key, value, None, false);
        self.out_proj.forward(mixed.swap_dims(1, 2).reshape([batch, patches, features]))
    }
}
