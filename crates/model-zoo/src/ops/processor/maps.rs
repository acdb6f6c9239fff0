//! Linear maps, and functions of each float alone.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use kernels::linear::{Linear, Lying};
use kernels::{activation, linear};

use super::recorded::{Back, Forth};
use super::{contiguous, floats, if_wanted, shape, tensor};

pub(super) fn rectify([x]: [FlexTensor; 1]) -> Forth<1> {
    let [x] = contiguous([x]);
    let y = tensor(activation::relu(floats(&x)), shape(&x));
    let kept = y.clone();
    let back: Back<1> = Arc::new(move |gradient, _| {
        let [gradient] = contiguous([gradient]);
        [Some(tensor(activation::relu_gradient(floats(&kept), floats(&gradient)), shape(&kept)))]
    });
    (y, back)
}

pub(super) fn gelu_unit([x]: [FlexTensor; 1], by_tanh: bool) -> Forth<1> {
    let [x] = contiguous([x]);
    let y = if by_tanh { activation::gelu_tanh(floats(&x)) } else { activation::gelu(floats(&x)) };
    let y = tensor(y, shape(&x));
    let back: Back<1> = Arc::new(move |gradient, _| {
        let [gradient] = contiguous([gradient]);
        let back = if by_tanh { activation::gelu_tanh_gradient } else { activation::gelu_gradient };
        [Some(tensor(back(floats(&x), floats(&gradient)), shape(&x)))]
    });
    (y, back)
}

/// The gradients with respect to input, weight and bias of a linear map whose result was `y`, if it was rectified.
pub(super) fn back_through_map(
    [x, weight]: [&FlexTensor; 2],
    y: Option<&FlexTensor>,
    gradient: FlexTensor,
    wanted: [bool; 3],
    linear: Linear,
) -> [Option<FlexTensor>; 3] {
    let [gradient] = contiguous([gradient]);
    let rectified = y.map(|y| activation::relu_gradient(floats(y), floats(&gradient)));
    let gradient = rectified.as_deref().unwrap_or_else(|| floats(&gradient));
    [
        if_wanted(wanted[0], || tensor(linear::input_gradient(gradient, floats(weight), linear), shape(x))),
        if_wanted(wanted[1], || tensor(linear::weight_gradient(floats(x), gradient, linear), shape(weight))),
        if_wanted(wanted[2], || tensor(linear::bias_gradient(gradient, linear.outputs), [linear.outputs])),
    ]
}

pub(super) fn map_sizes(x: &FlexTensor, weight: &FlexTensor, lying: Lying) -> (Linear, Vec<usize>) {
    let (mut shape, weight) = (shape(x), shape(weight));
    let (inputs, outputs) = match lying {
        Lying::OutputMajor => (weight[1], weight[0]),
        Lying::InputMajor => (weight[0], weight[1]),
    };
    let last = shape.pop().unwrap_or_default();
    assert_eq!(last, inputs, "a linear map of {inputs} features was given {last}");
    let rows = shape.iter().product();
    shape.push(outputs);
    (Linear { rows, inputs, outputs, lying }, shape)
}

pub(super) fn map([x, weight]: [FlexTensor; 2], lying: Lying, relu: bool) -> Forth<2> {
    let [x, weight] = contiguous([x, weight]);
    let (sizes, shape) = map_sizes(&x, &weight, lying);
    let y = tensor(linear::forward(floats(&x), floats(&weight), None, relu, sizes), shape);
    let kept = relu.then(|| y.clone());
    let back: Back<2> = Arc::new(move |gradient, [to_x, to_weight]| {
        let wanted = [to_x, to_weight, false];
        let [to_x, to_weight, _] = back_through_map([&x, &weight], kept.as_ref(), gradient, wanted, sizes);
        [to_x, to_weight]
    });
    (y, back)
}

pub(super) fn map_with_bias([x, weight, bias]: [FlexTensor; 3], lying: Lying, relu: bool) -> Forth<3> {
    let [x, weight, bias] = contiguous([x, weight, bias]);
    let (sizes, shape) = map_sizes(&x, &weight, lying);
    let y = tensor(linear::forward(floats(&x), floats(&weight), Some(floats(&bias)), relu, sizes), shape);
    let kept = relu.then(|| y.clone());
    let back: Back<3> =
        Arc::new(move |gradient, wanted| back_through_map([&x, &weight], kept.as_ref(), gradient, wanted, sizes));
    (y, back)
}
