//! `firebox runs`: the runs and how they did.

use serde_json::json;
use trainer::recorders::jsonl;
use trainer::result::RunResult;
use trainer::{RunDir, checkpoint};

use super::Ended;
use crate::args::Runs;
use crate::failure::Status;
use crate::report;

pub(super) fn run(args: &Runs, json: bool) -> Ended {
    let runs = RunDir::list(&args.root)?;
    if json {
        let rows: Vec<_> = runs
            .iter()
            .map(|run| {
                let result = RunResult::read(&run.result()).ok();
                json!({
                    "run": run.path().display().to_string(),
                    "status": status(run, result.as_ref()),
                    "step": step(run),
                    "checkpoints": checkpoint::steps(run),
                    "scores": result.map(|result| result.scores),
                })
            })
            .collect();
        report::json(&json!(rows));
        return Ok(Status::Done);
    }
    if runs.is_empty() {
        report::line(format!("There are no runs under {}; `firebox train CONFIG` makes one.", args.root.display()));
        return Ok(Status::Done);
    }
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let result = RunResult::read(&run.result()).ok();
            let score = result.as_ref().and_then(|result| {
                let name = ["accuracy", "rmse", "perplexity", "loss"]
                    .into_iter()
                    .find(|name| result.scores.contains_key(*name))?;
                Some(format!("{} {name} {:.4}", result.judged_on, result.scores[name]))
            });
            let kept: Vec<String> = checkpoint::steps(run).iter().map(|step| format!("step-{step}")).collect();
            vec![
                run.path().display().to_string(),
                status(run, result.as_ref()).to_owned(),
                step(run).map_or_else(|| "-".to_owned(), report::count),
                score.unwrap_or_else(|| "-".to_owned()),
                kept.join(" "),
            ]
        })
        .collect();
    report::table(&["run", "status", "step", "score", "checkpoints"], &rows);
    Ok(Status::Done)
}

fn status(run: &RunDir, result: Option<&RunResult>) -> &'static str {
    match result {
        _ if run.is_active() => "training",
        Some(result) if result.status == "stopped" => "stopped early",
        Some(_) => "completed",
        None => "unfinished",
    }
}

/// The last step that was recorded.
fn step(run: &RunDir) -> Option<u64> {
    Some(jsonl::read(&run.metrics()).ok()?.progress.last()?.step)
}
