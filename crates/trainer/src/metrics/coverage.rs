//! How often does the truth lie where it was told to lie?
//!
//! The weighted share of steps whose truth lies between the lowest and the highest quantile that is told. It should come near to what
//! the quantiles promise, 0.8 for those of 0.1 and 0.9: more is not better then, although a goal takes it so. Left out where
//! fewer than two quantiles are told.

use data_loader::Entry;

use super::{Answers, Mean, Metric};

/// How it is listed.
pub const ENTRY: Entry =
    Entry { name: "coverage", summary: "the share of truths between the outermost quantiles of a forecast" };

/// `coverage`, from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Coverage(Mean);

impl Metric for Coverage {
    fn observe(&mut self, answers: &Answers) {
        answers.each_forecast(|row| {
            if row.quantiles.len() < 2 {
                return;
            }
            for (told, truth) in row.told.chunks(row.quantiles.len()).zip(&row.expected) {
                let inside = told[0] <= *truth && *truth <= told[told.len() - 1];
                self.0.add(f64::from(u8::from(inside)), row.weight);
            }
        });
    }

    fn names(&self) -> Vec<String> {
        vec!["coverage".to_owned()]
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.0.named("coverage")
    }
}
