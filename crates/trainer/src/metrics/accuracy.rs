//! How often is the right class named?
//!
//! The weighted share of rows whose largest score is that of the right class. Pixels and tokens are rows too.

use data_loader::Entry;

use super::{Answers, Mean, Metric, best};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "accuracy", summary: "the share of rows whose class is named" };

/// `accuracy`, from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Accuracy(Mean);

impl Metric for Accuracy {
    fn observe(&mut self, answers: &Answers) {
        answers.each_class(|row| self.0.add(f64::from(best(row.scores) == Some(row.class)), row.weight));
    }

    fn names(&self) -> Vec<String> {
        vec!["accuracy".to_owned()]
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.0.named("accuracy")
    }
}
