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
/// With fewer groups than these nothing can be said of how sure a score is.
pub const LEAST_GROUPS: usize = 10;

/// A score, and what it would be without each of the groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The value on all rows.
    pub value: f64,
    /// The value without each group in turn; none where the metric is not defined without it.
    pub without: Vec<Option<f64>>,
    /// How many examples were judged.
    pub examples: usize,
}

impl Score {
    /// By how much `self` is more than `other`, and the standard error of that, if it can be told.
    pub fn difference(&self, other: &Self) -> (f64, Option<f64>) {
        let pairs = self.without.iter().zip(&other.without);
        (self.value - other.value, standard_error(pairs.filter_map(|(a, b)| Some((*a)? - (*b)?)).collect()))
    }

    /// The standard error of the score alone, if it can be told.
    pub fn error(&self) -> Option<f64> {
        standard_error(self.without.iter().copied().flatten().collect())
    }
}

/// The square root of (g - 1) / g times the sum of squared distances from the mean, of g values.
fn standard_error(without: Vec<f64>) -> Option<f64> {
    let groups = without.len() as f64;
    let mean = without.iter().sum::<f64>() / groups;
    let squares: f64 = without.iter().map(|value| (value - mean).powi(2)).sum();
    (without.len() >= LEAST_GROUPS).then(|| ((groups - 1.0) / groups * squares).sqrt())
}

/// In which group each example of a split is. Examples are dealt out in turns, so that every group has some of each kind; but windows over a
/// series that share steps must not be in different groups, or each would seem to be surer than it is: they lie in blocks that are at
/// least as long as a window and what is told of it.
#[derive(Clone, Copy, Debug)]
struct Groups {
    examples: usize,
    count: usize,
    blocks: bool,
}

impl Groups {
    fn new(dataset: &Dataset, part: Part) -> Self {
        let examples = dataset.part(part).len();
        match &dataset.pipeline().schema().windows {
            Some(windows) => {
                let span = (windows.length + windows.horizon).div_ceil(windows.stride.max(1));
                Self { examples, count: (examples / span.max(1)).clamp(1, GROUPS), blocks: true }
            }
            None => Self { examples, count: GROUPS.min(examples), blocks: false },
        }
    }

    /// The group of the example at `place`.
    fn of(self, place: usize) -> usize {
        match self.blocks {
            true => (place * self.count / self.examples.max(1)).min(self.count - 1),
            false => place % self.count,
        }
    }
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
    let groups = Groups::new(dataset, part);
    let mut all = Tally::new(plan);
    let mut without: Vec<Tally> = (0..groups.count).map(|_| Tally::new(plan)).collect();
    let mut examples = 0;
    each_batch(answer, dataset, part, plan, &mut |batch| {
        all.observe(&batch.answers, &batch.weighted, &batch.weights);
        for (group, tally) in without.iter_mut().enumerate() {
            let kept = |example: usize| groups.of(examples + example) != group;
            let (answers, weighted, weights) = only(batch, kept);
            tally.observe(&answers, &weighted, &weights);
        }
        examples += batch.examples;
    })?;
    let watched = |tally: &Tally| {
        let values = tally.values();
        values.iter().find(|(name, _)| *name == plan.watch).map_or(f64::NAN, |(_, value)| *value)
    };
    let without = without.iter().map(|tally| Some(watched(tally)).filter(|value| value.is_finite())).collect();
    Ok(Score { value: watched(&all), without, examples })
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

    /// Of a mean over groups of one size the jackknife gives the standard error of a mean, s / sqrt(n): with 1 to 10 that is
    /// sqrt(55 / 6 / 10), and of a constant difference it is 0.
    #[test]
    fn of_a_mean_it_is_the_error_of_a_mean() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let sum: f64 = values.iter().sum();
        let without: Vec<Option<f64>> = values.iter().map(|value| Some((sum - value) / 9.0)).collect();
        let score = Score { value: sum / 10.0, without: without.clone(), examples: 10 };
        let error = score.error().unwrap();
        assert!((error - (55.0_f64 / 60.0).sqrt()).abs() < 1e-12, "{error}");
        let less = without.iter().map(|v| v.map(|v| v - 1.0)).collect();
        let shifted = Score { value: score.value - 1.0, without: less, examples: 10 };
        let (difference, error) = score.difference(&shifted);
        assert!((difference - 1.0).abs() < 1e-12 && error.unwrap() < 1e-12, "{difference} {error:?}");
        let mut few = score;
        few.without[3] = None;
        assert_eq!(few.error(), None, "nine groups say nothing");
    }

    #[test]
    fn windows_that_share_steps_are_in_one_group() {
        let groups = Groups { examples: 120, count: 10, blocks: true };
        let of: Vec<usize> = (0..120).map(|place| groups.of(place)).collect();
        assert!(of.is_sorted() && (0..10).all(|group| of.iter().filter(|found| **found == group).count() == 12));
        let dealt = Groups { blocks: false, ..groups };
        assert_eq!([0, 1, 10, 11].map(|place| dealt.of(place)), [0, 1, 0, 1]);
    }
}
