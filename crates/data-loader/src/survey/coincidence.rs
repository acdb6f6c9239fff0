//! Is it a wonder that two rows of a table are equal? Where few columns with few values tell rows apart, it is none.

use std::collections::{HashMap, HashSet};

use super::{MISSING, Survey, Values};

/// From so many rows on, for each copy, that would be expected to equal a row if columns had nothing to do with each other, equal
/// rows are no wonder.
const EXPECTED: f64 = 0.05;

/// How often each value of each column occurs. A value that stands in a row and its copies alone is not frequent.
pub(crate) struct Coincidence {
    columns: Vec<Frequencies>,
    /// How many rows there are in all.
    rows: usize,
    /// How many of them differ.
    different: usize,
}

/// How often the values of a column occur.
struct Frequencies {
    /// Among all rows.
    all: HashMap<u64, usize>,
    /// Among rows that differ.
    different: HashMap<u64, usize>,
    /// How often a value that was met once is to be expected to come again in as many rows: twice the number of values that were
    /// met twice, over that of those that were met once (I. Good, "The Population Frequencies of Species", 1953).
    once: f64,
}

impl Frequencies {
    fn of(all: HashMap<u64, usize>, different: HashMap<u64, usize>) -> Self {
        let met = |times: usize| different.values().filter(|&&count| count == times).count() as f64;
        let once = (2.0 * met(2) / met(1).max(1.0)).min(0.5);
        Self { all, different, once }
    }
}

impl Coincidence {
    /// Counts the values of a table; none where there is an image or a text, of which two are not equal by chance.
    pub(crate) fn of(survey: &Survey<'_>) -> Option<Self> {
        let features = survey.dataset.card().schema().features.0.len();
        if survey.columns.len() != features || survey.closely.is_empty() {
            return None;
        }
        let mut met = HashSet::new();
        let content = |at: usize| survey.contents[survey.closely[at] as usize];
        let different: Vec<usize> = (0..survey.closely.len()).filter(|&at| met.insert(content(at))).collect();
        let all: Vec<usize> = (0..survey.closely.len()).collect();
        let count = |values: &Values, places: &[usize]| {
            let mut counts = HashMap::new();
            for value in places.iter().filter_map(|&at| value(values, at)) {
                *counts.entry(value).or_default() += 1;
            }
            counts
        };
        let of = |values: &Values| Frequencies::of(count(values, &all), count(values, &different));
        let columns = survey.columns.iter().map(|column| of(&column.values)).collect();
        Some(Self { columns, rows: survey.closely.len(), different: different.len() })
    }

    /// Whether a row may well have so many equal ones by chance. A row that was not looked at closely is taken to have none.
    pub(crate) fn explains(&self, survey: &Survey<'_>, place: u32, copies: usize) -> bool {
        let Ok(at) = survey.closely.binary_search(&place) else { return false };
        let shares = survey.columns.iter().zip(&self.columns).map(|(column, frequencies)| {
            // A gap tells nothing: where one value is missing, others often are too.
            let Some(value) = value(&column.values, at) else { return 1.0 };
            // Of what rows have that differ otherwise all count, because a frequent value makes frequent rows; what stands in a
            // row and its copies alone must not explain them.
            match frequencies.different.get(&value) {
                Some(2..) => frequencies.all[&value] as f64 / self.rows as f64,
                _ => frequencies.once / self.different as f64,
            }
        });
        self.rows as f64 * shares.product::<f64>() >= EXPECTED * copies as f64
    }
}

/// The value of a column as a number that only an equal value has; none where it is missing.
fn value(values: &Values, at: usize) -> Option<u64> {
    match values {
        Values::Words { codes, .. } => (codes[at] != MISSING).then(|| u64::from(codes[at])),
        Values::Numbers(numbers) => (!numbers[at].is_nan()).then(|| (numbers[at] + 0.0).to_bits()),
    }
}
