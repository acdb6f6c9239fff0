//! How much of each column is missing, and is it missing more in one class than in others?

use super::{Found, counted, percent};
use crate::error::Error;
use crate::registry::Entry;
use crate::survey::report::{Finding, Severity};
use crate::survey::{Gates, Survey, Targets};

/// This check in the list of checks.
pub const ENTRY: Entry = Entry { name: "missing", summary: "missing values of each column, in all and by class" };

/// More than this share missing is a warning unless the config sets a limit.
const MOST: f64 = 0.5;
/// A column is unevenly missing if the shares of two classes differ by more than this, and by four standard errors.
const UNEVEN: f64 = 0.1;

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    let features = &survey.dataset.card().schema().features.0;
    let rows = survey.rows.len();
    for ((name, _), counts) in features.iter().zip(&survey.missing) {
        let missing: usize = counts.iter().sum();
        if missing == 0 {
            continue;
        }
        let share = missing as f64 / rows as f64;
        let severity = match gates.missing {
            Some(limit) if share > limit => Severity::Error,
            None if share > MOST => Severity::Warning,
            _ => Severity::Note,
        };
        let uneven = uneven(survey, counts);
        let (uneven, severity) = match uneven {
            // The gap itself then tells the class, which may not be so in new data.
            Some(text) if gates.missing.is_none() => (text, severity.min(Severity::Warning)),
            Some(text) => (text, severity),
            None => (String::new(), severity),
        };
        let text =
            format!("The column `{name}` is missing in {} ({}){uneven}.", counted(missing, "example"), percent(share));
        let finding = Finding::new(ENTRY.name, severity, missing, text).gated("missing");
        found.add(Finding { columns: vec![name.clone()], ..finding });
    }
    Ok(())
}

/// The classes in which a column is missing most and least, if the difference is more than chance would make it.
fn uneven(survey: &Survey<'_>, counts: &[usize]) -> Option<String> {
    let Targets::Classes { names, of } = &survey.targets else { return None };
    let mut totals = vec![0_usize; names.len()];
    of.iter().filter_map(|&class| totals.get_mut(class as usize).map(|total| *total += 1)).count();
    let share = |class: usize| counts.get(class).copied().unwrap_or(0) as f64 / totals[class] as f64;
    let known = || (0..names.len()).filter(|&class| totals[class] >= 20);
    let most = known().max_by(|&a, &b| share(a).total_cmp(&share(b)))?;
    let least = known().min_by(|&a, &b| share(a).total_cmp(&share(b)))?;
    let (p, q) = (share(most), share(least));
    let pooled = (p * totals[most] as f64 + q * totals[least] as f64) / (totals[most] + totals[least]) as f64;
    let error = (pooled * (1.0 - pooled) * (1.0 / totals[most] as f64 + 1.0 / totals[least] as f64)).sqrt();
    (p - q > UNEVEN && p - q > 4.0 * error)
        .then(|| format!(", {} of the class `{}` and {} of `{}`", percent(p), names[most], percent(q), names[least]))
}
