//! How unusual is an example? As much as a network fails that gives examples back.
//!
//! The score is the mean squared difference between the example's numbers and what came back, in units of the normalised numbers. By
//! itself it says little: a [`Reference`] holds the scores of examples that were not learnt from, and tells how many of them are lower.

use serde::{Deserialize, Serialize};

/// More scores than this are thinned out to evenly spaced quantiles.
const MOST_SCORES: usize = 1001;

/// The scores of examples that were not learnt from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Of which part of the data, such as `validation`.
    pub part: String,
    /// How many examples were judged.
    pub examples: usize,
    /// Their scores, ascending; of many examples 1001 quantiles, the lowest and the highest score among them.
    pub scores: Vec<f64>,
}

impl Reference {
    /// Keeps `scores` of a part of the data; none if there are none that are numbers.
    pub fn new(part: &str, mut scores: Vec<f64>) -> Option<Self> {
        scores.retain(|score| score.is_finite());
        scores.sort_by(f64::total_cmp);
        let examples = scores.len();
        if examples > MOST_SCORES {
            let place = |k: usize| (k * (examples - 1)) / (MOST_SCORES - 1);
            scores = (0..MOST_SCORES).map(|k| scores[place(k)]).collect();
        }
        (examples > 0).then(|| Self { part: part.to_owned(), examples, scores })
    }

    /// How many percent of the examples have a lower score, or the same one.
    pub fn percentile(&self, score: f64) -> f64 {
        let lower = self.scores.partition_point(|known| *known <= score);
        100.0 * lower as f64 / self.scores.len().max(1) as f64
    }

    /// Whether it is what [`new`](Self::new) makes; one that was read from a file may have been tampered with.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let sound = !self.scores.is_empty()
            && self.scores.len() <= MOST_SCORES.min(self.examples)
            && self.scores.iter().all(|score| score.is_finite() && *score >= 0.0)
            && self.scores.is_sorted();
        if sound { Ok(()) } else { Err("the anomaly scores are no ascending list of numbers".to_owned()) }
    }
}

/// The score of every row.
///
/// # Shapes
/// - `told` and `expected`: `[rows, width]`, row-major
/// - result: `[rows]`
pub fn scores(told: &[f32], expected: &[f32], width: usize) -> Vec<f64> {
    let rows = told.chunks(width.max(1)).zip(expected.chunks(width.max(1)));
    rows.map(|(told, expected)| squares(told, expected).sum::<f64>() / width.max(1) as f64).collect()
}

/// By how much each of some numbers differs, squared.
pub fn squares<'a>(told: &'a [f32], expected: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
    told.iter().zip(expected).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_the_mean_squared_difference() {
        assert_eq!(scores(&[1.0, 2.0, 0.0, 0.0], &[1.0, 4.0, 3.0, 1.0], 2), [2.0, 5.0]);
    }

    #[test]
    fn percentiles_count_the_scores_below() {
        let reference = Reference::new("validation", vec![3.0, 1.0, f64::NAN, 2.0, 4.0]).unwrap();
        assert_eq!((reference.examples, reference.check()), (4, Ok(())));
        let found = [0.5, 1.0, 2.5, 4.0, 9.0].map(|score| reference.percentile(score));
        assert_eq!(found, [0.0, 25.0, 50.0, 100.0, 100.0]);
        assert_eq!(Reference::new("validation", vec![f64::NAN]), None);
    }

    #[test]
    fn many_scores_are_thinned_out() {
        let many: Vec<f64> = (0..100_000).rev().map(f64::from).collect();
        let reference = Reference::new("test", many).unwrap();
        assert_eq!((reference.examples, reference.scores.len()), (100_000, MOST_SCORES));
        assert_eq!((reference.scores[0], reference.scores[MOST_SCORES - 1]), (0.0, 99_999.0));
        assert!((reference.percentile(75_000.0) - 75.0).abs() < 0.2);
        assert_eq!(reference.check(), Ok(()));
    }

    #[test]
    fn scores_that_were_tampered_with_are_found_out() {
        let sound = Reference::new("test", vec![1.0, 2.0]).unwrap();
        for scores in [vec![], vec![2.0, 1.0], vec![-1.0, 1.0], vec![1.0, 2.0, 3.0]] {
            assert!(Reference { scores, ..sound.clone() }.check().is_err());
        }
    }
}
