//! Is the model as often right as it believes?
//!
//! The expected calibration error of Naeini et al. (2015) in the form of Guo et al. (2017): predictions are put into 15
//! bins of equal width by their confidence (the largest softmax value), bin i holding (i/15, (i+1)/15]; the distance
//! between accuracy and mean confidence is averaged over the bins by the weight of their rows.

use data_loader::Entry;

use super::{Answers, Metric, best, log_sum_exp};

/// How it is listed.
pub const ENTRY: Entry =
    Entry { name: "calibration_error", summary: "how far confidence lies from accuracy, over 15 bins" };

const BINS: usize = 15;

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    weight: f64,
    confidence: f64,
    right: f64,
}

/// `calibration_error`, from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct CalibrationError([Bin; BINS]);

impl Metric for CalibrationError {
    fn observe(&mut self, answers: &Answers) {
        answers.each_class(|row| {
            let predicted = best(row.scores);
            let highest = predicted.map_or(f64::NAN, |class| f64::from(row.scores[class]));
            let confidence = (highest - log_sum_exp(row.scores)).exp();
            let index = (confidence * BINS as f64).ceil() as usize; // Not a number becomes bin 0 and spoils the value.
            let bin = &mut self.0[index.clamp(1, BINS) - 1];
            bin.weight += row.weight;
            bin.confidence += confidence * row.weight;
            bin.right += f64::from(predicted == Some(row.class)) * row.weight;
        });
    }

    fn names(&self) -> Vec<String> {
        vec!["calibration_error".to_owned()]
    }

    fn values(&self) -> Vec<(String, f64)> {
        let weight = self.0.iter().map(|bin| bin.weight).sum::<f64>();
        if weight <= 0.0 {
            return Vec::new();
        }
        let distance = self.0.iter().map(|bin| (bin.right - bin.confidence).abs()).sum::<f64>();
        vec![("calibration_error".to_owned(), distance / weight)]
    }
}
