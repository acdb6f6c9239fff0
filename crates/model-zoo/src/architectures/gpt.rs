//! A transformer that continues a sequence of tokens.
//!
//! Radford et al., "Language Models are Unsupervised Multitask Learners", 2019 (GPT-2): learnt positions, norms before
//! attention and perceptron, the exact GELU, one projection to query, key and value. The head has weights of its own and a
//! bias. Parameters of the blocks are named as in timm's `VisionTransformer`.
//!
//! Shapes: B batch, L length, F features, V vocabulary.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use data_loader::signature::{InputKind, InputSpec, OutputSpec, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Dropout, Embedding, Init, LayerNorm, Linear, SelfAttention};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops};

/// One line for `firebox list`.
pub const SUMMARY: &str = "a transformer that continues a sequence of tokens (after GPT-2, Radford et al. 2019)";

/// The standard deviation of fresh weights, GPT-2's.
const STD: f64 = 0.02;
/// How much wider the perceptron of a block is than its input.
const EXPANSION: usize = 4;

/// Ten times the layers of the deepest in use.
const MOST_LAYERS: usize = 1000;
/// Far beyond any width in use, and far below where four times it overflows.
const MOST_FEATURES: usize = 1 << 20;

/// Settings of [`Gpt`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GptConfig {
    /// Blocks of attention and perceptron.
    pub layers: usize,
    /// Features of each token.
    pub features: usize,
    /// Heads of each attention; they share the features evenly.
    pub heads: usize,
    /// The longest sequence that can be read.
    pub context: usize,
    /// Probability with which a feature is silenced while training, after the embedding and in each block.
    pub dropout: f64,
}

impl Default for GptConfig {
    fn default() -> Self {
        Self { layers: 4, features: 128, heads: 4, context: 128, dropout: 0.0 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Gpt {
    embedding: Embedding,
    /// `[context, features]`.
    positions: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    dropout: Dropout,
}

impl NetworkConfig for GptConfig {
    type Network = Gpt;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Gpt, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "gpt", reason };
        if [self.layers, self.features, self.heads, self.context].contains(&0) || !(0.0..1.0).contains(&self.dropout) {
            return Err(unfit(
                "`layers`, `features`, `heads` and `context` must be at least 1 and `dropout` from 0 to below 1".into(),
            ));
        }
        if self.layers > MOST_LAYERS || self.features > MOST_FEATURES {
            return Err(unfit(format!("`layers` may be at most {MOST_LAYERS} and `features` at most {MOST_FEATURES}")));
        }
        if !self.features.is_multiple_of(self.heads) {
            return Err(unfit(format!("{} features cannot be shared by {} heads", self.features, self.heads)));
        }
        let [InputSpec { kind: InputKind::Tokens { vocabulary, max_length }, .. }] = signature.inputs.as_slice() else {
            return Err(unfit("it reads one text feature and nothing else".into()));
        };
        if *max_length > self.context {
            return Err(unfit(format!("texts of {max_length} tokens do not fit into a `context` of {}", self.context)));
        }
        let OutputSpec::Tokens { vocabulary: outputs } = &signature.output else {
            return Err(unfit(format!("it generates, but the task is `{}`", signature.task)));
        };
        Ok(Gpt {
            embedding: Embedding::new(*vocabulary, self.features, STD, init),
            positions: init.normal([self.context, self.features], STD),
            blocks: (0..self.layers).map(|_| Block::new(self, init)).collect(),
            norm: LayerNorm::new(self.features, init),
            head: linear(self.features, *outputs, STD, init),
            dropout: Dropout::new(self.dropout),
        })
    }
}

impl Network for Gpt {
    /// Padding stands at the end, where no earlier place looks, so its mask is not needed.
    ///
    /// # Shapes
    /// - tokens: `[B, L]`
    /// - result: `[B, L, V]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let (ids, _) = inputs.tokens()?;
        let [_, length] = ids.dims();
        let [context, _] = self.positions.lazy_shape().dims();
        if length > context {
            return Err(Error::Unfit {
                architecture: "gpt",
                reason: format!("a text of {length} tokens does not fit into a `context` of {context}"),
            });
        }
        let positions = self.positions.val().slice_dim(0, 0..length);
        let mut x = self.dropout.forward(self.embedding.forward(ids) + positions.unsqueeze::<3>());
        for block in &self.blocks {
            x = block.forward(x);
        }
        Ok(Output::Tokens(self.head.forward(self.norm.forward(x))))
    }
}

/// Attention over the places before, then a perceptron at each place; each is added to its input.
#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    attn: SelfAttention,
    norm2: LayerNorm,
    mlp: Perceptron,
    dropout: Dropout,
}

