//! What does a study of Optuna tell our searchers? Its finished trials, as far as their parameters have a place in the space.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::reading::{self, Foreign, ForeignTrial};
use super::{matching, states};
use crate::Error;
use crate::metrics::Direction;
use crate::sweep::interchange::{View, counted, refused_at};
use crate::sweep::trial::{Look, State, Trial};

/// Trials of others, as history of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Brought {
    /// The study there.
    pub study: String,
    /// Its trials that are new here; their numbers are those of there.
    pub trials: Vec<Trial>,
    /// What was left out or taken for something, a sentence each.
    pub remarks: Vec<String>,
}

/// How the origin of a trial that was brought in begins.
pub const ORIGIN: &str = "optuna:";

/// Reads a study of Optuna from a file of `SQLite`; the only one if no name is given. What was brought in before is not
/// brought in again.
///
/// # Errors
/// [`Error::Interchange`] if the file cannot be read, or its study strives for something else than this one.
pub fn import(path: &Path, name: Option<&str>, view: View<'_>) -> Result<Brought, Error> {
    let foreign = reading::read(path, name)?;
    let order = objectives(path, &foreign, view)?;
    let names: BTreeSet<String> = foreign.trials.values().flat_map(|trial| trial.parameters.keys().cloned()).collect();
    let matched = matching::find(&names, &view.dimensions.all);
    let mut remarks = foreign.remarks.clone();
    remarks.extend(matched.remarks);
    let known: BTreeSet<&str> = view.trials.iter().map(|trial| trial.origin.as_str()).collect();
    let (mut unfinished, mut again) = (0, 0);
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    let mut trials = Vec::new();
    for (number, found) in &foreign.trials {
        let origin = format!("{ORIGIN}{}#{number}", foreign.name);
        if known.contains(origin.as_str()) {
            again += 1;
            continue;
        }
        let state = match found.state.as_str() {
            states::COMPLETE => State::Complete,
            states::PRUNED => State::Pruned,
            states::FAIL => State::Failed,
            _ => {
                unfinished += 1;
                continue;
            }
        };
        let settings = matching::settings(&found.parameters, &matched.dimensions, view);
        match settings.and_then(|settings| told(*number, state, found, settings, &order, view)) {
            Ok(trial) => trials.push(Trial { origin, ..trial }),
            Err(reason) => *left_out.entry(reason).or_default() += 1,
        }
    }
    let mut say = |count: usize, rest: &str| {
        if count > 0 {
            remarks.push(format!("{} {rest}", capital(&counted(count, "trial"))));
        }
    };
    say(unfinished, "waited or ran there, and did not come along.");
    say(again, "came along before, and did not do so again.");
    for (reason, count) in left_out {
        say(count, &format!("did not come along: {reason}."));
    }
    Ok(Brought { study: foreign.name, trials, remarks })
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Which of their values each objective of ours is.
fn objectives(path: &Path, foreign: &Foreign, view: View<'_>) -> Result<Vec<i64>, Error> {
    let ours = &view.sweep.objectives;
    if foreign.maximizes.len() != ours.len() {
        let (there, here) = (counted(foreign.maximizes.len(), "objective"), counted(ours.len(), "objective"));
        let reason = format!("its study `{}` has {there}, and this one has {here}", foreign.name);
        return Err(refused_at(path, reason, "name as many in `sweep.objectives`, in the same order"));
    }
    let by_name = |metric: &str| foreign.metric_names.iter().position(|name| name == metric);
    let order: Option<Vec<usize>> = ours.iter().map(|objective| by_name(&objective.metric)).collect();
    let distinct = |order: &Vec<usize>| order.iter().collect::<BTreeSet<_>>().len() == order.len();
    let order = order.filter(distinct).unwrap_or_else(|| (0..ours.len()).collect());
    for (objective, place) in ours.iter().zip(&order) {
        let more_is_better = objective.direction() == Direction::Higher;
        if foreign.maximizes.get(*place) != Some(&more_is_better) {
            let words = |more: bool| if more { "the more the better" } else { "the less the better" };
            let reason = format!(
                "of its study `{}` objective {place} is {}, and of this one `{}` {}",
                foreign.name,
                words(!more_is_better),
                objective.metric,
                words(more_is_better)
            );
            let way_out = "name the metric in question in `sweep.objectives`, with its `direction`";
            return Err(refused_at(path, reason, way_out));
        }
    }
    Ok(order.into_iter().map(|place| place as i64).collect())
}

fn told(
    number: i64,
    state: State,
    found: &ForeignTrial,
    settings: BTreeMap<String, Value>,
    order: &[i64],
    view: View<'_>,
) -> Result<Trial, String> {
    let number = u64::try_from(number).map_err(|_| "its number is negative".to_owned())?;
    let mut scores: BTreeMap<String, f64> = BTreeMap::new();
    for (name, value) in &found.attributes {
        if let (Some(name), Some(value)) = (name.strip_prefix("scores."), value.as_f64()) {
            scores.insert(name.to_owned(), value);
        }
    }
    for (objective, place) in view.sweep.objectives.iter().zip(order) {
        match found.values.get(place).filter(|value| value.is_finite()) {
            Some(value) => drop(scores.insert(objective.metric.clone(), *value)),
            None if state == State::Complete => return Err(format!("its `{}` is no number", objective.metric)),
            None => {}
        }
    }
    let history: Vec<Look> = found
        .evaluations
        .iter()
        .filter_map(|(step, value)| Some(Look(u64::try_from(*step).ok()?, Some(*value).filter(|v| v.is_finite()))))
        .collect();
    let attribute = |name: &str| found.attributes.get(name).and_then(Value::as_f64).filter(|number| *number >= 0.0);
    let span = found.began.zip(found.ended).map_or(0.0, |(began, ended)| (ended - began).max(0.0));
    let last = history.last().map_or(0, |look| look.0);
    let error = (state == State::Failed).then(|| {
        let said = found.attributes.get("error").and_then(Value::as_str);
        said.unwrap_or("it failed where it was brought from").to_owned()
    });
    Ok(Trial {
        state,
        settings: Some(settings),
        began: found.began,
        ended: found.ended,
        seconds: attribute("seconds").unwrap_or(span),
        step: attribute("step").map_or(last, |step| step as u64),
        planned: history.len() as u64,
        history,
        scores,
        error,
        ..Trial::new(number, ORIGIN)
    })
}
