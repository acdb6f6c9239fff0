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
use kernels::attention::Attention;
use kernels::batch_norm::Planes;
use kernels::conv2d::Conv2d;
use kernels::linear::{Linear, Lying};
use kernels::{activation, adamw, attention, batch_norm, conv2d, cross_entropy, embedding, layer_norm, linear};

use recorded::{Back, Forth, Tracked, recorded};

mod recorded;

/// What the processor computes by kernels of ours. Shapes are those of the functions in [`ops`](super) that call these.
#[backend_extension(Autodiff, Flex)]
pub trait Processor: Backend {
    /// `max(x, 0)`.
    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// `x Phi(x)`, or its approximation by tanh.
    fn gelu_unit(x: FloatTensor<Self>, by_tanh: bool) -> FloatTensor<Self>;
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
    /// A convolution.
    fn convolve(x: FloatTensor<Self>, weight: FloatTensor<Self>, conv: Conv2d) -> FloatTensor<Self>;
    /// The same with a bias.
    fn convolve_with_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        conv: Conv2d,
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

/// The gradient of an input, if it is wanted.
fn if_wanted(wanted: bool, gradient: impl FnOnce() -> FlexTensor) -> Option<FlexTensor> {
    wanted.then(gradient)
}

fn rectify([x]: [FlexTensor; 1]) -> Forth<1> {
    let [x] = contiguous([x]);
    let y = tensor(activation::relu(floats(&x)), shape(&x));
    let kept = y.clone();
    let back: Back<1> = Arc::new(move |gradient, _| {
        let [gradient] = contiguous([gradient]);
        [Some(tensor(activation::relu_gradient(floats(&kept), floats(&gradient)), shape(&kept)))]
    });
    (y, back)
}

fn gelu_unit([x]: [FlexTensor; 1], by_tanh: bool) -> Forth<1> {
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
fn back_through_map(
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

fn map_sizes(x: &FlexTensor, weight: &FlexTensor, lying: Lying) -> (Linear, Vec<usize>) {
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

fn map([x, weight]: [FlexTensor; 2], lying: Lying, relu: bool) -> Forth<2> {
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

fn map_with_bias([x, weight, bias]: [FlexTensor; 3], lying: Lying, relu: bool) -> Forth<3> {
    let [x, weight, bias] = contiguous([x, weight, bias]);
    let (sizes, shape) = map_sizes(&x, &weight, lying);
    let y = tensor(linear::forward(floats(&x), floats(&weight), Some(floats(&bias)), relu, sizes), shape);
    let kept = relu.then(|| y.clone());
    let back: Back<3> =
        Arc::new(move |gradient, wanted| back_through_map([&x, &weight], kept.as_ref(), gradient, wanted, sizes));
    (y, back)
}

fn image_shape(conv: &Conv2d) -> [usize; 4] {
    let [height, width] = conv.outputs();
    [conv.batch, conv.filters, height, width]
}

fn convolve([x, weight]: [FlexTensor; 2], conv: Conv2d) -> Forth<2> {
    let [x, weight] = contiguous([x, weight]);
    let y = tensor(conv2d::forward(floats(&x), floats(&weight), None, &conv), image_shape(&conv));
    let back: Back<2> = Arc::new(move |gradient, wanted| {
        let [gradient] = contiguous([gradient]);
        let gradient = floats(&gradient);
        [
            if_wanted(wanted[0], || tensor(conv2d::data_gradient(gradient, floats(&weight), &conv), shape(&x))),
            if_wanted(wanted[1], || tensor(conv2d::weight_gradient(floats(&x), gradient, &conv), shape(&weight))),
        ]
    });
    (y, back)
}

fn convolve_with_bias([x, weight, bias]: [FlexTensor; 3], conv: Conv2d) -> Forth<3> {
    let [x, weight, bias] = contiguous([x, weight, bias]);
    let y = tensor(conv2d::forward(floats(&x), floats(&weight), Some(floats(&bias)), &conv), image_shape(&conv));
    let back: Back<3> = Arc::new(move |gradient, wanted| {
        let [gradient] = contiguous([gradient]);
        let gradient = floats(&gradient);
        [
            if_wanted(wanted[0], || tensor(conv2d::data_gradient(gradient, floats(&weight), &conv), shape(&x))),
            if_wanted(wanted[1], || tensor(conv2d::weight_gradient(floats(&x), gradient, &conv), shape(&weight))),
            if_wanted(wanted[2], || tensor(conv2d::bias_gradient(gradient, &conv), [conv.filters])),
        ]
    });
    (y, back)
}

/// What a normalisation gives besides its result, for [`back_through_norm`].
#[derive(Clone)]
struct Norm {
    x: FlexTensor,
    weight: FlexTensor,
    /// The result, if it was rectified.
    y: Option<FlexTensor>,
    mean: FlexTensor,
    variance: FlexTensor,
    epsilon: f64,
    planes: Planes,
}

fn norm_forth(
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
    let [mean, variance] = [found.mean, found.variance].map(|values| tensor(values, [planes.channels]));
    (y.clone(), Norm { x, weight, y: relu.then_some(y), mean, variance, epsilon, planes })
}

fn back_through_norm(norm: &Norm, gradient: FlexTensor, residual: bool) -> ([Option<FlexTensor>; 3], FlexTensor) {
    let [gradient] = contiguous([gradient]);
    let found = batch_norm::backward(
        floats(&norm.x),
        norm.y.as_ref().map(floats),
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

fn normalize_rows([x, weight, bias]: [FlexTensor; 3], epsilon: f64) -> Forth<3> {
    let [x, weight, bias] = contiguous([x, weight, bias]);
    let (y, statistics) = layer_norm::forward(floats(&x), floats(&weight), floats(&bias), epsilon);
    let y = tensor(y, shape(&x));
    let back: Back<3> = Arc::new(move |gradient, _| {
        let [gradient] = contiguous([gradient]);
        let found = layer_norm::backward(floats(&x), floats(&gradient), floats(&weight), &statistics);
        let features = shape(&weight);
        [Some(tensor(found.0, shape(&x))), Some(tensor(found.1, features.clone())), Some(tensor(found.2, features))]
    });
    (y, back)
}

fn attend([projection]: [FlexTensor; 1], heads: usize, causal: bool) -> Forth<1> {
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

fn class_losses([scores]: [FlexTensor; 1], targets: &FlexTensor, smoothing: f32) -> Forth<1> {
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

fn look_up([table]: [FlexTensor; 1], indices: &FlexTensor) -> Forth<1> {
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

/// The tensor with memory of its own size, so that its numbers are all that is stored; others who hold it keep theirs.
fn own(tensor: FlexTensor) -> FlexTensor {
    let tensor = tensor.to_contiguous();
    let is_all = tensor.layout().start_offset() == 0 && tensor.bytes().len() == size_of_val(floats(&tensor));
    if is_all { tensor } else { FlexTensor::from_data(tensor.into_data()) }
}

fn step_by_adamw(
    [weight, gradient, m, v]: [FlexTensor; 4],
    settings: Adamw,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let gradient = gradient.to_contiguous();
    let [mut weight, mut m, mut v] = [weight, m, v].map(own);
    let (w, m_floats, v_floats) = (weight.storage_mut(), m.storage_mut(), v.storage_mut());
    adamw::step(w, floats(&gradient), m_floats, v_floats, settings);
    (weight, m, v)
}

impl Processor for Flex {
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

    fn map(x: FlexTensor, weight: FlexTensor, lying: Lying, relu: bool) -> FlexTensor {
        map([x, weight], lying, relu).0
    }

    fn map_with_bias(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, lying: Lying, relu: bool) -> FlexTensor {
        map_with_bias([x, weight, bias], lying, relu).0
    }

    fn convolve(x: FlexTensor, weight: FlexTensor, conv: Conv2d) -> FlexTensor {
        convolve([x, weight], conv).0
    }

    fn convolve_with_bias(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, conv: Conv2d) -> FlexTensor {
        convolve_with_bias([x, weight, bias], conv).0
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
    /// Nothing of it is recorded.
    fn step_by_adamw(
        weight: Tracked<C>,
        gradient: Tracked<C>,
        m: Tracked<C>,
        v: Tracked<C>,
        settings: Adamw,
    ) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
        let (weight, m, v) = step_by_adamw([weight, gradient, m, v].map(|tensor| tensor.into_primitive()), settings);
        (Tracked::<C>::new(weight), Tracked::<C>::new(m), Tracked::<C>::new(v))
    }

    fn rectify(x: Tracked<C>) -> Tracked<C> {
        match keeps::<C>() {
            true => recorded::<C, _>([x], rectify),
            false => <Self as burn::backend::ops::ActivationOps<Self>>::relu(x),
        }
    }

    fn gelu_unit(x: Tracked<C>, by_tanh: bool) -> Tracked<C> {
        match keeps::<C>() || by_tanh {
            true => recorded::<C, _>([x], |inputs| gelu_unit(inputs, by_tanh)),
            false => <Self as burn::backend::ops::ActivationOps<Self>>::gelu(x),
        }
    }

    fn map(x: Tracked<C>, weight: Tracked<C>, lying: Lying, relu: bool) -> Tracked<C> {
        recorded::<C, _>([x, weight], |inputs| map(inputs, lying, relu))
    }

    fn map_with_bias(x: Tracked<C>, weight: Tracked<C>, bias: Tracked<C>, lying: Lying, relu: bool) -> Tracked<C> {
        recorded::<C, _>([x, weight, bias], |inputs| map_with_bias(inputs, lying, relu))
    }

    fn convolve(x: Tracked<C>, weight: Tracked<C>, conv: Conv2d) -> Tracked<C> {
        recorded::<C, _>([x, weight], |inputs| convolve(inputs, conv))
    }

    fn convolve_with_bias(x: Tracked<C>, weight: Tracked<C>, bias: Tracked<C>, conv: Conv2d) -> Tracked<C> {
        recorded::<C, _>([x, weight, bias], |inputs| convolve_with_bias(inputs, conv))
    }

    fn normalize_batch(
        x: Tracked<C>,
        weight: Tracked<C>,
        bias: Tracked<C>,
        epsilon: f64,
        relu: bool,
    ) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
        let mut statistics = None;
        let y = recorded::<C, _>([x, weight, bias], |inputs| {
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
        let y = recorded::<C, _>([x, weight, bias, residual], |[x, weight, bias, residual]| {
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
        recorded::<C, _>([x, weight, bias], |inputs| normalize_rows(inputs, epsilon))
    }

    fn attend(projection: Tracked<C>, heads: usize, causal: bool) -> Tracked<C> {
        recorded::<C, _>([projection], |inputs| attend(inputs, heads, causal))
    }

    fn class_losses(scores: Tracked<C>, targets: FlexTensor, smoothing: f32) -> Tracked<C> {
        recorded::<C, _>([scores], |inputs| class_losses(inputs, &targets, smoothing))
    }

    fn look_up(table: Tracked<C>, indices: FlexTensor) -> Tracked<C> {
        recorded::<C, _>([table], |inputs| look_up(inputs, &indices))
    }
}
