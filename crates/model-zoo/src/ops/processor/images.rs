//! What looks at images: convolutions and poolings.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use kernels::conv2d::Conv2d;
use kernels::max_pool::MaxPool;
use kernels::{activation, conv2d, max_pool};

use super::recorded::{Back, Forth};
use super::{contiguous, floats, if_wanted, shape, tensor};

pub(super) fn image_shape(conv: &Conv2d) -> [usize; 4] {
    let [height, width] = conv.outputs();
    [conv.batch, conv.filters, height, width]
}

/// The gradients with respect to images, filters and bias of a convolution whose result was `y`, if it was rectified.
pub(super) fn back_through_convolution(
    [x, weight]: [&FlexTensor; 2],
    y: Option<&FlexTensor>,
    gradient: FlexTensor,
    wanted: [bool; 3],
    conv: &Conv2d,
) -> [Option<FlexTensor>; 3] {
    let [gradient] = contiguous([gradient]);
    let rectified = y.map(|y| activation::relu_gradient(floats(y), floats(&gradient)));
    let gradient = rectified.as_deref().unwrap_or_else(|| floats(&gradient));
    [
        if_wanted(wanted[0], || tensor(conv2d::data_gradient(gradient, floats(weight), conv), shape(x))),
        if_wanted(wanted[1], || tensor(conv2d::weight_gradient(floats(x), gradient, conv), shape(weight))),
        if_wanted(wanted[2], || tensor(conv2d::bias_gradient(gradient, conv), [conv.filters])),
    ]
}

pub(super) fn convolve([x, weight]: [FlexTensor; 2], conv: Conv2d, relu: bool) -> Forth<2> {
    let [x, weight] = contiguous([x, weight]);
    let y = tensor(conv2d::forward(floats(&x), floats(&weight), None, relu, &conv), image_shape(&conv));
    let kept = relu.then(|| y.clone());
    let back: Back<2> = Arc::new(move |gradient, [to_x, to_weight]| {
        let wanted = [to_x, to_weight, false];
        let [to_x, to_weight, _] = back_through_convolution([&x, &weight], kept.as_ref(), gradient, wanted, &conv);
        [to_x, to_weight]
    });
    (y, back)
}

pub(super) fn convolve_with_bias([x, weight, bias]: [FlexTensor; 3], conv: Conv2d, relu: bool) -> Forth<3> {
    let [x, weight, bias] = contiguous([x, weight, bias]);
    let y = conv2d::forward(floats(&x), floats(&weight), Some(floats(&bias)), relu, &conv);
    let y = tensor(y, image_shape(&conv));
    let kept = relu.then(|| y.clone());
    let back: Back<3> = Arc::new(move |gradient, wanted| {
        back_through_convolution([&x, &weight], kept.as_ref(), gradient, wanted, &conv)
    });
    (y, back)
}

pub(super) fn pool_largest([x]: [FlexTensor; 1], pool: MaxPool) -> Forth<1> {
    let [x] = contiguous([x]);
    let sizes = shape(&x);
    let (y, from) = max_pool::forward(floats(&x), pool);
    let [height, width] = pool.outputs();
    let y = tensor(y, [sizes[0], sizes[1], height, width]);
    let back: Back<1> = Arc::new(move |gradient, _| {
        let [gradient] = contiguous([gradient]);
        [Some(tensor(max_pool::backward(floats(&gradient), &from, pool), sizes.clone()))]
    });
    (y, back)
}
