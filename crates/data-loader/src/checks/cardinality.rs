//! Which columns name the examples rather than describe them, and which categories are too rare to be learnt?

use super::{Found, counted, grouped, percent};
use crate::error::Error;
use crate::registry::Entry;
use crate::schema::FeatureKind;
use crate::survey::report::{Finding, Severity};
use crate::survey::{Gates, MISSING, Survey, Values};

/// This check in the list of checks.
pub const ENTRY: Entry =
    Entry { name: "cardinality", summary: "columns that number or name the rows, and categories that are rare" };

/// From this share of different values on, a column of categories names the rows.
const NAMES: f64 = 0.9;
/// Categories with fewer rows are rare.
const RARE: usize = 5;
/// From this share of rows in rare categories on it is said.
const RARE_ROWS: f64 = 0.05;
/// Of fewer rows nothing can be said.
const FEWEST: usize = 50;

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    let level = gates.cardinality.severity();
    for column in &survey.columns {
        let name = &column.name;
        let with = |finding: Finding| Finding { columns: vec![name.clone()], ..finding };
        match &column.values {
            Values::Words { codes, words } => {
                let mut counts = vec![0_usize; words.len()];
                codes.iter().filter(|&&code| code != MISSING).for_each(|&code| counts[code as usize] += 1);
                let present: usize = counts.iter().sum();
                if present < FEWEST {
                    continue;
                }
                // A date may well be another one in every row.
                if column.kind == FeatureKind::Date {
                    continue;
                }
                let different = words.len() as f64 / present as f64;
                if different >= NAMES {
                    let text = format!(
                        "The category `{name}` has {} different values in {}: it names the examples, and nothing that is learnt \
                         of it holds for new ones.",
                        grouped(words.len()),
                        counted(present, "row")
                    );
                    found.add(with(Finding::new(ENTRY.name, level, words.len(), text).gated("cardinality")));
                    continue;
                }
                let rare: Vec<usize> = counts.iter().copied().filter(|&count| count < RARE).collect();
                let rows: usize = rare.iter().sum();
                let share = rows as f64 / present as f64;
                if share >= RARE_ROWS {
                    let text = format!(
                        "The category `{name}` has {} with fewer than {RARE} rows each, together {} of all rows; \
                         `min_count` of the transform `encode` reads them as one.",
                        counted(rare.len(), "value"),
                        percent(share)
                    );
                    found.add(with(Finding::new(ENTRY.name, Severity::Note, rare.len(), text)));
                }
            }
            Values::Numbers(values) => {
                if numbers_the_rows(values) {
                    let text = format!(
                        "The column `{name}` numbers the rows: whole numbers without gaps, each of which stands once."
                    );
                    found.add(with(Finding::new(ENTRY.name, level, values.len(), text).gated("cardinality")));
                }
            }
        }
    }
    Ok(())
}

/// Whether the numbers are whole and, once sorted, rise by one step all through, but for a few gaps where rows were left out.
fn numbers_the_rows(values: &[f64]) -> bool {
    if values.len() < FEWEST || values.iter().any(|value| value.fract() != 0.0 || value.is_nan()) {
        return false;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let steps = || sorted.windows(2).map(|pair| pair[1] - pair[0]);
    let mut ordered: Vec<f64> = steps().collect();
    ordered.sort_unstable_by(f64::total_cmp);
    // The usual step, which the first need not be.
    let step = ordered[ordered.len() / 2];
    let same = steps().filter(|&found| found == step).count();
    steps().all(|step| step > 0.0) && same as f64 >= 0.95 * (values.len() - 1) as f64
}
