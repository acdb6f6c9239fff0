//! Operations on the processor, by the kernels of the crate `kernels`.
//!
//! [`Processor`] lists them. Each is written down once, as what it computes and how gradients go back through it; the implementation for the
//! plain backend takes the first and the one that records gradients both.

use std::any::TypeId;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::strategy::{CheckpointStrategy, NoCheckpointing};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, DType, Flex, TensorData, TensorMetadata, backend_extension};
use kernels::adamw::Adamw;
use kernels::conv2d::Conv2d;
use kernels::linear::Lying;
use kernels::max_pool::{self, MaxPool};

use images::{convolve, convolve_with_bias, pool_largest, pooled};
use maps::{drop_out, gelu_unit, map, map_with_bias, rectify};
pub(super) use norms::apply_norm;
use norms::{back_through_norm, norm_forth, normalize_rows};
use recorded::{Back, Tracked, recorded};
use tokens::{attend, class_losses, look_up};
use update::step_by_adamw;

mod images;
mod maps;
mod norms;
mod recorded;
mod tokens;
mod update;

/// What the processor computes by kernels of ours. Shapes are those of the functions in [`ops`](super) that call these.
#[backend_extension(Autodiff, Flex)]
pub trait Processor: Backend {
    /// `max(x, 0)`.
    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// `x Phi(x)`, or its approximation by tanh.
    fn gelu_unit(x: FloatTensor<Self>, by_tanh: bool) -> FloatTensor<Self>;
    /// Each number set to 0 with this probability, or scaled up, by the chance that belongs to the key.
    fn drop_out(x: FloatTensor<Self>, probability: f64, key: [u32; 2]) -> FloatTensor<Self>;
    /// A linear map, perhaps rectified.
    fn map(x: FloatTensor<Self>, weight: FloatTensor<Self>, lying: Lying, relu: bool) -> FloatTensor<Self>;
    /// The same with a bias.
    fn map_with_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        lying: Lying,
        relu: bool,
    ) -> FloatTensor<Self>;
    /// A convolution, perhaps rectified.
    fn convolve(x: FloatTensor<Self>, weight: FloatTensor<Self>, conv: Conv2d, relu: bool) -> FloatTensor<Self>;
    /// The same with a bias.
    fn convolve_with_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        conv: Conv2d,
        relu: bool,
    ) -> FloatTensor<Self>;
    /// A batch normalised by its own statistics, perhaps rectified; with mean and variance.
    fn normalize_batch(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
    /// The same with something added before it is rectified.
    fn normalize_batch_onto(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
    /// Each row normalised by its own statistics.
    fn normalize_rows(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;
    /// Attention of a sequence to itself, from one projection to queries, keys and values.
    fn attend(projection: FloatTensor<Self>, heads: usize, causal: bool) -> FloatTensor<Self>;
    /// The loss of each row of scores against a class.
    fn class_losses(scores: FloatTensor<Self>, targets: IntTensor<Self>, smoothing: f32) -> FloatTensor<Self>;
    /// Rows of a table by their numbers.
    fn look_up(table: FloatTensor<Self>, indices: IntTensor<Self>) -> FloatTensor<Self>;
    /// The largest value of each window.
    fn pool_largest(x: FloatTensor<Self>, pool: MaxPool) -> FloatTensor<Self>;
    /// A step of AdamW: weight and both averages as they are behind it.
    fn step_by_adamw(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        m: FloatTensor<Self>,
        v: FloatTensor<Self>,
        settings: Adamw,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// The numbers of a tensor that lies without gaps.
fn floats(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("it was made contiguous, and operations are routed here only if they are of 32 bits")
}

fn contiguous<const N: usize>(tensors: [FlexTensor; N]) -> [FlexTensor; N] {
    tensors.map(|tensor| tensor.to_contiguous())
}

fn tensor(values: Vec<f32>, shape: impl Into<Vec<usize>>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

fn shape(tensor: &FlexTensor) -> Vec<usize> {
    tensor.shape().to_vec()
}

fn integers(tensor: &FlexTensor) -> Vec<i64> {
    let tensor = tensor.to_contiguous();
    match tensor.dtype() {
        DType::I64 => tensor.as_slice::<i64>().expect("it was made contiguous").to_vec(),
        _ => tensor.into_data().convert::<i64>().try_into_vec().expect("it was converted"),
    }
}

impl Processor for Flex {
    fn pool_largest(x: FlexTensor, pool: MaxPool) -> FlexTensor {
        let [x] = contiguous([x]);
        pooled(max_pool::largest(floats(&x), pool), &x, pool)
    }

    fn step_by_adamw(
        weight: FlexTensor,
        gradient: FlexTensor,
        m: FlexTensor,
        v: FlexTensor,
        settings: Adamw,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        step_by_adamw([weight, gradient, m, v], settings)
    }

    fn rectify(x: FlexTensor) -> FlexTensor {
        rectify([x]).0
    }

    fn gelu_unit(x: FlexTensor, by_tanh: bool) -> FlexTensor {
        gelu_unit([x], by_tanh).0
    }

    fn drop_out(x: FlexTensor, probability: f64, key: [u32; 2]) -> FlexTensor {
        drop_out([x], probability, key).0
    }

    fn map(x: FlexTensor, weight: FlexTensor, lying: Lying, relu: bool) -> FlexTensor {
        map([x, weight], [false; 2], lying, relu).0
    }

    fn map_with_bias(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, lying: Lying, relu: bool) -> FlexTensor {
        map_with_bias([x, weight, bias], [false; 3], lying, relu).0
    }

    fn convolve(x: FlexTensor, weight: FlexTensor, conv: Conv2d, relu: bool) -> FlexTensor {
        convolve([x, weight], [false; 2], conv, relu).0
    }

    fn convolve_with_bias(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, conv: Conv2d, relu: bool) -> FlexTensor {
        convolve_with_bias([x, weight, bias], [false; 3], conv, relu).0
    }

    fn normalize_batch(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        epsilon: f64,
        relu: bool,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (y, norm) = norm_forth([x, weight, bias], None, epsilon, relu);
        (y, norm.mean, norm.variance)
    }

    fn normalize_batch_onto(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        residual: FlexTensor,
        epsilon: f64,
        relu: bool,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [residual] = contiguous([residual]);
        let (y, norm) = norm_forth([x, weight, bias], Some(&residual), epsilon, relu);
        (y, norm.mean, norm.variance)
    }

    fn normalize_rows(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, epsilon: f64) -> FlexTensor {
        normalize_rows([x, weight, bias], epsilon).0
    }

    fn attend(projection: FlexTensor, heads: usize, causal: bool) -> FlexTensor {
        attend([projection], heads, causal).0
    }

    fn class_losses(scores: FlexTensor, targets: FlexTensor, smoothing: f32) -> FlexTensor {
        class_losses([scores], &targets, smoothing).0
    }

    fn look_up(table: FlexTensor, indices: FlexTensor) -> FlexTensor {
        look_up([table], &indices).0
    }
}

/// Whether nothing is to be computed again in order to save memory. Where it is, burn's own element by element operations do that.
fn keeps<C: CheckpointStrategy>() -> bool {
    TypeId::of::<C>() == TypeId::of::<NoCheckpointing>()
}

impl<C: CheckpointStrategy> Processor for Autodiff<Flex, C> {
    fn pool_largest(x: Tracked<C>, pool: MaxPool) -> Tracked<C> {
        recorded::<C, _>([x], |inputs, _| pool_largest(inputs, pool))
    }

    /// Nothing of it is recorded.
    fn step_by_adamw(
        weight: Tracked<C>,
        gradient: Tracked<C>,
        m: Tracked<C>,
        v: Tracked<C>,
        settings: Adamw,
    ) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
        let (weight, m, v) = step_by_adamw([weight, gradient, m, v].map(Tracked::<C>::into_primitive), settings);
        (Tracked::<C>::new(weight), Tracked::<C>::new(m), Tracked::<C>::new(v))
    }

    fn rectify(x: Tracked<C>) -> Tracked<C> {
        match keeps::<C>() {
            true => recorded::<C, _>([x], |inputs, _| rectify(inputs)),
            false => <Self as burn::backend::ops::ActivationOps<Self>>::relu(x),
        }
    }

    fn gelu_unit(x: Tracked<C>, by_tanh: bool) -> Tracked<C> {
        match keeps::<C>() || by_tanh {
            true => recorded::<C, _>([x], |inputs, _| gelu_unit(inputs, by_tanh)),
            false => <Self as burn::backend::ops::ActivationOps<Self>>::gelu(x),
        }
    }

    fn drop_out(x: Tracked<C>, probability: f64, key: [u32; 2]) -> Tracked<C> {
        recorded::<C, _>([x], |inputs, _| drop_out(inputs, probability, key))
    }

    fn map(x: Tracked<C>, weight: Tracked<C>, lying: Lying, relu: bool) -> Tracked<C> {
        recorded::<C, _>([x, weight], |inputs, tracked| map(inputs, tracked, lying, relu))
    }

    fn map_with_bias(x: Tracked<C>, weight: Tracked<C>, bias: Tracked<C>, lying: Lying, relu: bool) -> Tracked<C> {
        recorded::<C, _>([x, weight, bias], |inputs, tracked| map_with_bias(inputs, tracked, lying, relu))
    }

    fn convolve(x: Tracked<C>, weight: Tracked<C>, conv: Conv2d, relu: bool) -> Tracked<C> {
        recorded::<C, _>([x, weight], |inputs, tracked| convolve(inputs, tracked, conv, relu))
    }

    fn convolve_with_bias(x: Tracked<C>, weight: Tracked<C>, bias: Tracked<C>, conv: Conv2d, relu: bool) -> Tracked<C> {
        recorded::<C, _>([x, weight, bias], |inputs, tracked| convolve_with_bias(inputs, tracked, conv, relu))
    }

    fn normalize_batch(
        x: Tracked<C>,
        weight: Tracked<C>,
        bias: Tracked<C>,
        epsilon: f64,
        relu: bool,
    ) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
        let mut statistics = None;
        let y = recorded::<C, _>([x, weight, bias], |inputs, _| {
            let (y, norm) = norm_forth(inputs, None, epsilon, relu);
            statistics = Some((norm.mean.clone(), norm.variance.clone()));
            let back: Back<3> = Arc::new(move |gradient, _| back_through_norm(&norm, gradient, false).0);
            (y, back)
        });
        let (mean, variance) = statistics.expect("it was computed");
        (y, Tracked::<C>::new(mean), Tracked::<C>::new(variance))
    }

    fn normalize_batch_onto(
        x: Tracked<C>,
        weight: Tracked<C>,
        bias: Tracked<C>,
        residual: Tracked<C>,
        epsilon: f64,
        relu: bool,
    ) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
        let mut statistics = None;
        let y = recorded::<C, _>([x, weight, bias, residual], |[x, weight, bias, residual], _| {
            let [residual] = contiguous([residual]);
            let (y, norm) = norm_forth([x, weight, bias], Some(&residual), epsilon, relu);
            statistics = Some((norm.mean.clone(), norm.variance.clone()));
            let back: Back<4> = Arc::new(move |gradient, _| {
                let ([x, weight, bias], sum) = back_through_norm(&norm, gradient, true);
                [x, weight, bias, Some(sum)]
            });
            (y, back)
        });
        let (mean, variance) = statistics.expect("it was computed");
        (y, Tracked::<C>::new(mean), Tracked::<C>::new(variance))
    }

    fn normalize_rows(x: Tracked<C>, weight: Tracked<C>, bias: Tracked<C>, epsilon: f64) -> Tracked<C> {
        recorded::<C, _>([x, weight, bias], |inputs, _| normalize_rows(inputs, epsilon))
    }

    fn attend(projection: Tracked<C>, heads: usize, causal: bool) -> Tracked<C> {
        recorded::<C, _>([projection], |inputs, _| attend(inputs, heads, causal))
    }

    fn class_losses(scores: Tracked<C>, targets: FlexTensor, smoothing: f32) -> Tracked<C> {
        recorded::<C, _>([scores], |inputs, _| class_losses(inputs, &targets, smoothing))
    }

    fn look_up(table: Tracked<C>, indices: FlexTensor) -> Tracked<C> {
        recorded::<C, _>([table], |inputs, _| look_up(inputs, &indices))
    }
}
