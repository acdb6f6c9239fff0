//! `firebox select`: which network suits this data? Each task of the race runs in a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use trainer::Experiment;
use trainer::address::typed;
use trainer::select::Race;
use trainer::select::rung::{self, Measured, Task, Told};
use trainer::select::state::{Budget, Failed, Next, Selection};
use trainer::select::verdict::Verdict;

use super::Ended;
use super::train::{RUNS, interrupt_flag};
use crate::args::Select;
use crate::child;
use crate::failure::{Failure, Status};
use crate::report;

/// What a task ends with that nobody waits for.
const INTERRUPTED: i32 = 130;
/// How often a child is looked after.
const LOOK: Duration = Duration::from_millis(10);

pub(super) fn run(args: &Select, json: bool) -> Ended {
    if let Some(task) = &args.task {
        return work(args, task);
    }
    let budget = match args.steps {
        Some(0) => return Err(Failure::usage("`--steps` is 0", "give a few hundred for each candidate")),
        Some(steps) => Budget::Steps(steps),
        None if args.minutes.is_finite() && args.minutes > 0.0 => Budget::Minutes(args.minutes),
        None => {
            let message = format!("`--minutes` is {}; it must be above 0", args.minutes);
            return Err(Failure::usage(message, "give a number such as 10 or 0.5"));
        }
    };
    if let Some(out) = &args.out {
        check_out(out)?;
    }
    let experiment = Experiment::read(&args.config, &args.settings.all())?;
    let device = model_zoo::device::open(&experiment.device)?;
    let interrupt = interrupt_flag()?;
    let mut race = Race::open(experiment, &args.config, Path::new(RUNS), budget, &device)?;
    let say = |text: String| {
        if !json {
            report::note(text);
        }
    };
    introduce(&race.selection, race.folder(), &say);
    while let Some((next, task)) = race.next_task()? {
        while race.is_held(&task) && !interrupt.load(Ordering::Relaxed) {
            // A child of a selection that was killed saves and ends by itself.
            std::thread::sleep(LOOK);
        }
        say(announce(&race.selection, next));
        let came = match interrupt.load(Ordering::Relaxed) {
            true => Ok(Told::Interrupted),
            false => perform(args, &device.name, &task, &interrupt)?,
        };
        if came == Ok(Told::Interrupted) {
            return Ok(interrupted(&args.config, json));
        }
        if let Err(failed) = &came {
            let again = if failed.from_outside { "; the same command tries it again" } else { "" };
            say(format!("  out of the race: {}{again}", failed.reason));
        }
        race.record(next, came)?;
    }
    conclude(args, &race, json)
}

/// Does one task and tells the result; ends early, with everything saved, once nobody waits for it any more.
fn work(args: &Select, task: &str) -> Ended {
    let task: Task = serde_json::from_str(task)
        .map_err(|error| Failure::usage(format!("`--task` says nothing that can be done: {error}"), "leave it out"))?;
    let device = model_zoo::device::open(args.settings.device.as_deref().unwrap_or("auto"))?;
    let interrupt = interrupt_flag()?;
    let nobody_waits = Arc::clone(&interrupt);
    let saves = matches!(task, Task::Rung { .. });
    child::when_nobody_waits(move || {
        nobody_waits.store(true, Ordering::Relaxed);
        if !saves {
            end_at_once();
        }
    });
    let told = rung::perform(&task, &args.config, &device, &interrupt)?;
    report::json(&json!(told));
    Ok(Status::Done)
}

/// Ends a task that has nothing to save: only a training has, and looks at the flag.
#[expect(clippy::exit, reason = "whoever computes a baseline looks at no flag, and nobody waits for it any more")]
fn end_at_once() {
    std::process::exit(INTERRUPTED);
}

