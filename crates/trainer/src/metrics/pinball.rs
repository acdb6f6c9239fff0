//! How good are the quantiles of a forecast?
//!
//! With `d = truth - answer` the weighted mean of `max(q d, (q - 1) d)` over quantiles `q`, steps and rows (Koenker and Bassett 1978), in the
//! user's units. Of the median alone it is half the mean absolute error. Left out where no quantiles are told.

use data_loader::Entry;

use super::{Answers, Mean, Metric};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "pinball", summary: "the pinball loss of the quantiles, in the user's units" };

/// `pinball`, from 0, in the user's units.
#[derive(Clone, Debug, Default)]
pub struct Pinball(Mean);

impl Metric for Pinball {
    fn observe(&mut self, answers: &Answers) {
        answers.each_forecast(|row| {
            if row.quantiles.is_empty() {
                return;
            }
            for (told, truth) in row.told.chunks(row.quantiles.len()).zip(&row.expected) {
                for (told, quantile) in told.iter().zip(row.quantiles) {
                    let distance = truth - told;
                    self.0.add((quantile * distance).max((quantile - 1.0) * distance), row.weight);
                }
            }
        });
    }

    fn names(&self) -> Vec<String> {
        vec!["pinball".to_owned()]
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.0.named("pinball")
    }
}
