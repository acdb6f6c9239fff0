//! Among how many tokens does the model hesitate?
//!
//! The exponential of the mean surprise at the right token (Jelinek et al. 1977). Tokens that do not count are left out.

use data_loader::Entry;

use super::{Answers, Mean, Metric, surprise};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "perplexity", summary: "among how many tokens the model hesitates" };

/// `perplexity`, from 1; infinite once the mean surprise passes 709 nats.
#[derive(Clone, Debug, Default)]
pub struct Perplexity(Mean);

impl Metric for Perplexity {
    fn observe(&mut self, answers: &Answers) {
        answers.each_class(|row| self.0.add(surprise(row.scores, row.class), row.weight));
    }

    fn names(&self) -> Vec<String> {
        vec!["perplexity".to_owned()]
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.0.get().map(|mean| ("perplexity".to_owned(), mean.exp())).into_iter().collect()
    }
}
