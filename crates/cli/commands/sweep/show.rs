//! How does a study look in a terminal?

use std::path::Path;

use serde_json::json;
use trainer::address::typed;
use trainer::sweep::place::Place;
use trainer::sweep::status::Status;
use trainer::sweep::study::Study;
use trainer::sweep::trial::State;

use super::written;
use crate::console::trials::{line, number, settings, summary};
use crate::report;

/// How many trials a table shows.
const ROWS: usize = 10;

/// `firebox sweep status`
pub(super) fn status(study: &Study, json: bool) {
    let standing = Status::of(study);
    if json {
        report::json(&json!(standing));
        return;
    }
    let budget = standing.trials.map_or_else(String::new, |trials| format!(" of {}", report::count(trials)));
    report::line(format!(
        "{} is {}: {}{budget} trials finished, {}",
        standing.study,
        standing.state,
        report::count(standing.finished),
        summary(study, &standing)
    ));
    if standing.running + standing.waiting > 0 {
        report::line(format!("{} running, {} waiting", standing.running, standing.waiting));
    }
    report::line(format!("{} steps in {} of training", report::count(standing.steps), report::span(standing.seconds)));
    for trial in study.trials.iter().filter(|trial| trial.state == State::Failed).take(ROWS) {
        report::line(format!("trial {} failed: {}", trial.number, trial.error.as_deref().unwrap_or_default()));
    }
    table(study);
}

/// The best trials.
fn table(study: &Study) {
    let ranked = study.ranked();
    if ranked.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = ranked
        .iter()
        .take(ROWS)
        .map(|trial| {
            let values =
                study.objectives().iter().map(|o| trial.scores.get(&o.metric).map_or("?".into(), |v| number(*v)));
            let mut row = vec![trial.number.to_string()];
            row.extend(values);
            row.extend([report::count(trial.step), format!("{:.1}", trial.seconds), settings(trial)]);
            row
        })
        .collect();
    let mut heading = vec!["trial"];
    heading.extend(study.objectives().iter().map(|objective| objective.metric.as_str()));
    heading.extend(["steps", "s", "settings"]);
    report::table(&heading, &rows);
}

/// `firebox sweep best`
pub(super) fn best(study: &Study, out: Option<&Path>) {
    for trial in study.front() {
        report::line(line(trial, study.objectives()));
        if let Some(run) = study.kept_run(trial.number) {
            report::line(format!("  its run lies at {}", run.path().display()));
        }
    }
    if let Some(out) = out {
        report::line(format!("The config of the first lies at {}", out.display()));
        report::line("Next:");
        report::line(format!("  firebox train {}", typed(out)));
    }
}

/// What came of a sweep, and what can be done next.
pub(super) fn outcome(study: &Study, place: &Place, kept: &[u64]) {
    let standing = Status::of(study);
    report::line(format!(
        "Finished {} trials in {} of training: {}.",
        report::count(standing.finished),
        report::span(standing.seconds),
        summary(study, &standing)
    ));
    table(study);
    let exhausted = study.untried() == Some(0);
    if exhausted {
        report::line("Every combination was tried.");
    }
    let address = written(&address(place, study));
    if let Some(run) = kept.first().and_then(|number| study.kept_run(*number)) {
        report::line(format!("The run of the best trial lies at {}", run.path().display()));
    }
    report::line("Next:");
    report::line(format!("  open {}", typed(&study.page())));
    report::line(format!("  firebox train --from {address}"));
    // A population stays as it is, and of combinations there are no more.
    if study.sweep.population.is_none() && !exhausted {
        report::line(format!("  firebox sweep resume {address} --trials {}", 2 * standing.finished));
    }
}

/// As it is written to name the study again.
pub(super) fn address(place: &Place, study: &Study) -> String {
    match place {
        Place::Folder(folder) => folder.display().to_string(),
        Place::Url { .. } => format!("{}#{}", study.place(), study.name()),
    }
}
