//! Linear maps, and functions of each float alone.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use kernels::dropout::dropout;
use kernels::linear::{Linear, Lying};
use kernels::{activation, linear};

use super::recorded::{Back, Forth};
use super::{contiguous, floats, shape, tensor};

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

pub(super) fn drop_out([x]: [FlexTensor; 1], probability: f64, key: [u32; 2]) -> Forth<1> {
    let [x] = contiguous([x]);
    let shape = shape(&x);
    let y = tensor(dropout(floats(&x), probability, key), shape.clone());
    let back: Back<1> = Arc::new(move |gradient, _| {
        let [gradient] = contiguous([gradient]);
        [Some(tensor(dropout(floats(&gradient), probability, key), shape.clone()))]
    });
    (y, back)
}

/// What is kept of a linear map until its gradient comes: of input and weight what the gradient of the other needs.
struct Kept {
    x: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    /// The result, if it was rectified.
    y: Option<FlexTensor>,
    shape: Vec<usize>,
    sizes: Linear,
}

impl Kept {
    fn new(x: FlexTensor, weight: FlexTensor, y: Option<FlexTensor>, tracked: [bool; 2], sizes: Linear) -> Self {
        let shape = shape(&x);
        let [to_x, to_weight] = tracked;
        Self { x: to_weight.then_some(x), weight: to_x.then_some(weight), y, shape, sizes }
    }

    /// The gradients with respect to input, weight and bias, as far as they are wanted.
    fn gradients(&self, gradient: FlexTensor, bias: bool) -> [Option<FlexTensor>; 3] {
        let sizes = self.sizes;
        let [gradient] = contiguous([gradient]);
        let rectified = self.y.as_ref().map(|y| activation::relu_gradient(floats(y), floats(&gradient)));
        let gradient = rectified.as_deref().unwrap_or_else(|| floats(&gradient));
        let of_weight = match sizes.lying {
            Lying::OutputMajor => [sizes.outputs, sizes.inputs],
            Lying::InputMajor => [sizes.inputs, sizes.outputs],
        };
        let to_x = |weight| tensor(linear::input_gradient(gradient, floats(weight), sizes), self.shape.clone());
        let to_weight = |x| tensor(linear::weight_gradient(floats(x), gradient, sizes), of_weight);
        [
            self.weight.as_ref().map(to_x),
            self.x.as_ref().map(to_weight),
            bias.then(|| tensor(linear::bias_gradient(gradient, sizes.outputs), [sizes.outputs])),
        ]
    }
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

pub(super) fn map([x, weight]: [FlexTensor; 2], tracked: [bool; 2], lying: Lying, relu: bool) -> Forth<2> {
    let [x, weight] = contiguous([x, weight]);
    let (sizes, shape) = map_sizes(&x, &weight, lying);
    let y = tensor(linear::forward(floats(&x), floats(&weight), None, relu, sizes), shape);
    let kept = Kept::new(x, weight, relu.then(|| y.clone()), tracked, sizes);
    let back: Back<2> = Arc::new(move |gradient, _| {
        let [to_x, to_weight, _] = kept.gradients(gradient, false);
        [to_x, to_weight]
    });
    (y, back)
}

pub(super) fn map_with_bias(
    [x, weight, bias]: [FlexTensor; 3],
    [to_x, to_weight, _]: [bool; 3],
    lying: Lying,
    relu: bool,
) -> Forth<3> {
    let [x, weight, bias] = contiguous([x, weight, bias]);
    let (sizes, shape) = map_sizes(&x, &weight, lying);
    let y = tensor(linear::forward(floats(&x), floats(&weight), Some(floats(&bias)), relu, sizes), shape);
    let kept = Kept::new(x, weight, relu.then(|| y.clone()), [to_x, to_weight], sizes);
    let back: Back<3> = Arc::new(move |gradient, [.., to_bias]| kept.gradients(gradient, to_bias));
    (y, back)
}
