//! How does a network continue a text without reading it anew for every token?
//!
//! What attention makes of a token, its key and its value, does not depend on those behind it. A [`Cache`] holds them, layer by
//! layer; a network that is given new tokens reads these alone.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::Error;
use crate::network::Answer;

/// The keys and values of the tokens that were read.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    layers: Vec<(Tensor<4>, Tensor<4>)>,
    length: usize,
}

impl Cache {
    /// How many tokens were read.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Puts keys and values behind those of the tokens before, and gives all of them. Layers come in order, beginning with 0.
    ///
    /// # Shapes
    /// - `key`, `value`: `[batch, heads, new, features]`
    /// - result: `[batch, heads, all, features]`
    pub fn extend(&mut self, layer: usize, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let all = match self.layers.get(layer) {
            Some((keys, values)) => {
                (Tensor::cat(vec![keys.clone(), key], 2), Tensor::cat(vec![values.clone(), value], 2))
            }
            None => (key, value),
        };
        match self.layers.get_mut(layer) {
            Some(known) => *known = all.clone(),
            None => self.layers.push(all.clone()),
        }
        all
    }

    /// Counts tokens that were read by every layer.
    pub fn advance(&mut self, tokens: usize) {
        self.length += tokens;
    }
}

/// A text that a network continues, token by token. Between two of them the network may do something else.
pub struct Generator {
    context: usize,
    /// All tokens that may still be looked at.
    tokens: Vec<i64>,
    cache: Cache,
}

impl Generator {
    /// Begins with nothing, for this network.
    ///
    /// # Errors
    /// [`Error::CannotGenerate`] for a network that continues no texts.
    pub fn new(network: &dyn Answer) -> Result<Self, Error> {
        let context = network.context().ok_or(Error::CannotGenerate)?;
        Ok(Self { context, tokens: Vec::new(), cache: Cache::default() })
    }

    /// Never looks at more than `most` tokens at once, such as training did: places beyond them were never learnt.
    #[must_use]
    pub fn within(mut self, most: usize) -> Self {
        self.context = self.context.min(most.max(1));
        self
    }

    /// Lets the network with which it began read `tokens` on `device`, and gives the scores of the token behind them, one for each of the vocabulary.
    ///
    /// A text that is longer than the context slides through it. Positions are learnt, so that what was remembered is worth nothing
    /// once it moves: where a single token has no room, the older half of the context is forgotten and the rest read anew, which
    /// costs half a context every half context. Of a longer piece the last context is read.
    ///
    /// # Errors
    /// [`Error::WrongBatch`] without tokens; if the device fails.
    pub fn read(&mut self, network: &dyn Answer, device: &Device, tokens: &[i64]) -> Result<Vec<f32>, Error> {
        if tokens.is_empty() {
            return Err(Error::WrongBatch("there is no token to continue".into()));
        }
        self.tokens.extend(tokens);
        let begin = if self.cache.length() + tokens.len() <= self.context {
            self.tokens.len() - tokens.len()
        } else {
            let kept = if tokens.len() > 1 { self.context } else { self.context.div_ceil(2) };
            self.tokens.drain(..self.tokens.len().saturating_sub(kept));
            self.cache = Cache::default();
            0
        };
        let new = self.tokens[begin..].to_vec();
        let shape = [1, new.len()];
        let ids = Tensor::<2, Int>::from_data(TensorData::new(new, shape), device);
        let scores = network.continue_from(ids, &mut self.cache)?;
        let last = shape[1] - 1;
        let scores = scores.slice_dim(1, last..last + 1).try_into_vec_as::<f32>();
        scores.map_err(|error| Error::DeviceFailed { doing: "generating", reason: error.to_string() })
    }
}
