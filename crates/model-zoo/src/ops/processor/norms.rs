//! Normalisations, over a batch and of each row.

use std::sync::Arc;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use kernels::batch_norm::Planes;
use kernels::{batch_norm, layer_norm};

use super::recorded::{Back, Forth};
use super::{contiguous, floats, shape, tensor};

/// How the gradient finds out what was rectified.
#[derive(Clone)]
enum Rectified {
    Not,
    Result(FlexTensor),
    Affine(Vec<[f32; 2]>),
}

/// What a normalisation gives besides its result, for [`back_through_norm`].
#[derive(Clone)]
pub(super) struct Norm {
    x: FlexTensor,
    weight: FlexTensor,
    rectified: Rectified,
    pub(super) mean: FlexTensor,
    pub(super) variance: FlexTensor,
    epsilon: f64,
    planes: Planes,
}

pub(super) fn norm_forth(
    [x, weight, bias]: [FlexTensor; 3],
    residual: Option<&FlexTensor>,
    epsilon: f64,
    relu: bool,
) -> (FlexTensor, Norm) {
    let [x, weight, bias] = contiguous([x, weight, bias]);
    let sizes = shape(&x);
    let planes = Planes { batch: sizes[0], channels: sizes[1], area: sizes[2..].iter().product() };
    let residual = residual.map(floats);
    let found = batch_norm::forward(floats(&x), floats(&weight), floats(&bias), residual, epsilon, relu, planes);
    let y = tensor(found.y, sizes);
    let rectified = match (relu, residual) {
        (false, _) => Rectified::Not,
        (true, Some(_)) => Rectified::Result(y.clone()),
        (true, None) => Rectified::Affine(found.affine),
    };
    let [mean, variance] = [found.mean, found.variance].map(|values| tensor(values, [planes.channels]));
    (y, Norm { x, weight, rectified, mean, variance, epsilon, planes })
}

pub(super) fn back_through_norm(
    norm: &Norm,
    gradient: FlexTensor,
    residual: bool,
) -> ([Option<FlexTensor>; 3], FlexTensor) {
    let [gradient] = contiguous([gradient]);
    let found = batch_norm::backward(
        floats(&norm.x),
        match &norm.rectified {
            Rectified::Not => batch_norm::Rectified::Not,
            Rectified::Result(y) => batch_norm::Rectified::Result(floats(y)),
            Rectified::Affine(affine) => batch_norm::Rectified::Affine(affine),
        },
        floats(&gradient),
        floats(&norm.weight),
        (floats(&norm.mean), floats(&norm.variance), norm.epsilon),
        residual,
        norm.planes,
    );
    let channels = [norm.planes.channels];
    let sizes = shape(&norm.x);
    let to_sum = found.sum.map_or(gradient, |sum| tensor(sum, sizes.clone()));
    ([Some(tensor(found.x, sizes)), Some(tensor(found.weight, channels)), Some(tensor(found.bias, channels))], to_sum)
}

pub(super) fn normalize_rows([x, weight, bias]: [FlexTensor; 3], epsilon: f64) -> Forth<3> {
    let [x, weight, bias] = contiguous([x, weight, bias]);
    let features = shape(&weight);
    assert_eq!(shape(&x).last(), features.last(), "rows are normalised by weights of another length");
    let (y, statistics) = layer_norm::forward(floats(&x), floats(&weight), floats(&bias), epsilon);
    let y = tensor(y, shape(&x));
    let back: Back<3> = Arc::new(move |gradient, _| {
        let [gradient] = contiguous([gradient]);
        let found = layer_norm::backward(floats(&x), floats(&gradient), floats(&weight), &statistics);
        let features = features.clone();
        [Some(tensor(found.0, shape(&x))), Some(tensor(found.1, features.clone())), Some(tensor(found.2, features))]
    });
    (y, back)
}

/// [`kernels::batch_norm::apply`] of tensors that nobody records.
pub(in crate::ops) fn apply_norm<const D: usize>(
    x: Tensor<D>,
    of_channels: [Tensor<1>; 4],
    residual: Option<Tensor<D>>,
    epsilon: f64,
    relu: bool,
) -> Tensor<D> {
    let [x] = contiguous([plain(x)]);
    let of_channels = contiguous(of_channels.map(plain));
    let residual = residual.map(|residual| plain(residual).to_contiguous());
    let sizes = shape(&x);
    let planes = Planes { batch: sizes[0], channels: sizes[1], area: sizes[2..].iter().product() };
    let of_channels = of_channels.each_ref().map(floats);
    let y = batch_norm::apply(floats(&x), of_channels, residual.as_ref().map(floats), epsilon, relu, planes);
    Tensor::from_primitive::<Flex>(tensor(y, sizes))
}

fn plain<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor
        .try_into_primitive::<Flex>()
        .expect("operations are routed here only if they are of this backend, unrecorded")
}
