//! Which share of the predictions of a class is right?
//!
//! right / predicted, by class, and their unweighted mean (macro) over the classes expected or predicted at least once. A
//! class that is never predicted has precision 0, as in scikit-learn (`zero_division=0`).

use data_loader::Entry;

use super::confusion_matrix::{Count, Counts, ratio};
use super::{Answers, Metric};

/// How it is listed.
pub const ENTRY: Entry =
    Entry { name: "precision", summary: "which share of the predictions of a class is right: macro and by class" };

/// `precision` (macro) and `precision/<class>`, from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Precision(Counts);

impl Precision {
    /// Counts the classes called `labels`.
    pub fn new(labels: &[String]) -> Self {
        Self(Counts::new(labels))
    }
}

fn precision(count: &Count) -> f64 {
    ratio(count.right, count.predicted)
}

impl Metric for Precision {
    fn observe(&mut self, answers: &Answers) {
        self.0.observe(answers);
    }

    fn names(&self) -> Vec<String> {
        self.0.names(&["precision"])
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.0.named("precision", precision)
    }
}
