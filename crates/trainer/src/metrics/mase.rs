//! How large are the errors of a forecast, measured in those of repeating what was?
//!
//! The mean absolute scaled error of Hyndman and Koehler, "Another look at measures of forecast accuracy", 2006: the mean absolute error
//! over the horizon, divided by the mean absolute difference of the known window from itself a season before; `season` stands in
//! `[data.windows]`, and 1 means the value before. Windows that repeat themselves exactly, and those without the history of what is to
//! be told, are left out. The median is judged where quantiles are told.

use data_loader::Entry;

use super::{Answers, Mean, Metric};

/// How it is listed.
pub const ENTRY: Entry =
    Entry { name: "mase", summary: "the mean absolute error in units of the seasonal naive one of the known window" };

/// `mase`, from 0; below 1 is better than a season of the known window is by the one before.
#[derive(Clone, Debug, Default)]
pub struct Mase(Mean);

impl Metric for Mase {
    fn observe(&mut self, answers: &Answers) {
        answers.each_forecast(|row| {
            let errors = row.middle().zip(&row.expected).map(|(told, truth)| (told - truth).abs());
            let error = errors.sum::<f64>() / row.expected.len() as f64;
            if let Some(naive) = row.naive.filter(|naive| *naive > 0.0) {
                self.0.add(error / naive, row.weight);
            }
        });
    }

    fn names(&self) -> Vec<String> {
        vec!["mase".to_owned()]
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.0.named("mase")
    }
}
