//! Which of all other views of a batch is of the same image? Cross-entropy over cosines.
//!
//! NT-Xent of Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", 2020, equation 1: with the cosine
//! `s(i, j)` between two directions and `t` the temperature, of view `i` whose other view is `j`
//! `-log(exp(s(i, j) / t) / sum over k != i of exp(s(i, k) / t))`.

use burn::tensor::{Int, Tensor};
use model_zoo::ops;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Expected;

/// One line for `firebox list`.
pub const SUMMARY: &str = "which of all other views of a batch is of the same image";

/// Below the score of any pair of views, and still a number: a view is never told from itself.
const ITSELF: f32 = -1e9;
/// What keeps the square of a length from being 0, of which a root has no slope.
const SHORTEST: f64 = 1e-16;

/// Settings of NT-Xent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NtXent {
    /// The smaller, the more the most alike views of other images count.
    pub temperature: f64,
}

impl Default for NtXent {
    fn default() -> Self {
        Self { temperature: 0.5 }
    }
}

impl NtXent {
    /// Whether the temperature makes sense.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.temperature {
            t if t.is_finite() && (1e-3..=1e3).contains(&t) => Ok(()),
            t => Err(format!("`temperature` is {t}; it must be from 0.001 to 1000")),
        }
    }

    /// The score of each other view: a cosine by the temperature.
    ///
    /// # Shapes
    /// - `directions`: `[views, size]`
    /// - result: `[views, views]`
    pub(super) fn scores(&self, directions: Tensor<2>) -> Tensor<2> {
        similarities_over(directions, self.temperature)
    }

    /// # Shapes
    /// - `scores`: `[views, views]`
    /// - result: `[views]`
    #[expect(clippy::unused_self, reason = "every loss is called alike")]
    pub(super) fn rows(&self, scores: Tensor<2>, expected: &Expected) -> Option<Tensor<1>> {
        let Expected::Classes { indices, .. } = expected else { return None };
        let rows = scores.dims()[0];
        let picked = ops::log_softmax(scores, 1).gather(1, indices.clone().reshape([rows, 1]));
        Some(picked.neg().reshape([rows]))
    }
}

/// The cosine between any two directions, and far below any cosine between one and itself.
///
/// # Shapes
/// - `directions`: `[views, size]`
/// - result: `[views, views]`
pub fn similarities(directions: Tensor<2>) -> Tensor<2> {
    similarities_over(directions, 1.0)
}

fn similarities_over(directions: Tensor<2>, temperature: f64) -> Tensor<2> {
    let device = directions.device();
    let [views, _] = directions.dims();
    let length = (directions.clone().square().sum_dim(1) + SHORTEST).sqrt();
    let unit = directions / length;
    let cosines = unit.clone().matmul(unit.transpose()) / temperature;
    let places = Tensor::<1, Int>::arange(0..views as i64, &device);
    let column = places.clone().reshape([views, 1]).expand([views, views]);
    let itself = column.equal(places.reshape([1, views]).expand([views, views]));
    cosines.mask_fill(itself, ITSELF)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use data_loader::{Batch, ExampleId, Target};
    use model_zoo::Output;

    use super::*;
    use crate::losses::Loss;

    fn batch(views: usize) -> Batch {
        let ids = (0..views).map(|k| ExampleId { key: k.to_string() }).collect();
        let target = Target::Classes((0..views as i64).map(|row| row ^ 1).collect());
        Batch { inputs: Vec::new(), target, ids, weights: None, epoch: 0, index: 0, skipped: 0 }
    }

    /// By the formula, in double precision.
    fn by_formula(directions: &[[f64; 3]], temperature: f64) -> Vec<f64> {
        let cosine = |a: &[f64; 3], b: &[f64; 3]| {
            let dot = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt() / temperature
        };
        let of = |i: usize| {
            let others = (0..directions.len()).filter(|&k| k != i);
            let sum: f64 = others.map(|k| cosine(&directions[i], &directions[k]).exp()).sum();
            sum.ln() - cosine(&directions[i], &directions[i ^ 1])
        };
        (0..directions.len()).map(of).collect()
    }

    #[test]
    fn losses_are_those_of_the_formula_whatever_the_temperature() {
        let mut random = data_loader::random::Random::derive(&[7]);
        for temperature in [0.07, 0.5, 2.0] {
            let directions: Vec<[f64; 3]> = (0..6).map(|_| [(); 3].map(|()| random.unit() * 4.0 - 2.0)).collect();
            let numbers: Vec<f32> = directions.concat().iter().map(|&x| x as f32).collect();
            let tensor = Tensor::<2>::from_data(TensorData::new(numbers, [6, 3]), &Device::flex());
            let loss = Loss::NtXent(NtXent { temperature });
            let found = loss.rows(Output::Embedding(tensor), &batch(6)).unwrap().weighted;
            for (found, expected) in
                found.try_into_vec_as::<f32>().unwrap().iter().zip(by_formula(&directions, temperature))
            {
                assert!((f64::from(*found) - expected).abs() < 1e-4 * expected.abs().max(1.0), "{found} {expected}");
            }
        }
    }

    /// Against differences of the formula itself.
    #[test]
    fn gradients_are_finite_differences() {
        let directions = [[0.3, -1.2, 0.5], [0.9, 0.1, -0.4], [-0.7, 0.6, 0.2], [0.2, 0.8, 1.1]];
        let device = Device::flex().autodiff();
        let numbers: Vec<f32> = directions.concat().iter().map(|&x| x as f32).collect();
        let tensor = Tensor::<2>::from_data(TensorData::new(numbers, [4, 3]), &device).require_grad();
        let loss = Loss::NtXent(NtXent { temperature: 0.5 });
        let sum = loss.rows(Output::Embedding(tensor.clone()), &batch(4)).unwrap().weighted.sum();
        let gradient = tensor.grad(&sum.backward()).unwrap().try_into_vec_as::<f32>().unwrap();
        let sum = |directions: &[[f64; 3]]| by_formula(directions, 0.5).iter().sum::<f64>();
        for (place, found) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut moved = directions;
                moved[place / 3][place % 3] += by;
                sum(&moved)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((f64::from(*found) - expected).abs() < 1e-4, "{place}: {found}, {expected}");
        }
    }

    #[test]
    fn a_direction_of_length_zero_is_a_number() {
        let tensor = Tensor::<2>::zeros([4, 3], &Device::flex().autodiff()).require_grad();
        let loss = Loss::NtXent(NtXent::default());
        let sum = loss.rows(Output::Embedding(tensor.clone()), &batch(4)).unwrap().weighted.sum();
        let gradient = tensor.grad(&sum.clone().backward()).unwrap().try_into_vec_as::<f32>().unwrap();
        assert!((sum.into_scalar::<f32>() - 4.0 * 3.0_f32.ln()).abs() < 1e-5);
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    }

    #[test]
    fn a_temperature_that_cannot_be_meant_is_refused() {
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(NtXent { temperature }.check().is_err());
        }
        assert_eq!(NtXent::default().check(), Ok(()));
    }
}
