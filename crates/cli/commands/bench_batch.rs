//! `firebox bench batch`: how many examples a second are learnt from, batch size by batch size. `train` asks it where a config says "auto".

use std::path::Path;

use serde_json::json;
use trainer::Experiment;
use trainer::batch_size::{self, BatchSize, Probe};

use super::Ended;
use crate::args::BenchBatch;
use crate::child;
use crate::failure::{Failure, Status};
use crate::report;

/// No batch is larger, whatever the data.
const MOST: usize = 1 << 16;

pub(super) fn run(args: &BenchBatch, json: bool) -> Ended {
    let mut experiment = Experiment::read(&args.config, &args.settings.all())?;
    if let Some(size) = args.only {
        let device = model_zoo::device::open(&experiment.device)?;
        experiment.train.batch_size = BatchSize::Examples(size);
        let probe = batch_size::measure(experiment, &args.config, &device)?;
        report::json(&json!(probe));
        return Ok(Status::Done);
    }
    let (chosen, probes) = choose(&args.config, &args.settings.all())?;
    if json {
        report::json(&json!({ "batch_size": chosen, "probes": probes }));
        return Ok(Status::Done);
    }
    let rows: Vec<Vec<String>> = probes
        .iter()
        .map(|probe| {
            let memory = probe.peak_memory.map_or_else(|| "-".into(), |bytes| (bytes >> 20).to_string());
            vec![probe.batch_size.to_string(), format!("{:.0}", probe.examples_per_second), memory]
        })
        .collect();
    report::table(&["batch size", "examples/s", "most MiB"], &rows);
    report::line(format!("`batch_size = \"auto\"` means {chosen} here."));
    Ok(Status::Done)
}

/// Settles the batch size of an experiment that leaves it to measurement, and says which one it is.
pub(super) fn settle(
    experiment: &mut Experiment,
    config: &Path,
    settings: &[String],
    json: bool,
) -> Result<(), Failure> {
    if experiment.train.batch_size != BatchSize::Auto {
        return Ok(());
    }
    if !json {
        report::note("Measuring which batch size learns fastest ...");
    }
    let (chosen, probes) = choose(config, settings)?;
    experiment.train.batch_size = BatchSize::Examples(chosen);
    if !json {
        let speeds: Vec<String> =
            probes.iter().map(|p| format!("{}: {:.0}/s", p.batch_size, p.examples_per_second)).collect();
        report::note(format!("Batches of {chosen} examples; examples a second by batch size: {}", speeds.join(", ")));
    }
    Ok(())
}

/// Tries one size after the other, each in a process of its own.
fn choose(config: &Path, settings: &[String]) -> Result<(usize, Vec<Probe>), Failure> {
    batch_size::choose(MOST, batch_size::free_memory(), |size| probe(config, settings, size))
}

fn probe(config: &Path, settings: &[String], size: usize) -> Result<Probe, Failure> {
    let mut command = child::command()?;
    command.args(["bench", "batch", "--json", "--only", &size.to_string()]).arg(config);
    for setting in settings {
        command.arg("--set").arg(setting);
    }
    child::json(&mut command)
}
