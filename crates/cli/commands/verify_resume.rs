//! `firebox verify resume`: a run that is killed and resumed ends as one that never was, bit for bit.
//!
//! Three processes, since a training owns its process: one that trains 2N steps straight; one that is told to wait halfway
//! between the checkpoint at N and the end, and is killed there with SIGKILL; and one that resumes it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use trainer::batch_size::BatchSize;
use trainer::recorders::jsonl;
use trainer::{Experiment, RunDir, verify};

use super::Ended;
use crate::args::VerifyResume;
use crate::child;
use crate::failure::{Failure, Status};
use crate::report;

/// How long a child may take to reach the step at which it waits.
const LIMIT: Duration = Duration::from_hours(1);

pub(super) fn run(args: &VerifyResume, json: bool) -> Ended {
    // Mistakes in the config are told here once, not by three children.
    let mut experiment = Experiment::read(&args.config, &args.settings.all())?;
    super::bench_batch::settle(&mut experiment, &args.config, &args.settings.all(), json)?;
    let folder = std::env::temp_dir().join(format!("firebox-verify-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::broken(format!("cannot create {}: {error}", folder.display())))?;
    let verdict = prove(args, experiment.train.batch_size, &folder, json);
    match &verdict {
        Ok(_) => std::fs::remove_dir_all(&folder).unwrap_or(()),
        Err(_) => report::note(format!("Both runs are kept for inspection in {}", folder.display())),
    }
    let equal = verdict?;
    if json {
        report::json(&json!({
            "equal": true,
            "steps": 2 * args.steps,
            "numbers": equal.numbers,
            "losses": equal.losses,
        }));
    } else {
        report::line(format!(
            "Equal: {} steps straight, and {} steps + SIGKILL + resume, agree bit for bit in {} weights and optimizer values and {} losses.",
            report::count(2 * args.steps),
            report::count(args.steps),
            report::count(equal.numbers as u64),
            report::count(equal.losses as u64),
        ));
    }
    Ok(Status::Done)
}

fn prove(args: &VerifyResume, batch_size: BatchSize, folder: &Path, json: bool) -> Result<verify::Equal, Failure> {
    let (straight, resumed) = (folder.join("straight"), folder.join("resumed"));
    let say = |text: String| {
        if !json {
            report::note(text);
        }
    };
    say(format!("1 of 3: {} steps straight", 2 * args.steps));
    finish(train(args, batch_size, &straight, None)?)?;

    let pause = args.steps + args.steps.div_ceil(2);
    say(format!("2 of 3: the same, killed with SIGKILL after step {pause}"));
    let mut child = train(args, batch_size, &resumed, Some(pause))?;
    wait_for_step(&mut child, &resumed, pause)?;
    let ended = child.kill().and_then(|()| child.wait());
    let ended = ended.map_err(|error| Failure::broken(format!("cannot kill the child: {error}")))?;
    #[cfg(unix)]
    if std::os::unix::process::ExitStatusExt::signal(&ended) != Some(9) {
        return Err(Failure::broken(format!("the training that was to be killed ended by itself: {ended}")));
    }

    say(format!("3 of 3: resumed from the checkpoint at step {}", args.steps));
    let mut command = child::command()?;
    command.arg("resume").arg(format!("{}@step-{}", resumed.display(), args.steps)).arg("--json");
    finish(spawn(command)?)?;

    Ok(verify::compare(&RunDir::open(&straight)?, &RunDir::open(&resumed)?, 2 * args.steps)?)
}

fn spawn(mut command: Command) -> Result<Child, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(child::not_started)
}

/// Starts a training of 2N steps with a checkpoint at N; on the processor unless a device is named, since only there bits are
/// promised.
fn train(args: &VerifyResume, batch_size: BatchSize, run: &Path, pause_at: Option<u64>) -> Result<Child, Failure> {
    let mut command = child::command()?;
    command.arg("train").arg(&args.config).arg("--json").arg("--run").arg(run);
    let fixed = [
        format!("train.steps={}", 2 * args.steps),
        format!("train.evaluate_every={}", args.steps),
        "train.record_every=1".to_owned(),
        // Two measurements may disagree.
        format!("train.batch_size={}", json!(batch_size)),
        format!("checkpoints.every_steps={}", args.steps),
        "checkpoints.keep_last=1000".to_owned(),
        // A run that stops early has no end to compare; what stopping remembers is compared all the same.
        format!("stopping.patience={}", u64::MAX / 2),
    ];
    let device = args.settings.device.is_none() && !args.settings.set.iter().any(|set| set.starts_with("device"));
    for setting in args.settings.all().into_iter().chain(fixed) {
        command.arg("--set").arg(setting);
    }
    if device {
        command.arg("--device").arg("cpu");
    }
    if let Some(step) = pause_at {
        command.arg("--pause-at").arg(step.to_string());
    }
    spawn(command)
}

/// Waits for a child; a missed goal (3) is no failure here.
fn finish(child: Child) -> Result<(), Failure> {
    let output =
        child.wait_with_output().map_err(|error| Failure::broken(format!("cannot wait for the child: {error}")))?;
    if matches!(output.status.code(), Some(0 | 3)) {
        return Ok(());
    }
    // With `--json` a child tells its failure as JSON.
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stderr);
    let message = told["error"].as_str().unwrap_or(said.trim());
    Err(Failure {
        message: format!("a training of the proof failed: {message}"),
        hint: told["hint"].as_str().map(str::to_owned),
        usage: output.status.code() == Some(2),
        gate: output.status.code() == Some(3),
    })
}

/// Waits until the run has recorded `step`.
fn wait_for_step(child: &mut Child, run: &Path, step: u64) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let history = RunDir::open(run).ok().and_then(|run| jsonl::read(&run.metrics()).ok());
        if history.is_some_and(|history| history.progress.iter().any(|p| p.step >= step)) {
            return Ok(());
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(Failure::broken(format!("the training that was to be killed ended by itself: {status}")));
        }
        if begun.elapsed() > LIMIT {
            let _ = child.kill();
            return Err(Failure::broken(format!("the training did not reach step {step} within an hour")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
