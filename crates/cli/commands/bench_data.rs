//! `firebox bench data`: how fast photographs become batches.

use serde_json::json;

use super::{Ended, check_span};
use crate::args::BenchData;
use crate::failure::Status;
use crate::report;

/// Measures with so many threads, or as many as there are cores.
pub(super) fn run(args: &BenchData, threads: Option<u16>, json: bool) -> Ended {
    check_span(args.seconds)?;
    let measured = data_loader::throughput::photographs(&args.folder, threads.map_or(0, usize::from), args.seconds)?;
    if json {
        report::json(&json!(measured));
        return Ok(Status::Done);
    }
    report::line(format!(
        "{} images by {} threads: decode, random resized crop 224, flip, normalise, batches of 64.",
        report::count(measured.images as u64),
        measured.threads
    ));
    let rows: Vec<Vec<String>> = (0..)
        .zip(&measured.images_per_second)
        .map(|(epoch, speed): (u64, _)| vec![epoch.to_string(), format!("{speed:.0}")])
        .collect();
    report::table(&["epoch", "images/s"], &rows);
    Ok(Status::Done)
}
