//! How well are precision and recall balanced?
//!
//! F1 = 2 right / (expected + predicted), the harmonic mean of precision and recall (van Rijsbergen 1979). The macro mean
//! counts every class the same, the weighted mean counts it by what was expected of it, the micro mean adds the counts of
//! all classes first (with one class a row it is the accuracy). Classes neither expected nor predicted are in no mean.

use data_loader::Entry;

use super::confusion_matrix::{Count, Counts, ratio};
use super::{Answers, Metric};

/// How it is listed.
pub const ENTRY: Entry =
    Entry { name: "f1", summary: "the harmonic mean of precision and recall: macro, micro, weighted and by class" };

/// `f1` (macro), `f1_micro`, `f1_weighted` and `f1/<class>`, from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct F1(Counts);

impl F1 {
    /// Counts the classes called `labels`.
    pub fn new(labels: &[String]) -> Self {
        Self(Counts::new(labels))
    }
}

fn f1(count: &Count) -> f64 {
    ratio(2.0 * count.right, count.expected + count.predicted)
}

impl Metric for F1 {
    fn observe(&mut self, answers: &Answers) {
        self.0.observe(answers);
    }

    fn names(&self) -> Vec<String> {
        self.0.names(&["f1", "f1_micro", "f1_weighted"])
    }

    fn values(&self) -> Vec<(String, f64)> {
        let Some(mean) = self.0.macro_mean(f1) else { return Vec::new() };
        let total = self.0.total();
        let weighted = self.0.seen().map(|count| f1(count) * count.expected).sum::<f64>();
        let mut values = vec![
            ("f1".to_owned(), mean),
            ("f1_micro".to_owned(), f1(&total)),
            ("f1_weighted".to_owned(), ratio(weighted, total.expected)),
        ];
        values.extend(self.0.by_class("f1", f1));
        values
    }
}
