//! How is each differentiable operation computed?
//!
//! Networks reach these through [`blocks`](crate::blocks) and never know which device they run on. On the processor most are kernels of
//! ours; on every other device they are burn's own compositions.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::backend::Dispatch;
use burn::tensor::ops::{AttentionModuleOptions, AvgPoolOptions, ConvOptions, ConvTransposeOptions, MaxPoolOptions};
use burn::tensor::{Bool, DType, Distribution, Int, Tensor, activation, module};
pub use kernels::adamw::Adamw;
use kernels::conv2d::Conv2d;
use kernels::linear::Lying;

use crate::device::is_processor;
use processor::Processor;
use trace::{tell, told};

mod processor;
pub(crate) mod trace;

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
        false => module::linear(x, weight, Some(bias)),
    };
    tell("linear", y, |y| count(&y) * inputs)
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

/// Cross-correlation of an image with a bank of filters.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - `weight`: `[filters, channels / groups, kernel_height, kernel_width]`
/// - `bias`: `[filters]`
/// - result: `[batch, filters, (height + 2 padding - kernel_height) / stride + 1, ...]`
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: [usize; 2],
    padding: [usize; 2],
    groups: usize,
) -> Tensor<4> {
    let each = count(&weight.dims()[1..]);
    let y = if has_kernels(&x) {
        let ([batch, channels, height, width], [filters, _, rows, columns]) = (x.dims(), weight.dims());
        let (size, kernel, dilation) = ([height, width], [rows, columns], [1, 1]);
        let conv = Conv2d { batch, channels, size, filters, kernel, stride, padding, dilation, groups };
        let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
        Tensor::from_dispatch(match bias {
            Some(bias) => Dispatch::convolve_with_bias(x, weight, bias.into_dispatch(), conv),
            None => Dispatch::convolve(x, weight, conv),
        })
    } else {
        module::conv2d(x, weight, bias, ConvOptions::new(stride, padding, [1, 1], groups))
    };
    tell("conv2d", y, |y| count(&y) * each)
}

/// Cross-correlation of sequences with a bank of filters, of which no step sees a later one: as many zeros stand before each
/// sequence as its filters reach back.
///
/// # Shapes
/// - `x`: `[batch, channels, length]`
/// - `weight`: `[filters, channels, kernel]`
/// - `bias`: `[filters]`
/// - result: `[batch, filters, length]`
pub fn causal_conv1d(x: Tensor<3>, weight: Tensor<3>, bias: Option<Tensor<1>>, dilation: usize) -> Tensor<3> {
    let [batch, channels, _] = x.dims();
    let each = count(&weight.dims()[1..]);
    let reach = (weight.dims()[2] - 1) * dilation;
    let padded = match reach {
        0 => x,
        _ => Tensor::cat(vec![Tensor::zeros([batch, channels, reach], &x.device()), x], 2),
    };
    let y = module::conv1d(padded, weight, bias, ConvOptions::new([1], [0], [dilation], 1));
    tell("conv1d", y, |y| count(&y) * each)
}

/// The largest value of each window, the stride being the window.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - result: `[batch, channels, height / window, width / window]`, rounded down
pub fn max_pool2d(x: Tensor<4>, window: [usize; 2]) -> Tensor<4> {
    told("max_pool2d", module::max_pool2d(x, MaxPoolOptions::new(window)))
}

