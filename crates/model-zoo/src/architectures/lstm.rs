//! A classifier for texts with a long short-term memory.
//!
//! Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997: tokens are embedded, read by one or more recurrent layers, in both directions
//! if so wished, and the states at the ends of the last layer are classified. Parameters are named as in PyTorch's `nn.LSTM`.
//!
//! Shapes: B batch, L length, E embedding, H hidden, K outputs.

use burn::module::Module;
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Dropout, Embedding, Init, Linear, Lstm, LstmConfig as LayersConfig};
use crate::inputs::only_text;
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, output};

/// One line for `firebox list`.
pub const SUMMARY: &str = "long short-term memory over embedded characters or tokens (Hochreiter and Schmidhuber 1997)";

const MOST_LAYERS: usize = 100;
/// Far beyond any width in use, and far below where four times it overflows.
const MOST_UNITS: usize = 1 << 20;

/// Settings of [`LstmClassifier`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LstmConfig {
    /// Features of each embedded token.
    pub embedding: usize,
    /// Units of each layer, in each direction.
    pub hidden: usize,
    /// Layers above each other.
    pub layers: usize,
    /// Whether the text is read from right to left as well.
    pub bidirectional: bool,
    /// Probability with which a feature is silenced while training: after the embedding, between layers, and before the head.
    pub dropout: f64,
}

impl Default for LstmConfig {
    fn default() -> Self {
        Self { embedding: 32, hidden: 64, layers: 1, bidirectional: true, dropout: 0.0 }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct LstmClassifier {
    embedding: Embedding,
    lstm: Lstm,
    head: Linear,
    dropout: Dropout,
    classify: bool,
}

impl NetworkConfig for LstmConfig {
    type Network = LstmClassifier;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<LstmClassifier, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "lstm", reason };
        let units = 1..=MOST_UNITS;
        if !units.contains(&self.embedding)
            || !units.contains(&self.hidden)
            || !(1..=MOST_LAYERS).contains(&self.layers)
        {
            return Err(unfit(format!(
                "`embedding` and `hidden` must be from 1 to {MOST_UNITS}, and `layers` from 1 to {MOST_LAYERS}"
            )));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(unfit("`dropout` must be from 0 to below 1".into()));
        }
        let (vocabulary, _) = only_text(signature, "lstm")?;
        let (outputs, classify) = output::row(signature, "lstm")?;
        let layers = LayersConfig {
            inputs: self.embedding,
            hidden: self.hidden,
            layers: self.layers,
            bidirectional: self.bidirectional,
            dropout: self.dropout,
        };
        let directions = if self.bidirectional { 2 } else { 1 };
        Ok(LstmClassifier {
            embedding: Embedding::new(vocabulary, self.embedding, 1.0, init),
            lstm: layers.init(init),
            head: Linear::new(directions * self.hidden, outputs, init),
            dropout: Dropout::new(self.dropout),
            classify,
        })
    }
}

impl Network for LstmClassifier {
    /// # Shapes
    /// - tokens: `[B, L]`, mask `[B, L]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let (ids, mask) = inputs.tokens()?;
        let x = self.dropout.forward(self.embedding.forward(ids));
        let (_, end) = self.lstm.forward(x, Some(mask));
        let y = self.head.forward(self.dropout.forward(end));
        Ok(Output::of_rows(y, self.classify))
    }
}
