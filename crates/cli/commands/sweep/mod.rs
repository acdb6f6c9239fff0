//! `firebox sweep`: better settings, found by many trials.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use trainer::address::typed;
use trainer::sweep::engines;
use trainer::sweep::place::Place;
use trainer::sweep::proposal::Proposal;
use trainer::sweep::space::Parameter;
use trainer::sweep::status::Status;
use trainer::sweep::study::Study;
use trainer::sweep::winner;
use trainer::sweep::worker::{self, End};
use trainer::{Experiment, data_gate, origin, reports, setting};

use super::train::{RUNS, interrupt_flag};
use super::{Ended, bench_batch};
use crate::args::{Sweep, SweepBest, SweepCommand, SweepEnqueue, SweepName, SweepReport, SweepResume, SweepWorker};
use crate::child;
use crate::console::trials::line;
use crate::failure::{self, Failure};
use crate::report;

mod conduct;
mod engine;
mod exchange;
mod show;

pub(super) fn run(args: &Sweep, json: bool) -> Ended {
    match &args.command {
        None => begin(args, json),
        Some(SweepCommand::Best(args)) => best(args, json),
        Some(SweepCommand::Enqueue(args)) => enqueue(args, json),
        Some(SweepCommand::Export(args)) => exchange::export(args, json),
        Some(SweepCommand::Import(args)) => exchange::import(args, json),
        Some(SweepCommand::Report(args)) => page(args, json),
        Some(SweepCommand::Resume(args)) => resume(args, json),
        Some(SweepCommand::Status(args)) => {
            let study = open(&args.study, None)?;
            show::status(&study, json);
            Ok(failure::Status::Done)
        }
        Some(SweepCommand::Stop(args)) => stop(args, json),
        Some(SweepCommand::Worker(args)) => work(args, json),
    }
}

/// Makes the study of a config, or goes on with it.
fn begin(args: &Sweep, json: bool) -> Ended {
    let Some(config) = &args.config else {
        return Err(Failure::usage("no config is named", "`firebox sweep CONFIG` begins a study"));
    };
    let mut settings = args.settings.all();
    settings.extend(args.trials.map(|trials| format!("sweep.trials={trials}")));
    let mut experiment = Experiment::read(config, &settings)?;
    bench_batch::settle(&mut experiment, config, &settings, json)?;
    experiment.architecture(config)?;
    let dataset = origin::open(&experiment, config)?;
    // Otherwise every trial would be refused for the same reason, one after the other.
    data_gate::examine(&dataset, experiment.seed)?;
    let proposal = Proposal::new(experiment, config, &dataset)?;
    drop(dataset);
    let folder = args.run.clone().unwrap_or_else(|| {
        let stem = config.file_stem().unwrap_or_default().to_string_lossy();
        Path::new(RUNS).join(format!("sweep-{stem}"))
    });
    let place = args.storage.as_deref().map_or_else(|| Place::Folder(folder.clone()), Place::parse);
    if let (Place::Folder(folder), Some(written)) = (&place, &args.storage) {
        let message = format!("`--storage {written}` is a folder, {}", folder.display());
        return Err(Failure::usage(message, "name a database, as in postgres://USER@HOST/DATABASE, or use --run"));
    }
    let mut device = args.settings.device.clone();
    if args.engine.engine.is_none() {
        // A mistake in it must leave no study behind. What other machines have is theirs to say.
        let asked = device.get_or_insert_with(|| proposal.experiment.device.clone());
        model_zoo::device::open(asked)?;
    }
    let opened = Study::create(&place, &folder, &proposal)?;
    let mut study = opened.study;
    if study.is_stopped() {
        study.stop(false)?;
    }
    if opened.existed && !json {
        report::note(format!("Going on with the study in {}.", study.folder().display()));
    }
    engine::conduct(&args.engine, study, &place, args.workers, device.as_deref(), json)
}

fn resume(args: &SweepResume, json: bool) -> Ended {
    let place = Place::parse(&args.study);
    if let (Place::Folder(folder), Some(run)) = (&place, &args.run) {
        let message =
            format!("the runs of a study in a folder lie there, and `--run {}` is another one", run.display());
        return Err(Failure::usage(message, format!("leave it out: they lie in {}", folder.display())));
    }
    let mut study = Study::open(&place, args.run.as_deref())?;
    let mut space = BTreeMap::new();
    for written in &args.space {
        let (address, parameter) = parameter(written)?;
        space.insert(address, parameter);
    }
    if !space.is_empty() {
        let widened = study.sweep.space.clone().into_iter().chain(space).collect();
        let sweep = trainer::sweep::config::Sweep { space: widened, ..study.sweep.clone() };
        let experiment = Experiment { sweep: Some(sweep), ..study.experiment.clone() };
        let config = study.config().to_owned();
        let dataset = origin::open(&experiment, &config)?;
        let checked = Proposal::new(experiment, &config, &dataset)?;
        study.change(|sweep| sweep.space = checked.sweep.space.clone())?;
    }
    if let Some(trials) = args.trials {
        study.set_budget(trials)?;
    }
    study.stop(false)?;
    engine::conduct(&args.engine, study, &place, args.workers, args.device.as_deref(), json)
}

