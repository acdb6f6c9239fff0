//! A transformer over the columns of a table.
//!
//! Gorishniy, Rubachev, Khrulkov and Babenko, "Revisiting Deep Learning Models for Tabular Data", 2021, section 3.3: every column becomes a
//! token, a number by a line of its own and a category by a table, one more token is read out at the end, and the very first norm is left
//! out. Parameters are named as in the authors' package `rtdl_revisiting_models`.
//!
//! Shapes: B batch, N numbers, T columns and one, D width of a token, K outputs.
#![expect(non_snake_case, reason = "the package's names of parameters")]

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use data_loader::signature::{InputKind, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Dropout, Embedding, Init, LayerNorm, Linear, attend};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops, output};

/// One line for `firebox list`.
pub const SUMMARY: &str = "a transformer over the columns of a table (Gorishniy et al. 2021)";

const MOST_BLOCKS: usize = 100;
/// Far beyond any width in use, and far below where its products overflow.
const MOST_WIDTH: usize = 1 << 16;

/// Width, dropout of the attention and dropout of the perceptrons that the package has for one block, for two, and so on up to six;
/// the authors' package gives more blocks none, and here they get those of six.
const BY_BLOCKS: [(usize, f64, f64); 6] =
    [(96, 0.1, 0.0), (128, 0.15, 0.05), (192, 0.2, 0.1), (256, 0.25, 0.15), (320, 0.3, 0.2), (384, 0.35, 0.25)];

/// Settings of [`FtTransformer`]. Those that are left out are the package's for so many blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FtTransformerConfig {
    /// Blocks of attention and perceptron.
    pub blocks: usize,
    /// Features of each token: 96 for one block, then 128, 192, 256, 320 and 384 for six if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Heads of each attention; they share the features evenly.
    pub heads: usize,
    /// Units within a perceptron; four thirds of `width`, rounded down, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<usize>,
    /// Probability with which a column is not attended to while training: 0.1 for one block, and 0.05 more for each other if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_dropout: Option<f64>,
    /// Probability with which a unit within a perceptron is silenced while training: 0 for one block, and 0.05 more for each other if
    /// left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Probability with which a feature that a block adds is silenced while training.
    pub residual_dropout: f64,
}

