//! A residual network for tables.
//!
//! Gorishniy, Rubachev, Khrulkov and Babenko, "Revisiting Deep Learning Models for Tabular Data", 2021, section 3.2. Parameters are
//! named as in their package `rtdl_revisiting_models`, but for the embeddings of categories, which stand beside the numbers as in
//! [`mlp`](super::mlp).
//!
//! Shapes: B batch, F features with embedded categories, D width of a block, H hidden width, K outputs.

use burn::module::Module;
use burn::tensor::Tensor;
use data_loader::signature::{InputKind, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Activation, BatchNorm, Dropout, Embedding, Init, Linear};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops, output};

/// One line for `firebox list`.
pub const SUMMARY: &str = "linear layers with shortcuts between them, for tables (Gorishniy et al. 2021)";

/// More blocks than this are a mistake of the config.
const MOST_BLOCKS: usize = 100;

/// Settings of [`TabularResnet`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TabularResnetConfig {
    /// Blocks, each with a shortcut around it.
    pub blocks: usize,
    /// Features between the blocks.
    pub width: usize,
    /// Units within a block.
    pub hidden: usize,
    /// Probability with which a unit within a block is silenced while training.
    pub dropout: f64,
    /// Probability with which a feature that a block adds is silenced while training.
    pub residual_dropout: f64,
}

impl Default for TabularResnetConfig {
    fn default() -> Self {
        Self { blocks: 2, width: 192, hidden: 384, dropout: 0.0, residual_dropout: 0.0 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct TabularResnet {
    embeddings: Vec<Embedding>,
    input_projection: Linear,
    blocks: Vec<Block>,
    output: Head,
    #[module(skip)]
    inputs: Vec<String>,
    #[module(skip)]
    classify: bool,
}

/// What is added to its input.
#[derive(Module, Debug)]
struct Block {
    normalization: BatchNorm,
    linear1: Linear,
    dropout1: Dropout,
    linear2: Linear,
    dropout2: Dropout,
}

/// From the last block to the answer.
#[derive(Module, Debug)]
struct Head {
    normalization: BatchNorm,
    linear: Linear,
}

impl NetworkConfig for TabularResnetConfig {
    type Network = TabularResnet;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<TabularResnet, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "tabular_resnet", reason };
        if !(1..=MOST_BLOCKS).contains(&self.blocks) || self.width == 0 || self.hidden == 0 {
            return Err(unfit(format!("`blocks` must be from 1 to {MOST_BLOCKS}, `width` and `hidden` at least 1")));
        }
        if [self.dropout, self.residual_dropout].iter().any(|probability| !(0.0..1.0).contains(probability)) {
            return Err(unfit("`dropout` and `residual_dropout` must be from 0 to below 1".into()));
        }
        let mut features = 0;
        let mut embeddings = Vec::new();
        for spec in &signature.inputs {
            match &spec.kind {
                InputKind::Numbers { names } => features += names.len(),
                InputKind::Categories { sizes, .. } => {
                    for &size in sizes {
                        let width = super::mlp::embedding_width(size);
                        embeddings.push(Embedding::new(size, width, 1.0, init));
                        features += width;
                    }
                }
                _ => return Err(unfit(format!("it reads numbers and categories, and `{}` is neither", spec.name))),
            }
        }
        if features == 0 {
            return Err(unfit("there is no input".into()));
        }
        let (outputs, classify) = output::row(signature, "tabular_resnet")?;
        let input_projection = Linear::new(features, self.width, init);
        let block = |_| Block {
            normalization: BatchNorm::new(self.width, init),
            linear1: Linear::new(self.width, self.hidden, init),
            dropout1: Dropout::new(self.dropout),
            linear2: Linear::new(self.hidden, self.width, init),
            dropout2: Dropout::new(self.residual_dropout),
        };
        let blocks = (0..self.blocks).map(block).collect();
        let output =
            Head { normalization: BatchNorm::new(self.width, init), linear: Linear::new(self.width, outputs, init) };
        let inputs = signature.inputs.iter().map(|spec| spec.name.clone()).collect();
        Ok(TabularResnet { embeddings, input_projection, blocks, output, inputs, classify })
    }
}

impl Block {
    /// # Shapes
    /// - `x`: `[B, D]`
    /// - result: `[B, D]`
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = self.linear1.forward(self.normalization.forward(x.clone()));
        let y = self.dropout1.forward(Activation::Relu.forward(y));
        ops::add(x, self.dropout2.forward(self.linear2.forward(y)))
    }
}

impl Network for TabularResnet {
    /// # Shapes
    /// - numbers and categories: together `[B, F]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let mut parts: Vec<Tensor<2>> = Vec::new();
        for name in &self.inputs {
            match name.as_str() {
                "numbers" => parts.push(inputs.numbers()?),
                _ => parts.extend(Embedding::of_columns(&self.embeddings, &inputs.categories()?)),
            }
        }
        let x = if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(parts, 1) };
        let x = self.blocks.iter().fold(self.input_projection.forward(x), |x, block| block.forward(x));
        let y = self.output.linear.forward(Activation::Relu.forward(self.output.normalization.forward(x)));
        Ok(Output::of_rows(y, self.classify))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use data_loader::Task;
    use data_loader::signature::{Dtype, InputSpec, OutputSpec};

    use super::*;

    /// As many as `ResNet(d_in=8, d_out=1, n_blocks=2, d_block=192, d_hidden_multiplier=2.0, ...)` of the package has.
    #[test]
    fn parameter_counts_are_those_of_the_package() {
        let names = (0..8).map(|n| n.to_string()).collect();
        let numbers = InputKind::Numbers { names };
        let inputs = vec![InputSpec { name: "numbers".into(), dtype: Dtype::F32, shape: vec![Some(8)], kind: numbers }];
        let output = OutputSpec::Values { names: vec!["y".into()], mean: vec![0.0], std: vec![1.0] };
        let signature = Signature { task: Task::Regress, inputs, output };
        let network = TabularResnetConfig::default().build(&signature, 0, &Device::flex()).unwrap();
        assert_eq!(crate::summary::parameters(&network), 299_137);
    }
}
