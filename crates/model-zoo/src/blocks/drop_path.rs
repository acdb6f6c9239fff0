//! Noise that leaves out whole blocks.
//!
//! Huang, Sun, Liu, Sedra and Weinberger, "Deep Networks with Stochastic Depth", 2016, in the form that timm and torchvision use: each
//! example skips the block by itself, and what is kept is scaled up, so that the mean stays.

use burn::module::Module;
use burn::tensor::{Distribution, Tensor};

/// Sets what a block adds to 0 for whole examples, with the given probability, while training (on an autodiff device).
#[derive(Module, Debug)]
pub struct DropPath {
    probability: f64,
}

impl DropPath {
    /// Skips a block with `probability` from 0 (never) to below 1.
    pub fn new(probability: f64) -> Self {
        Self { probability }
    }

    /// The probabilities of `blocks` blocks in a row: from 0 for the first one evenly up to `last`.
    pub fn rising(blocks: usize, last: f64) -> impl Iterator<Item = Self> {
        (0..blocks).map(move |block| Self::new(last * block as f64 / blocks.saturating_sub(1).max(1) as f64))
    }

    /// Applies the noise to what a block is about to add.
    ///
    /// # Shapes
    /// - `x`: `[batch, ...]`
    /// - result: as `x`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if self.probability <= 0.0 || !x.device().is_autodiff() {
            return x;
        }
        let keep = 1.0 - self.probability;
        let mut shape = [1; D];
        shape[0] = x.dims()[0];
        let kept = Tensor::<D>::random(shape, Distribution::Bernoulli(keep), &x.device());
        x * kept * (1.0 / keep)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn whole_examples_are_left_out_and_the_mean_stays() {
        let device = Device::flex().autodiff();
        device.seed(3);
        let x = Tensor::<2>::ones([4000, 3], &device);
        let rows: Vec<f32> = DropPath::new(0.25).forward(x.clone()).try_into_vec_as().unwrap();
        let kept = rows.chunks(3).filter(|row| row.iter().all(|v| (v - 4.0 / 3.0).abs() < 1e-6)).count();
        let left_out = rows.chunks(3).filter(|row| row.iter().all(|v| *v == 0.0)).count();
        assert_eq!(kept + left_out, 4000);
        // Four standard deviations of a binomial.
        assert!((kept as f64 - 3000.0).abs() < 4.0 * (4000.0_f64 * 0.25 * 0.75).sqrt(), "{kept}");
        let plain: Vec<f32> = DropPath::new(0.25).forward(x.without_autodiff()).try_into_vec_as().unwrap();
        assert!(plain.iter().all(|v| *v == 1.0));
    }

    #[test]
    fn probabilities_rise_evenly() {
        let of = |blocks| DropPath::rising(blocks, 0.2).map(|path| path.probability).collect::<Vec<_>>();
        assert_eq!(of(1), [0.0]);
        assert_eq!(of(3), [0.0, 0.1, 0.2]);
    }
}
