//! Which columns say the same of every example, or of nearly every one?

use super::{Found, percent};
use crate::error::Error;
use crate::registry::Entry;
use crate::survey::report::{Finding, Severity};
use crate::survey::{Column, Gates, MISSING, Survey, Values};

/// This check in the list of checks.
pub const ENTRY: Entry =
    Entry { name: "constant", summary: "columns with one value, or with the same one in all but a few rows" };

/// From this share of the rows that have a value on, one value makes a column nearly constant.
const NEARLY: f64 = 0.999;
/// Of fewer rows nothing can be said.
const FEWEST: usize = 20;

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    for column in &survey.columns {
        let (present, most, value) = most_frequent(column);
        if present < FEWEST {
            if present == 0 && !survey.closely.is_empty() {
                let text = format!("The column `{}` has no value in any row.", column.name);
                found.add(one(&column.name, gates.constant.severity(), text));
            }
            continue;
        }
        let share = most as f64 / present as f64;
        if most == present {
            let text =
                format!("The column `{}` is {value} in every row, so nothing can be learnt from it.", column.name);
            found.add(one(&column.name, gates.constant.severity(), text));
        } else if share >= NEARLY {
            let others = present - most;
            let text = format!(
                "The column `{}` is {value} in {} of the rows; {others} {} another value.",
                column.name,
                // Never a hundred percent, which it is not.
                if share > 0.9999 { "more than 99.99 %".to_owned() } else { percent(share).replace("100 %", "99.9 %") },
                if others == 1 { "has" } else { "have" }
            );
            // What differs in a few rows may be what matters, so this is never more than a warning.
            found.add(one(&column.name, gates.constant.severity().max(Severity::Warning), text));
        }
    }
    Ok(())
}

fn one(column: &str, severity: Severity, text: String) -> Finding {
    Finding { columns: vec![column.to_owned()], ..Finding::new(ENTRY.name, severity, 1, text).gated("constant") }
}

/// How many rows have a value, how many of them the most frequent one, and which it is.
fn most_frequent(column: &Column) -> (usize, usize, String) {
    match &column.values {
        Values::Numbers(numbers) => {
            let mut sorted: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            let longest = sorted.chunk_by(|a, b| a == b).max_by_key(|run| run.len());
            let value = longest.map_or(String::new(), |run| run[0].to_string());
            (sorted.len(), longest.map_or(0, <[f64]>::len), value)
        }
        Values::Words { codes, words } => {
            let mut counts = vec![0; words.len()];
            codes.iter().filter(|&&code| code != MISSING).for_each(|&code| counts[code as usize] += 1);
            let most = counts.iter().zip(words).max_by_key(|(count, _)| **count);
            let value = most.map_or(String::new(), |(_, word)| crate::error::quoted(word));
            (counts.iter().sum(), most.map_or(0, |(&count, _)| count), value)
        }
    }
}
