//! What is to be made of the scores? A sentence, in which a difference counts only beyond its uncertainty.

use serde::Serialize;

use super::rung::Measured;
use super::state::{Baseline, Candidate, Selection};
use crate::metrics::Direction;

/// By how many standard errors two models must differ: beyond two, chance alone goes in one case of twenty.
const SURE: f64 = 2.0;

/// What came of a race.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// A sentence or two.
    pub text: String,
    /// Whether a baseline does as well as the best network; none where there is nothing to compare.
    pub no_network_needed: Option<bool>,
    /// By how much the best network is better than the best baseline; negative where it is worse.
    pub difference: Option<f64>,
    /// The standard error of that difference.
    pub standard_error: Option<f64>,
}

impl Verdict {
    /// Compares the best network with the best baseline.
    pub fn new(selection: &Selection) -> Self {
        let best = selection.winner().and_then(|winner| Some((winner, winner.done.last()?)));
        let baselines = selection.baselines.iter().filter_map(|baseline| Some((baseline, baseline.done.as_ref()?)));
        let baseline = baselines.min_by(|(_, a), (_, b)| selection.compare(a, b));
        let unknown = |text: String| Self { text, no_network_needed: None, difference: None, standard_error: None };
        match (best, baseline) {
            (Some(best), Some(baseline)) => compare(selection, best, baseline),
            (Some((winner, measured)), None) => unknown(format!(
                "The best network is {} with {} {:.4}; there is no baseline for such data.",
                winner.name, selection.watch, measured.score.value
            )),
            (None, Some((baseline, measured))) => unknown(format!(
                "No network could be trained; the best baseline is {} with {} {:.4}.",
                baseline.name, selection.watch, measured.score.value
            )),
            (None, None) => unknown("No network could be trained.".into()),
        }
    }
}

fn compare(selection: &Selection, best: (&Candidate, &Measured), baseline: (&Baseline, &Measured)) -> Verdict {
    let (difference, error) = best.1.score.difference(&baseline.1.score);
    let better = match selection.direction() {
        Direction::Higher => difference,
        Direction::Lower => -difference,
    };
    let scores = format!(
        "The baseline `{}` has {} {:.4}, and the best network, `{}`, {:.4}",
        baseline.0.name, selection.watch, baseline.1.score.value, best.0.name, best.1.score.value
    );
    let examples = best.1.score.examples;
    let size = difference.abs();
    let trivial = matches!(baseline.0.name.as_str(), "constant" | "seasonal");
    let (text, needed) = if better > SURE * error {
        let sure = format!("is more than twice its standard error, {error:.4} on {examples} validation examples");
        (format!("{scores}. A network is worth it: the difference, {size:.4}, {sure}."), true)
    } else {
        let what = if trivial { "So far no network has learnt anything" } else { "No deep model is needed here" };
        let why = if better < -SURE * error {
            format!("it is worse by {size:.4}, more than twice the standard error of {error:.4}")
        } else {
            format!("the difference, {size:.4}, is within twice its standard error, {error:.4}, and may be chance")
        };
        (format!("{scores}. {what}: {why} ({examples} validation examples)."), false)
    };
    Verdict { text, no_network_needed: Some(!needed), difference: Some(better), standard_error: Some(error) }
}
