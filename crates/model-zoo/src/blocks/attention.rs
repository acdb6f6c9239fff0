//! Attention of a sequence to itself, or of one to another.
//!
//! Vaswani et al., "Attention Is All You Need", 2017. Query, key and value come from one projection, as in GPT-2.

use burn::module::Module;
use burn::tensor::{Bool, Tensor};

use super::{Dropout, Init, Linear};
use crate::ops;

/// Ten times the layers of the deepest transformer in use.
const MOST_LAYERS: usize = 1000;
/// Far beyond any width in use, and far below where four times it overflows.
const MOST_FEATURES: usize = 1 << 20;

/// Whether a transformer over tokens can be built of so many layers, features, heads and places.
///
/// # Errors
/// Why not, a sentence.
pub(crate) fn check_sizes([layers, features, heads, context]: [usize; 4], dropout: f64) -> Result<(), String> {
    if [layers, features, heads, context].contains(&0) || !(0.0..1.0).contains(&dropout) {
        let least = "`layers`, `features`, `heads` and `context` must be at least 1 and `dropout` from 0 to below 1";
        return Err(least.into());
    }
    if layers > MOST_LAYERS || features > MOST_FEATURES {
        return Err(format!("`layers` may be at most {MOST_LAYERS} and `features` at most {MOST_FEATURES}"));
    }
    match features.is_multiple_of(heads) {
        true => Ok(()),
        false => Err(format!("{features} features cannot be shared by {heads} heads")),
    }
}

/// Attention, whose weights are silenced by `dropout` while training. No row of `mask` may forbid everything.
///
/// # Shapes
/// As of [`ops::attention`], but that there may be other numbers of queries and keys.
pub(crate) fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: Option<Tensor<4, Bool>>,
    dropout: &Dropout,
) -> Tensor<4> {
    if !dropout.acts_on(&query) {
        return ops::attention(query, key, value, mask, false);
    }
    let each = query.dims()[3];
    let scores = query.matmul(key.swap_dims(2, 3)) / (each as f64).sqrt();
    let scores = match mask {
        // The smallest number does what minus infinity would, where a row has something left.
        Some(mask) => scores.mask_fill(mask, f32::MIN),
        None => scores,
    };
    dropout.forward(ops::softmax(scores, 3)).matmul(value)
}

/// Multi-head self-attention.
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// From features to query, key and value, `[3 features, features]`.
    pub qkv: Linear,
    /// From the heads back to features.
    pub proj: Linear,
    heads: usize,
    causal: bool,
}

impl SelfAttention {
    /// `heads` must divide `features`; `causal` forbids looking ahead.
    pub fn new(features: usize, heads: usize, causal: bool, init: &mut Init) -> Self {
        Self {
            qkv: Linear::new(features, 3 * features, init),
            proj: Linear::new(features, features, init),
            heads,
            causal,
        }
    }

    /// Lets every place attend to the others.
    ///
    /// # Shapes
    /// - `x`: `[batch, length, features]`
    /// - result: as `x`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.proj.forward(ops::self_attention(self.qkv.forward(x), self.heads, self.causal))
    }
}
