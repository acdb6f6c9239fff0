//! What does each command do? One file a verb.

use std::path::Path;

use model_zoo::bundle::Bundle;
use trainer::RunDir;

use crate::args::{Bench, BenchOther, Cli, Command, Data, Verify};
use crate::failure::{Failure, Status};

mod bench;
mod bench_batch;
mod bench_bundle;
mod bench_data;
mod bench_train;
mod completions;
mod config;
mod data_check;
mod data_clean;
mod data_fetch;
mod devices;
mod evaluate;
mod export;
mod generate;
mod inspect;
mod list;
mod package;
mod predict;
mod resume;
mod runs;
mod select;
mod serve;
mod sweep;
mod train;
mod verify_bundle;
mod verify_resume;

/// How a command ends.
pub type Ended = Result<Status, Failure>;

/// Does what was asked.
pub fn run(cli: Cli) -> Ended {
    let Cli { command, json, threads } = cli;
    match command {
        Command::Train(args) => train::run(&args, json),
        Command::Select(args) => select::run(&args, json),
        Command::Sweep(args) => sweep::run(&args, json),
        Command::Resume(args) => resume::run(&args, json),
        Command::Evaluate(args) => evaluate::run(&args, json),
        Command::Predict(args) => predict::run(&args, json),
        Command::Generate(args) => generate::run(&args, json),
        Command::Export(args) => export::run(&args, json),
        Command::Serve(args) => serve::run(&args, json),
        Command::Package(args) => package::run(&args, json),
        Command::Keygen(args) => export::keygen(&args, json),
        Command::Data(Data::Check(args)) => data_check::run(&args, json),
        Command::Data(Data::Clean(args)) => data_clean::run(&args, json),
        Command::Data(Data::Fetch(args)) => data_fetch::run(&args, json),
        Command::Inspect(args) => inspect::run(&args, json),
        Command::List(args) => list::run(&args, json),
        Command::Config(args) => config::run(&args, json),
        Command::Devices => devices::run(json),
        Command::Runs(args) => runs::run(&args, json),
        Command::Verify(Verify::Bundle(args)) => verify_bundle::bundle(&args, json),
        Command::Verify(Verify::Export(args)) => verify_bundle::export(&args, json),
        Command::Verify(Verify::Resume(args)) => verify_resume::run(&args, json),
        Command::Bench(Bench { other: Some(BenchOther::Batch(args)), .. }) => bench_batch::run(&args, json),
        Command::Bench(Bench { other: Some(BenchOther::Bundle(args)), .. }) => bench_bundle::run(&args, json),
        Command::Bench(Bench { other: Some(BenchOther::Data(args)), .. }) => bench_data::run(&args, threads, json),
        Command::Bench(Bench { other: Some(BenchOther::Train(args)), .. }) => bench_train::run(&args, json),
        Command::Bench(args) => bench::run(&args, json),
        Command::Completions { shell } => completions::run(shell),
    }
}

/// As long as anything is measured, in seconds.
const DAY: f64 = 86_400.0;

/// Refuses `--seconds` during which nothing can be measured.
fn check_span(seconds: f64) -> Result<(), Failure> {
    if seconds > 0.0 && seconds <= DAY {
        return Ok(());
    }
    Err(Failure::usage(
        format!("`--seconds {seconds}` is no span of time to measure"),
        "use a number above 0, of a day at most",
    ))
}

/// The run at a path, which has its bundle.
fn finished_run(path: &Path) -> Result<RunDir, Failure> {
    if !path.exists() {
        return Err(Failure::usage(format!("there is nothing at {}", path.display()), "name a run or a bundle"));
    }
    let run = RunDir::open(path)?;
    if !Bundle::is_at(&run.bundle()) {
        let model = trainer::address::typed(path);
        let hint = format!("finish it, or write one of a checkpoint: `firebox export {model}@last --to bundle`");
        return Err(Failure::usage(format!("the run {} has no bundle yet", path.display()), hint));
    }
    Ok(run)
}
