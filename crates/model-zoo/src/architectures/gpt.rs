//! A transformer that continues a sequence of tokens.
//!
//! Radford et al., "Language Models are Unsupervised Multitask Learners", 2019 (GPT-2): learnt positions, norms before
//! attention and perceptron, the approximation of GELU by tanh, one projection to query, key and value, and a head whose weights
//! are those of the embedding. Parameters are named and laid out as in transformers' `GPT2LMHeadModel`. Unlike there, attention
//! weights are never silenced by dropout.
//!
//! Shapes: B batch, L length, F features, V vocabulary.

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use data_loader::signature::{OutputSpec, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{
    Activation, CausalAttention, Dropout, Embedding, Init, InputMajorLinear, LayerNorm, Linear, check_sizes,
};
use crate::generator::Cache;
use crate::inputs::only_text;
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops};

/// One line for `firebox list`.
pub const SUMMARY: &str = "a transformer that continues a sequence of tokens (after GPT-2, Radford et al. 2019)";

/// The standard deviation of fresh weights, GPT-2's.
const STD: f64 = 0.02;
/// How much wider the perceptron of a block is than its input.
const EXPANSION: usize = 4;

/// Sizes that go well together; parameters are counted without those of the embedding of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// 4 layers, 128 features, 4 heads, context 128: 0.8 million parameters.
    #[default]
    Nano,
    /// 6 layers, 192 features, 6 heads, context 256: 2.7 million.
    Micro,
    /// 6 layers, 384 features, 6 heads, context 256: 10.7 million.
    Mini,
    /// 8 layers, 512 features, 8 heads, context 512: 25 million.
    Small,
    /// 12 layers, 768 features, 12 heads, context 1024: 86 million, and 124 million with GPT-2's vocabulary.
    Gpt2,
}

impl Size {
    /// Layers, features, heads, context.
    fn numbers(self) -> [usize; 4] {
        match self {
            Self::Nano => [4, 128, 4, 128],
            Self::Micro => [6, 192, 6, 256],
            Self::Mini => [6, 384, 6, 256],
            Self::Small => [8, 512, 8, 512],
            Self::Gpt2 => [12, 768, 12, 1024],
        }
    }
}

/// Settings of [`Gpt`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GptConfig {
    /// Sizes that go well together: "nano", "micro", "mini", "small" or "gpt2".
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
    /// The longest sequence that can be read, if not as `size` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<usize>,
    /// Probability with which a feature is silenced while training, after the embedding and in each block.
    pub dropout: f64,
    /// The non-linearity of the perceptrons.
    pub activation: Activation,
    /// Whether the head has the weights of the embedding, and no bias.
    pub tied: bool,
}

