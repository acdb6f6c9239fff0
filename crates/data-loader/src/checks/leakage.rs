//! Which column predicts the target alone, as only something can that was written down after the answer was known?
//!
//! From each column a very simple predictor is made and judged on rows that it has not seen, in five folds. A category predicts
//! the most frequent class, or the mean, of its rows; a number that of the five rows whose numbers are nearest; a missing value
//! that of all rows in which it is missing. Against a target that is a number also a straight line is laid through
//! ranks, so that a few values far out hide nothing. A column that does so nearly without error is told: at an accuracy of at least 0.99
//! where it also leaves at most a tenth of the errors of always naming the largest class, or at a coefficient of determination of
//! at least 0.99.

use std::collections::HashMap;

use super::Found;
use crate::error::Error;
use crate::random::Random;
use crate::registry::Entry;
use crate::statistics::mean_and_std;
use crate::survey::report::Finding;
use crate::survey::{Gates, MISSING, Survey, Targets, Values};

/// This check in the list of checks.
pub const ENTRY: Entry =
    Entry { name: "leakage", summary: "columns that predict the target alone, nearly without error" };

/// From this accuracy, or coefficient of determination, on a column is told.
pub const SCORE: f64 = 0.99;
/// The share of the errors of the largest class alone that may be left.
const ERRORS_LEFT: f64 = 0.1;
const FOLDS: usize = 5;
const NEIGHBOURS: usize = 5;
/// Numbers with at most so many different values are taken as categories.
const FEW_VALUES: usize = 64;
/// So many rows are looked at, chosen by the seed.
const ROWS: usize = 20_000;
/// Of fewer rows nothing can be said.
const FEWEST: usize = 50;
/// Keeps folds apart from the random streams of everything else.
const STREAM: u64 = 0x006c_6561_6b61_6765;

/// What is to be predicted.
enum Answers {
    Classes(Vec<u32>),
    Numbers(Vec<f64>),
}

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    let mut places: Vec<u32> = (0..survey.closely.len() as u32).collect();
    let mut random = Random::derive(&[STREAM, survey.seed]);
    random.shuffle(&mut places);
    if places.len() > ROWS {
        places.truncate(ROWS);
        if !survey.columns.is_empty() {
            found.remark(format!("Columns were tried on {ROWS} rows, chosen by the seed."));
        }
    }
    if places.len() < FEWEST {
        return Ok(());
    }
    let of = |place: &u32| survey.closely[*place as usize] as usize;
    let answers = match &survey.targets {
        Targets::None => return Ok(()),
        Targets::Classes { of: classes, .. } => {
            Answers::Classes(places.iter().map(|place| classes[of(place)]).collect())
        }
        Targets::Numbers(numbers) => Answers::Numbers(places.iter().map(|place| numbers[of(place)]).collect()),
    };
    let target = survey.dataset.card().schema().target.as_ref().map_or("", |target| target.name.as_str());
    for (done, column) in survey.columns.iter().enumerate() {
        (found.progress)("leakage", done, survey.columns.len());
        let keys = match &column.values {
            Values::Numbers(values) => Keys::of_numbers(places.iter().map(|&place| values[place as usize]).collect()),
            Values::Words { codes, .. } => Keys::Codes(places.iter().map(|&place| codes[place as usize]).collect()),
        };
        let Some(score) = score(&keys, &answers) else { continue };
        let what = match answers {
            Answers::Classes(_) => format!("the right class of {:.1} % of rows that it has not seen", 100.0 * score),
            Answers::Numbers(_) => format!("a coefficient of determination of {score:.4}"),
        };
        let text = format!(
            "The column `{}` alone predicts the target `{target}`, with {what}; ask whether it is known before the answer is.",
            column.name
        );
        let finding = Finding::new(ENTRY.name, gates.leakage.severity(), 1, text).gated("leakage");
        found.add(Finding { columns: vec![column.name.clone()], ..finding });
    }
    Ok(())
}

/// The values of a column.
enum Keys {
    /// Categories, or numbers of which there are few.
    Codes(Vec<u32>),
    /// Numbers, NaN where one is missing.
    Numbers(Vec<f64>),
}

impl Keys {
    fn of_numbers(values: Vec<f64>) -> Self {
        let mut codes = HashMap::new();
        let mut found = Vec::with_capacity(values.len());
        for value in &values {
            let next = codes.len() as u32;
            found.push(if value.is_nan() { MISSING } else { *codes.entry((value + 0.0).to_bits()).or_insert(next) });
            if codes.len() > FEW_VALUES {
                return Self::Numbers(values);
            }
        }
        Self::Codes(found)
    }
}

