//! Is it a wonder that two rows of a table are equal? Where few columns with few values tell rows apart, it is none.

use std::collections::HashMap;

use super::{MISSING, Survey, Values};

/// From so many rows on that would be expected to equal a row if columns had nothing to do with each other, an equal row is no
/// wonder.
const EXPECTED: f64 = 0.05;

/// How often each value of each column occurs.
pub(crate) struct Coincidence {
    counts: Vec<HashMap<u64, usize>>,
    rows: usize,
}

impl Coincidence {
    /// Counts the values of a table; none where there is an image or a text, of which two are not equal by chance.
    pub(crate) fn of(survey: &Survey<'_>) -> Option<Self> {
        let features = survey.dataset.card().schema().features.0.len();
        if survey.columns.len() != features || survey.closely.is_empty() {
            return None;
        }
        let rows = survey.closely.len();
        let count = |values: &Values| {
            let mut counts = HashMap::new();
            for value in (0..rows).filter_map(|at| value(values, at)) {
                *counts.entry(value).or_default() += 1;
            }
            counts
        };
        Some(Self { counts: survey.columns.iter().map(|column| count(&column.values)).collect(), rows })
    }

    /// Whether a row may well have an equal one by chance. A row that was not looked at closely is taken to have none.
    pub(crate) fn explains(&self, survey: &Survey<'_>, place: u32) -> bool {
        let Ok(at) = survey.closely.binary_search(&place) else { return false };
        let rows = self.rows as f64;
        let shares = survey.columns.iter().zip(&self.counts).map(|(column, counts)| {
            // A gap tells nothing: where one value is missing, others often are too.
            let Some(value) = value(&column.values, at) else { return 1.0 };
            // Without the two rows themselves, which must not explain each other; of what then never occurs, half a row.
            let others = counts.get(&value).map_or(0, |count| count.saturating_sub(2));
            (others as f64).max(0.5) / rows
        });
        rows * shares.product::<f64>() >= EXPECTED
    }
}

/// The value of a column as a number that only an equal value has; none where it is missing.
fn value(values: &Values, at: usize) -> Option<u64> {
    match values {
        Values::Words { codes, .. } => (codes[at] != MISSING).then(|| u64::from(codes[at])),
        Values::Numbers(numbers) => (!numbers[at].is_nan()).then(|| numbers[at].to_bits()),
    }
}
