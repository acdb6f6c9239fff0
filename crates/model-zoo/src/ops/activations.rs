//! Functions of each float, or of the floats of an axis.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::backend::Dispatch;
use burn::tensor::{Device, Distribution, Tensor, activation};

use super::has_kernels;
use super::processor::Processor;
use super::recorded::{self, Unit};
use super::trace::{is_recording, told};

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
        false if is_recording() => activation::gelu(x),
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
    if is_recording() {
        return told("gelu", recorded::unit(x, Unit::GeluTanh));
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
    let y = match is_recording() {
        true => recorded::unit(x, Unit::HardSwish),
        false => activation::hard_swish(x),
    };
    told("hard_swish", y)
}

/// The probabilities that belong to the scores of an axis.
pub fn softmax<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    told("softmax", activation::softmax(x, axis))
}

/// The logarithms of [`softmax`], computed without losing small ones.
pub fn log_softmax<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    told("log_softmax", activation::log_softmax(x, axis))
}

/// Sets each value to 0 with the given probability and scales the others up, so that the mean stays (inverted dropout).
pub fn dropout<const D: usize>(x: Tensor<D>, probability: f64) -> Tensor<D> {
    if has_kernels(&x) {
        let key = random_key(&x.device());
        return Tensor::from_dispatch(Dispatch::drop_out(x.into_dispatch(), probability, key));
    }
    let keep = 1.0 - probability;
    let noise = x.random_like(Distribution::Bernoulli(keep));
    x * noise * (1.0 / keep)
}

/// 64 bits of the chance that the seed of the device gives.
fn random_key(device: &Device) -> [u32; 2] {
    // Every whole number below 2^16 is a float.
    let halves = Tensor::<1>::random([4], Distribution::Uniform(0.0, 65_536.0), device);
    let halves: Vec<f32> = halves.try_into_vec_as().expect("floats of the processor are at hand");
    let word = |place: usize| (halves[place] as u32) << 16 | halves[place + 1] as u32;
    [word(0), word(2)]
}

#[cfg(test)]
mod tests {
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

    /// The gradient passes where the value did; each call has a chance of its own.
    #[test]
    fn the_gradient_of_dropout_passes_where_the_value_did() {
        let x = Tensor::<2>::ones([40, 30], &Device::flex().autodiff()).require_grad();
        let y = dropout(x.clone(), 0.4);
        let gradient = x.grad(&y.clone().sum().backward()).unwrap();
        let [y, gradient, again] = [y.inner(), gradient, dropout(x, 0.4).inner()].map(|values| {
            let values: Vec<f32> = values.try_into_vec_as().unwrap();
            values
        });
        assert_eq!(y, gradient);
        assert_ne!(y, again, "two layers drop the same units");
    }
}
