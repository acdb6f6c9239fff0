//! Does a run survive SIGKILL at any moment, again and again, and end as one that was never disturbed?

use std::time::Duration;

use data_loader::random::Random;
use trainer::RunDir;

use crate::sandbox::{CARD, CONFIG, Sandbox, tiny_rows};

/// How often a run is killed while it saves; the issue asks for 50.
const KILLS: usize = 50;

/// With a checkpoint after every step, nearly all of the time goes into saving.
const SAVING: &str = "[checkpoints]\nevery_steps = 1\nkeep_last = 2\n";

fn sandbox(epochs: usize) -> Sandbox {
    let config = CONFIG.replace("epochs = 8", &format!("epochs = {epochs}\nevaluate_every = 3"));
    Sandbox::with(CARD, &tiny_rows(), &format!("{config}\n{SAVING}"))
}

/// Both runs have ended alike: every weight, what the optimizer remembers, every loss and score, and the answers.
fn ended_alike(sandbox: &Sandbox, steps: u64) {
    let open = |name: &str| RunDir::open(&sandbox.path(name)).unwrap();
    let equal = trainer::verify::compare(&open("straight"), &open("killed"), steps).unwrap();
    assert_eq!(equal.losses as u64, steps);
    for file in ["bundle/weights.safetensors", "bundle/golden.json", "bundle/pipeline.json"] {
        let read = |run: &str| std::fs::read(sandbox.path(run).join(file)).unwrap();
        assert!(read("straight") == read("killed"), "{file} differs");
    }
    let answers = |run: &str| sandbox.run(&format!("predict {run} tiny/tiny.csv --json")).expect(0).stdout;
    assert_eq!(answers("straight"), answers("killed"));
    let history = sandbox.history("killed");
    let recorded: Vec<u64> = history.progress.iter().map(|progress| progress.step).collect();
    assert_eq!(recorded, (1..=steps).collect::<Vec<_>>(), "each step is recorded once");
    let mut judged: Vec<(u64, String)> = history.scores.iter().map(|s| (s.step, s.part.to_string())).collect();
    let all = judged.len();
    judged.dedup();
    assert_eq!((judged.len(), history.unreadable), (all, 0), "each evaluation is recorded once");
    // Nothing is left of the saves that were cut off.
    for path in sandbox.contents("killed").keys() {
        let left = path.strip_prefix(sandbox.path("killed")).unwrap().to_string_lossy();
        assert!(!left.contains(".tmp") && !left.contains(".part"), "{left} was left");
    }
}

#[test]
#[cfg(unix)]
fn killed_fifty_times_while_saving() {
    let sandbox = sandbox(70);
    sandbox.run("train config.toml --run straight").succeeded();
    let steps = sandbox.history("straight").progress.last().unwrap().step;
    let mut random = Random::derive(&[1]);
    let mut kills = 0;
    loop {
        let line = if sandbox.path("killed/config.toml").exists() {
            "resume killed"
        } else {
            "train config.toml --run killed"
        };
        let before = sandbox.path("killed/metrics.jsonl").metadata().map_or(0, |file| file.len());
        let mut training = sandbox.start(line);
        if kills < KILLS {
            // Some steps further, and then a random part of the few milliseconds that a step with its checkpoint takes.
            let size = || sandbox.path("killed/metrics.jsonl").metadata().map_or(0, |file| file.len());
            let further = random.next_u64() % 3000;
            training.wait_until(|| size() > before + further);
            std::thread::sleep(Duration::from_micros(random.next_u64() % 10_000));
            if training.is_alive() {
                kills += 1;
                training.signal("KILL");
                training.end();
                continue;
            }
        }
        training.end().succeeded();
        break;
    }
    assert_eq!(kills, KILLS, "the training was over too soon");
    ended_alike(&sandbox, steps);
}

#[test]
#[cfg(unix)]
fn killed_at_any_moment_of_its_life() {
    let sandbox = sandbox(2);
    let steps = 11;
    sandbox.run("train config.toml --run straight").succeeded();
    let mut random = Random::derive(&[2]);
    let mut compared = 0;
    // Also before the first checkpoint, while a checkpoint is read, and while the bundle and the report are written.
    for round in 0..12 {
        let _ = std::fs::remove_dir_all(sandbox.path("killed"));
        for _ in 0..6 {
            let resumable = sandbox.path("killed/checkpoints").is_dir()
                && std::fs::read_dir(sandbox.path("killed/checkpoints"))
                    .unwrap()
                    .any(|entry| !entry.unwrap().file_name().to_string_lossy().ends_with(".tmp"));
            if !resumable {
                let _ = std::fs::remove_dir_all(sandbox.path("killed"));
            }
            let line = if resumable { "resume killed" } else { "train config.toml --run killed" };
            let mut training = sandbox.start(line);
            std::thread::sleep(Duration::from_micros(random.next_u64() % (30_000 * (1 + round))));
            if training.is_alive() {
                training.signal("KILL");
                training.end();
            } else {
                training.end().succeeded();
            }
        }
        if sandbox.path("killed/config.toml").is_file() && sandbox.path("killed/checkpoints/latest").is_file() {
            sandbox.run("resume killed").succeeded();
            ended_alike(&sandbox, steps);
            compared += 1;
        }
    }
    assert!(compared >= 6, "only {compared} of the runs came to a first checkpoint");
}
