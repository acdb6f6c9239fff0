//! Which numbers lie far from all others of their column?
//!
//! The robust z-score of a number is its distance from the median in units of the median of all such distances, scaled so that
//! for the normal distribution it is the usual z-score: 0.6745 (x - median) / MAD. Where more than half of all numbers are equal
//! the mean distance takes its place: (x - median) / (1.2533 mean distance). Numbers beyond 3.5 are called outliers, after
//! B. Iglewicz and D. Hoaglin, "How to Detect and Handle Outliers" (1993); in long columns the bound is that which of normal
//! numbers as many rows pass with a probability of 5 %.

use std::collections::HashMap;

use super::{Found, counted, percent};
use crate::error::Error;
use crate::registry::Entry;
use crate::statistics::quantile;
use crate::survey::report::{Finding, SHOWN};
use crate::survey::{Gates, Survey, Values};

/// This check in the list of checks.
pub const ENTRY: Entry =
    Entry { name: "outliers", summary: "numbers far from all others of their column, by a robust z-score" };

/// The score beyond which a number is an outlier, at the least.
const SCORE: f64 = 3.5;
/// With what probability the bound is passed in a column of normal numbers.
const BY_CHANCE: f64 = 0.05;
/// Where more than this share lies so far out, the column is skewed, and none of them is strange.
const SKEWED: f64 = 0.05;
/// Of fewer rows nothing can be said.
const FEWEST: usize = 20;

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    for column in &survey.columns {
        let Values::Numbers(values) = &column.values else { continue };
        let Some((scores, is_median)) = robust_scores(values) else { continue };
        let bound = bound(scores.iter().filter(|score| !score.is_nan()).count());
        let mut outliers: Vec<(usize, f64)> =
            scores.iter().copied().enumerate().filter(|(_, score)| score.abs() > bound).collect();
        if !is_median {
            // Where most numbers are equal, another one that is met again and again is an answer like the first, as in a flag.
            let mut counts: HashMap<u64, usize> = HashMap::new();
            for (at, _) in &outliers {
                *counts.entry(values[*at].to_bits()).or_default() += 1;
            }
            outliers.retain(|(at, _)| counts[&values[*at].to_bits()] <= 2);
        }
        let share = outliers.len() as f64 / values.len() as f64;
        if share > SKEWED {
            found.remark(format!(
                "`{}` has long tails: {} of its numbers lie far out, and none of them was called an outlier.",
                column.name,
                percent(share)
            ));
            continue;
        }
        if outliers.is_empty() {
            continue;
        }
        outliers.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        let worst = outliers[0];
        let text = format!(
            "In the column `{}` {} ({}) {} far from the others; the farthest is {}, {:.0} robust deviations from the median.",
            column.name,
            counted(outliers.len(), "number"),
            percent(share),
            if outliers.len() == 1 { "lies" } else { "lie" },
            values[worst.0],
            worst.1.abs()
        );
        let examples = outliers.iter().take(SHOWN).map(|&(at, score)| {
            let place = survey.closely[at] as usize;
            survey.sample(place, format!("{} is {}, z = {score:.1}", column.name, values[at]))
        });
        let finding = Finding::new(ENTRY.name, gates.outliers.severity(), outliers.len(), text).gated("outliers");
        found.add(Finding { columns: vec![column.name.clone()], examples: examples.collect(), ..finding });
    }
    Ok(())
}

/// The score that the largest of `count` normal numbers passes with the probability [`BY_CHANCE`], and at least [`SCORE`].
///
/// The tail of the normal distribution is at most `exp(-z * z / 2) / 2`, which is solved for the share of a single number.
fn bound(count: usize) -> f64 {
    (2.0 * (count as f64 / BY_CHANCE).ln()).sqrt().max(SCORE)
}

/// The robust z-score of each number, NaN for a missing one, and whether they are in units of the median distance; none where all
/// numbers are equal, or there are few.
pub(super) fn robust_scores(values: &[f64]) -> Option<(Vec<f64>, bool)> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    if sorted.len() < FEWEST {
        return None;
    }
    sorted.sort_unstable_by(f64::total_cmp);
    let median = quantile(&sorted, 0.5);
    let mut distances: Vec<f64> = sorted.iter().map(|value| (value - median).abs()).collect();
    distances.sort_unstable_by(f64::total_cmp);
    let mad = quantile(&distances, 0.5);
    // The third quartile of the standard normal distribution is 0.6745, and its mean distance sqrt(2 / pi).
    let scale = if mad > 0.0 {
        mad / 0.674_489_750_196_081_7
    } else {
        distances.iter().sum::<f64>() / distances.len() as f64 * std::f64::consts::FRAC_PI_2.sqrt()
    };
    let scores = || values.iter().map(|value| (value - median) / scale).collect();
    (scale > 0.0 && scale.is_finite()).then(|| (scores(), mad > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_formula() {
        // Of 0 to 100 the median is 50, and so is the median distance from it 25.
        let values: Vec<f64> = (0..=100).map(f64::from).chain([f64::NAN]).collect();
        let (scores, is_median) = robust_scores(&values).unwrap();
        assert!(is_median);
        assert!((scores[100] - 0.674_489_75 * 2.0).abs() < 1e-7 && scores[101].is_nan() && scores[50] == 0.0);
        // Of 99 zeros and a thousand the mean distance is 10.
        let (scores, is_median) = robust_scores(&[&[0.0; 99][..], &[1000.0]].concat()).unwrap();
        assert!(!is_median);
        assert!((scores[99] - 100.0 / 1.253_314_137).abs() < 1e-6 && scores[0] == 0.0, "{}", scores[99]);
        assert!((bound(100_000) - 5.386).abs() < 1e-3 && bound(20) == SCORE);
        assert!(robust_scores(&[1.0; 100]).is_none() && robust_scores(&values[..10]).is_none());
    }
}
