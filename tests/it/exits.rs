//! How does the program end? Exit codes are a contract with scripts, and Ctrl-C loses nothing.

use crate::sandbox::{CARD, CONFIG, Sandbox, run, tiny_rows};

/// A sandbox whose training takes longer than any test waits.
fn endless() -> Sandbox {
    let config = CONFIG.replace("epochs = 8", "epochs = 1000000").replace("record_every = 1", "record_every = 10");
    let config = config.replace("patience = 1000", "patience = 1000000");
    Sandbox::with(CARD, &tiny_rows(), &format!("{config}\n[checkpoints]\nevery_steps = 1000\n"))
}

#[test]
fn done_is_0() {
    for line in ["list", "devices", "config schema", "--version", "--help", "completions fish"] {
        run(line.split(' ')).expect(0);
    }
    let sandbox = Sandbox::new();
    let ended = sandbox.run("train config.toml --run r").expect(0);
    assert!(
        ended.stdout.contains("The run lies at r") && ended.stdout.contains("firebox predict r"),
        "{}",
        ended.stdout
    );
    for line in ["evaluate r", "predict r tiny/tiny.csv", "runs .", "resume r", "config show config.toml"] {
        sandbox.run(line).expect(0);
    }
}

#[test]
fn wrong_usage_is_2() {
    for line in
        ["", "fly", "train", "train --flag", "list nothing", "evaluate r --part tset", "predict r x --batch-size 0"]
    {
        run(line.split_whitespace()).expect(2);
    }
}

#[test]
fn a_missed_goal_is_3_and_everything_is_written() {
    let config = format!("{CONFIG}\n[goal]\nmetric = \"accuracy\"\nminimum = 1.1\nwhy = \"no model can\"\n");
    let sandbox = Sandbox::with(CARD, &tiny_rows(), &config);
    let ended = sandbox.run("train config.toml --run r").expect(3);
    assert!(
        ended.stdout.contains("Goal missed: accuracy") && ended.stdout.contains("no model can"),
        "{}",
        ended.stdout
    );
    for file in ["result.json", "report.html", "bundle/manifest.json"] {
        assert!(sandbox.path("r").join(file).is_file(), "{file}");
    }
    let json = sandbox.run("resume r --json").expect(3).json();
    assert_eq!(json["goal_met"], false);
    sandbox.run("resume r --set goal.minimum=0.0").expect(0);
}

#[test]
fn a_training_that_breaks_is_1_and_keeps_its_checkpoints() {
    let config = CONFIG.replace("learning_rate = 1e-2", "learning_rate = 1e36").replace("clip_norm = 1.0\n", "");
    let config = config.replace("batch_norm = true\n", "").replace("[optimizer.adamw]", "[optimizer.sgd]");
    let sandbox = Sandbox::with(CARD, &tiny_rows(), &config);
    let ended = sandbox.run("train config.toml --run r --set checkpoints.every_steps=1").refused(1, &["learning rate"]);
    assert!(ended.stderr.contains("NaN") || ended.stderr.contains("inf"), "{}", ended.stderr);
    assert!(ended.stderr.contains("tiny.csv#") || ended.stderr.contains("network.safetensors"), "{}", ended.stderr);
    // Whatever was saved before is whole, and the program says truly whether there is something to go on from.
    let run = trainer::RunDir::open(&sandbox.path("r")).unwrap();
    let saved = trainer::checkpoint::steps(&run);
    assert_eq!(saved.is_empty(), ended.stderr.contains("checkpoint is none"), "{saved:?} {}", ended.stderr);
    for step in saved {
        sandbox.run(&format!("evaluate r@step-{step} --json")).expect(0);
    }
}

#[test]
fn a_loss_that_is_no_number_leaves_all_its_examples() {
    let config = CONFIG.replace("learning_rate = 1e-2", "learning_rate = 1e36").replace("clip_norm = 1.0\n", "");
    let config = config.replace("batch_norm = true\n", "").replace("[optimizer.adamw]", "[optimizer.sgd]");
    let sandbox = Sandbox::with(CARD, &tiny_rows(), &config);
    let line = "train config.toml --run r --set checkpoints.every_steps=1000";
    let ended = sandbox.run(line).refused(1, &["tiny.csv#", "and 2 more", "checkpoint is none", "train a new run"]);
    assert!(!ended.stderr.contains("resume"), "{}", ended.stderr);
    let found: serde_json::Value =
        serde_json::from_slice(&std::fs::read(sandbox.path("r/not_finite.json")).unwrap()).unwrap();
    let examples: Vec<&str> = found["examples"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(examples.len(), 10, "two batches of five: {found}");
    assert!(examples.iter().all(|id| id.contains("tiny.csv#")), "{found}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_saves_and_says_how_to_go_on() {
    for signal in ["INT", "TERM"] {
        let sandbox = endless();
        let mut training = sandbox.start("train config.toml --run r");
        training.wait_until(|| sandbox.history("r").progress.len() > 20);
        training.signal(signal);
        let ended = training.end().expect(130);
        assert!(ended.stdout.contains("firebox resume r"), "{}", ended.stdout);
        let history = sandbox.history("r");
        let (step, reason, _) = history.finished.last().unwrap();
        assert_eq!(reason, "interrupted");
        assert_eq!(history.saved.last().unwrap().0, *step, "the checkpoint is of the last step that was done");
        assert!(ended.stdout.contains("everything is saved"), "{}", ended.stdout);
        // The command that was printed works, and goes on at the next step.
        let end = step + 5;
        sandbox.run(&format!("resume r --set train.steps={end}")).succeeded();
        let history = sandbox.history("r");
        assert_eq!(history.started.last().unwrap().step, *step);
        assert_eq!(history.progress.last().unwrap().step, end);
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_at_any_moment() {
    let sandbox = Sandbox::with(CARD, &tiny_rows(), &CONFIG.replace("epochs = 8", "epochs = 40"));
    let mut saved = 0;
    for round in 0..16 {
        let run = format!("r{round}");
        let mut training = sandbox.start(&format!("train config.toml --run {run}"));
        std::thread::sleep(std::time::Duration::from_millis(5 + 8 * round));
        if training.is_alive() {
            training.signal("INT");
        }
        let begun = sandbox.path(&run).join("config.toml");
        match training.end().code {
            0 => sandbox.run(&format!("predict {run} tiny/tiny.csv")).expect(0),
            130 => {
                saved += 1;
                sandbox.run(&format!("resume {run}")).expect(0)
            }
            // Before the program listens there is nothing to save.
            code => {
                assert!(code == -1 && !begun.exists(), "{code}");
                continue;
            }
        };
    }
    assert!(saved > 0);
}

#[test]
#[cfg(unix)]
fn an_interruption_as_json() {
    let sandbox = endless();
    let mut training = sandbox.start("train config.toml --run r --json");
    training.wait_until(|| sandbox.history("r").progress.len() > 2);
    training.signal("INT");
    let json = training.end().expect(130).json();
    assert_eq!((json["status"].as_str(), json["run"].as_str()), (Some("interrupted"), Some("r")));
}

#[test]
#[cfg(unix)]
fn a_second_ctrl_c_ends_at_once() {
    let sandbox = endless();
    // A step that takes ten minutes.
    let mut training = sandbox.start("train config.toml --run r --pause-at 10");
    training.wait_until(|| sandbox.history("r").progress.iter().any(|progress| progress.step >= 10));
    training.signal("INT");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(training.is_alive(), "the first one waits for the step at hand");
    training.signal("INT");
    let begun = std::time::Instant::now();
    training.end().expect(130);
    assert!(begun.elapsed().as_secs() < 5);
}
