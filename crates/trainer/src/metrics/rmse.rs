//! How far are the answers from the truth, when large errors count more?
//!
//! The root of the weighted mean of (answer - truth)^2. With several numbers a row, the root is taken for each of them and
//! the roots are averaged, as in scikit-learn; who wants one root over everything gives one number a row.

use data_loader::Entry;

use super::{Answers, Mean, Metric};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "rmse", summary: "the root of the mean squared error, in the user's units" };

/// `rmse`, from 0, in the user's units.
#[derive(Clone, Debug, Default)]
pub struct Rmse(Vec<Mean>);

impl Metric for Rmse {
    fn observe(&mut self, answers: &Answers) {
        answers.each_values(|answered, expected, weight| {
            if self.0.len() < answered.len() {
                self.0.resize(answered.len(), Mean::default());
            }
            for ((mean, a), b) in self.0.iter_mut().zip(answered).zip(expected) {
                mean.add((a - b).powi(2), weight);
            }
        });
    }

    fn names(&self) -> Vec<String> {
        vec!["rmse".to_owned()]
    }

    fn values(&self) -> Vec<(String, f64)> {
        let mut over_columns = Mean::default();
        for mean in self.0.iter().filter_map(|mean| mean.get()) {
            over_columns.add(mean.sqrt(), 1.0);
        }
        over_columns.named("rmse")
    }
}