impl Default for FtTransformerConfig {
    fn default() -> Self {
        Self {
            blocks: 3,
            width: None,
            heads: 8,
            hidden: None,
            attention_dropout: None,
            dropout: None,
            residual_dropout: 0.0,
        }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct FtTransformer {
    cls_embedding: ReadOut,
    cont_embeddings: Option<NumberTokens>,
    cat_embeddings: Option<CategoryTokens>,
    backbone: Backbone,
    classify: bool,
}

/// The token that is read out at the end.
#[derive(Module, Debug)]
struct ReadOut {
    /// `[D]`.
    weight: Param<Tensor<1>>,
}

/// A line for each number.
#[derive(Module, Debug)]
struct NumberTokens {
    /// `[N, D]`.
    weight: Param<Tensor<2>>,
    /// `[N, D]`.
    bias: Param<Tensor<2>>,
}

/// A table for each category, and what is added whatever the category.
#[derive(Module, Debug)]
struct CategoryTokens {
    embeddings: Vec<Embedding>,
    /// `[columns, D]`.
    bias: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
struct Backbone {
    blocks: Vec<Block>,
    output: Head,
}

/// Attention over the columns, then a perceptron at each; each is added to its input.
#[derive(Module, Debug)]
struct Block {
    /// None in the first block.
    attention_normalization: Option<LayerNorm>,
    attention: Attention,
    ffn_normalization: LayerNorm,
    ffn: Perceptron,
    residual_dropout: Dropout,
}

#[derive(Module, Debug)]
struct Attention {
    W_q: Linear,
    W_k: Linear,
    W_v: Linear,
    /// From the heads back to features; none where there is one head.
    W_out: Option<Linear>,
    heads: usize,
    dropout: Dropout,
}

/// Half of the hidden units gate the other half.
#[derive(Module, Debug)]
struct Perceptron {
    linear1: Linear,
    dropout: Dropout,
    linear2: Linear,
}

/// From the token that is read out to the answer.
#[derive(Module, Debug)]
struct Head {
    normalization: LayerNorm,
    linear: Linear,
}

/// The settings of one block, all of them.
#[derive(Clone, Copy)]
struct BlockConfig {
    width: usize,
    heads: usize,
    hidden: usize,
    attention_dropout: f64,
    dropout: f64,
    residual_dropout: f64,
}

impl FtTransformerConfig {
    /// What is stated, and the package's where nothing is.
    fn block(&self) -> BlockConfig {
        let (width, attention_dropout, dropout) = BY_BLOCKS[self.blocks.clamp(1, BY_BLOCKS.len()) - 1];
        let width = self.width.unwrap_or(width);
        BlockConfig {
            width,
            heads: self.heads,
            hidden: self.hidden.unwrap_or(width.saturating_mul(4) / 3),
            attention_dropout: self.attention_dropout.unwrap_or(attention_dropout),
            dropout: self.dropout.unwrap_or(dropout),
            residual_dropout: self.residual_dropout,
        }
    }
}

impl NetworkConfig for FtTransformerConfig {
    type Network = FtTransformer;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<FtTransformer, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "ft_transformer", reason };
        let block = self.block();
        let BlockConfig { width, heads, hidden, .. } = block;
        if !(1..=MOST_BLOCKS).contains(&self.blocks) || !(1..=MOST_WIDTH).contains(&width) || heads == 0 {
            return Err(unfit(format!(
                "`blocks` must be from 1 to {MOST_BLOCKS}, `width` from 1 to {MOST_WIDTH}, and `heads` at least 1"
            )));
        }
        if !width.is_multiple_of(heads) {
            return Err(unfit(format!("a `width` of {width} cannot be shared by {heads} heads")));
        }
        if !(1..=MOST_WIDTH).contains(&hidden) {
            return Err(unfit(format!("`hidden` must be from 1 to {MOST_WIDTH}")));
        }
        let probabilities = [block.attention_dropout, block.dropout, block.residual_dropout];
        if probabilities.iter().any(|probability| !(0.0..1.0).contains(probability)) {
            return Err(unfit(
                "`attention_dropout`, `dropout` and `residual_dropout` must be from 0 to below 1".into(),
            ));
        }
        let (mut numbers, mut sizes) = (0, Vec::new());
        for spec in &signature.inputs {
            match &spec.kind {
                InputKind::Numbers { names } => numbers += names.len(),
                InputKind::Categories { sizes: of_columns, .. } => sizes.extend(of_columns),
                _ => return Err(unfit(format!("it reads numbers and categories, and `{}` is neither", spec.name))),
            }
        }
        if numbers + sizes.len() == 0 {
            return Err(unfit("there is no input".into()));
        }
        let (outputs, classify) = output::row(signature, "ft_transformer")?;
        let bound = 1.0 / (width as f64).sqrt();
        Ok(FtTransformer {
            cls_embedding: ReadOut { weight: init.uniform([width], bound) },
            cont_embeddings: (numbers > 0).then(|| NumberTokens {
                weight: init.uniform([numbers, width], bound),
                bias: init.uniform([numbers, width], bound),
            }),
            cat_embeddings: (!sizes.is_empty()).then(|| CategoryTokens {
                embeddings: sizes
                    .iter()
                    .map(|&size| Embedding { weight: init.uniform([size, width], bound) })
                    .collect(),
                bias: init.uniform([sizes.len(), width], bound),
            }),
            backbone: Backbone {
                blocks: (0..self.blocks).map(|at| Block::new(block, at == 0, init)).collect(),
                output: Head { normalization: LayerNorm::new(width, init), linear: Linear::new(width, outputs, init) },
            },
            classify,
        })
    }
}

impl Network for FtTransformer {
    fn spared(&self) -> &'static [&'static str] {
        &["cls_embedding", "cont_embeddings", "cat_embeddings"]
    }

    /// # Shapes
    /// - numbers: `[B, N]`, categories: the rest of the columns
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let mut tokens: Vec<Tensor<3>> = Vec::new();
        if let Some(lines) = &self.cont_embeddings {
            let numbers = inputs.numbers()?.unsqueeze_dim::<3>(2);
            let scaled = ops::multiply(numbers, ops::trace::applied(&lines.weight).unsqueeze::<3>());
            tokens.push(ops::add(scaled, lines.bias.val().unsqueeze::<3>()));
        }
        if let Some(tables) = &self.cat_embeddings {
            let codes = inputs.categories()?;
            let looked_up = Embedding::of_columns(&tables.embeddings, &codes);
            let columns = looked_up.map(|column| column.unsqueeze_dim::<3>(1)).collect();
            tokens.push(Tensor::cat(columns, 1) + tables.bias.val().unsqueeze::<3>());
        }
        let Some([batch, _, width]) = tokens.first().map(Tensor::dims) else {
            return Err(Error::MissingInput { wanted: "numbers", found: String::new() });
        };
        tokens.insert(0, self.cls_embedding.weight.val().reshape([1, 1, width]).expand([batch, 1, width]));
        let mut x = Tensor::cat(tokens, 1);
        for (at, block) in self.backbone.blocks.iter().enumerate() {
            x = block.forward(x, at + 1 == self.backbone.blocks.len());
        }
        let head = &self.backbone.output;
        let read: Tensor<2> = x.reshape([batch, width]);
        let y = head.linear.forward(ops::relu(head.normalization.forward(read)));
        Ok(Output::of_rows(y, self.classify))
    }
}

