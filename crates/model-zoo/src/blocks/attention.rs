//! Attention of a sequence to itself.
//!
//! Vaswani et al., "Attention Is All You Need", 2017. Query, key and value come from one projection, as in GPT-2.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{Init, Linear};
use crate::ops;

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
        let [batch, length, features] = x.dims();
        let qkv = self.qkv.forward(x);
        let [query, key, value] = [0, 1, 2].map(|k| {
            let part = qkv.clone().slice_dim(2, k * features..(k + 1) * features);
            part.reshape([batch, length, self.heads, features / self.heads]).swap_dims(1, 2)
        });
        let mixed = ops::attention(query, key, value, None, self.causal);
        self.proj.forward(mixed.swap_dims(1, 2).reshape([batch, length, features]))
    }
}
