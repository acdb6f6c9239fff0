//! `firebox data check`: what is wrong with the data of a config?

use data_loader::Dataset;
use data_loader::checks::label_errors::{self, OutOfFold};
use data_loader::checks::{self, Depth, Remark, Report, Severity};
use data_loader::clean::proposals::{self, Places, propose};
use serde_json::json;
use trainer::experiment::root_of;
use trainer::out_of_fold::{Progress, out_of_fold};
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
    let (answers, remark) = judge_labels(&experiment, &dataset, args, &mut steps)?;
    let mut found =
        checks::check_with(&dataset, answers.as_ref(), Depth::Thorough, experiment.seed, &mut |what, done, all| {
            steps.tell(what, done, all);
        })?;
    steps.finish();
    if let Some(reason) = remark {
        found.remarks.retain(|remark| remark.check != label_errors::ENTRY.name);
        found.remarks.push(Remark { check: label_errors::ENTRY.name.to_owned(), reason });
    }
    std::fs::create_dir_all(&args.out).map_err(|error| {
        Failure::usage(format!("cannot create {}: {error}", args.out.display()), "`--out` takes a folder")
    })?;
    let (json_path, page) = RunDir::data_reports_in(&args.out);
    reports::data::write_json(&found, &json_path)?;
    reports::data::write(&found, &page)?;
    let proposals = propose(found.label_errors.as_ref(), &found.duplicates, &Places::of(&dataset)?);
    let decisions = RunDir::data_decisions_in(&args.out);
    let written = !proposals.is_empty() && proposals::write(&proposals, &decisions)?;
    if json {
        report::json(&json!(found));
    } else {
        tell(&found);
        report::line(format!("The report lies at {}", page.display()));
        let count = report::count(proposals.len() as u64);
        if written {
            report::line(format!("{count} proposals to be reviewed lie at {}", decisions.display()));
        } else if !proposals.is_empty() {
            let place = decisions.display();
            report::line(format!("{place} holds reviewed decisions, so {count} proposals were not written there"));
        }
    }
    Ok(if found.failed().next().is_some() { Status::GateFailed } else { Status::Done })
}

/// What quick models say of examples that they never saw, and why there are none of these answers where there are none.
fn judge_labels(
    experiment: &Experiment,
    dataset: &Dataset,
    args: &DataCheck,
    steps: &mut Steps,
) -> Result<(Option<OutOfFold>, Option<String>), Failure> {
    let config = experiment.label_errors.clone().unwrap_or_default();
    if dataset.pipeline().labels().is_none() {
        return Ok((None, None));
    }
    if config.folds == 0 {
        return Ok((None, Some("`label_errors.folds` is 0.".into())));
    }
    let device = model_zoo::device::open(&experiment.device)?;
    let mut progress = |progress: Progress| {
        let done = progress.fold as u64 * progress.steps + progress.step;
        steps.tell("labels", done as usize, progress.folds * progress.steps as usize);
    };
    match out_of_fold(dataset, &config, experiment.seed, &device, &args.config, &mut progress) {
        Ok(judged) => {
            let remark = (judged.left_out > 0).then(|| {
                format!(
                    "{} labels were not judged, because no other example has them.",
                    report::count(judged.left_out as u64)
                )
            });
            Ok((Some(judged.answers), remark))
        }
        // What is wrong with the data themselves is found by the other checks, which must not end here; what is wrong with the config
        // must not switch a gate off.
        Err(trainer::Error::Data(error)) if !matches!(error, data_loader::Error::Setting { .. }) => {
            Ok((None, Some(format!("Labels were not checked: {error}"))))
        }
        Err(error) => Err(error.into()),
    }
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
        counts => {
            let counted = |(count, word): (usize, &str)| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
            let words = counts.into_iter().zip(["error", "warning", "note"]).map(counted);
            format!("{}.", words.collect::<Vec<_>>().join(", "))
        }
    });
}
