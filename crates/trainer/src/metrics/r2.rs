//! Which share of the variance do the answers explain?
//!
//! 1 - sum w (answer - truth)^2 / sum w (truth - mean truth)^2, the coefficient of determination (Wright 1921); with
//! several numbers a row, averaged over them. As in scikit-learn, where the truth never varies the value is 1 if every
//! answer is exact and 0 otherwise, and with fewer than two rows it is undefined and left out.
//!
//! Of examples that are given back the numbers count by how much they vary (`variance_weighted` in scikit-learn): a column that never
//! varies, as that of an unknown category, says nothing.

use data_loader::Entry;

use super::{Answers, Mean, Metric};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "r2", summary: "the share of the variance that is explained" };

/// Sums over one number of each row, updated so that a large mean does not cancel (West 1979).
#[derive(Clone, Copy, Debug, Default)]
struct Column {
    weight: f64,
    mean: f64,
    /// The weighted sum of squared distances of the truth from its mean.
    spread: f64,
    /// The weighted sum of squared errors.
    error: f64,
}

/// `r2`, up to 1; 0 is as good as answering the mean.
#[derive(Clone, Debug, Default)]
pub struct R2 {
    columns: Vec<Column>,
    rows: usize,
    by_spread: bool,
}

impl R2 {
    /// The numbers of a row count by how much they vary.
    pub fn by_spread() -> Self {
        Self { by_spread: true, ..Self::default() }
    }
}

impl Metric for R2 {
    fn observe(&mut self, answers: &Answers) {
        answers.each_values(|answered, expected, weight| {
            if self.columns.len() < answered.len() {
                self.columns.resize(answered.len(), Column::default());
            }
            self.rows += 1;
            for ((column, &answer), &truth) in self.columns.iter_mut().zip(answered).zip(expected) {
                column.weight += weight;
                let distance = truth - column.mean;
                column.mean += distance * weight / column.weight;
                column.spread += weight * distance * (truth - column.mean);
                column.error += weight * (answer - truth).powi(2);
            }
        });
    }

    fn names(&self) -> Vec<String> {
        vec!["r2".to_owned()]
    }

    fn values(&self) -> Vec<(String, f64)> {
        let mut over_columns = Mean::default();
        for column in self.columns.iter().filter(|_| self.rows >= 2) {
            let explained = match (column.error == 0.0, column.spread == 0.0) {
                (true, true) => 1.0,
                (false, true) => 0.0,
                _ => 1.0 - column.error / column.spread,
            };
            over_columns.add(explained, if self.by_spread { column.spread } else { 1.0 });
        }
        over_columns.named("r2")
    }
}
