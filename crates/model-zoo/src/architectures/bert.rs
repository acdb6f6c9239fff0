//! A transformer that reads a text in both directions, for classes and numbers of it.
//!
//! Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019. Learnt positions, norms
//! behind attention and perceptron, and the exact GELU. Parameters are named and laid out as in transformers'
//! `BertForSequenceClassification`, noise stands where it stands there, and every place is of the first of two types of tokens,
//! which is what one text is there.
//!
//! Shapes: B batch, L length, F features, K outputs.
#![expect(non_snake_case, clippy::struct_field_names, reason = "the reference's names of parameters")]

use burn::module::{Module, Param};
use burn::tensor::{Bool, Int, Tensor};
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::attention::Attention;
use crate::blocks::{Dropout, Embedding, Init, LayerNorm, Linear, check_sizes};
use crate::inputs::only_text;
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops, output};

mod attention;

/// One line for `firebox list`.
pub const SUMMARY: &str = "a transformer that reads texts in both directions (after BERT, Devlin et al. 2019)";

/// The standard deviation of fresh weights, BERT's.
const STD: f64 = 0.02;
/// What norms add to the variance, BERT's.
const EPSILON: f64 = 1e-12;
/// How much wider the perceptron of a block is than its input.
const EXPANSION: usize = 4;
/// Types of tokens in the reference: those of the first and of the second of two texts.
const TYPES: usize = 2;

/// Sizes that others have trained; parameters are counted with BERT's vocabulary of 30,522 pieces and without the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// 2 layers, 128 features, 2 heads: 4.4 million parameters.
    #[default]
    Tiny,
    /// 4 layers, 256 features, 4 heads: 11.2 million.
    Mini,
    /// 6 layers, 384 features, 12 heads, as sentence encoders after MiniLM have them: 22.7 million.
    Minilm,
    /// 4 layers, 512 features, 8 heads: 28.8 million.
    Small,
    /// 8 layers, 512 features, 8 heads: 41.4 million.
    Medium,
    /// 12 layers, 768 features, 12 heads: 109.5 million.
    Base,
}

impl Size {
    /// Layers, features, heads.
    fn numbers(self) -> [usize; 3] {
        match self {
            Self::Tiny => [2, 128, 2],
            Self::Mini => [4, 256, 4],
            Self::Minilm => [6, 384, 12],
            Self::Small => [4, 512, 8],
            Self::Medium => [8, 512, 8],
            Self::Base => [12, 768, 12],
        }
    }
}

/// What of the last layer the head reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The first place, which is `[CLS]` in the vocabulary of BERT, through a layer of its own.
    #[default]
    Class,
    /// The mean of all places that are no padding, as sentence encoders have it.
    Mean,
}

/// Settings of [`Bert`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BertConfig {
    /// Sizes that others have trained: "tiny", "mini", "minilm", "small", "medium" or "base".
    pub size: Size,
    /// Blocks of attention and perceptron, if not as `size` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Features of each token, if not as `size` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<usize>,
    /// Heads of each attention, if not as `size` says; they share the features evenly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<usize>,
    /// The longest text that can be read, in tokens.
    pub context: usize,
    /// What of the last layer the head reads: "class" or "mean".
    pub pooling: Pooling,
    /// Probability with which a feature, or a weight of attention, is silenced while training.
    pub dropout: f64,
}

