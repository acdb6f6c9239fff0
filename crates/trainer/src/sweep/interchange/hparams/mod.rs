//! How is a study told to TensorBoard's `HParams` dashboard? In event files below a folder: one for the study, and a folder
//! for each trial that was begun, with its settings, its evaluations, its best scores and how it ended.
//!
//! Told again into the same folder, each file is replaced in one piece.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use data_loader::atomic;
use prost::Message;
use serde_json::Value;

use super::{Told, View, as_text, counted, failed, name_of, refused_at};
use crate::Error;
use crate::recorders::tensorboard::framed;
use crate::sweep::dimensions::{Dimension, Kind as Dimensional, Part};
use crate::sweep::objectives::Objective;
use crate::sweep::space::Values;
use crate::sweep::trial::{State, Trial};

pub mod messages;

use messages::{
    About, Content, Domain, End, Experiment, Interval, Json, Kind, List, Metadata, Metric, MetricName, Number,
    Parameter, Plugin, Record, Shape, Size, Start, Summary, Tagged, Tensor, What,
};

/// TensorBoard takes for an event file whatever has this in its name.
const FILE: &str = "events.out.tfevents.0000000000.firebox";
const PLUGIN: &str = "hparams";
/// Kinds of values and ways to end, by the numbers of the messages.
const TEXT: i32 = 1;
const TRUTH: i32 = 2;
const NUMBER: i32 = 3;
const SUCCESS: i32 = 1;
const FAILURE: i32 = 2;
const RUNS: i32 = 3;
const VALIDATION: i32 = 2;

/// Writes a study below the folder `out`; into one that holds something else only if `replace` is true.
///
/// # Errors
/// [`Error::Interchange`] if something else lies there, [`Error::Io`] if it cannot be written.
pub fn export(view: View<'_>, out: &Path, replace: bool) -> Result<Told, Error> {
    let study = out.join(FILE);
    let is_taken = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) && !study.exists();
    if is_taken && !replace {
        return Err(refused_at(
            out,
            "something else lies there",
            "name another folder, or say that it may be replaced",
        ));
    }
    let mut told = 0;
    for trial in view.trials {
        let Some(records) = of_trial(trial, view) else { continue };
        write(&out.join(format!("{:05}", trial.number)), &records)?;
        told += 1;
    }
    write(out, &of_study(view))?;
    let left = view.trials.len() - told;
    let remarks = if left > 0 {
        vec![format!("Not told: {} that nobody has begun.", counted(left, "trial"))]
    } else {
        Vec::new()
    };
    Ok(Told { trials: told, remarks })
}

fn write(folder: &Path, records: &[Record]) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let bytes: Vec<u8> = records.iter().flat_map(|record| framed(&record.encode_to_vec())).collect();
    atomic::write_file(&folder.join(FILE), &bytes).map_err(|error| {
        let reason = format!("cannot {} {}: {}", error.doing, error.path.display(), error.source);
        failed(folder.display().to_string(), reason, "check the folder, and the room on the disk")
    })
}

fn version(wall_time: f64) -> Record {
    Record { wall_time, step: 0, what: Some(What::FileVersion("brain.Event:2".into())) }
}

/// A record for the dashboard alone.
fn about(wall_time: f64, tag: &str, about: About) -> Record {
    let content = Content { version: 0, about: Some(about) }.encode_to_vec();
    let empty = Tensor { data_type: 1, shape: Some(Shape { dimensions: vec![Size { size: 0 }] }) };
    let value = Tagged {
        tag: format!("_hparams_/{tag}"),
        metadata: Some(Metadata { plugin: Some(Plugin { name: PLUGIN.into(), content }) }),
        value: Some(Number::Tensor(empty)),
    };
    Record { wall_time, step: 0, what: Some(What::Summary(Summary { values: vec![value] })) }
}

fn scalars(wall_time: f64, step: u64, scalars: impl Iterator<Item = (String, f64)>) -> Record {
    let value = |(tag, value): (String, f64)| Tagged { tag, metadata: None, value: Some(Number::Simple(value as f32)) };
    let summary = Summary { values: scalars.map(value).collect() };
    Record { wall_time, step: i64::try_from(step).unwrap_or(i64::MAX), what: Some(What::Summary(summary)) }
}

/// A setting as the dashboard knows it: lists and tables as their text.
fn json(value: &Value) -> Json {
    let kind = match value {
        Value::Bool(truth) => Kind::Truth(*truth),
        Value::Number(number) => Kind::Number(number.as_f64().unwrap_or(f64::NAN)),
        other => Kind::Text(as_text(other)),
    };
    Json { kind: Some(kind) }
}

