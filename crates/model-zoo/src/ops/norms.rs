//! Normalisations, over a batch and of each row.

use burn::backend::Dispatch;
use burn::tensor::{Tensor, module};

use super::processor::{Processor, apply_norm};
use super::trace::told;
use super::{add, has_kernels, relu};

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

/// Batch normalisation with statistics gathered earlier: weight, bias, mean and variance. In the same pass `residual` is added, if there is
/// one, and the sum rectified, if `rectified` says so.
///
/// # Shapes
/// - `x`, `residual`: `[batch, channels, ...]`
/// - each of `of_channels`: `[channels]`
pub fn batch_norm<const D: usize>(
    x: Tensor<D>,
    of_channels: [Tensor<1>; 4],
    residual: Option<Tensor<D>>,
    epsilon: f64,
    rectified: bool,
) -> Tensor<D> {
    if has_kernels(&x) && !x.device().is_autodiff() {
        let added = residual.is_some();
        let y = told("batch_norm", apply_norm(x, of_channels, residual, epsilon, rectified));
        let y = if added { told("add", y) } else { y };
        return if rectified { told("relu", y) } else { y };
    }
    let [weight, bias, mean, variance] = of_channels;
    let mut y = told("batch_norm", module::batch_norm(x, weight, bias, mean, variance, epsilon));
    if let Some(residual) = residual {
        y = add(y, residual);
    }
    if rectified { relu(y) } else { y }
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
