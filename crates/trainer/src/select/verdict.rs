//! What is to be made of the scores? A sentence, in which a difference counts only beyond its uncertainty.

use model_zoo::Architecture;
use serde::Serialize;

use super::jackknife::LEAST_GROUPS;
use super::rung::Measured;
use super::state::{Candidate, Selection};
use crate::metrics::Direction;

/// By how many standard errors two models must differ: beyond two, chance alone goes in one case of twenty.
const SURE: f64 = 2.0;

/// How many times sooner an answer must come to be worth a word.
const SOONER: f64 = 2.0;

/// Whether a candidate is no deep model: what it scores must be beaten as a baseline must.
fn is_plain(candidate: &Candidate) -> bool {
    matches!(&candidate.architecture, Architecture::Mlp(config) if config.hidden.is_empty())
}

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
    /// Compares the best network with the best of what needs none.
    pub fn new(selection: &Selection) -> Self {
        let best = selection.winner().and_then(|winner| Some((winner, winner.done.last()?)));
        let baselines = selection.baselines.iter().filter_map(|line| Some((line.name.as_str(), line.done.as_ref()?)));
        let won = |candidate: &Candidate| best.is_some_and(|(winner, _)| winner.name == candidate.name);
        let plain = selection.candidates.iter().find(|c| is_plain(c) && c.failed.is_none() && !won(c));
        let plain = plain.and_then(|plain| Some((plain.name.as_str(), plain.done.last()?)));
        let baseline = baselines.chain(plain).min_by(|(_, a), (_, b)| selection.compare(a, b));
        let unknown = |text: String| Self { text, no_network_needed: None, difference: None, standard_error: None };
        match (best, baseline) {
            (Some(best), Some(baseline)) if is_plain(best.0) => {
                let text = format!(
                    "The best candidate, `{}`, is a linear model, with {} {:.4} beside {:.4} of the baseline `{}`: no deep model is needed \
                     here, as far as this budget shows.",
                    best.0.name, selection.watch, best.1.score.value, baseline.1.score.value, baseline.0
                );
                Self { text, no_network_needed: Some(true), ..compare(selection, best, baseline) }
            }
            (Some(best), Some(baseline)) => compare(selection, best, baseline),
            (Some((winner, measured)), None) => unknown(format!(
                "The best network is `{}` with {} {:.4}; there is no baseline for such data.",
                winner.name, selection.watch, measured.score.value
            )),
            (None, Some((name, measured))) => unknown(format!(
                "No network could be trained; the best baseline is `{name}` with {} {:.4}.",
                selection.watch, measured.score.value
            )),
            (None, None) => unknown("No network could be trained.".into()),
        }
    }
}

fn compare(selection: &Selection, best: (&Candidate, &Measured), baseline: (&str, &Measured)) -> Verdict {
    let (difference, error) = best.1.score.difference(&baseline.1.score);
    let better = match selection.direction() {
        Direction::Higher => difference,
        Direction::Lower => -difference,
    };
    let (size, examples) = (difference.abs(), best.1.score.examples);
    let scores = format!(
        "The baseline `{}` has {} {:.4}, and the best network, `{}`, {:.4}",
        baseline.0, selection.watch, baseline.1.score.value, best.0.name, best.1.score.value
    );
    let Some(error) = error else {
        let text = format!(
            "{scores}. Whether the difference, {size:.4}, is more than chance cannot be told from {examples} validation examples: they \
             fall into fewer than {LEAST_GROUPS} parts that have nothing to do with each other, or the metric is not defined on them."
        );
        return Verdict { text, no_network_needed: None, difference: Some(better), standard_error: None };
    };
    let trivial = matches!(baseline.0, "constant" | "seasonal");
    let (mut text, needed) = if better > SURE * error {
        let sure = format!("is more than twice its standard error, {error:.4} on {examples} validation examples");
        // Of several looks at the same rows the best one is told, which flatters a little.
        let looks = "the best of several looks at it";
        (format!("{scores} ({looks}). A network is worth it: the difference, {size:.4}, {sure}."), true)
    } else {
        let what = if trivial { "So far no network has learnt anything" } else { "No deep model is needed here" };
        let why = if better < -SURE * error {
            format!("it is worse by {size:.4}, more than twice the standard error of {error:.4}")
        } else {
            format!("the difference, {size:.4}, is within twice its standard error, {error:.4}, and may be chance")
        };
        (format!("{scores}. {what}: {why} ({examples} validation examples)."), false)
    };
    if let Some((name, times)) = sooner(selection, best) {
        let best = &best.0.name;
        let sooner =
            format!(" `{name}` cannot be told from `{best}` by its score, and answers {times:.1} times as fast.");
        text.push_str(&sooner);
    }
    Verdict { text, no_network_needed: Some(!needed), difference: Some(better), standard_error: Some(error) }
}

