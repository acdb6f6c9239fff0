//! Attention of a sequence to what came before.
//!
//! Vaswani et al., "Attention Is All You Need", 2017. Query, key and value come from one projection; parameters are named and
//! laid out as in transformers' GPT-2.

use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor};

use super::{Init, InputMajorLinear};
use crate::generator::Cache;
use crate::ops;

/// Multi-head attention in which no place looks ahead.
#[derive(Module, Debug)]
pub struct CausalAttention {
    /// From features to query, key and value, `[features, 3 features]`.
    pub c_attn: InputMajorLinear,
    /// From the heads back to features.
    pub c_proj: InputMajorLinear,
    heads: usize,
}

impl CausalAttention {
    /// `heads` must divide `features`; `stds` are the standard deviations of the weights of the two maps.
    pub fn new(features: usize, heads: usize, stds: [f64; 2], init: &mut Init) -> Self {
        Self {
            c_attn: InputMajorLinear::new(features, 3 * features, stds[0], init),
            c_proj: InputMajorLinear::new(features, features, stds[1], init),
            heads,
        }
    }

    /// Lets every place attend to itself and those before, which are in the `cache` as well: the layer of which number is said
    /// beside it.
    ///
    /// # Shapes
    /// - `x`: `[batch, length, features]`
    /// - result: as `x`
    pub fn forward(&self, x: Tensor<3>, cache: Option<(&mut Cache, usize)>) -> Tensor<3> {
        let [batch, length, features] = x.dims();
        let qkv = self.c_attn.forward(x);
        let Some((cache, layer)) = cache else {
            return self.c_proj.forward(ops::self_attention(qkv, self.heads, true));
        };
        let [query, key, value] = [0, 1, 2].map(|k| {
            let part = qkv.clone().slice_dim(2, k * features..(k + 1) * features);
            part.reshape([batch, length, self.heads, features / self.heads]).swap_dims(1, 2)
        });
        let (key, value) = cache.extend(layer, key, value);
        let past = key.dims()[2] - length;
        let mixed = if past == 0 {
            ops::attention(query, key, value, None, true)
        } else {
            // A single place sees all that is there; of several each sees those before it.
            let mask = (length > 1).then(|| ahead(batch, self.heads, length, past, &query.device()));
            ops::attention(query, key, value, mask, false)
        };
        self.c_proj.forward(mixed.swap_dims(1, 2).reshape([batch, length, features]))
    }
}

/// True where a place would look ahead, `[batch, heads, length, past + length]`.
fn ahead(batch: usize, heads: usize, length: usize, past: usize, device: &burn::tensor::Device) -> Tensor<4, Bool> {
    let keys = Tensor::<1, Int>::arange(0..(past + length) as i64, device).reshape([1, past + length]);
    let queries = Tensor::<1, Int>::arange(past as i64..(past + length) as i64, device).reshape([length, 1]);
    let ahead = keys.expand([length, past + length]).greater(queries.expand([length, past + length]));
    ahead.reshape([1, 1, length, past + length]).expand([batch, heads, length, past + length])
}