/// Trains trials in this process.
fn work(args: &SweepWorker, json: bool) -> Ended {
    let named = args.study.clone().or_else(|| std::env::var(engines::STUDY).ok());
    let Some(named) = named else {
        let message = format!("no study is named, and {} is not set", engines::STUDY);
        return Err(Failure::usage(message, "`firebox sweep worker STUDY` works on one"));
    };
    let mut study = open(&named, args.run.as_deref())?;
    let device = model_zoo::device::open(args.device.as_deref().unwrap_or(&study.experiment.device))?;
    let interrupt = interrupt_flag()?;
    if args.attended {
        let nobody_waits = Arc::clone(&interrupt);
        child::when_nobody_waits(move || nobody_waits.store(true, Ordering::Relaxed));
    }
    study.when_waiting(|reason| report::note(format!("The database does not answer ({reason}); waiting for it.")));
    let (mut trained, objectives) = (0, study.objectives().to_vec());
    let end = worker::work(&mut study, &device, &interrupt, &mut |event| {
        if let worker::Event::Left { trial } = event {
            trained += 1;
            if !json {
                report::note(line(trial, &objectives));
            }
        }
    })?;
    if !args.attended && end == End::Over {
        trainer::sweep::keep::finish(&study, &device, &interrupt)?;
    }
    if json {
        let ended = if end == End::Over { "over" } else { "stopped" };
        report::json(&json!({ "study": study.name(), "trained": trained, "ended": ended }));
    } else {
        report::line(format!("Trained {trained} trials of {}.", study.name()));
    }
    Ok(if end == End::Over { failure::Status::Done } else { failure::Status::Interrupted })
}

fn stop(args: &SweepName, json: bool) -> Ended {
    let mut study = open(&args.study, None)?;
    study.stop(true)?;
    if json {
        report::json(&json!(Status::of(&study)));
    } else {
        report::line("Its workers save what they do and end within some seconds.");
        report::line("Go on with:");
        report::line(format!("  firebox sweep resume {}", written(&args.study)));
    }
    Ok(failure::Status::Done)
}

fn enqueue(args: &SweepEnqueue, json: bool) -> Ended {
    let mut study = open(&args.study, None)?;
    let mut settings = BTreeMap::new();
    for written in &args.set {
        let (address, value) = value(written)?;
        settings.insert(address, value);
    }
    let number = study.enqueue(settings)?;
    if json {
        report::json(&json!({ "trial": number }));
    } else {
        report::line(format!("Trial {number} waits for a worker; the budget has one more."));
    }
    Ok(failure::Status::Done)
}

/// Writes the page about a study.
fn page(args: &SweepReport, json: bool) -> Ended {
    let study = open(&args.study, None)?;
    let out = args.out.clone().unwrap_or_else(|| study.page());
    reports::sweep::write(&reports::sweep::facts::gather(&study, &written(&args.study)), &out)?;
    if json {
        report::json(&json!({ "report": out.display().to_string() }));
    } else {
        report::line(format!("The page lies at {}", out.display()));
        report::line("Next:");
        report::line(format!("  open {}", typed(&out)));
    }
    Ok(failure::Status::Done)
}

fn best(args: &SweepBest, json: bool) -> Ended {
    let study = open(&args.study, None)?;
    let best = study.front().first().map(|trial| (*trial).clone()).ok_or_else(no_best)?;
    if let Some(out) = &args.out {
        model_zoo::atomic::write_file(out, winner::config(&study, &best, out)?.as_bytes())?;
    }
    if json {
        report::json(&json!(Status::of(&study).best));
    } else {
        show::best(&study, args.out.as_deref());
    }
    Ok(failure::Status::Done)
}

/// The experiment of `STUDY`, `STUDY:best` or `STUDY:N`, with other settings, and where its config was written.
pub(super) fn experiment_of(written: &str, settings: &[String]) -> Result<(PathBuf, Experiment), Failure> {
    let named = written.rsplit_once(':').filter(|(_, which)| *which == "best" || which.parse::<u64>().is_ok());
    // A port of a database is no trial.
    let named = named.filter(|(study, _)| !study.contains("://") || study.contains('#'));
    let (study, which) = named.unwrap_or((written, "best"));
    let study = open(study, None)?;
    let trial = match which.parse::<usize>() {
        Ok(number) => study.trials.get(number).ok_or_else(|| {
            let trials = study.trials.len();
            let hint = format!("its trials have the numbers 0 to {}", trials.saturating_sub(1));
            Failure::usage(format!("the study {} has no trial {number}", study.name()), hint)
        })?,
        Err(_) => study.front().first().copied().ok_or_else(no_best)?,
    };
    let config = study.config().to_owned();
    let text = winner::experiment(&study, trial)?.to_toml();
    let experiment = Experiment::parse(&text, &config, settings)?;
    Ok((config, experiment))
}

fn no_best() -> Failure {
    let hint = "`firebox sweep status STUDY` shows how far it is";
    Failure { usage: false, ..Failure::usage("no trial is complete yet", hint) }
}

fn open(written: &str, folder: Option<&Path>) -> Result<Study, Failure> {
    Ok(Study::open(&Place::parse(written), folder)?)
}

/// `ADDRESS=VALUE`, the value being TOML or a word.
fn value(written: &str) -> Result<(String, Value), Failure> {
    let (address, value) = setting::parse(written)?;
    Ok((address.trim_matches('"').to_owned(), serde_json::to_value(value).unwrap_or_default()))
}

fn parameter(written: &str) -> Result<(String, Parameter), Failure> {
    let (address, value) = value(written)?;
    let parameter = serde_json::from_value(value).map_err(|error| {
        let hint = "write it as in `--space 'train.batch_size={ choices = [16, 32] }'`";
        Failure::usage(format!("`--space {written}`: {error}"), hint)
    })?;
    Ok((address, parameter))
}

/// A study as it can be typed into a shell.
fn written(study: &str) -> String {
    typed(&PathBuf::from(study))
}