/// The fastest network of those that came as far as the best one and may be as good, if it is much faster.
fn sooner<'a>(selection: &'a Selection, best: (&Candidate, &Measured)) -> Option<(&'a str, f64)> {
    let others = selection.candidates.iter().filter(|c| c.failed.is_none() && c.name != best.0.name);
    let measured = others.filter_map(|other| Some((other, other.done.last()?)));
    let alike = measured.filter(|(other, measured)| {
        let (difference, error) = best.1.score.difference(&measured.score);
        other.done.len() == best.0.done.len() && error.is_some_and(|error| difference.abs() <= SURE * error)
    });
    let (name, fastest) =
        alike.min_by(|a, b| a.1.latency.total_cmp(&b.1.latency)).map(|(c, m)| (&c.name, m.latency))?;
    let times = best.1.latency / fastest;
    (times >= SOONER).then_some((name.as_str(), times))
}

#[cfg(test)]
mod tests {
    use super::super::jackknife::Score;
    use model_zoo::architectures::mlp::MlpConfig;

    use super::super::state::{Baseline, Budget, FORMAT_VERSION};
    use super::*;

    /// Ten rows a group; `hits` of each group are right, and each group is there three times.
    fn measured(hits: [f64; 4], latency: f64) -> Measured {
        let hits = [hits, hits, hits].concat();
        let sum: f64 = hits.iter().sum();
        let without = hits.iter().map(|of_group| Some((sum - of_group) / 110.0)).collect();
        let score = Score { value: sum / 120.0, without, examples: 120 };
        Measured { step: 1, judged_step: 1, score, parameters: None, seconds: 1.0, peak_memory: None, latency }
    }

    fn verdict(networks: &[(&str, [f64; 4], f64)], baseline: [f64; 4]) -> Verdict {
        let candidate = |(name, hits, latency): &(&str, [f64; 4], f64)| Candidate {
            name: (*name).to_owned(),
            reason: String::new(),
            architecture: match *name {
                "linear" => Architecture::Mlp(MlpConfig { hidden: Vec::new(), ..MlpConfig::default() }),
                _ => Architecture::Mlp(MlpConfig::default()),
            },
            most_rate: None,
            steps: vec![1],
            done: vec![measured(*hits, *latency)],
            failed: None,
        };
        let name = "boosted".to_owned();
        let boosted = Baseline { name, reason: String::new(), done: Some(measured(baseline, 1.0)), failed: None };
        Verdict::new(&Selection {
            format_version: FORMAT_VERSION,
            watch: "accuracy".into(),
            budget: Budget::Steps(1),
            most_steps: 1,
            candidates: networks.iter().map(candidate).collect(),
            baselines: vec![boosted],
            left_out: Vec::new(),
        })
    }

    /// The difference of 0.05 counts where every group says the same, and may be chance where one group alone makes it.
    #[test]
    fn a_difference_counts_beyond_its_uncertainty() {
        let all_alike = verdict(&[("mlp", [9.5, 9.5, 9.5, 9.5], 1.0)], [9.0, 9.0, 9.0, 9.0]);
        assert_eq!(all_alike.no_network_needed, Some(false), "{}", all_alike.text);
        let one_group = verdict(&[("mlp", [10.0, 9.0, 9.0, 10.0], 1.0)], [8.0, 9.0, 9.0, 10.0]);
        assert_eq!(one_group.no_network_needed, Some(true), "{}", one_group.text);
        assert!(one_group.text.contains("may be chance") && one_group.text.contains("0.9000"), "{}", one_group.text);
        let worse = verdict(&[("mlp", [8.0; 4], 1.0)], [9.0; 4]);
        assert_eq!(worse.no_network_needed, Some(true));
        assert!(worse.text.contains("it is worse by 0.1000"), "{}", worse.text);
    }

    #[test]
    fn a_network_that_may_be_as_good_and_is_much_faster_is_named() {
        let (slow, fast) = (("slow", [9.5; 4], 6.0), ("fast", [9.0, 9.0, 9.0, 10.6], 2.0));
        let text = verdict(&[slow, fast], [5.0; 4]).text;
        assert!(
            text.contains("`fast` cannot be told from `slow` by its score, and answers 3.0 times as fast."),
            "{text}"
        );
        // A linear model in the race is one of those that need no network.
        let text = verdict(&[slow, ("linear", [9.0, 9.0, 10.0, 9.7], 5.0)], [5.0; 4]).text;
        assert!(text.starts_with("The baseline `linear`") && text.contains("No deep model is needed here"), "{text}");
        // And so it is where it wins.
        let won = verdict(&[("slow", [9.0; 4], 6.0), ("linear", [9.5; 4], 5.0)], [5.0; 4]);
        assert_eq!(won.no_network_needed, Some(true), "{}", won.text);
        assert!(won.text.contains("is a linear model") && won.text.contains("the baseline `boosted`"), "{}", won.text);
        assert!(won.difference.is_some(), "{}", won.text);
    }

    #[test]
    fn of_too_few_groups_nothing_is_said() {
        let (mut network, mut baseline) = (measured([9.5; 4], 1.0), measured([9.0; 4], 1.0));
        for score in [&mut network.score, &mut baseline.score] {
            score.without.truncate(LEAST_GROUPS - 1);
        }
        assert_eq!(network.score.difference(&baseline.score).1, None);
    }
}