/// The score of a column if it is high enough to be told.
fn score(keys: &Keys, answers: &Answers) -> Option<f64> {
    match answers {
        Answers::Classes(classes) => {
            let largest = counts(classes.iter().copied()).into_values().max()?;
            let wrong = (0..FOLDS).map(|fold| {
                let predicted = predict(keys, fold, &|rows| majority(rows.iter().map(|&row| classes[row])));
                predicted.into_iter().filter(|(row, class)| *class != Some(classes[*row])).count()
            });
            let wrong = wrong.sum::<usize>();
            let accuracy = 1.0 - wrong as f64 / classes.len() as f64;
            let errors = classes.len() - largest;
            (accuracy >= SCORE && wrong as f64 <= ERRORS_LEFT * errors as f64 && errors > 0).then_some(accuracy)
        }
        Answers::Numbers(numbers) => {
            let (_, std) = mean_and_std(numbers);
            let total = std * std * numbers.len() as f64;
            let left = (0..FOLDS).map(|fold| {
                let mean = |rows: &[usize]| {
                    (!rows.is_empty()).then(|| rows.iter().map(|&row| numbers[row]).sum::<f64>() / rows.len() as f64)
                };
                let predicted = predict(keys, fold, &mean);
                predicted
                    .into_iter()
                    .map(|(row, value)| (value.unwrap_or(f64::MAX.sqrt()) - numbers[row]).powi(2))
                    .sum::<f64>()
            });
            // What is left of equal numbers is rounding.
            let greatest = numbers.iter().fold(0.0_f64, |most, number| most.max(number.abs()));
            if std <= greatest * 1e-12 {
                return None;
            }
            let determination = 1.0 - left.sum::<f64>() / total;
            let line = if let Keys::Numbers(values) = keys { straight(values, numbers) } else { 0.0 };
            let best = determination.max(line);
            (best >= SCORE).then_some(best)
        }
    }
}

/// The coefficient of determination of a straight line through ranks; 0 where fewer than [`FEWEST`] rows have a number. Ranks, because a
/// single pair far out would lay a line through the numbers of columns that have nothing to do with each other.
fn straight(values: &[f64], answers: &[f64]) -> f64 {
    let pairs: Vec<(f64, f64)> = values
        .iter()
        .zip(answers)
        .filter(|(value, _)| !value.is_nan())
        .map(|(&value, &answer)| (value, answer))
        .collect();
    // Missing ones are predicted by something else, so that a line speaks for all only if there are next to none.
    if pairs.len() < FEWEST || (pairs.len() as f64) < SCORE * values.len() as f64 {
        return 0.0;
    }
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    correlation(&ranks(&x), &ranks(&y)).powi(2)
}

/// The rank of each number, equal ones sharing the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let (mut ranks, mut first) = (vec![0.0; values.len()], 0);
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        for &row in equal {
            ranks[row] = first as f64 + (equal.len() - 1) as f64 / 2.0;
        }
        first += equal.len();
    }
    ranks
}

/// Pearson's coefficient of correlation; 0 where one of both does not change.
fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let ((mean_x, std_x), (mean_y, std_y)) = (mean_and_std(x), mean_and_std(y));
    let shared = x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / x.len() as f64;
    if std_x * std_y > 0.0 { shared / (std_x * std_y) } else { 0.0 }
}

/// Predicts the rows of a fold from all others: `answer` makes one of the rows that are most like it. Rows are in a random order
/// already, so that every fifth is a random fold.
fn predict<T: Copy>(keys: &Keys, fold: usize, answer: &dyn Fn(&[usize]) -> Option<T>) -> Vec<(usize, Option<T>)> {
    let seen = |row: usize| row % FOLDS != fold;
    match keys {
        Keys::Codes(codes) => {
            let mut groups: HashMap<u32, Vec<usize>> = HashMap::new();
            (0..codes.len()).filter(|&row| seen(row)).for_each(|row| groups.entry(codes[row]).or_default().push(row));
            let answers: HashMap<u32, Option<T>> = groups.iter().map(|(&code, rows)| (code, answer(rows))).collect();
            let everybody = answer(&(0..codes.len()).filter(|&row| seen(row)).collect::<Vec<_>>());
            let unseen = (0..codes.len()).filter(|&row| !seen(row));
            unseen.map(|row| (row, answers.get(&codes[row]).copied().unwrap_or(everybody))).collect()
        }
        Keys::Numbers(values) => {
            let (mut known, mut gaps) = (Vec::new(), Vec::new());
            for row in (0..values.len()).filter(|&row| seen(row)) {
                if values[row].is_nan() { gaps.push(row) } else { known.push(row) }
            }
            known.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
            let gap = answer(&gaps);
            let unseen = (0..values.len()).filter(|&row| !seen(row));
            unseen
                .map(|row| {
                    let value = values[row];
                    (row, if value.is_nan() { gap } else { answer(nearest(&known, values, value)) })
                })
                .collect()
        }
    }
}

/// The rows whose numbers are nearest to `value`, of rows that are sorted by their numbers.
fn nearest<'k>(known: &'k [usize], values: &[f64], value: f64) -> &'k [usize] {
    let middle = known.partition_point(|&row| values[row] < value);
    let (mut from, mut to) = (middle, middle);
    while to - from < NEIGHBOURS.min(known.len()) {
        let below = from.checked_sub(1).map(|at| value - values[known[at]]);
        let above = known.get(to).map(|&row| values[row] - value);
        match (below, above) {
            (Some(below), Some(above)) if below < above => from -= 1,
            (Some(_), None) => from -= 1,
            _ => to += 1,
        }
    }
    &known[from..to]
}

fn counts(classes: impl Iterator<Item = u32>) -> HashMap<u32, usize> {
    classes.fold(HashMap::new(), |mut counts, class| {
        *counts.entry(class).or_default() += 1;
        counts
    })
}

/// The most frequent class; among equally frequent ones that which was met first in the data.
fn majority(classes: impl Iterator<Item = u32>) -> Option<u32> {
    counts(classes).into_iter().max_by_key(|&(class, count)| (count, std::cmp::Reverse(class))).map(|(class, _)| class)
}