impl Block {
    fn new(config: BlockConfig, first: bool, init: &mut Init) -> Self {
        let BlockConfig { width, hidden, .. } = config;
        let mut projection = || {
            let linear = Linear::new(width, width, init);
            Linear { bias: Some(init.constant([width], 0.0)), ..linear }
        };
        let [query, key, value] = [projection(), projection(), projection()];
        let attention = Attention {
            W_q: query,
            W_k: key,
            W_v: value,
            W_out: (config.heads > 1).then(projection),
            heads: config.heads,
            dropout: Dropout::new(config.attention_dropout),
        };
        Self {
            attention_normalization: (!first).then(|| LayerNorm::new(width, init)),
            attention,
            ffn_normalization: LayerNorm::new(width, init),
            ffn: Perceptron {
                linear1: Linear::new(width, 2 * hidden, init),
                dropout: Dropout::new(config.dropout),
                linear2: Linear::new(hidden, width, init),
            },
            residual_dropout: Dropout::new(config.residual_dropout),
        }
    }

    /// # Shapes
    /// - `x`: `[B, T, D]`
    /// - result: as `x`, or `[B, 1, D]` of the `last` block, of which one token is read
    fn forward(&self, x: Tensor<3>, last: bool) -> Tensor<3> {
        let normed = match &self.attention_normalization {
            Some(norm) => norm.forward(x.clone()),
            None => x.clone(),
        };
        let (x, asking) = match last {
            true => (x.slice_dim(1, 0..1), normed.clone().slice_dim(1, 0..1)),
            false => (x, normed.clone()),
        };
        let x = ops::add(x, self.residual_dropout.forward(self.attention.forward(asking, normed)));
        let y = self.ffn.forward(self.ffn_normalization.forward(x.clone()));
        ops::add(x, self.residual_dropout.forward(y))
    }
}

impl Attention {
    /// # Shapes
    /// - `asking`: `[B, Q, D]`
    /// - `asked`: `[B, T, D]`
    /// - result: as `asking`
    fn forward(&self, asking: Tensor<3>, asked: Tensor<3>) -> Tensor<3> {
        let [batch, places, width] = asking.dims();
        let each = width / self.heads;
        let split = |x: Tensor<3>| {
            let [_, places, _] = x.dims();
            x.reshape([batch, places, self.heads, each]).swap_dims(1, 2)
        };
        let [query, key, value] =
            [self.W_q.forward(asking), self.W_k.forward(asked.clone()), self.W_v.forward(asked)].map(split);
        let mixed = attend(query, key, value, None, &self.dropout);
        let mixed = mixed.swap_dims(1, 2).reshape([batch, places, width]);
        match &self.W_out {
            Some(out) => out.forward(mixed),
            None => mixed,
        }
    }
}

impl Perceptron {
    /// # Shapes
    /// - `x`: `[B, T, D]`
    /// - result: as `x`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.linear1.forward(x);
        let [_, _, both] = x.dims();
        let gate = ops::relu(x.clone().slice_dim(2, both / 2..both));
        let gated = ops::multiply(x.slice_dim(2, 0..both / 2), gate);
        self.linear2.forward(self.dropout.forward(gated))
    }
}

#[cfg(test)]
mod tests {
    use data_loader::Task;
    use data_loader::signature::{Dtype, InputSpec, OutputSpec};

    use super::*;
    use crate::published::count;

    /// From one block to six.
    const COUNTS: [usize; 6] = [77_156, 267_692, 896_068, 2_114_220, 4_119_144, 7_113_988];

    /// As many as `FTTransformer(n_cont_features=3, cat_cardinalities=[4, 7], d_out=4, **get_default_kwargs(blocks))` has.
    #[test]
    fn parameter_counts_are_those_of_the_package() {
        let names = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>();
        let numbers = InputKind::Numbers { names: names(3) };
        let categories = InputKind::Categories { names: names(2), sizes: vec![4, 7] };
        let inputs = vec![
            InputSpec { name: "numbers".into(), dtype: Dtype::F32, shape: vec![Some(3)], kind: numbers },
            InputSpec { name: "categories".into(), dtype: Dtype::I64, shape: vec![Some(2)], kind: categories },
        ];
        let output = OutputSpec::Classes { labels: names(4) };
        let signature = Signature { task: Task::Classify, inputs, output };
        for (blocks, published) in (1..).zip(COUNTS) {
            let config = FtTransformerConfig { blocks, ..Default::default() };
            assert_eq!(count(&config, &signature), published, "{blocks} blocks");
        }
    }
}
