//! `firebox list`: what a config can name.

use data_loader::{Task, checks, formats, samplers, sources, split, transforms};
use model_zoo::architectures::ARCHITECTURES;
use serde_json::{Map, json};
use trainer::sweep::{pruners, searchers};
use trainer::{exporters, losses, metrics, optimizers, schedules};

use super::Ended;
use crate::args::List;
use crate::failure::{Failure, Status};
use crate::report;

type Names = Vec<(&'static str, &'static str)>;

/// Every kind, how it is addressed in a config, and its members.
fn kinds() -> Vec<(&'static str, &'static str, Names)> {
    let members = |entries: &[data_loader::Entry]| entries.iter().map(|entry| (entry.name, entry.summary)).collect();
    vec![
        ("architectures", "[model.NAME]", ARCHITECTURES.iter().map(|entry| (entry.name, entry.summary)).collect()),
        ("checks", "data.gates.NAME", members(checks::MEMBERS)),
        ("formats", "[format.NAME] in a data card", members(formats::MEMBERS)),
        ("forms", "firebox export --to NAME", members(exporters::MEMBERS)),
        ("losses", "[loss.NAME]", members(losses::MEMBERS)),
        ("metrics", "train.watch, goal.metric", members(metrics::MEMBERS)),
        ("optimizers", "[optimizer.NAME]", members(optimizers::MEMBERS)),
        ("pruners", "[sweep.pruner.NAME]", members(pruners::MEMBERS)),
        ("samplers", "data.sampler", members(samplers::MEMBERS)),
        ("schedules", "[schedule.NAME]", members(schedules::MEMBERS)),
        ("searchers", "[sweep.searcher.NAME]", members(searchers::MEMBERS)),
        ("sources", "[files.from.NAME] in a data card", members(sources::MEMBERS)),
        ("splits", "[data.split.NAME]", members(split::MEMBERS)),
        ("tasks", "task", Task::ALL.iter().map(|(task, summary)| (task.name(), *summary)).collect()),
        ("transforms", "[data.transforms.NAME]", members(transforms::MEMBERS)),
    ]
}

pub(super) fn run(args: &List, json: bool) -> Ended {
    let kinds = kinds();
    let known: Vec<&str> = kinds.iter().map(|(kind, ..)| *kind).collect();
    if let Some(kind) = &args.kind
        && !known.contains(&kind.as_str())
    {
        return Err(Failure::usage(format!("there is no kind `{kind}`"), format!("kinds are {}", known.join(", "))));
    }
    let chosen = kinds.into_iter().filter(|(kind, ..)| args.kind.as_deref().is_none_or(|wanted| wanted == *kind));
    if json {
        let object: Map<String, serde_json::Value> = chosen
            .map(|(kind, _, names)| {
                let names: Vec<_> =
                    names.iter().map(|(name, summary)| json!({"name": name, "summary": summary})).collect();
                (kind.to_owned(), json!(names))
            })
            .collect();
        report::json(&object.into());
        return Ok(Status::Done);
    }
    for (place, (kind, address, names)) in chosen.enumerate() {
        if place > 0 {
            report::line("");
        }
        report::line(format!("{kind}, {address}"));
        let widest = names.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, summary) in names {
            report::line(format!("  {name:widest$}  {summary}"));
        }
    }
    Ok(Status::Done)
}
