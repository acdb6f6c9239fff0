//! What is MLflow told of a study and of a trial? Everything that is sent, as pure functions of what is known.

use serde_json::{Value, json};

use crate::sweep::interchange::{View, as_text};
use crate::sweep::trial::{State, Trial, front};

/// Under which tags a run says whose it is, which trial it is, and what was told of it already.
pub const OF_STUDY: &str = "firebox.study";
/// See [`OF_STUDY`].
pub const OF_TRIAL: &str = "firebox.trial";
/// See [`OF_STUDY`].
pub const TOLD: &str = "firebox.told";
/// What stands under [`OF_TRIAL`] at the run of the study itself.
pub const WHOLE: &str = "study";

/// Limits of MLflow: letters of a key, a parameter and a tag; things in one batch; parameters or tags in one batch.
const KEY: usize = 250;
const PARAMETER: usize = 500;
const TAG: usize = 5000;
const BATCH: usize = 1000;
const FEW: usize = 100;

/// A run as it is to stand there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Which trial; [`WHOLE`] for the study.
    pub trial: String,
    /// What it is called.
    pub name: String,
    /// A word of MLflow's.
    pub status: &'static str,
    /// When it began and ended, in milliseconds since 1970.
    pub began: i64,
    /// See [`began`](Self::began).
    pub ended: Option<i64>,
    /// Names and values.
    pub parameters: Vec<(String, String)>,
    /// Names and values.
    pub tags: Vec<(String, String)>,
    /// Names, values, milliseconds since 1970, and steps.
    pub metrics: Vec<(String, f64, i64, i64)>,
}

/// A study as a tag that can be searched for: letters that queries know.
pub fn identity(place: &str, name: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b':' | b'@' | b'#' => {
            char::from(byte).to_string()
        }
        other => format!("={other:02X}"),
    };
    let long: String = format!("{place}#{name}").bytes().map(letter).collect();
    // The end tells studies of one database apart.
    long.chars().skip(long.len().saturating_sub(TAG)).collect()
}

/// A name as MLflow knows it: letters, digits, and some signs.
pub fn key(name: &str) -> String {
    let letter = |c: char| if c.is_alphanumeric() || "_-. :/".contains(c) { c } else { '_' };
    let key: String = name.chars().map(letter).take(KEY).collect();
    // Paths may not leave the folder of a run.
    let key =
        key.trim_matches('/').split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect::<Vec<_>>().join("/");
    if key.is_empty() { "_".into() } else { key }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most - 3).chain("...".chars()).collect()
    }
}

fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// The run of a trial; nothing before it was begun.
pub fn of_trial(trial: &Trial, view: View<'_>) -> Option<Run> {
    let settings = trial.settings.as_ref()?;
    let finished = trial.state.is_finished();
    // Of a trial from elsewhere nobody may know when it was trained.
    let began = match trial.began.or(trial.ended) {
        Some(began) => milliseconds(began),
        None if finished => 0,
        None => return None,
    };
    let status = match trial.state {
        State::Complete => "FINISHED",
        State::Pruned => "KILLED",
        State::Failed => "FAILED",
        State::Running => "RUNNING",
        State::Waiting => "SCHEDULED",
    };
    let mut metrics = Vec::new();
    if let Some(objective) = view.sweep.objectives.first() {
        let name = key(&objective.metric);
        for (place, look) in trial.history.iter().enumerate() {
            // MLflow asks when that was; what is known is in which order.
            let when = began + place as i64;
            metrics.extend(look.1.map(|value| (name.clone(), value, when, look.0 as i64)));
        }
    }
    let best = trial.scores.iter().filter(|(_, value)| value.is_finite());
    metrics.extend(best.map(|(name, value)| (key(&format!("best/{name}")), *value, began, trial.step as i64)));
    let mut tags = vec![
        ("firebox.state".to_owned(), trial.state.name().to_owned()),
        ("firebox.origin".into(), trial.origin.clone()),
    ];
    tags.extend(trial.error.iter().map(|error| ("firebox.error".to_owned(), error.clone())));
    if !trial.course.is_empty() {
        tags.push(("firebox.course".into(), json!(trial.course).to_string()));
    }
    // In a population settings change while a trial goes on, and parameters of MLflow never do.
    let settled = finished || view.sweep.population.is_none();
    let parameters = settings.iter().filter(|_| settled);
    Some(Run {
        trial: trial.number.to_string(),
        name: format!("{} {}", view.name, trial.number),
        status,
        began,
        ended: finished.then(|| trial.ended.map_or(began, milliseconds)),
        parameters: parameters.map(|(address, value)| (key(address), cut(&as_text(value), PARAMETER))).collect(),
        tags: tags.into_iter().map(|(name, value)| (name, cut(&value, TAG))).collect(),
        metrics,
    })
}

