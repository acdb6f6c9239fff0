//! `firebox data clean`: apply reviewed decisions to data and write a new data set.

use data_loader::clean::{Request, clean};
use serde_json::json;
use trainer::Experiment;
use trainer::experiment::root_of;

use super::Ended;
use crate::args::DataClean;
use crate::failure::Status;
use crate::report;

pub(super) fn run(args: &DataClean, json: bool) -> Ended {
    let experiment = Experiment::read(&args.config, &args.set)?;
    let root = root_of(&args.config, &experiment.data.card).unwrap_or_default();
    let card = root.join(&experiment.data.card);
    let request = Request { card: &card, decisions: &args.decisions, out: &args.out, unreviewed: args.unreviewed };
    let cleaned = clean(&request)?;
    if json {
        report::json(&json!({
            "folder": cleaned.folder.display().to_string(),
            "before": cleaned.before,
            "after": cleaned.after,
            "counts": cleaned.counts,
        }));
    } else {
        report::line(format!(
            "{} of {} examples are in {}: {}.",
            report::count(cleaned.after as u64),
            report::count(cleaned.before as u64),
            cleaned.folder.display(),
            cleaned.counts.phrase()
        ));
        report::line("Its card says from what it was made; name the folder as `data.card` to train on it.");
    }
    Ok(Status::Done)
}
