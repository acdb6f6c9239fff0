//! A multi-layer perceptron for tables and small images.
//!
//! Category features are embedded and stand beside the numbers; images are flattened.
//!
//! Shapes: B batch, F features after flattening and embedding, K outputs.

use burn::module::Module;
use burn::tensor::Tensor;
use data_loader::signature::{InputKind, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Activation, BatchNorm, Dropout, Embedding, Init, Linear};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, output};

/// One line for `firebox list`.
pub const SUMMARY: &str = "linear layers with a non-linearity between, for tables and small images";

/// More layers than this do not learn without shortcuts between them.
const MOST_LAYERS: usize = 100;

/// Settings of [`Mlp`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MlpConfig {
    /// Units of each hidden layer, first to last; none makes the network linear.
    pub hidden: Vec<usize>,
    /// What stands between the layers.
    pub activation: Activation,
    /// Whether each hidden layer is normalised over the batch.
    pub batch_norm: bool,
    /// Probability with which a hidden unit is silenced while training.
    pub dropout: f64,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self { hidden: vec![128, 128], activation: Activation::Relu, batch_norm: false, dropout: 0.0 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Mlp {
    embeddings: Vec<Embedding>,
    layers: Vec<Linear>,
    norms: Vec<BatchNorm>,
    head: Linear,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    inputs: Vec<String>,
    #[module(skip)]
    classify: bool,
}

impl NetworkConfig for MlpConfig {
    type Network = Mlp;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Mlp, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "mlp", reason };
        if self.hidden.len() > MOST_LAYERS {
            return Err(unfit(format!("`hidden` has {} layers; at most {MOST_LAYERS} make sense", self.hidden.len())));
        }
        if self.hidden.contains(&0) || !(0.0..1.0).contains(&self.dropout) {
            return Err(unfit("`hidden` must be at least 1 and `dropout` from 0 to below 1".into()));
        }
        let mut width = 0;
        let mut embeddings = Vec::new();
        for spec in &signature.inputs {
            match &spec.kind {
                InputKind::Image { .. } | InputKind::Numbers { .. } => {
                    let size: Option<usize> = spec.shape.iter().copied().product();
                    width += size.ok_or_else(|| unfit(format!("the input `{}` varies in size", spec.name)))?;
                }
                InputKind::Categories { sizes, .. } => {
                    for &size in sizes {
                        let features = embedding_width(size);
                        embeddings.push(Embedding::new(size, features, 1.0, init));
                        width += features;
                    }
                }
                InputKind::Series { .. } => {
                    return Err(unfit(format!(
                        "the input `{}` is a series of steps, which it does not read",
                        spec.name
                    )));
                }
                InputKind::Tokens { .. } => {
                    return Err(unfit(format!("the input `{}` is a sequence; use `[model.gru]`", spec.name)));
                }
            }
        }
        if width == 0 {
            return Err(unfit("there is no input".into()));
        }
        let (outputs, classify) = output::row(signature, "mlp")?;
        let mut layers = Vec::new();
        let mut norms = Vec::new();
        for &units in &self.hidden {
            layers.push(Linear::new(width, units, init));
            if self.batch_norm {
                norms.push(BatchNorm::new(units, init));
            }
            width = units;
        }
        Ok(Mlp {
            embeddings,
            layers,
            norms,
            head: Linear::new(width, outputs, init),
            dropout: Dropout::new(self.dropout),
            activation: self.activation,
            inputs: signature.inputs.iter().map(|spec| spec.name.clone()).collect(),
            classify,
        })
    }
}

/// How many features stand for a category: about half as many as it has values, at most 50.
pub(super) fn embedding_width(size: usize) -> usize {
    size.div_ceil(2).clamp(1, 50)
}

impl Network for Mlp {
    /// # Shapes
    /// - image, numbers and categories: flattened to `[B, F]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let mut parts: Vec<Tensor<2>> = Vec::new();
        for name in &self.inputs {
            match name.as_str() {
                "image" => parts.push(inputs.image()?.flatten(1, 3)),
                "numbers" => parts.push(inputs.numbers()?),
                _ => parts.extend(Embedding::of_columns(&self.embeddings, &inputs.categories()?)),
            }
        }
        let mut x = if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(parts, 1) };
        for (k, layer) in self.layers.iter().enumerate() {
            x = match (self.norms.get(k), self.activation) {
                (None, Activation::Relu) => layer.forward_relu(x),
                (Some(norm), Activation::Relu) => norm.forward_relu(layer.forward(x)),
                (Some(norm), activation) => activation.forward(norm.forward(layer.forward(x))),
                (None, activation) => activation.forward(layer.forward(x)),
            };
            x = self.dropout.forward(x);
        }
        let y = self.head.forward(x);
        Ok(Output::of_rows(y, self.classify))
    }
}
