//! What is done to tokens and steps: they are looked up, attend to each other, and are judged.

use burn::backend::Dispatch;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Int, Tensor, module};

use super::processor::Processor;
use super::recorded::{self, Reading};
use super::trace::{is_recording, tell, told};
use super::{count, has_kernels};

/// The row of `weight` that each index names.
///
/// # Shapes
/// - `weight`: `[vocabulary, features]`
/// - `indices`: `[batch, length]`
/// - result: `[batch, length, features]`
pub fn embedding(weight: Tensor<2>, indices: Tensor<2, Int>) -> Tensor<3> {
    let y = match has_kernels(&weight) {
        true => Tensor::from_dispatch(Dispatch::look_up(weight.into_dispatch(), indices.into_dispatch())),
        false => module::embedding(weight, indices),
    };
    told("embedding", y)
}

/// Scaled dot-product attention, `softmax(q k^T / sqrt(features)) v`.
///
/// # Shapes
/// - `query`, `key`, `value`: `[batch, heads, length, features]`
/// - `mask`: `[batch, heads, length, length]`, true where attention is forbidden
/// - result: `[batch, heads, length, features]`
pub fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: Option<Tensor<4, Bool>>,
    causal: bool,
) -> Tensor<4> {
    let options = AttentionModuleOptions { scale: None, softcap: None, is_causal: causal };
    // Both products are taken of every pair of places, also of those that a mask forbids.
    let pairs = count(&query.dims()) * key.dims()[2];
    let wide = count(&query.dims()[..3]) * key.dims()[2] * value.dims()[3];
    tell("attention", module::attention(query, key, value, mask, None, options), |_| pairs + wide)
}

/// Attention of a sequence to itself: as [`attention`], query, key and value being side by side, each with the features of all heads.
///
/// # Shapes
/// - `projection`: `[batch, length, 3 features]`
/// - result: `[batch, length, features]`
pub fn self_attention(projection: Tensor<3>, heads: usize, causal: bool) -> Tensor<3> {
    let [batch, length, width] = projection.dims();
    let (features, each) = (width / 3, width / 3 / heads);
    if has_kernels(&projection) {
        let y = Tensor::from_dispatch(Dispatch::attend(projection.into_dispatch(), heads, causal));
        return tell("attention", y, |_| 2 * batch * length * length * features);
    }
    let [query, key, value] = [0, 1, 2].map(|k| {
        let part = projection.clone().slice_dim(2, k * features..(k + 1) * features);
        part.reshape([batch, length, heads, each]).swap_dims(1, 2)
    });
    attention(query, key, value, None, causal).swap_dims(1, 2).reshape([batch, length, features])
}

/// The cross-entropy of each row of scores with its class; 0 for a row whose class is below 0. None where no kernel of ours computes it.
///
/// # Shapes
/// - `scores`: `[rows, classes]`
/// - `targets`: `[rows]`
/// - result: `[rows]`
pub fn class_losses(scores: &Tensor<2>, targets: &Tensor<1, Int>, smoothing: f64) -> Option<Tensor<1>> {
    has_kernels(scores).then(|| {
        let (scores, targets) = (scores.clone().into_dispatch(), targets.clone().into_dispatch());
        Tensor::from_dispatch(Dispatch::class_losses(scores, targets, smoothing as f32))
    })
}

/// The states of a recurrent layer where a graph is recorded, in which the whole layer is one operation. Elsewhere there are none: layers
/// go from step to step.
///
/// # Shapes
/// - `x`: `[batch, length, inputs]`
/// - `mask`: `[batch, length]`, 1 where there is content and 0 where there is padding, which stands at the end
/// - `weights`: `[gates, inputs]` and `[gates, hidden]`
/// - `biases`: `[gates]` each
/// - result: the state after each step with content, `[batch, length, hidden]`, and the one at the end, `[batch, hidden]`
pub fn recorded_states(
    x: &Tensor<3>,
    mask: Option<&Tensor<2>>,
    weights: [Tensor<2>; 2],
    biases: [Tensor<1>; 2],
    reading: Reading,
) -> Option<(Tensor<3>, Tensor<2>)> {
    if !is_recording() {
        return None;
    }
    let [batch, length, _] = x.dims();
    let mask = mask.cloned().unwrap_or_else(|| Tensor::ones([batch, length], &x.device()));
    let (all, end) = recorded::recurrent(x.clone(), mask, weights, biases, reading);
    Some((all, told("recurrent", end)))
}

/// The steps of a sequence one by one. It is halved again and again, since the gradient of a part is as large as what the part was
/// cut out of: cut out of the whole, the gradients of all steps would cost the square of the length.
///
/// # Shapes
/// - `x`: `[batch, length, features]`
/// - result: `length` times `[batch, features]`
pub fn steps(x: Tensor<3>) -> Vec<Tensor<2>> {
    let [batch, length, features] = x.dims();
    match length {
        0 => Vec::new(),
        1 => vec![x.reshape([batch, features])],
        _ => {
            let half = length / 2;
            let mut steps = steps(x.clone().slice_dim(1, 0..half));
            steps.extend(self::steps(x.slice_dim(1, half..length)));
            steps
        }
    }
}
