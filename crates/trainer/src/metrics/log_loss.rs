//! How surprised is the model by the right class?
//!
//! The weighted mean of -log softmax(scores) at the right class, in nats; with soft labels the cross-entropy to them. It
//! is the training loss without label smoothing and class weights. Nothing is clipped: a row with a score that is not a
//! number makes the value not a number.

use data_loader::Entry;

use super::{Answers, Mean, Metric, log_sum_exp, surprise};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "log_loss", summary: "the mean surprise at the right class, in nats" };

/// `log_loss`, from 0.
#[derive(Clone, Debug, Default)]
pub struct LogLoss(Mean);

impl Metric for LogLoss {
    fn observe(&mut self, answers: &Answers) {
        answers.each_class(|row| {
            let loss = match row.soft {
                None => surprise(row.scores, row.class),
                Some(soft) => {
                    let total = log_sum_exp(row.scores);
                    let terms = soft.iter().zip(row.scores).filter(|(share, _)| **share > 0.0);
                    terms.map(|(share, score)| f64::from(*share) * (total - f64::from(*score))).sum()
                }
            };
            self.0.add(loss, row.weight);
        });
    }

    fn names(&self) -> Vec<String> {
        vec!["log_loss".to_owned()]
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.0.named("log_loss")
    }
}