impl Default for GptConfig {
    fn default() -> Self {
        Self {
            size: Size::default(),
            layers: None,
            features: None,
            heads: None,
            context: None,
            dropout: 0.0,
            activation: Activation::GeluTanh,
            tied: true,
        }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Gpt {
    transformer: Transformer,
    /// None where it is the embedding.
    lm_head: Option<Linear>,
}

/// All of the network but its head.
#[derive(Module, Debug)]
struct Transformer {
    wte: Embedding,
    wpe: Embedding,
    dropout: Dropout,
    h: Vec<Block>,
    ln_f: LayerNorm,
}

impl NetworkConfig for GptConfig {
    type Network = Gpt;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Gpt, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "gpt", reason };
        let [layers, features, heads, context] = self.size.numbers();
        let (layers, features) = (self.layers.unwrap_or(layers), self.features.unwrap_or(features));
        let (heads, context) = (self.heads.unwrap_or(heads), self.context.unwrap_or(context));
        check_sizes([layers, features, heads, context], self.dropout).map_err(unfit)?;
        let (vocabulary, max_length) = only_text(signature, "gpt")?;
        if max_length > context {
            return Err(unfit(format!("texts of {max_length} tokens do not fit into a `context` of {context}")));
        }
        let OutputSpec::Tokens { vocabulary: outputs } = &signature.output else {
            return Err(unfit(format!("it generates, but the task is `{}`", signature.task)));
        };
        if self.tied && vocabulary != *outputs {
            return Err(unfit(format!("with `tied` it must answer the {vocabulary} tokens it reads, not {outputs}")));
        }
        Ok(Gpt {
            transformer: Transformer {
                wte: Embedding::new(vocabulary, features, STD, init),
                wpe: Embedding::new(context, features, STD, init),
                dropout: Dropout::new(self.dropout),
                h: (0..layers).map(|_| Block::new([layers, features, heads], self, init)).collect(),
                ln_f: LayerNorm::new(features, init),
            },
            lm_head: (!self.tied).then(|| Linear {
                weight: init.normal([*outputs, features], STD),
                bias: Some(init.constant([*outputs], 0.0)),
            }),
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
        Ok(Output::Tokens(self.read(ids, None)?))
    }

    fn answers_by_its_embedding(&self) -> bool {
        self.lm_head.is_none()
    }

    fn context(&self) -> Option<usize> {
        let [context, _] = self.transformer.wpe.weight.lazy_shape().dims();
        Some(context)
    }

    /// # Shapes
    /// - `ids`: `[B, L]`
    /// - result: `[B, L, V]`
    fn continue_from(&self, ids: Tensor<2, Int>, cache: &mut Cache) -> Result<Tensor<3>, Error> {
        self.read(ids, Some(cache))
    }
}

impl Gpt {
    /// # Shapes
    /// - `ids`: `[B, L]`, behind what is in the cache
    /// - result: `[B, L, V]`
    fn read(&self, ids: Tensor<2, Int>, mut cache: Option<&mut Cache>) -> Result<Tensor<3>, Error> {
        let [_, length] = ids.dims();
        let body = &self.transformer;
        let [context, _] = body.wpe.weight.lazy_shape().dims();
        let past = cache.as_ref().map_or(0, |cache| cache.length());
        if past + length > context {
            let length = past + length;
            return Err(Error::Unfit {
                architecture: "gpt",
                reason: format!("a text of {length} tokens does not fit into a `context` of {context}"),
            });
        }
        let positions = body.wpe.weight.val().slice_dim(0, past..past + length);
        let mut x = body.dropout.forward(ops::add(body.wte.forward(ids), positions.unsqueeze::<3>()));
        for (layer, block) in body.h.iter().enumerate() {
            x = block.forward(x, cache.as_deref_mut().map(|cache| (cache, layer)));
        }
        if let Some(cache) = cache {
            cache.advance(length);
        }
        let x = body.ln_f.forward(x);
        Ok(match &self.lm_head {
            Some(head) => head.forward(x),
            None => ops::linear(x, ops::trace::applied(&body.wte.weight), None),
        })
    }
}

/// Attention over the places before, then a perceptron at each place; each is added to its input.
#[derive(Module, Debug)]
struct Block {
    ln_1: LayerNorm,
    attn: CausalAttention,
    ln_2: LayerNorm,
    mlp: Perceptron,
    dropout: Dropout,
}

impl Block {
    fn new([layers, features, heads]: [usize; 3], config: &GptConfig, init: &mut Init) -> Self {
        // What the blocks add up to stays of one size: GPT-2 divides by the root of the number of additions.
        let last = STD / (2.0 * layers as f64).sqrt();
        Self {
            ln_1: LayerNorm::new(features, init),
            attn: CausalAttention::new(features, heads, [STD, last], init),
            ln_2: LayerNorm::new(features, init),
            mlp: Perceptron {
                c_fc: InputMajorLinear::new(features, EXPANSION * features, STD, init),
                c_proj: InputMajorLinear::new(EXPANSION * features, features, last, init),
                activation: config.activation,
            },
            dropout: Dropout::new(config.dropout),
        }
    }

    /// # Shapes
    /// - `x`: `[B, L, F]`
    /// - result: as `x`
    fn forward(&self, x: Tensor<3>, cache: Option<(&mut Cache, usize)>) -> Tensor<3> {
        let attended = self.attn.forward(self.ln_1.forward(x.clone()), cache);
        let x = ops::add(x, self.dropout.forward(attended));
        ops::add(x.clone(), self.dropout.forward(self.mlp.forward(self.ln_2.forward(x))))
    }
}

#[derive(Module, Debug)]
struct Perceptron {
    c_fc: InputMajorLinear,
    c_proj: InputMajorLinear,
    #[module(skip)]
    activation: Activation,
}

impl Perceptron {
    /// # Shapes
    /// - `x`: `[B, L, F]`
    /// - result: as `x`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.c_proj.forward(self.activation.forward(self.c_fc.forward(x)))
    }
}

#[cfg(test)]
mod tests;