/// Lets a child do a task. What the child cannot do is a reason; only what nobody could do is a failure.
fn perform(args: &Select, device: &str, task: &Task, interrupt: &AtomicBool) -> Result<Result<Told, Failed>, Failure> {
    let mut command = child::command()?;
    command.arg("select").arg(&args.config).args(["--json", "--device", device, "--task", &json!(task).to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(child::not_started)?;
    let mut alive = child.stdin.take();
    let ended = std::thread::spawn(move || child.wait_with_output());
    while !ended.is_finished() {
        if interrupt.load(Ordering::Relaxed) {
            alive = None;
        }
        std::thread::sleep(LOOK);
    }
    drop(alive);
    let output = match ended.join() {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(Failure::broken(format!("cannot wait for a child: {error}"))),
        Err(_) => return Err(Failure::broken("the thread that waits for a child broke")),
    };
    if interrupt.load(Ordering::Relaxed) {
        return Ok(Ok(Told::Interrupted));
    }
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let told_well = output.status.success().then(|| serde_json::from_value(told.clone()).ok()).flatten();
    Ok(told_well.ok_or_else(|| why(&output, &told)))
}

/// Why a child came to nothing.
fn why(output: &Output, told: &Value) -> Failed {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&output.status) {
        let memory = if signal == 9 { ", probably because the memory was full" } else { "" };
        return Failed { reason: format!("its process was ended by signal {signal}{memory}"), from_outside: true };
    }
    if let Some(error) = told["error"].as_str() {
        return Failed::itself(error);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Failed::itself(said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it ended without a word").trim())
}

/// What `--out` cannot mean is told before anything is tried.
fn check_out(out: &Path) -> Result<(), Failure> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let hint = "name a file in a folder that is there, such as --out best.toml";
    if out.is_dir() {
        return Err(Failure::usage(format!("`--out {}` is a folder", out.display()), hint));
    }
    match parent.filter(|parent| !parent.is_dir()) {
        Some(parent) => Err(Failure::usage(format!("`--out`: there is no folder {}", parent.display()), hint)),
        None => Ok(()),
    }
}

fn interrupted(config: &Path, json: bool) -> Status {
    if json {
        report::json(&json!({ "status": "interrupted" }));
    } else {
        report::line("Interrupted; everything is saved.");
        report::line(format!("The same command on {} goes on.", typed(config)));
    }
    Status::Interrupted
}

fn introduce(selection: &Selection, folder: &Path, say: &dyn Fn(String)) {
    let rungs: Vec<String> = selection.rungs().iter().map(ToString::to_string).collect();
    say(format!(
        "{} candidates, judged by `{}` on the validation split; rungs of {}; in {}",
        selection.candidates.len(),
        selection.watch,
        rungs.join(" and "),
        folder.display()
    ));
    for candidate in &selection.candidates {
        say(format!("  {}: {}", candidate.name, candidate.reason));
    }
    for left_out in &selection.left_out {
        say(format!("  {} is left out: {}", left_out.name, left_out.reason));
    }
}

fn announce(selection: &Selection, next: Next) -> String {
    match next {
        Next::Baseline(baseline) => format!("baseline {}", selection.baselines[baseline].name),
        Next::Probe(candidate) => format!("how fast is {}?", selection.candidates[candidate].name),
        Next::Rung { candidate, rung } => {
            let candidate = &selection.candidates[candidate];
            let until = report::count(candidate.steps[rung]);
            format!("rung {} of {}: {} until step {until}", rung + 1, selection.rungs().len(), candidate.name)
        }
    }
}

/// A line of the table.
struct Line<'a> {
    name: &'a str,
    network: bool,
    reason: &'a str,
    measured: Option<&'a Measured>,
    rung: Option<usize>,
    failed: Option<&'a str>,
}

/// Networks and baselines, the best first; what failed stands at the end.
fn lines(selection: &Selection) -> Vec<Line<'_>> {
    let networks = selection.candidates.iter().map(|candidate| Line {
        name: &candidate.name,
        network: true,
        reason: &candidate.reason,
        measured: candidate.done.last(),
        rung: Some(candidate.done.len()),
        failed: candidate.failed.as_ref().map(|failed| failed.reason.as_str()),
    });
    let baselines = selection.baselines.iter().map(|baseline| Line {
        name: &baseline.name,
        network: false,
        reason: &baseline.reason,
        measured: baseline.done.as_ref(),
        rung: None,
        failed: baseline.failed.as_ref().map(|failed| failed.reason.as_str()),
    });
    let mut lines: Vec<Line<'_>> = networks.chain(baselines).collect();
    lines.sort_by(|a, b| {
        let order = a.failed.is_some().cmp(&b.failed.is_some());
        order.then_with(|| match (a.measured, b.measured) {
            (Some(a), Some(b)) => selection.compare(a, b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        })
    });
    lines
}

fn conclude(args: &Select, race: &Race, json: bool) -> Ended {
    let out = args.out.clone().unwrap_or_else(|| race.winning_path());
    let written = race.winning_config(&out).map(|text| write(&out, &text, args.out.is_some())).transpose()?;
    let verdict = Verdict::new(&race.selection);
    let winner = race.selection.winner().map(|winner| winner.name.clone());
    if json {
        report::json(&summary(race, &verdict, winner.as_deref(), written.as_ref().map(|(path, _)| path)));
    } else {
        show(&race.selection);
        report::line(&verdict.text);
        if let Some((path, kept)) = &written {
            if let Some(kept) = kept {
                report::line(format!("What was in {} lies in {} now.", path.display(), kept.display()));
            }
            report::line(format!("The config of {} lies at {}", winner.unwrap_or_default(), path.display()));
            report::line("Next:");
            report::line(format!("  firebox train {}", typed(path)));
        }
    }
    if written.is_some() {
        return Ok(Status::Done);
    }
    if !json {
        let hint = Some("the table says why each is out of the race".to_owned());
        let message = "no network could be trained".to_owned();
        report::failure(&Failure { message, hint, usage: false, gate: false }, false);
    }
    Ok(Status::Failed)
}

/// Writes the winning config; where another file lies already that the user named, it is moved aside, and its new place told.
fn write(out: &Path, text: &str, named: bool) -> Result<(PathBuf, Option<PathBuf>), Failure> {
    let same = std::fs::read(out).is_ok_and(|old| old == text.as_bytes());
    let mut kept = None;
    if named && !same && out.exists() {
        let aside =
            (1..=u32::MAX).map(|number| PathBuf::from(format!("{}.old-{number}", out.display()))).find(|p| !p.exists());
        if let Some(aside) = aside {
            std::fs::rename(out, &aside).map_err(|error| {
                let hint = "name another file with --out";
                Failure::usage(format!("cannot move {} aside: {error}", out.display()), hint)
            })?;
            kept = Some(aside);
        }
    }
    model_zoo::atomic::write_file(out, text.as_bytes())?;
    Ok((out.to_owned(), kept))
}

fn show(selection: &Selection) {
    let rungs = selection.rungs().len();
    let mebibytes = |bytes: Option<u64>| bytes.map_or_else(|| "-".into(), |bytes| (bytes >> 20).to_string());
    let lines = lines(selection);
    let rows: Vec<Vec<String>> = lines
        .iter()
        .enumerate()
        .map(|(place, line)| {
            let rung = line.rung.map_or_else(|| "-".into(), |rung| format!("{rung}/{rungs}"));
            let kind = if line.network { "network" } else { "baseline" };
            let Some(measured) = line.measured.filter(|_| line.failed.is_none()) else {
                let mut row = vec!["-".into(), line.name.into(), kind.into()];
                row.extend(["-", "-", "-", "-", "-", "-"].map(str::to_owned));
                row.extend([rung, line.failed.unwrap_or("not judged").into()]);
                return row;
            };
            vec![
                (place + 1).to_string(),
                line.name.into(),
                kind.into(),
                format!("{:.4}", measured.score.value),
                measured.score.error().map_or_else(|| "?".into(), |error| format!("{error:.4}")),
                measured.parameters.map_or_else(|| "-".into(), |parameters| report::count(parameters as u64)),
                format!("{:.1}", measured.seconds),
                mebibytes(measured.peak_memory),
                format!("{:.3}", measured.latency * 1e3),
                rung,
                line.reason.into(),
            ]
        })
        .collect();
    let heading =
        ["", "candidate", "kind", &selection.watch, "+-", "parameters", "s", "most MiB", "ms/answer", "rung", "why"];
    report::table(&heading, &rows);
    for left_out in &selection.left_out {
        report::line(format!("{} was left out: {}.", left_out.name, left_out.reason));
    }
}

fn summary(race: &Race, verdict: &Verdict, winner: Option<&str>, written: Option<&PathBuf>) -> Value {
    let selection = &race.selection;
    let lines: Vec<Value> = lines(selection)
        .iter()
        .map(|line| {
            json!({
                "name": line.name,
                "kind": if line.network { "network" } else { "baseline" },
                "reason": line.reason,
                "score": line.measured.map(|measured| measured.score.value),
                "standard_error": line.measured.and_then(|measured| measured.score.error()),
                "parameters": line.measured.and_then(|measured| measured.parameters),
                "steps": line.measured.map(|measured| measured.step),
                "judged_step": line.measured.map(|measured| measured.judged_step),
                "seconds": line.measured.map(|measured| measured.seconds),
                "peak_memory": line.measured.and_then(|measured| measured.peak_memory),
                "latency": line.measured.map(|measured| measured.latency),
                "rung": line.rung,
                "failed": line.failed,
            })
        })
        .collect();
    json!({
        "folder": race.folder().display().to_string(),
        "watch": selection.watch,
        "budget": selection.budget,
        "rungs": selection.rungs(),
        "candidates": lines,
        "left_out": selection.left_out,
        "winner": winner,
        "config": written.map(|path| path.display().to_string()),
        "verdict": verdict,
    })
}
