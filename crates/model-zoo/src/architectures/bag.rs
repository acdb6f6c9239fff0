//! A bag of embeddings: the mean of the vectors of all tokens is classified.
//!
//! Joulin, Grave, Bojanowski and Mikolov, "Bag of Tricks for Efficient Text Classification", 2016. In what order the tokens stand
//! does not matter, which is all that many texts need, and the first to be beaten by what reads them in order.
//!
//! Shapes: B batch, L length, E embedding, K outputs.

use burn::module::Module;
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Dropout, Embedding, Init, Linear};
use crate::inputs::only_text;
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, output};

/// One line for `firebox list`.
pub const SUMMARY: &str = "the mean of embedded tokens, in whatever order (Joulin et al. 2016)";

/// Settings of [`Bag`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BagConfig {
    /// Features of each embedded token.
    pub embedding: usize,
    /// Probability with which a feature of the mean is silenced while training.
    pub dropout: f64,
}

impl Default for BagConfig {
    fn default() -> Self {
        Self { embedding: 64, dropout: 0.0 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Bag {
    embedding: Embedding,
    dropout: Dropout,
    head: Linear,
    classify: bool,
}

impl NetworkConfig for BagConfig {
    type Network = Bag;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Bag, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "bag", reason };
        if self.embedding == 0 || !(0.0..1.0).contains(&self.dropout) {
            return Err(unfit("`embedding` must be at least 1 and `dropout` from 0 to below 1".into()));
        }
        let (vocabulary, _) = only_text(signature, "bag")?;
        let (outputs, classify) = output::row(signature, "bag")?;
        Ok(Bag {
            embedding: Embedding::new(vocabulary, self.embedding, 1.0, init),
            dropout: Dropout::new(self.dropout),
            head: Linear::new(self.embedding, outputs, init),
            classify,
        })
    }
}

impl Network for Bag {
    /// # Shapes
    /// - tokens: `[B, L]`, mask `[B, L]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let (ids, mask) = inputs.tokens()?;
        // A text without a token has the mean 0, and not 0 / 0.
        let lengths = mask.clone().sum_dim(1).clamp_min(1.0);
        let sum = (self.embedding.forward(ids) * mask.unsqueeze_dim(2)).sum_dim(1).squeeze_dim::<2>(1);
        let y = self.head.forward(self.dropout.forward(sum / lengths));
        Ok(Output::of_rows(y, self.classify))
    }
}
