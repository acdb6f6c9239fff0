//! Normalisation over the batch.
//!
//! Ioffe and Szegedy, "Batch Normalization", 2015. As in PyTorch the running variance is the unbiased one.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::{Buffer, Init, Norm};
use crate::ops;

/// Brings each channel to mean 0 and variance 1, then scales and shifts it.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// `[channels]`.
    pub bias: Param<Tensor<1>>,
    /// `[channels]`.
    pub running_mean: Buffer<1>,
    /// `[channels]`.
    pub running_var: Buffer<1>,
    #[module(skip)]
    norm: Norm,
}

impl BatchNorm {
    /// Scale 1, shift 0, running mean 0 and variance 1.
    pub fn new(channels: usize, init: &mut Init) -> Self {
        Self::of(channels, Norm::USUAL, init)
    }

    /// The same with other habits.
    pub fn of(channels: usize, norm: Norm, init: &mut Init) -> Self {
        Self {
            norm,
            weight: init.constant([channels], 1.0),
            bias: init.constant([channels], 0.0),
            running_mean: Buffer::new(init.filled([channels], 0.0)),
            running_var: Buffer::new(init.filled([channels], 1.0)),
        }
    }

    /// Normalises with the statistics of the batch while training (on an autodiff device) and updates the running ones;
    /// uses the running ones otherwise.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, ...]`
    /// - result: as `x`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.normalize(x, None, false)
    }

    /// The same, rectified.
    ///
    /// # Shapes
    /// As of [`forward`](Self::forward).
    pub fn forward_relu<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.normalize(x, None, true)
    }

    /// The same, added to what goes around a block, and rectified.
    ///
    /// # Shapes
    /// - `x`, `residual`: `[batch, channels, ...]`
    /// - result: as `x`
    pub fn forward_add_relu<const D: usize>(&self, x: Tensor<D>, residual: Tensor<D>) -> Tensor<D> {
        self.normalize(x, Some(residual), true)
    }

    fn normalize<const D: usize>(&self, x: Tensor<D>, residual: Option<Tensor<D>>, rectified: bool) -> Tensor<D> {
        let (weight, bias) = (ops::trace::applied(&self.weight), self.bias.val());
        let Norm { epsilon, momentum } = self.norm;
        if !x.device().is_autodiff() {
            let of_channels = [weight, bias, self.running_mean.get(), self.running_var.get()];
            return ops::batch_norm(x, of_channels, residual, epsilon, rectified);
        }
        let dims = x.dims();
        let count: usize = dims.iter().product::<usize>() / dims[1];
        let (y, mean, variance) = ops::batch_norm_train(x, weight, bias, residual, epsilon, rectified);
        if count < 2 {
            // A single value says nothing about the spread: the last batch of an epoch must not spoil what is known of it.
            return y;
        }
        let unbiased = variance.detach() * (count as f64 / (count - 1) as f64);
        self.running_mean.set(self.running_mean.get() * (1.0 - momentum) + mean.detach() * momentum);
        self.running_var.set(self.running_var.get() * (1.0 - momentum) + unbiased * momentum);
        y
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn statistics(norm: &BatchNorm) -> Vec<f32> {
        [&norm.running_mean, &norm.running_var].iter().flat_map(|b| b.get().try_into_vec_as::<f32>().unwrap()).collect()
    }

    #[test]
    fn a_single_value_says_nothing_about_the_spread() {
        let device = Device::flex().autodiff();
        let norm = BatchNorm::new(2, &mut Init::new(0, &device));
        let batch = |rows: usize| {
            let values: Vec<f32> = (0..2 * rows).map(|k| (k * k) as f32).collect();
            Tensor::<2>::from_data(TensorData::new(values, [rows, 2]), &device)
        };
        norm.forward(batch(1));
        assert_eq!(statistics(&norm), [0.0, 0.0, 1.0, 1.0]);
        // Columns 0, 4, 16 and 1, 9, 25, whose unbiased variances are 208 / 3 and 448 / 3.
        norm.forward(batch(3));
        let expected = [20.0 / 3.0 * 0.1, 35.0 / 3.0 * 0.1, 0.9 + 20.8 / 3.0, 0.9 + 44.8 / 3.0];
        assert!(statistics(&norm).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{:?}", statistics(&norm));
    }
}
