//! `firebox bench train`: on what the training of a config spends its time.

use serde_json::{Map, json};
use trainer::Experiment;
use trainer::breakdown::{self, Breakdown, Measure};
use trainer::stopwatch::Phase;

use super::{Ended, bench_batch, check_span};
use crate::args::BenchTrain;
use crate::failure::Status;
use crate::report;

/// More of a step than this, and more milliseconds, by waiting for data deserve a word.
const MUCH: f64 = 0.1;
const LONG: f64 = 1.0;

pub(super) fn run(args: &BenchTrain, json: bool) -> Ended {
    check_span(args.seconds)?;
    let settings = args.settings.all();
    let mut experiment = Experiment::read(&args.config, &settings)?;
    bench_batch::settle(&mut experiment, &args.config, &settings, json)?;
    let device = model_zoo::device::open(&experiment.device)?;
    let measure = Measure { seconds: args.seconds, exact: true };
    let found = breakdown::measure(experiment, &args.config, &device, measure)?;
    if json {
        let phases: Map<String, serde_json::Value> =
            found.phases.iter().map(|(phase, milliseconds)| (phase.name().to_owned(), json!(milliseconds))).collect();
        let mut object = json!(found);
        object["phases"] = phases.into();
        object["device"] = json!(device.name);
        report::json(&object);
        return Ok(Status::Done);
    }
    tell(&found, &device.name);
    Ok(Status::Done)
}

fn tell(found: &Breakdown, device: &str) {
    let whole = 1e3 * found.seconds / found.steps as f64;
    let share =
        |milliseconds: f64| vec![format!("{milliseconds:.2}"), format!("{:.0} %", 100.0 * milliseconds / whole)];
    let known: f64 = found.phases.iter().map(|(_, milliseconds)| milliseconds).sum();
    let phases = found.phases.iter().map(|(phase, milliseconds)| (phase.name(), *milliseconds));
    let rows: Vec<Vec<String>> = phases
        .chain([("read back", (whole - known).max(0.0)), ("all", whole)])
        .map(|(name, milliseconds)| [vec![name.to_owned()], share(milliseconds)].concat())
        .collect();
    report::line(format!(
        "On {device}: {} steps of {} examples in {:.1} s, {:.0} examples a second.",
        report::count(found.steps),
        found.batch_size,
        found.seconds,
        found.examples_per_second
    ));
    report::table(&["phase", "ms a step", "share"], &rows);
    if let Some(bytes) = found.peak_memory {
        report::line(format!("At most {} MiB were in memory.", bytes >> 20));
    }
    if device != "cpu" {
        report::line("Each phase waits for the device here; training does not, and is faster.");
    }
    let waited = found.phases.iter().find(|(phase, _)| *phase == Phase::Wait).map_or(0.0, |(_, wait)| *wait);
    if waited > LONG.max(MUCH * whole) {
        report::line(
            "Data come more slowly than they are learnt from: more `data.loader.threads`, cheaper transforms or smaller files help.",
        );
    }
}