/// The run of the study, to which those of its trials belong.
pub fn of_study(view: View<'_>, is_over: bool) -> Run {
    let times = |of: fn(&Trial) -> Option<f64>| view.trials.iter().filter_map(of);
    let began = times(|trial| trial.began).fold(f64::INFINITY, f64::min);
    let ended = times(|trial| trial.ended).fold(f64::NEG_INFINITY, f64::max);
    let began = if began.is_finite() { milliseconds(began) } else { 0 };
    let sweep = view.sweep;
    let objectives: Vec<&str> = sweep.objectives.iter().map(|objective| objective.metric.as_str()).collect();
    let mut tags = vec![
        ("firebox.state".to_owned(), if is_over { "over" } else { "open" }.to_owned()),
        ("firebox.objectives".into(), objectives.join(", ")),
        ("firebox.searcher".into(), sweep.searcher.name().into()),
    ];
    tags.extend(sweep.pruner.iter().map(|pruner| ("firebox.pruner".to_owned(), pruner.name().to_owned())));
    // As tags, because a space may change while its study goes on, and parameters may not.
    tags.extend(
        sweep.space.iter().map(|(address, values)| (key(&format!("space.{address}")), json!(values).to_string())),
    );
    let best = front(view.trials, &sweep.objectives);
    let mut metrics = Vec::new();
    if let Some(first) = best.first() {
        let numbers: Vec<String> = best.iter().map(|trial| trial.number.to_string()).collect();
        tags.push(("firebox.best".into(), numbers.join(", ")));
        let finished = view.trials.iter().filter(|trial| trial.state.is_finished()).count() as i64;
        let scores = first.scores.iter().filter(|(_, value)| value.is_finite());
        metrics.extend(scores.map(|(name, value)| (key(&format!("best/{name}")), *value, began, finished)));
    }
    Run {
        trial: WHOLE.into(),
        name: view.name.into(),
        status: if is_over { "FINISHED" } else { "RUNNING" },
        began,
        ended: (is_over && ended.is_finite()).then(|| milliseconds(ended)),
        parameters: Vec::new(),
        tags: tags.into_iter().map(|(name, value)| (name, cut(&value, TAG))).collect(),
        metrics,
    }
}

/// What all that comes to, so that a second telling sees whether something is new: FNV-1a, by Fowler, Noll and Vo.
pub fn digest(run: &Run) -> String {
    let said = format!("{run:?}");
    let hash = said
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// What a run is told, in batches that MLflow takes.
pub fn batches(id: &str, run: &Run) -> Vec<Value> {
    let pair = |(name, value): &(String, String)| json!({ "key": name, "value": value });
    let metric = |(name, value, when, step): &(String, f64, i64, i64)| json!({ "key": name, "value": value, "timestamp": when, "step": step });
    let (mut parameters, mut tags) = (run.parameters.chunks(FEW), run.tags.chunks(FEW));
    let mut metrics = run.metrics.chunks(BATCH - 2 * FEW);
    let mut all = Vec::new();
    loop {
        let (some, more, most) = (parameters.next(), tags.next(), metrics.next());
        if some.is_none() && more.is_none() && most.is_none() {
            return all;
        }
        all.push(json!({
            "run_id": id,
            "params": some.unwrap_or_default().iter().map(pair).collect::<Vec<_>>(),
            "tags": more.unwrap_or_default().iter().map(pair).collect::<Vec<_>>(),
            "metrics": most.unwrap_or_default().iter().map(metric).collect::<Vec<_>>(),
        }));
    }
}
