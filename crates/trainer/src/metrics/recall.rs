//! Which share of a class is found?
//!
//! right / expected, by class, and their unweighted mean (macro) over the classes expected or predicted at least once. A
//! class that is predicted but never expected has recall 0, as in scikit-learn (`zero_division=0`).

use data_loader::Entry;

use super::confusion_matrix::{Count, Counts, ratio};
use super::{Answers, Metric};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "recall", summary: "which share of a class is found: macro and by class" };

/// `recall` (macro) and `recall/<class>`, from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Recall(Counts);

impl Recall {
    /// Counts the classes called `labels`.
    pub fn new(labels: &[String]) -> Self {
        Self(Counts::new(labels))
    }
}

fn recall(count: &Count) -> f64 {
    ratio(count.right, count.expected)
}

impl Metric for Recall {
    fn observe(&mut self, answers: &Answers) {
        self.0.observe(answers);
    }

    fn names(&self) -> Vec<String> {
        self.0.names(&["recall"])
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.0.named("recall", recall)
    }
}