impl Default for BertConfig {
    fn default() -> Self {
        Self {
            size: Size::default(),
            layers: None,
            features: None,
            heads: None,
            context: 512,
            pooling: Pooling::default(),
            dropout: 0.1,
        }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Bert {
    bert: Encoder,
    dropout: Dropout,
    classifier: Linear,
    classify: bool,
}

/// All of the network but its head.
#[derive(Module, Debug)]
struct Encoder {
    embeddings: Embeddings,
    encoder: Layers,
    /// None where the mean is read.
    pooler: Option<Pooler>,
}

#[derive(Module, Debug)]
struct Layers {
    layer: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Pooler {
    dense: Linear,
}

impl NetworkConfig for BertConfig {
    type Network = Bert;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Bert, Error> {
        let unfit = |reason| Error::Unfit { architecture: "bert", reason };
        let [layers, features, heads] = self.size.numbers();
        let (layers, features) = (self.layers.unwrap_or(layers), self.features.unwrap_or(features));
        let (heads, context) = (self.heads.unwrap_or(heads), self.context);
        check_sizes([layers, features, heads, context], self.dropout).map_err(unfit)?;
        let (vocabulary, max_length) = only_text(signature, "bert")?;
        if max_length > context {
            return Err(too_long(max_length, context));
        }
        let (outputs, classify) = output::row(signature, "bert")?;
        let embeddings = Embeddings {
            word_embeddings: Embedding::new(vocabulary, features, STD, init),
            position_embeddings: Embedding::new(context, features, STD, init),
            token_type_embeddings: Embedding::new(TYPES, features, STD, init),
            LayerNorm: LayerNorm::of(features, EPSILON, init),
            dropout: Dropout::new(self.dropout),
        };
        let layer = (0..layers).map(|_| Layer::new(features, heads, self.dropout, init)).collect();
        Ok(Bert {
            bert: Encoder {
                embeddings,
                encoder: Layers { layer },
                pooler: (self.pooling == Pooling::Class).then(|| Pooler { dense: linear(features, features, init) }),
            },
            dropout: Dropout::new(self.dropout),
            classifier: linear(features, outputs, init),
            classify,
        })
    }
}

fn too_long(length: usize, context: usize) -> Error {
    let reason = format!(
        "texts of {length} tokens do not fit into a `context` of {context}; raise it, or lower `max_length` in \
         [data.transforms.tokenize]"
    );
    Error::Unfit { architecture: "bert", reason }
}

/// A linear map with BERT's fresh weights.
fn linear(inputs: usize, outputs: usize, init: &mut Init) -> Linear {
    Linear::normal(inputs, outputs, STD, init)
}

impl Network for Bert {
    /// # Shapes
    /// - tokens: `[B, L]`, mask `[B, L]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let (ids, mask) = inputs.tokens()?;
        let ([_, length], [context, _]) =
            (ids.dims(), self.bert.embeddings.position_embeddings.weight.lazy_shape().dims());
        if length > context {
            return Err(too_long(length, context));
        }
        let (ids, mask) = never_empty(ids, mask);
        let mut x = self.bert.embeddings.forward(ids);
        let padding = mask.clone().equal_elem(0.0);
        for layer in &self.bert.encoder.layer {
            x = layer.forward(x, &padding);
        }
        let pooled = if let Some(pooler) = &self.bert.pooler {
            ops::tanh(pooler.dense.forward(x.slice_dim(1, 0..1).squeeze_dim::<2>(1)))
        } else {
            let lengths = mask.clone().sum_dim(1);
            (x * mask.unsqueeze_dim(2)).sum_dim(1).squeeze_dim::<2>(1) / lengths
        };
        let y = self.classifier.forward(self.dropout.forward(pooled));
        Ok(Output::of_rows(y, self.classify))
    }
}

/// A text without a token is read as one place of padding: attention always has something to look at, and a mean something to
/// divide by.
///
/// # Shapes
/// - `ids`, `mask`: `[B, L]`
/// - result: as they are, or `[B, 1]` where L is 0
fn never_empty(ids: Tensor<2, Int>, mask: Tensor<2>) -> (Tensor<2, Int>, Tensor<2>) {
    let [batch, length] = ids.dims();
    let device = mask.device();
    let first = Tensor::ones([batch, 1], &device);
    match length {
        0 => (Tensor::zeros([batch, 1], &device), first),
        _ => (ids, mask.slice_assign([0..batch, 0..1], first)),
    }
}

/// What a token is, where it stands, and of which of two texts it is.
#[derive(Module, Debug)]
struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Embedding,
    LayerNorm: LayerNorm,
    dropout: Dropout,
}

impl Embeddings {
    /// # Shapes
    /// - `ids`: `[B, L]`
    /// - result: `[B, L, F]`
    fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [_, length] = ids.dims();
        let rows = |table: &Embedding, end: usize| Param::val(&table.weight).slice_dim(0, 0..end).unsqueeze::<3>();
        let x = self.word_embeddings.forward(ids)
            + rows(&self.token_type_embeddings, 1)
            + rows(&self.position_embeddings, length);
        self.dropout.forward(self.LayerNorm.forward(x))
    }
}

/// Attention to all places, then a perceptron at each; each is added to its input and the sum normalised.
#[derive(Module, Debug)]
struct Layer {
    attention: Attention,
    intermediate: Intermediate,
    output: Added,
}

#[derive(Module, Debug)]
struct Intermediate {
    dense: Linear,
}

impl Layer {
    fn new(features: usize, heads: usize, dropout: f64, init: &mut Init) -> Self {
        Self {
            attention: Attention::new(features, heads, dropout, init),
            intermediate: Intermediate { dense: linear(features, EXPANSION * features, init) },
            output: Added::new(EXPANSION * features, features, dropout, init),
        }
    }

    /// # Shapes
    /// - `x`: `[B, L, F]`
    /// - `padding`: `[B, L]`, true where there is padding
    /// - result: as `x`
    fn forward(&self, x: Tensor<3>, padding: &Tensor<2, Bool>) -> Tensor<3> {
        let x = self.attention.forward(x, padding);
        let inner = ops::gelu(self.intermediate.dense.forward(x.clone()));
        self.output.forward(inner, x)
    }
}

/// What a part of a layer found, added to what it was given.
#[derive(Module, Debug)]
struct Added {
    dense: Linear,
    LayerNorm: LayerNorm,
    dropout: Dropout,
}

impl Added {
    fn new(inputs: usize, features: usize, dropout: f64, init: &mut Init) -> Self {
        Self {
            dense: linear(inputs, features, init),
            LayerNorm: LayerNorm::of(features, EPSILON, init),
            dropout: Dropout::new(dropout),
        }
    }

    /// # Shapes
    /// - `found`: `[B, L, inputs]`
    /// - `given`: `[B, L, F]`
    /// - result: as `given`
    fn forward(&self, found: Tensor<3>, given: Tensor<3>) -> Tensor<3> {
        self.LayerNorm.forward(self.dropout.forward(self.dense.forward(found)) + given)
    }
}

#[cfg(test)]
mod tests;