impl Block {
    fn new(config: &GptConfig, init: &mut Init) -> Self {
        let features = config.features;
        // What the blocks add up to stays of one size: GPT-2 divides by the root of the number of additions.
        let last = STD / (2.0 * config.layers as f64).sqrt();
        let mut attn = SelfAttention::new(features, config.heads, true, init);
        attn.qkv = linear(features, 3 * features, STD, init);
        attn.proj = linear(features, features, last, init);
        Self {
            norm1: LayerNorm::new(features, init),
            attn,
            norm2: LayerNorm::new(features, init),
            mlp: Perceptron {
                fc1: linear(features, EXPANSION * features, STD, init),
                fc2: linear(EXPANSION * features, features, last, init),
            },
            dropout: Dropout::new(config.dropout),
        }
    }

    /// # Shapes
    /// - `x`: `[B, L, F]`
    /// - result: as `x`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.dropout.forward(self.attn.forward(self.norm1.forward(x)));
        x.clone() + self.dropout.forward(self.mlp.forward(self.norm2.forward(x)))
    }
}

#[derive(Module, Debug)]
struct Perceptron {
    fc1: Linear,
    fc2: Linear,
}

impl Perceptron {
    /// # Shapes
    /// - `x`: `[B, L, F]`
    /// - result: as `x`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(ops::gelu(self.fc1.forward(x)))
    }
}

/// A linear map with GPT-2's weights: normal, and no bias to begin with.
fn linear(inputs: usize, outputs: usize, std: f64, init: &mut Init) -> Linear {
    Linear { weight: init.normal([outputs, inputs], std), bias: Some(init.constant([outputs], 0.0)) }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, TensorData};
    use data_loader::signature::Dtype;
    use data_loader::task::Task;

    use super::*;
    use crate::inputs::Input;
    use crate::summary;

    fn texts(vocabulary: usize, max_length: usize) -> Signature {
        let kind = InputKind::Tokens { vocabulary, max_length };
        let tokens = InputSpec { name: "tokens".into(), dtype: Dtype::I64, shape: vec![None], kind };
        Signature { task: Task::Generate, inputs: vec![tokens], output: OutputSpec::Tokens { vocabulary } }
    }

    fn tokens(ids: &[i64]) -> Inputs {
        let device = Device::flex();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids.to_vec(), [1, ids.len()]), &device);
        let mask = Tensor::ones(ids.dims(), &device);
        Inputs::new(vec![("tokens".into(), Input::Tokens { ids, mask })])
    }

    #[test]
    fn sizes_beyond_all_bounds_are_refused_before_anything_is_built() {
        for config in [
            GptConfig { layers: 1_000_000_000, ..GptConfig::default() },
            GptConfig { features: usize::MAX / 2, heads: 1, ..GptConfig::default() },
        ] {
            let built = config.build(&texts(5, 4), 0, &Device::flex());
            assert!(matches!(built, Err(Error::Unfit { architecture: "gpt", .. })));
        }
    }

    /// GPT-2 small has 124,439,808 parameters with a tied head without bias, which this network unties: +V F + V.
    #[test]
    fn the_parameter_count_of_gpt2_small_is_the_published_one() {
        let (v, f, l, context) = (50_257, 768, 12, 1024);
        let block = |f: usize| 12 * f * f + 13 * f;
        let closed_form = |v: usize, f: usize, l: usize, context: usize| v * f + context * f + l * block(f) + 2 * f;
        assert_eq!(closed_form(v, f, l, context), 124_439_808);

        let config = GptConfig { layers: 3, features: 24, heads: 2, context: 16, dropout: 0.0 };
        let network = config.build(&texts(11, 16), 0, &Device::flex()).unwrap();
        assert_eq!(summary::parameters(&network), closed_form(11, 24, 3, 16) + 11 * 24 + 11);
    }

    #[test]
    fn no_place_sees_what_comes_after_it() {
        let config = GptConfig { layers: 2, features: 8, heads: 2, context: 6, dropout: 0.0 };
        let network = config.build(&texts(9, 6), 3, &Device::flex()).unwrap();
        let answer = |ids: &[i64]| {
            let Output::Tokens(scores) = network.forward(&tokens(ids)).unwrap() else { panic!("gpt gives tokens") };
            scores.try_into_vec_as::<f32>().unwrap()
        };
        let (a, b) = (answer(&[2, 3, 4, 5, 6]), answer(&[2, 3, 4, 8, 7]));
        let agrees = |x: &[f32], y: &[f32]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-6);
        assert!(agrees(&a[..3 * 9], &b[..3 * 9]));
        assert!(!agrees(&a[3 * 9..], &b[3 * 9..]));
        assert!(agrees(&answer(&[2, 3, 4]), &a[..3 * 9]));
    }

    #[test]
    fn a_text_longer_than_the_context_is_an_error() {
        let config = GptConfig { context: 4, ..GptConfig::default() };
        assert!(matches!(config.build(&texts(9, 5), 0, &Device::flex()), Err(Error::Unfit { .. })));
        let network = config.build(&texts(9, 4), 0, &Device::flex()).unwrap();
        assert!(network.forward(&tokens(&[2, 3, 4, 5])).is_ok());
        assert!(matches!(network.forward(&tokens(&[2, 3, 4, 5, 6])), Err(Error::Unfit { .. })));
    }
}
