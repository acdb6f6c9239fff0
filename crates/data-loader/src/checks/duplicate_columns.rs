//! Which columns say the same as another one, in other units or other words?

use std::collections::HashMap;

use super::Found;
use crate::error::Error;
use crate::registry::Entry;
use crate::survey::report::Finding;
use crate::survey::{Gates, MISSING, Survey, Values};

/// This check in the list of checks.
pub const ENTRY: Entry =
    Entry { name: "duplicate_columns", summary: "columns that are copies of others, be it in other units or words" };

/// Numbers with at least this correlation, up or down, are the same in another unit. Rounding to four digits stays below it.
const CORRELATION: f64 = 0.999_999;
/// So many rows are compared, evenly spread.
const ROWS: usize = 10_000;
/// Of fewer rows nothing can be said.
const FEWEST: usize = 20;
/// So many columns of numbers are compared each with each.
const COLUMNS: usize = 1000;

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    let stride = survey.closely.len().div_ceil(ROWS).max(1);
    let mut numbers: Vec<(&str, Vec<f64>)> = Vec::new();
    let mut words: HashMap<Vec<u32>, &str> = HashMap::new();
    let mut said = |name: &str, first: &str, how: &str| {
        let text = format!("The column `{name}` {how} `{first}`.");
        let finding = Finding::new(ENTRY.name, gates.duplicate_columns.severity(), 2, text).gated("duplicate_columns");
        found.add(Finding { columns: vec![first.to_owned(), name.to_owned()], ..finding });
    };
    let mut too_many = false;
    for column in &survey.columns {
        let name = column.name.as_str();
        match &column.values {
            Values::Numbers(values) => {
                let Some(standard) = standard(values.iter().step_by(stride).copied().collect()) else { continue };
                let twin = numbers.iter().find_map(|(other, known)| Some((*other, sameness(known, &standard)?)));
                match twin {
                    Some((first, how)) => said(name, first, how),
                    None if numbers.len() < COLUMNS => numbers.push((name, standard)),
                    None => too_many = true,
                }
            }
            Values::Words { codes, .. } => {
                // Codes are given in the order in which words are met, so that equal patterns have equal codes.
                let pattern = pattern(codes.iter().step_by(stride).copied());
                let different = pattern.iter().filter(|&&code| code != MISSING).max();
                if pattern.len() < FEWEST || different.is_none_or(|&most| most == 0) {
                    continue; // One value is a matter of the check `constant`.
                }
                match words.get(&pattern) {
                    Some(first) => said(name, first, "has a word for each word of"),
                    None => drop(words.insert(pattern, name)),
                }
            }
        }
    }
    if too_many {
        found.remark(format!("Only the first {COLUMNS} columns of numbers were compared with each other."));
    }
    Ok(())
}

/// The codes numbered anew, in the order in which they are met.
fn pattern(codes: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut numbers = HashMap::new();
    let number = |code| match code {
        MISSING => MISSING,
        code => {
            let next = numbers.len() as u32;
            *numbers.entry(code).or_insert(next)
        }
    };
    codes.map(number).collect()
}

/// The numbers without their mean and with the length 1, NaN where one is missing; none if they are too few or all alike.
fn standard(mut values: Vec<f64>) -> Option<Vec<f64>> {
    let present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    let (mean, std) = crate::statistics::mean_and_std(&present);
    if present.len() < FEWEST || !std.is_finite() || std <= mean.abs() * 1e-12 {
        return None;
    }
    let length = std * (present.len() as f64).sqrt();
    for value in &mut values {
        *value = (*value - mean) / length;
    }
    Some(values)
}

/// In what sense two columns are the same, if they are: missing in the same rows, and one a linear function of the other.
fn sameness(a: &[f64], b: &[f64]) -> Option<&'static str> {
    let (mut dot, mut equal) = (0.0, true);
    for (x, y) in a.iter().zip(b) {
        match (x.is_nan(), y.is_nan()) {
            (true, true) => {}
            (false, false) => {
                dot += x * y;
                equal &= x == y;
            }
            _ => return None,
        }
    }
    match () {
        () if equal => Some("is a copy, or one in other units, of"),
        () if dot.abs() >= CORRELATION => Some("is, but for rounding, a linear function of"),
        () => None,
    }
}
