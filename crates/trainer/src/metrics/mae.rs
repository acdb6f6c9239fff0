//! How far are the answers from the truth, on average?
//!
//! The weighted mean of |answer - truth| over rows; with several numbers a row, over all of them.

use data_loader::Entry;

use super::{Answers, Mean, Metric};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "mae", summary: "the mean absolute error, in the user's units" };

/// `mae`, from 0, in the user's units.
#[derive(Clone, Debug, Default)]
pub struct Mae(Mean);

impl Metric for Mae {
    fn observe(&mut self, answers: &Answers) {
        answers.each_values(|answered, expected, weight| {
            let distance = answered.iter().zip(expected).map(|(a, b)| (a - b).abs());
            self.0.add(distance.sum::<f64>() / answered.len() as f64, weight);
        });
    }

    fn names(&self) -> Vec<String> {
        vec!["mae".to_owned()]
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.0.named("mae")
    }
}
