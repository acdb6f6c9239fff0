//! Where do the facts of a report come from? From the files of the run alone, so that a report can be made again at any time.

use std::path::Path;

use data_loader::{Lineage, Part, Task};
use model_zoo::pretrained::BeganWith;

use super::{CheckpointFact, GoalVerdict, RunFacts};
use crate::address::typed;
use crate::environment::Environment;
use crate::recorders::jsonl;
use crate::result::RunResult;
use crate::{Error, RunDir, checkpoint, origin};

/// Gathers what a finished run tells.
///
/// # Errors
/// If a file of the run is missing or damaged.
pub fn gather(run: &RunDir) -> Result<RunFacts, Error> {
    let history = jsonl::read(&run.metrics())?;
    let result = RunResult::read(&run.result())?;
    let environment: Environment = read_json(&run.environment())?;
    let lineage: Lineage = read_json(&run.lineage())?;
    let config = run.config();
    let ended = history.finished.last().map(|(_, _, seconds)| {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs_f64(seconds.max(0.0));
        readable(&humantime::format_rfc3339_seconds(time).to_string())
    });
    let reason = history.finished.last().map_or_else(String::new, |(_, reason, _)| format!(": {reason}"));
    let mut facts = RunFacts {
        name: run.name(),
        status: format!(
            "{} after {} steps in {:.0} s of training{reason}; judged with the weights of step {}.",
            if result.status == "stopped" { "Stopped early" } else { "Completed" },
            result.step,
            result.seconds,
            result.chosen_step
        ),
        goal: result.goal.as_ref().map(|verdict| GoalVerdict {
            metric: verdict.goal.metric.clone(),
            target: verdict.goal.minimum,
            reached: verdict.value,
            met: verdict.met,
            why: verdict.goal.why.clone(),
        }),
        started: readable(&environment.started_at),
        ended,
        config: std::fs::read_to_string(&config).map_err(Error::io("read", &config))?,
        environment: rows(&environment, &result, &lineage, origin::began_with(run)?),
        judged_on: result.judged_on.clone(),
        test: result.scores.into_iter().collect(),
        confusion: result.confusion,
        examples: vec![
            (Part::Train, lineage.train.examples),
            (Part::Validation, lineage.validation.examples),
            (Part::Test, lineage.test.examples),
        ],
        checkpoints: checkpoints(run),
        next: next_steps(run),
        history,
    };
    facts.examples.retain(|(_, count)| *count > 0);
    Ok(facts)
}

/// What can be done with a finished run: what for, and the command.
pub fn next_steps(run: &RunDir) -> Vec<(String, String)> {
    let path = typed(run.path());
    let task = origin::fitted_pipeline(run).ok().map(|pipeline| pipeline.signature().task);
    let answer = match task {
        Some(Task::Generate) => Some(("Continue a text", format!("firebox generate {path} TEXT"))),
        // Of a network that told views apart its weights are of use, and masks cannot be shown yet.
        Some(Task::Contrast | Task::Segment) => None,
        _ => Some(("Answer new data", format!("firebox predict {path} INPUT"))),
    };
    let mut steps = vec![("Judge it again, or on another split".to_owned(), format!("firebox evaluate {path}"))];
    steps.extend(answer.map(|(what, command)| (what.to_owned(), command)));
    steps.push(("Train longer from here".to_owned(), format!("firebox resume {path} --set train.epochs=N")));
    steps
}

/// A moment such as `2026-11-23T16:53:01Z` with a space for a line to break at.
fn readable(moment: &str) -> String {
    moment.replace('T', " ").replace('Z', " UTC")
}

fn rows(
    environment: &Environment,
    result: &RunResult,
    lineage: &Lineage,
    began_with: Option<BeganWith>,
) -> Vec<(String, String)> {
    let row = |what: &str, which: String| (what.to_owned(), which);
    let mut rows = vec![
        row("Device", format!("{} ({})", environment.device, environment.device_description)),
        row("System", format!("{}, {} threads, {}", environment.system, environment.threads, environment.cpu_features)),
        row("Firebox", environment.firebox.clone()),
        row("burn", environment.burn.clone()),
        row("Parameters", result.parameters.to_string()),
        row("Data", format!("{}, {} rows", lineage.card, lineage.rows)),
        row("Command", environment.command.join(" ")),
    ];
    if let Some(BeganWith { weights, sha256, card, source, licence, .. }) = began_with {
        let from = match (card, source, licence) {
            (Some(card), Some(source), Some(licence)) => format!("{card} ({licence}), {source}"),
            _ => weights.display().to_string(),
        };
        rows.push(row("Began with", format!("{from}, SHA-256 {sha256}")));
    }
    for again in &environment.resumed {
        rows.push(row(
            "Resumed",
            format!("after step {} on {}, {}", again.step, again.device, readable(&again.started_at)),
        ));
    }
    rows
}

fn checkpoints(run: &RunDir) -> Vec<CheckpointFact> {
    let (best, last) = (checkpoint::pointed(run, "best"), checkpoint::pointed(run, "latest"));
    let fact = |step: u64| {
        let mut names = vec![format!("step-{step}")];
        names.extend((best == Some(step)).then(|| "best".to_owned()));
        names.extend((last == Some(step)).then(|| "last".to_owned()));
        let folder = checkpoint::choose(run, Some(&format!("step-{step}"))).ok()?.path;
        let sizes = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).filter_map(|entry| entry.metadata().ok());
        Some(CheckpointFact { name: names.join(", "), step, bytes: sizes.map(|metadata| metadata.len()).sum() })
    };
    checkpoint::steps(run).into_iter().filter_map(fact).collect()
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = std::fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&text)
        .map_err(|error| model_zoo::Error::Damaged { path: path.to_owned(), reason: error.to_string() }.into())
}
