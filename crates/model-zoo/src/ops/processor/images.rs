//! What looks at images: convolutions and poolings.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use kernels::conv2d::Conv2d;
use kernels::max_pool::MaxPool;
use kernels::{activation, conv2d, max_pool};

use super::recorded::{Back, Forth};
use super::{contiguous, floats, shape, tensor};

pub(super) fn image_shape(conv: &Conv2d) -> [usize; 4] {
    let [height, width] = conv.outputs();
    [conv.batch, conv.filters, height, width]
}

/// What is kept of a convolution until its gradient comes: of images and filters what the gradient of the other needs.
struct Kept {
    x: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    /// The result, if it was rectified.
    y: Option<FlexTensor>,
    /// Of images and filters.
    shapes: [Vec<usize>; 2],
    conv: Conv2d,
}

impl Kept {
    fn new(x: FlexTensor, weight: FlexTensor, y: Option<FlexTensor>, tracked: [bool; 2], conv: Conv2d) -> Self {
        let shapes = [shape(&x), shape(&weight)];
        let [to_x, to_weight] = tracked;
        Self { x: to_weight.then_some(x), weight: to_x.then_some(weight), y, shapes, conv }
    }

    /// The gradients with respect to images, filters and bias, as far as they are wanted.
    fn gradients(&self, gradient: FlexTensor, bias: bool) -> [Option<FlexTensor>; 3] {
        let conv = &self.conv;
        let [gradient] = contiguous([gradient]);
        let rectified = self.y.as_ref().map(|y| activation::relu_gradient(floats(y), floats(&gradient)));
        let gradient = rectified.as_deref().unwrap_or_else(|| floats(&gradient));
        let [of_x, of_weight] = &self.shapes;
        let to_x = |weight| tensor(conv2d::data_gradient(gradient, floats(weight), conv), of_x.clone());
        let to_weight = |x| tensor(conv2d::weight_gradient(floats(x), gradient, conv), of_weight.clone());
        [
            self.weight.as_ref().map(to_x),
            self.x.as_ref().map(to_weight),
            bias.then(|| tensor(conv2d::bias_gradient(gradient, conv), [conv.filters])),
        ]
    }
}

pub(super) fn convolve([x, weight]: [FlexTensor; 2], tracked: [bool; 2], conv: Conv2d, relu: bool) -> Forth<2> {
    let [x, weight] = contiguous([x, weight]);
    let y = tensor(conv2d::forward(floats(&x), floats(&weight), None, relu, &conv), image_shape(&conv));
    let kept = Kept::new(x, weight, relu.then(|| y.clone()), tracked, conv);
    let back: Back<2> = Arc::new(move |gradient, _| {
        let [to_x, to_weight, _] = kept.gradients(gradient, false);
        [to_x, to_weight]
    });
    (y, back)
}

pub(super) fn convolve_with_bias(
    [x, weight, bias]: [FlexTensor; 3],
    [to_x, to_weight, _]: [bool; 3],
    conv: Conv2d,
    relu: bool,
) -> Forth<3> {
    let [x, weight, bias] = contiguous([x, weight, bias]);
    let y = conv2d::forward(floats(&x), floats(&weight), Some(floats(&bias)), relu, &conv);
    let y = tensor(y, image_shape(&conv));
    let kept = Kept::new(x, weight, relu.then(|| y.clone()), [to_x, to_weight], conv);
    let back: Back<3> = Arc::new(move |gradient, [.., to_bias]| kept.gradients(gradient, to_bias));
    (y, back)
}

pub(super) fn pool_largest([x]: [FlexTensor; 1], pool: MaxPool) -> Forth<1> {
    let [x] = contiguous([x]);
    let sizes = shape(&x);
    let (y, from) = max_pool::forward(floats(&x), pool);
    let y = pooled(y, &x, pool);
    let back: Back<1> = Arc::new(move |gradient, _| {
        let [gradient] = contiguous([gradient]);
        [Some(tensor(max_pool::backward(floats(&gradient), &from, pool), sizes.clone()))]
    });
    (y, back)
}

/// The result of a pooling of `x`.
pub(super) fn pooled(y: Vec<f32>, x: &FlexTensor, pool: MaxPool) -> FlexTensor {
    let ([height, width], sizes) = (pool.outputs(), shape(x));
    tensor(y, [sizes[0], sizes[1], height, width])
}
