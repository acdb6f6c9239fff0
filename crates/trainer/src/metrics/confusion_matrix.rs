//! Which class is taken for which?
//!
//! It gives no value of its own, but the [`Matrix`] that reports draw. The counts of a class, from which precision, recall,
//! F1 and intersection over union follow, are here too.

use data_loader::Entry;
use serde::{Deserialize, Serialize};

use super::{Answers, CLASSES_LISTED, Metric, best};

/// How it is listed.
pub const ENTRY: Entry =
    Entry { name: "confusion_matrix", summary: "which class is taken for which; shown in reports, no number to watch" };

/// How much was expected of each class and predicted as each class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// The names of the classes.
    pub labels: Vec<String>,
    /// The weight of the rows, `[expected, predicted]` row-major, both as long as `labels`.
    pub counts: Vec<f64>,
}

impl Matrix {
    /// The weight of the rows of class `expected` that were taken for `predicted`.
    pub fn get(&self, expected: usize, predicted: usize) -> f64 {
        let classes = self.labels.len();
        if expected >= classes || predicted >= classes {
            return 0.0;
        }
        self.counts.get(expected * classes + predicted).copied().unwrap_or(0.0)
    }
}

/// Counts pairs of expected and predicted class. Rows without a prediction (a score is not a number) are in no cell.
#[derive(Clone, Debug, Default)]
pub struct ConfusionMatrix(Matrix);

impl ConfusionMatrix {
    /// Counts the classes called `labels`.
    pub fn new(labels: &[String]) -> Self {
        Self(Matrix { labels: labels.to_vec(), counts: vec![0.0; labels.len() * labels.len()] })
    }
}

impl Metric for ConfusionMatrix {
    fn observe(&mut self, answers: &Answers) {
        let classes = self.0.labels.len();
        answers.each_class(|row| {
            if let Some(predicted) = best(row.scores)
                && row.class < classes
                && predicted < classes
            {
                self.0.counts[row.class * classes + predicted] += row.weight;
            }
        });
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn values(&self) -> Vec<(String, f64)> {
        Vec::new()
    }

    fn matrix(&self) -> Option<Matrix> {
        Some(self.0.clone())
    }
}

/// What is counted of one class; weights, not rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    /// Rows of this class that were predicted as this class.
    pub(crate) right: f64,
    /// Rows of this class.
    pub(crate) expected: f64,
    /// Rows predicted as this class.
    pub(crate) predicted: f64,
}

/// A fraction that is 0 where it would be 0/0, as scikit-learn's `zero_division=0`.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The counts of every class.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    labels: Vec<String>,
    counts: Vec<Count>,
}

impl Counts {
    /// Counts the classes called `labels`.
    pub(crate) fn new(labels: &[String]) -> Self {
        Self { labels: labels.to_vec(), counts: Vec::new() }
    }

    /// Takes note of some answers.
    pub(crate) fn observe(&mut self, answers: &Answers) {
        answers.each_class(|row| {
            if self.counts.len() < row.scores.len() {
                self.counts.resize(row.scores.len(), Count::default());
            }
            self.counts[row.class].expected += row.weight;
            if let Some(predicted) = best(row.scores) {
                self.counts[predicted].predicted += row.weight;
                if predicted == row.class {
                    self.counts[predicted].right += row.weight;
                }
            }
        });
    }

    /// The classes that were expected or predicted at least once; scikit-learn averages over those.
    pub(crate) fn seen(&self) -> impl Iterator<Item = &Count> {
        self.counts.iter().filter(|count| count.expected + count.predicted > 0.0)
    }

    /// The sum over all classes.
    pub(crate) fn total(&self) -> Count {
        self.counts.iter().fold(Count::default(), |sum, count| Count {
            right: sum.right + count.right,
            expected: sum.expected + count.expected,
            predicted: sum.predicted + count.predicted,
        })
    }

    /// The mean of `score` over the classes seen, each counting the same; `None` if nothing was observed.
    pub(crate) fn macro_mean(&self, score: impl Fn(&Count) -> f64) -> Option<f64> {
        let classes = self.seen().count();
        (classes > 0).then(|| self.seen().map(score).sum::<f64>() / classes as f64)
    }

    /// `names`, followed by the first of them with each class.
    pub(crate) fn names(&self, names: &[&str]) -> Vec<String> {
        let listed = if self.labels.len() > CLASSES_LISTED { &[] } else { &self.labels[..] };
        let by_class = listed.iter().filter_map(|label| names.first().map(|name| format!("{name}/{label}")));
        names.iter().map(|name| (*name).to_owned()).chain(by_class).collect()
    }

    /// `<name>/<class>` for each class seen; nothing where there are too many to list.
    pub(crate) fn by_class(&self, name: &str, score: impl Fn(&Count) -> f64) -> Vec<(String, f64)> {
        if self.labels.len() > CLASSES_LISTED {
            return Vec::new();
        }
        let seen = self.labels.iter().zip(&self.counts).filter(|(_, count)| count.expected + count.predicted > 0.0);
        seen.map(|(label, count)| (format!("{name}/{label}"), score(count))).collect()
    }

    /// The macro mean as `<name>`, followed by the value of each class.
    pub(crate) fn named(&self, name: &str, score: impl Fn(&Count) -> f64) -> Vec<(String, f64)> {
        let mean = self.macro_mean(&score).map(|mean| (name.to_owned(), mean));
        mean.into_iter().chain(self.by_class(name, score)).collect()
    }
}