/// The largest value of each window; what lies outside of the image is smaller than everything.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - result: `[batch, channels, (height + 2 padding - window) / stride + 1, ...]`
pub fn max_pool2d_strided(x: Tensor<4>, window: usize, stride: usize, padding: usize) -> Tensor<4> {
    let options = MaxPoolOptions::new([window; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
    told("max_pool2d", module::max_pool2d(x, options))
}

/// The largest value of each channel over the image.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - result: `[batch, channels]`
pub fn global_max_pool2d(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    told("max_pool2d", x.reshape([batch, channels, height * width]).max_dim(2).reshape([batch, channels]))
}

/// Spreads each pixel over a square of `stride` pixels with weights of its own; the squares do not overlap.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - `weight`: `[channels, filters, stride, stride]`
/// - `bias`: `[filters]`
/// - result: `[batch, filters, stride height, stride width]`
pub fn conv_transpose2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize) -> Tensor<4> {
    let options = ConvTransposeOptions::new([stride; 2], [0; 2], [0; 2], [1; 2], 1);
    let (pixels, each) = (x.dims()[0] * x.dims()[2] * x.dims()[3], count(&weight.dims()));
    tell("conv_transpose2d", module::conv_transpose2d(x, weight, Some(bias), options), |_| pixels * each)
}

/// Zeros before and behind the rows and columns of an image.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - `rows`, `columns`: how many before and behind
/// - result: `[batch, channels, height + rows, width + columns]`
pub fn pad_image(x: Tensor<4>, rows: (usize, usize), columns: (usize, usize)) -> Tensor<4> {
    told("pad", x.pad([rows, columns], 0.0))
}

/// The mean of each window, the stride being the window.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - result: `[batch, channels, height / window, width / window]`, rounded down
pub fn avg_pool2d(x: Tensor<4>, window: [usize; 2]) -> Tensor<4> {
    told("avg_pool2d", module::avg_pool2d(x, AvgPoolOptions::new(window)))
}

/// The mean of each channel over the image.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - result: `[batch, channels]`
pub fn global_avg_pool2d(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    told("avg_pool2d", x.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels]))
}

/// Batch normalisation with the statistics of this batch, which are returned: output, mean, biased variance. In the same pass `residual` is
/// added, if there is one, and the sum rectified, if `rectified` says so.
///
/// # Shapes
/// - `x`, `residual`: `[batch, channels, ...]`
/// - `weight`, `bias`, mean, variance: `[channels]`
pub fn batch_norm_train<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    residual: Option<Tensor<D>>,
    epsilon: f64,
    rectified: bool,
) -> (Tensor<D>, Tensor<1>, Tensor<1>) {
    if has_kernels(&x) {
        let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        let (y, mean, variance) = match residual {
            Some(residual) => {
                Dispatch::normalize_batch_onto(x, weight, bias, residual.into_dispatch(), epsilon, rectified)
            }
            None => Dispatch::normalize_batch(x, weight, bias, epsilon, rectified),
        };
        let (mean, variance) = (Tensor::from_dispatch(mean), Tensor::from_dispatch(variance));
        return (told("batch_norm", Tensor::from_dispatch(y)), mean, variance);
    }
    let result = module::batch_norm_train(x, weight, bias, epsilon);
    let mut y = told("batch_norm", result.output);
    if let Some(residual) = residual {
        y = add(y, residual);
    }
    (if rectified { relu(y) } else { y }, result.mean, result.variance)
}

/// Batch normalisation with statistics gathered earlier.
///
/// # Shapes
/// - `x`: `[batch, channels, ...]`
/// - `weight`, `bias`, `mean`, `variance`: `[channels]`
pub fn batch_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    told("batch_norm", module::batch_norm(x, weight, bias, mean, variance, epsilon))
}

/// Normalises the last axis to mean 0 and variance 1, then scales and shifts.
///
/// # Shapes
/// - `x`: `[..., features]`
/// - `weight`, `bias`: `[features]`
pub fn layer_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<D> {
    let y = match has_kernels(&x) {
        true => {
            let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
            Tensor::from_dispatch(Dispatch::normalize_rows(x, weight, bias, epsilon))
        }
        false => module::layer_norm(x, weight, Some(bias), epsilon),
    };
    told("layer_norm", y)
}

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

