//! `firebox data check`: what is wrong with the data of a config?

use data_loader::Dataset;
use data_loader::checks::{self, Depth, Report, Severity};
use serde_json::json;
use trainer::experiment::root_of;
use trainer::{Experiment, RunDir, reports};

use super::Ended;
use crate::args::DataCheck;
use crate::console::Steps;
use crate::failure::{Failure, Status};
use crate::report;

pub(super) fn run(args: &DataCheck, json: bool) -> Ended {
    let experiment = Experiment::read(&args.config, &args.set)?;
    let root = root_of(&args.config, &experiment.data.card).unwrap_or_default();
    let dataset = Dataset::open_for_checks(&experiment.data, &root, experiment.task, experiment.seed)?;
    let mut steps = Steps::new(!json);
    let found = checks::check(&dataset, Depth::Thorough, experiment.seed, &mut |what, done, all| steps.tell(what, done, all))?;
    steps.finish();
    std::fs::create_dir_all(&args.out).map_err(|error| {
        Failure::usage(format!("cannot create {}: {error}", args.out.display()), "`--out` takes a folder")
    })?;
    let (json_path, page) = RunDir::data_reports_in(&args.out);
    reports::data::write_json(&found, &json_path)?;
    reports::data::write(&found, &page)?;
    if json {
        report::json(&json!(found));
    } else {
        tell(&found);
        report::line(format!("The report lies at {}", page.display()));
    }
    Ok(if found.failed().next().is_some() { Status::GateFailed } else { Status::Done })
}

fn tell(found: &Report) {
    let [train, validation, test] = found.parts.map(|part| report::count(part as u64));
    report::line(format!(
        "Checked {} examples of {}: {train} for training, {validation} for validation, {test} for test.",
        report::count(found.rows as u64),
        found.card
    ));
    for finding in &found.findings {
        report::line(format!("{}: {} [{}]", finding.severity.name(), finding.message, finding.check));
        if finding.severity == Severity::Error {
            report::line(format!("  {}", finding.way_out()));
        }
    }
    for remark in &found.remarks {
        report::line(format!("left out: {} [{}]", remark.reason, remark.check));
    }
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| found.count(severity));
    report::line(match counts {
        [0, 0, 0] => "Nothing was found.".to_owned(),
        [errors, warnings, notes] => format!("{errors} errors, {warnings} warnings, {notes} notes."),
    });
}