/// Of which kind choices are: texts, unless all are of another one.
fn kind_of(choices: &[Value]) -> i32 {
    match () {
        () if choices.iter().all(Value::is_number) => NUMBER,
        () if choices.iter().all(Value::is_boolean) => TRUTH,
        () => TEXT,
    }
}

/// A choice as one of its kind, with which the dashboard compares it.
fn choice(value: &Value, kind: i32) -> Json {
    if kind == TEXT { Json { kind: Some(Kind::Text(as_text(value))) } } else { json(value) }
}

/// The settings of a trial; of a list the number and how many of them.
fn settings(trial: &Trial, view: View<'_>) -> Option<BTreeMap<String, Json>> {
    let settings = trial.settings.as_ref()?;
    let mut all: BTreeMap<String, Json> = BTreeMap::new();
    for (address, value) in settings {
        match (view.sweep.space.get(address).map(|parameter| &parameter.values), value.as_array()) {
            (Some(Values::List { .. }), Some(list)) => {
                all.insert(format!("{address}.count"), json(&Value::from(list.len())));
                all.extend(list.first().map(|each| (format!("{address}.each"), json(each))));
            }
            (Some(Values::Choices(choices)), _) => drop(all.insert(address.clone(), choice(value, kind_of(choices)))),
            _ => drop(all.insert(address.clone(), json(value))),
        }
    }
    Some(all)
}

/// The records of a trial; nothing before it was begun.
fn of_trial(trial: &Trial, view: View<'_>) -> Option<Vec<Record>> {
    let settings = settings(trial, view)?;
    let began = match (trial.began.or(trial.ended), trial.state.is_finished()) {
        (Some(began), _) => began,
        (None, true) => 0.0,
        (None, false) => return None,
    };
    let ended = trial.ended.unwrap_or(began);
    let start = Start { settings, group: trial.number.to_string(), began };
    let mut records = vec![version(began), about(began, "session_start_info", About::Start(start))];
    if let Some(objective) = view.sweep.objectives.first() {
        let looks = trial.history.iter().filter_map(|look| Some((look.0, look.1?)));
        records.extend(
            looks.map(|(step, value)| scalars(began, step, std::iter::once((objective.metric.clone(), value)))),
        );
    }
    let best: Vec<(String, f64)> = trial.scores.iter().map(|(name, value)| (format!("best/{name}"), *value)).collect();
    if !best.is_empty() {
        records.push(scalars(ended, trial.step, best.into_iter()));
    }
    let status = match trial.state {
        State::Complete | State::Pruned => SUCCESS,
        State::Failed => FAILURE,
        State::Running | State::Waiting => RUNS,
    };
    records.push(about(ended, "session_end_info", About::End(End { status, ended })));
    Some(records)
}

/// The records of the study: what is varied, and by what trials are judged.
fn of_study(view: View<'_>) -> Vec<Record> {
    let created = view.trials.iter().filter_map(|trial| trial.began).fold(f64::INFINITY, f64::min);
    let created = if created.is_finite() { created } else { 0.0 };
    let parameter = |dimension: &Dimension| {
        let name = name_of(dimension);
        let values = view.sweep.space.get(&dimension.address).map(|parameter| &parameter.values);
        let (kind, domain) = match (dimension.kind, values, dimension.part) {
            (_, Some(Values::Choices(choices)), Part::Whole) => {
                let kind = kind_of(choices);
                let values = choices.iter().map(|value| choice(value, kind)).collect();
                (kind, Some(Domain::Choices(List { values })))
            }
            (Dimensional::Range(range), ..) => {
                (NUMBER, Some(Domain::Interval(Interval { low: range.low, high: range.high })))
            }
            _ => (TEXT, None),
        };
        Parameter { shown: name.clone(), name, kind, domain }
    };
    let metric = |objective: &Objective| Metric {
        name: Some(MetricName { group: String::new(), tag: format!("best/{}", objective.metric) }),
        shown: objective.metric.clone(),
        part: VALIDATION,
    };
    let experiment = Experiment {
        description: "A sweep of Firebox.".into(),
        created,
        parameters: view.dimensions.all.iter().map(parameter).collect(),
        metrics: view.sweep.objectives.iter().map(metric).collect(),
        name: view.name.into(),
    };
    vec![version(created), about(created, "experiment", About::Experiment(experiment))]
}

#[cfg(test)]
mod tests;
