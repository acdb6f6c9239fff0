//! `firebox bench`: training speed on four reference workloads.

use serde_json::{Map, json};
use trainer::bench::{self, Measured, WORKLOADS, Workload};

use super::Ended;
use crate::args::Bench;
use crate::failure::{Failure, Status};
use crate::report;

pub(super) fn run(args: &Bench, json: bool) -> Ended {
    if !(args.seconds.is_finite() && args.seconds > 0.0) {
        return Err(Failure::usage(format!("`--seconds {}` is no span of time", args.seconds), "use a number above 0"));
    }
    let workloads = chosen(&args.workload)?;
    let device = model_zoo::device::open(&args.device)?;
    let mut measured: Vec<Measured> = Vec::new();
    for workload in workloads {
        if !json {
            report::note(format!("Measuring {} for {} s ...", workload.name(), args.seconds));
        }
        measured.push(bench::run(workload, &device, args.seconds)?);
    }
    if json {
        let object: Map<String, serde_json::Value> =
            measured.iter().map(|one| (one.workload.to_owned(), json!(one))).collect();
        report::json(&object.into());
        return Ok(Status::Done);
    }
    let rows: Vec<Vec<String>> = measured
        .iter()
        .map(|one| {
            vec![
                one.workload.to_owned(),
                report::count(one.parameters as u64),
                one.batch_size.to_string(),
                format!("{:.2}", one.steps_per_second),
                format!("{:.0}", one.examples_per_second),
            ]
        })
        .collect();
    report::line(format!("On {}: forward, backward and AdamW, random inputs.", device.name));
    report::table(&["workload", "parameters", "batch", "steps/s", "examples/s"], &rows);
    Ok(Status::Done)
}

/// The workloads of the given names; all if none is given.
fn chosen(names: &[String]) -> Result<Vec<Workload>, Failure> {
    if names.is_empty() {
        return Ok(WORKLOADS.iter().map(|(workload, _)| *workload).collect());
    }
    let known = || WORKLOADS.iter().map(|(_, entry)| entry.name).collect::<Vec<_>>().join(", ");
    names
        .iter()
        .map(|name| {
            Workload::named(name).ok_or_else(|| {
                Failure::usage(format!("there is no workload `{name}`"), format!("workloads are {}", known()))
            })
        })
        .collect()
}
