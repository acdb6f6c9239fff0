//! A recurrent classifier for short texts.
//!
//! Characters or tokens are embedded, read in both directions by a gated recurrent layer (Cho et al. 2014), and the two
//! final states are classified.
//!
//! Shapes: B batch, L length, E embedding, H hidden, K outputs.

use burn::module::Module;
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Dropout, Embedding, Gru, Init, Linear};
use crate::inputs::only_text;
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, output};

/// One line for `firebox list`.
pub const SUMMARY: &str = "a gated recurrent layer over embedded characters or tokens (Cho et al. 2014)";

/// Settings of [`GruClassifier`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GruConfig {
    /// Features of each embedded token.
    pub embedding: usize,
    /// Units of the recurrent layer, in each direction.
    pub hidden: usize,
    /// Whether the text is read from right to left as well.
    pub bidirectional: bool,
    /// Probability with which a feature is silenced while training, after the embedding and before the head.
    pub dropout: f64,
}

impl Default for GruConfig {
    fn default() -> Self {
        Self { embedding: 32, hidden: 64, bidirectional: true, dropout: 0.0 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct GruClassifier {
    embedding: Embedding,
    gru: Gru,
    head: Linear,
    dropout: Dropout,
    classify: bool,
}

impl NetworkConfig for GruConfig {
    type Network = GruClassifier;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<GruClassifier, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "gru", reason };
        if self.embedding == 0 || self.hidden == 0 || !(0.0..1.0).contains(&self.dropout) {
            return Err(unfit("`embedding` and `hidden` must be at least 1 and `dropout` from 0 to below 1".into()));
        }
        let (vocabulary, _) = only_text(signature, "gru")?;
        let (outputs, classify) = output::row(signature, "gru")?;
        let directions = if self.bidirectional { 2 } else { 1 };
        Ok(GruClassifier {
            embedding: Embedding::new(vocabulary, self.embedding, 1.0, init),
            gru: Gru::new(self.embedding, self.hidden, self.bidirectional, init),
            head: Linear::new(directions * self.hidden, outputs, init),
            dropout: Dropout::new(self.dropout),
            classify,
        })
    }
}

impl Network for GruClassifier {
    /// # Shapes
    /// - tokens: `[B, L]`, mask `[B, L]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let (ids, mask) = inputs.tokens()?;
        let x = self.dropout.forward(self.embedding.forward(ids));
        let state = self.gru.final_state(x, mask);
        let y = self.head.forward(self.dropout.forward(state));
        Ok(Output::of_rows(y, self.classify))
    }
}
