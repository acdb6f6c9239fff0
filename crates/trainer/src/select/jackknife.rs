//! How sure is a score? It is counted again without each of twenty groups of rows.
//!
//! The delete-a-group jackknife (Efron and Stein, "The Jackknife Estimate of Variance", 1981) asks nothing of a metric but that it can be
//! counted, so that it serves accuracy, a ranking and an error alike. Row k of a split is in the same group whoever answers, so
//! that two models are compared on the same rows: what is hard for both does not make their difference unsure.

use data_loader::{Batch, Dataset, Part};
use model_zoo::Output;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::evaluate::{JudgedBatch, Tally, each_batch};
use crate::metrics::{Answers, Expected};
use crate::{Error, Plan};

/// How many groups there are, if there are as many rows.
pub const GROUPS: usize = 20;

/// A score, and what it would be without each of the groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The value on all rows.
    pub value: f64,
    /// The value without each group in turn.
    pub without: Vec<f64>,
    /// How many examples were judged.
    pub examples: usize,
}

impl Score {
    /// By how much `self` is more than `other`, and the standard error of that.
    pub fn difference(&self, other: &Self) -> (f64, f64) {
        let differences: Vec<f64> = self.without.iter().zip(&other.without).map(|(a, b)| a - b).collect();
        (self.value - other.value, standard_error(&differences))
    }

    /// The standard error of the score alone.
    pub fn error(&self) -> f64 {
        standard_error(&self.without)
    }
}

/// The square root of (g - 1) / g times the sum of squared distances from the mean, of g values.
fn standard_error(without: &[f64]) -> f64 {
    let groups = without.len() as f64;
    let mean = without.iter().sum::<f64>() / groups;
    let squares: f64 = without.iter().map(|value| (value - mean).powi(2)).sum();
    ((groups - 1.0) / groups * squares).sqrt()
}

/// Judges answers to a split by the watched metric of `plan`, with and without each group of rows.
///
/// # Errors
/// If the data cannot be read, or the answer's.
pub(super) fn judge(
    answer: &mut dyn FnMut(&Batch) -> Result<Output, Error>,
    dataset: &Arc<Dataset>,
    part: Part,
    plan: &Plan,
) -> Result<Score, Error> {
    let groups = GROUPS.min(dataset.part(part).len());
    let mut all = Tally::new(plan);
    let mut without: Vec<Tally> = (0..groups).map(|_| Tally::new(plan)).collect();
    let mut examples = 0;
    each_batch(answer, dataset, part, plan, &mut |batch| {
        all.observe(&batch.answers, &batch.weighted, &batch.weights);
        for (group, tally) in without.iter_mut().enumerate() {
            let kept = |example: usize| (examples + example) % groups != group;
            let (answers, weighted, weights) = only(batch, kept);
            tally.observe(&answers, &weighted, &weights);
        }
        examples += batch.examples;
    })?;
    let watched = |tally: &Tally| {
        let values = tally.values();
        values.iter().find(|(name, _)| *name == plan.watch).map_or(f64::NAN, |(_, value)| *value)
    };
    Ok(Score { value: watched(&all), without: without.iter().map(watched).collect(), examples })
}

/// The numbers of the examples that are kept, of which each has as many.
fn filter<T: Clone>(all: &[T], examples: usize, kept: &impl Fn(usize) -> bool) -> Vec<T> {
    let each = (all.len() / examples).max(1);
    all.chunks(each).enumerate().filter(|(example, _)| kept(*example)).flat_map(|(_, row)| row.to_vec()).collect()
}

/// A batch without the examples that are not kept.
fn only(batch: &JudgedBatch, kept: impl Fn(usize) -> bool) -> (Answers, Vec<f32>, Vec<f32>) {
    let answers = &batch.answers;
    let rows = answers.scores.len() / answers.width.max(1);
    // Of an image each pixel is a row, of a text each token.
    let examples = batch.examples.max(1);
    debug_assert_eq!(rows % examples, 0);
    let floats = |all: &[f32]| filter(all, examples, &kept);
    let expected = match &answers.expected {
        Expected::Classes(classes) => Expected::Classes(filter(classes, examples, &kept)),
        Expected::SoftLabels(soft) => Expected::SoftLabels(floats(soft)),
        Expected::Values { values, mean, std } => {
            Expected::Values { values: floats(values), mean: mean.clone(), std: std.clone() }
        }
        Expected::Horizon { values, mean, std, quantiles, naive } => Expected::Horizon {
            values: floats(values),
            mean: mean.clone(),
            std: std.clone(),
            quantiles: quantiles.clone(),
            naive: if naive.is_empty() { Vec::new() } else { filter(naive, examples, &kept) },
        },
    };
    let only = Answers {
        scores: floats(&answers.scores),
        width: answers.width,
        expected,
        weights: answers.weights.as_deref().map(floats),
    };
    (only, floats(&batch.weighted), floats(&batch.weights))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a mean over groups of one size the jackknife gives the standard error of a mean, s / sqrt(n): with 1, 2, 3, 4, 5 that is
    /// sqrt(2.5 / 5), and of a constant difference it is 0.
    #[test]
    fn of_a_mean_it_is_the_error_of_a_mean() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0];
        let sum: f64 = values.iter().sum();
        let without: Vec<f64> = values.iter().map(|value| (sum - value) / 4.0).collect();
        let score = Score { value: sum / 5.0, without: without.clone(), examples: 5 };
        assert!((score.error() - 0.5_f64.sqrt()).abs() < 1e-12, "{}", score.error());
        let shifted =
            Score { value: score.value - 1.0, without: without.iter().map(|v| v - 1.0).collect(), examples: 5 };
        let (difference, error) = score.difference(&shifted);
        assert!((difference - 1.0).abs() < 1e-12 && error < 1e-12, "{difference} {error}");
    }
}
