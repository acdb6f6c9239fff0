//! `firebox bench`: training speed on four reference workloads.

use std::collections::BTreeMap;

use serde_json::{Map, json};
use trainer::bench::{self, Measured, WORKLOADS, Workload};

use super::{Ended, check_span};
use crate::args::Bench;
use crate::child;
use crate::failure::{Failure, Status};
use crate::report;

pub(super) fn run(args: &Bench, json: bool) -> Ended {
    check_span(args.seconds)?;
    let workloads = chosen(&args.workload)?;
    let device = model_zoo::device::open(&args.device)?;
    let mut measured: Vec<Measured> = Vec::new();
    for &workload in &workloads {
        if !json {
            report::note(format!("Measuring {} for {} s ...", workload.name(), args.seconds));
        }
        measured.push(match workloads.len() {
            1 => bench::run(workload, &device, args.seconds)?,
            // Each in a process of its own, so that what one leaves behind in memory does not count for the next.
            _ => in_child(workload, args)?,
        });
    }
    if json {
        let object: Map<String, serde_json::Value> =
            measured.iter().map(|one| (one.workload.clone(), json!(one))).collect();
        report::json(&object.into());
        return Ok(Status::Done);
    }
    let rows: Vec<Vec<String>> = measured
        .iter()
        .map(|one| {
            vec![
                one.workload.clone(),
                report::count(one.parameters as u64),
                one.batch_size.to_string(),
                format!("{:.2}", one.steps_per_second),
                format!("{:.0}", one.examples_per_second),
                format!("{:.3}", one.latency.median),
                format!("{:.3}", one.latency.p99),
                one.peak_memory.map_or_else(|| "-".into(), |bytes| (bytes >> 20).to_string()),
            ]
        })
        .collect();
    report::line(format!(
        "On {}: forward, backward and AdamW, random inputs; milliseconds to answer a single one, without gradients.",
        device.name
    ));
    let heading = ["workload", "parameters", "batch", "steps/s", "examples/s", "ms/answer", "99 % within", "most MiB"];
    report::table(&heading, &rows);
    Ok(Status::Done)
}

fn in_child(workload: Workload, args: &Bench) -> Result<Measured, Failure> {
    let seconds = args.seconds.to_string();
    let arguments = ["bench", "--json", "--workload", workload.name(), "--device", &args.device, "--seconds", &seconds];
    let mut told: BTreeMap<String, Measured> = child::json(child::command()?.args(arguments))?;
    told.remove(workload.name()).ok_or_else(|| Failure::broken("a child of this program measured something else"))
}

/// The workloads of the given names; all if none is given.
fn chosen(names: &[String]) -> Result<Vec<Workload>, Failure> {
    if names.is_empty() {
        return Ok(WORKLOADS.iter().map(|(workload, _)| *workload).collect());
    }
    let known = || WORKLOADS.iter().map(|(_, entry)| entry.name).collect::<Vec<_>>().join(", ");
    let mut chosen = Vec::new();
    for name in names {
        let workload = Workload::named(name).ok_or_else(|| {
            Failure::usage(format!("there is no workload `{name}`"), format!("workloads are {}", known()))
        })?;
        if !chosen.contains(&workload) {
            chosen.push(workload);
        }
    }
    Ok(chosen)
}
