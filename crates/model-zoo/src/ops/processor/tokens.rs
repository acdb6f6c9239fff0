//! What is done to tokens: they are looked up, attend to each other, and are judged.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use kernels::attention::Attention;
use kernels::{attention, cross_entropy, embedding};

use super::recorded::{Back, Forth};
use super::{contiguous, floats, integers, shape, tensor};

pub(super) fn attend([projection]: [FlexTensor; 1], heads: usize, causal: bool) -> Forth<1> {
    let [projection] = contiguous([projection]);
    let sizes = shape(&projection);
    let (batch, length, width) = (sizes[0], sizes[1], sizes[2] / 3);
    let attention = Attention { batch, length, heads, features: width / heads, causal };
    let (y, totals) = attention::forward(floats(&projection), attention);
    let y = tensor(y, [batch, length, width]);
    let kept = y.clone();
    let back: Back<1> = Arc::new(move |gradient, _| {
        let [gradient] = contiguous([gradient]);
        let found = attention::backward(floats(&projection), floats(&kept), &totals, floats(&gradient), attention);
        [Some(tensor(found, sizes.clone()))]
    });
    (y, back)
}

pub(super) fn class_losses([scores]: [FlexTensor; 1], targets: &FlexTensor, smoothing: f32) -> Forth<1> {
    let [scores] = contiguous([scores]);
    let targets = integers(targets);
    let sizes = shape(&scores);
    let classes = sizes[1];
    let (losses, totals) = cross_entropy::forward(floats(&scores), &targets, classes, smoothing);
    let losses = tensor(losses, [sizes[0]]);
    let back: Back<1> = Arc::new(move |gradient, _| {
        let [gradient] = contiguous([gradient]);
        let found = cross_entropy::backward(floats(&scores), &targets, &totals, floats(&gradient), classes, smoothing);
        [Some(tensor(found, sizes.clone()))]
    });
    (losses, back)
}

pub(super) fn look_up([table]: [FlexTensor; 1], indices: &FlexTensor) -> Forth<1> {
    let [table] = contiguous([table]);
    let (mut sizes, table_sizes) = (shape(indices), shape(&table));
    let indices = integers(indices);
    let (rows, features) = (table_sizes[0], table_sizes[1]);
    let y = embedding::forward(floats(&table), &indices, features);
    sizes.push(features);
    let back: Back<1> = Arc::new(move |gradient, _| {
        let [gradient] = contiguous([gradient]);
        [Some(tensor(embedding::backward(floats(&gradient), &indices, rows, features), [rows, features]))]
    });
    (tensor(y, sizes), back)
}
