//! How is each differentiable operation computed?
//!
//! Networks reach these through [`blocks`](crate::blocks) and never know which device they run on. On the processor most are kernels of
//! ours; on every other device they are burn's own compositions.

use burn::backend::Dispatch;
use burn::tensor::{DType, Tensor, module};
pub use kernels::adamw::Adamw;
use kernels::linear::Lying;

use crate::device::is_processor;
use processor::Processor;
use trace::{is_recording, tell, told};

mod activations;
mod images;
mod norms;
mod processor;
mod recorded;
mod sequences;
pub(crate) mod trace;

pub use activations::{
    dropout, gelu, gelu_tanh, hard_sigmoid, hard_swish, log_softmax, relu, relu6, sigmoid, silu, softmax, tanh,
};
pub use images::{
    avg_pool2d, causal_conv1d, conv_transpose2d, conv2d, conv2d_relu, global_avg_pool2d, global_max_pool2d, max_pool2d,
    max_pool2d_strided, pad_image,
};
pub use norms::{batch_norm, batch_norm_train, layer_norm};
pub use recorded::{Cell, Reading};
pub use sequences::{attention, class_losses, embedding, recorded_states, self_attention, steps};

/// `x W^T + b`, the layout of weights being PyTorch's.
///
/// # Shapes
/// - `x`: `[..., inputs]`
/// - `weight`: `[outputs, inputs]`
/// - `bias`: `[outputs]`
/// - result: `[..., outputs]`
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let inputs = weight.dims()[1];
    let y = match has_kernels(&x) {
        true => map(x, weight, bias, Lying::OutputMajor, false),
        false if is_recording() => recorded::line(x, weight, bias, Lying::OutputMajor),
        false => module::linear(x, weight.transpose(), bias),
    };
    tell("linear", y, |y| count(&y) * inputs)
}

/// `x W + b`, the weights lying with the inputs first.
///
/// # Shapes
/// - `x`: `[..., inputs]`
/// - `weight`: `[inputs, outputs]`
/// - `bias`: `[outputs]`
/// - result: `[..., outputs]`
pub fn input_major_linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    let inputs = weight.dims()[0];
    let y = match has_kernels(&x) {
        true => map(x, weight, Some(bias), Lying::InputMajor, false),
        false if is_recording() => recorded::line(x, weight, Some(bias), Lying::InputMajor),
        false => module::linear(x, weight, Some(bias)),
    };
    tell("linear", y, |y| count(&y) * inputs)
}

/// [`linear`], rectified in the same pass where a kernel of ours does it.
///
/// # Shapes
/// As of [`linear`].
pub fn linear_relu<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    if !has_kernels(&x) {
        return relu(linear(x, weight, bias));
    }
    let inputs = weight.dims()[1];
    let y = map(x, weight, bias, Lying::OutputMajor, true);
    told("relu", tell("linear", y, |y| count(&y) * inputs))
}

/// Whether what is done to `x` is done by kernels of ours.
fn has_kernels<const D: usize>(x: &Tensor<D>) -> bool {
    is_processor(&x.device()) && x.dtype() == DType::F32
}

fn map<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    lying: Lying,
    relu: bool,
) -> Tensor<D> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::map_with_bias(x, weight, bias.into_dispatch(), lying, relu),
        None => Dispatch::map(x, weight, lying, relu),
    })
}

/// `x + y`, as where a block is added to its input.
pub fn add<const D: usize>(x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    told("add", x + y)
}

/// `x y`, element by element, as where a gate lets a part through.
pub fn multiply<const D: usize>(x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    told("multiply", x * y)
}

/// Whether there is [`adamw_step`] for a weight.
pub fn has_adamw_step<const D: usize>(weight: &Tensor<D>) -> bool {
    has_kernels(weight)
}

/// A step of AdamW in one pass: weight and both averages as they are behind it.
///
/// # Shapes
/// All alike.
pub fn adamw_step<const D: usize>(
    weight: Tensor<D>,
    gradient: Tensor<D>,
    [m, v]: [Tensor<D>; 2],
    settings: Adamw,
) -> [Tensor<D>; 3] {
    let (weight, gradient) = (weight.into_dispatch(), gradient.into_dispatch());
    let (weight, m, v) = Dispatch::step_by_adamw(weight, gradient, m.into_dispatch(), v.into_dispatch(), settings);
    [Tensor::from_dispatch(weight), Tensor::from_dispatch(m), Tensor::from_dispatch(v)]
}

/// How many numbers there are in so many on each axis.
fn count(shape: &[usize]) -> usize {
    shape.iter().product()
}
