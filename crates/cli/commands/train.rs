//! `firebox train`: a config becomes a tested model.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use trainer::address::typed;
use trainer::fit::Ending;
use trainer::recorders::Recorder;
use trainer::reports::facts::next_steps;
use trainer::result::RunResult;
use trainer::train::{Outcome, Request};
use trainer::{Experiment, RunDir};

use super::Ended;
use crate::args::{Train, View};
use crate::console::{Console, PauseAt};
use crate::failure::{Failure, Status};
use crate::report;

/// Where runs lie when nothing else is said.
pub(super) const RUNS: &str = "runs";

pub(super) fn run(args: &Train, json: bool) -> Ended {
    let settings = args.settings.all();
    let (config, mut experiment) = match (&args.config, &args.from) {
        (Some(config), _) => (config.clone(), Experiment::read(config, &settings)?),
        (None, Some(trial)) => super::sweep::experiment_of(trial, &settings)?,
        (None, None) => return Err(Failure::usage("no config is named", "`firebox train CONFIG` trains what it says")),
    };
    // A training has no trials; what is kept with its run is what it did.
    experiment.sweep = None;
    super::bench_batch::settle(&mut experiment, &config, &settings, json)?;
    let device = model_zoo::device::open(&experiment.device)?;
    let interrupt = interrupt_flag()?;
    let recorders = recorders(&args.view, json, &interrupt)?;
    let run = match &args.run {
        Some(path) => RunDir::create(path)?,
        None => RunDir::create_under(Path::new(RUNS), &config)?,
    };
    let request = Request { recorders, interrupt: &interrupt, ..Request::new(&config, run.clone(), &device) };
    let outcome = trainer::train::train(experiment, request)?;
    Ok(show(&run, &outcome, &device.name, json))
}

/// Set by Ctrl-C or SIGTERM; the second of them ends the process at once.
pub(super) fn interrupt_flag() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|error| Failure::broken(format!("cannot listen for Ctrl-C: {error}")))?;
    }
    Ok(flag)
}

pub(super) fn recorders(
    view: &View,
    json: bool,
    interrupt: &Arc<AtomicBool>,
) -> Result<Vec<Box<dyn Recorder>>, Failure> {
    let mut recorders: Vec<Box<dyn Recorder>> = Vec::new();
    if view.tui {
        recorders.push(dashboard(interrupt)?);
    } else if !json {
        recorders.push(Box::new(Console::new()));
    }
    if let Some(step) = view.pause_at {
        recorders.push(Box::new(PauseAt(step)));
    }
    Ok(recorders)
}

#[cfg(feature = "tui")]
#[expect(clippy::unnecessary_wraps, reason = "fails where the dashboard is not built in")]
fn dashboard(interrupt: &Arc<AtomicBool>) -> Result<Box<dyn Recorder>, Failure> {
    Ok(Box::new(crate::dashboard::Dashboard::new(interrupt)))
}

#[cfg(not(feature = "tui"))]
fn dashboard(_interrupt: &Arc<AtomicBool>) -> Result<Box<dyn Recorder>, Failure> {
    Err(Failure::usage(
        "the dashboard is not built into this program",
        "build with `cargo build --release --features tui`, or leave out `--tui`",
    ))
}

/// Prints how it went and what can be done next.
pub(super) fn show(run: &RunDir, outcome: &Outcome, device: &str, json: bool) -> Status {
    let path = run.path().display();
    let Some(result) = &outcome.result else {
        if json {
            report::json(&json!({ "run": path.to_string(), "status": "interrupted", "step": outcome.step }));
        } else {
            report::line(format!("Interrupted after step {}; everything is saved.", report::count(outcome.step)));
            report::line("Go on with:");
            report::line(format!("  firebox resume {}", typed(run.path())));
        }
        return Status::Interrupted;
    };
    let missed = result.goal.as_ref().is_some_and(|verdict| !verdict.met);
    if json {
        report::json(&summary(run, result));
    } else {
        tell(run, outcome.ending, result, device);
    }
    if missed { Status::GateFailed } else { Status::Done }
}

fn summary(run: &RunDir, result: &RunResult) -> Value {
    let mut object = Map::new();
    object.insert("run".into(), json!(run.path().display().to_string()));
    object.insert("status".into(), json!(result.status));
    object.insert("step".into(), json!(result.step));
    object.insert("chosen_step".into(), json!(result.chosen_step));
    object.insert("seconds".into(), json!(result.seconds));
    object.insert("parameters".into(), json!(result.parameters));
    for (name, value) in &result.scores {
        object.insert(format!("{}_{name}", result.judged_on), json!(value));
    }
    if let Some(verdict) = &result.goal {
        object.insert("goal_met".into(), json!(verdict.met));
    }
    Value::Object(object)
}

fn tell(run: &RunDir, ending: Ending, result: &RunResult, device: &str) {
    let path = run.path().display();
    let early = if ending == Ending::Stopped { ", stopped early" } else { "" };
    report::line(format!(
        "Trained {} steps in {} on {device}{early}.",
        report::count(result.step),
        report::span(result.seconds)
    ));
    let main = ["accuracy", "rmse", "perplexity", "loss"].into_iter().find(|name| result.scores.contains_key(*name));
    if let Some(name) = main {
        let split = format!("{}{}", result.judged_on[..1].to_uppercase(), &result.judged_on[1..]);
        report::line(format!(
            "{split} {name} {:.4} on {} examples, with the weights of step {}.",
            result.scores[name],
            report::count(result.examples as u64),
            report::count(result.chosen_step)
        ));
    }
    if result.skipped > 0 {
        let times = report::count(result.skipped);
        report::line(format!(
            "Examples that could not be read were left out of training, {times} times over all epochs."
        ));
    }
    if let Some(verdict) = &result.goal {
        let value = verdict.value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.4}"));
        let word = if verdict.met { "met" } else { "missed" };
        let why = if verdict.goal.why.is_empty() { String::new() } else { format!(" ({})", verdict.goal.why) };
        report::line(format!(
            "Goal {word}: {} is {value}, {} was asked for{why}.",
            verdict.goal.metric, verdict.goal.minimum
        ));
    }
    report::line(format!("The run lies at {path}"));
    report::line("Next:");
    report::line(format!("  open {}", typed(&run.report())));
    for (_, command) in next_steps(run) {
        report::line(format!("  {command}"));
    }
}
