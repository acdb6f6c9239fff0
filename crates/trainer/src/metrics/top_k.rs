//! How often is the right class among the best few?
//!
//! Of equal scores the first counts as the better one, as for accuracy, so that `top_1_accuracy` is `accuracy`.

use data_loader::Entry;

use super::{Answers, Mean, Metric};

/// How it is listed.
pub const ENTRY: Entry =
    Entry { name: "top_k", summary: "the share of rows whose class is among the k best scores, as `top_5_accuracy`" };

/// The field's custom, from the `ImageNet` challenge.
pub const DEFAULT_K: usize = 5;

/// `top_<k>_accuracy`, from 0 to 1.
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    mean: Mean,
}

impl TopK {
    /// Counts a row as right if its class is among the `k` best.
    pub fn new(k: usize) -> Self {
        Self { k, mean: Mean::default() }
    }
}

impl Default for TopK {
    fn default() -> Self {
        Self::new(DEFAULT_K)
    }
}

impl Metric for TopK {
    fn observe(&mut self, answers: &Answers) {
        answers.each_class(|row| {
            let own = row.scores[row.class];
            let better = row.scores.iter().enumerate();
            let better =
                better.filter(|(index, score)| **score > own || (**score == own && *index < row.class)).count();
            let right = better < self.k && !row.scores.iter().any(|score| score.is_nan());
            self.mean.add(f64::from(right), row.weight);
        });
    }

    fn names(&self) -> Vec<String> {
        vec![format!("top_{}_accuracy", self.k)]
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.mean.named(&format!("top_{}_accuracy", self.k))
    }
}