/// Sets each value to 0 with the given probability and scales the others up, so that the mean stays (inverted dropout).
pub fn dropout<const D: usize>(x: Tensor<D>, probability: f64) -> Tensor<D> {
    let keep = 1.0 - probability;
    let noise = x.random_like(Distribution::Bernoulli(keep));
    x * noise * (1.0 / keep)
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

/// `x + y`, as where a block is added to its input.
pub fn add<const D: usize>(x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    told("add", x + y)
}

/// `x y`, element by element, as where a gate lets a part through.
pub fn multiply<const D: usize>(x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    told("multiply", x * y)
}

/// `max(x, 0)`.
pub fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let y = match has_kernels(&x) {
        true => Tensor::from_dispatch(Dispatch::rectify(x.into_dispatch())),
        false => activation::relu(x),
    };
    told("relu", y)
}

/// `x Phi(x)`, exact, by the error function.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    // Elsewhere burn's backward pass is that of the approximation by tanh, which is another function's.
    let y = match has_kernels(&x) {
        true => Tensor::from_dispatch(Dispatch::gelu_unit(x.into_dispatch(), false)),
        false => gelu_by_erf(x),
    };
    told("gelu", y)
}

fn gelu_by_erf<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.clone() * ((x * FRAC_1_SQRT_2).erf() + 1.0) * 0.5
}

/// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, which lies near [`gelu`] (Hendrycks and Gimpel 2016).
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if has_kernels(&x) {
        return told("gelu", Tensor::from_dispatch(Dispatch::gelu_unit(x.into_dispatch(), true)));
    }
    // burn's own has the exact one's gradient on the processor, so this is a composition, whose gradient is its own.
    let inner = (x.clone() + x.clone() * x.clone() * x.clone() * 0.044_715) * (FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
    told("gelu", x * (activation::tanh(inner) + 1.0) * 0.5)
}

/// `x sigmoid(x)`.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    told("silu", activation::silu(x))
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    told("sigmoid", activation::sigmoid(x))
}

/// The hyperbolic tangent.
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    told("tanh", activation::tanh(x))
}

/// `min(max(x, 0), 6)`.
pub fn relu6<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    told("relu6", activation::relu6(x))
}

/// `min(max(x / 6 + 1/2, 0), 1)`.
pub fn hard_sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    told("hard_sigmoid", activation::hard_sigmoid(x, 1.0 / 6.0, 0.5))
}

/// `x hard_sigmoid(x)`.
pub fn hard_swish<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    told("hard_swish", activation::hard_swish(x))
}

/// The probabilities that belong to the scores of an axis.
pub fn softmax<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    told("softmax", activation::softmax(x, axis))
}

/// The logarithms of [`softmax`], computed without losing small ones.
pub fn log_softmax<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    told("log_softmax", activation::log_softmax(x, axis))
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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// The derivative of `x Phi(x)` is `Phi(x) + x phi(x)`; by differences of the function itself, in 64 bits.
    #[test]
    fn both_forms_of_gelu_have_the_gradient_of_the_exact_one() {
        let points: Vec<f32> = (-40..=40).map(|k| k as f32 / 10.0).collect();
        let count = points.len();
        for gelu in [gelu::<1>, gelu_by_erf::<1>] {
            let x = Tensor::<1>::from_floats(points.as_slice(), &Device::flex().autodiff()).require_grad();
            let gradients = gelu(x.clone()).sum().backward();
            let found: Vec<f32> = x.grad(&gradients).unwrap().try_into_vec_as().unwrap();
            // Phi by Simpson's rule over the density from 0.
            let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
            for (&point, &gradient) in points.iter().zip(&found) {
                let (x, steps) = (f64::from(point), 400);
                let h = x / f64::from(steps);
                let inner: f64 =
                    (1..steps).map(|k| if k % 2 == 1 { 4.0 } else { 2.0 } * density(f64::from(k) * h)).sum();
                let phi = 0.5 + h / 3.0 * (density(0.0) + inner + density(x));
                let exact = phi + x * density(x);
                assert!((f64::from(gradient) - exact).abs() < 2e-6, "at {x}: {gradient}, exact is {exact}");
            }
            assert_eq!(found.len(), count);
        }
    }
}
