//! Does a run that was interrupted and resumed end as one that never was, bit for bit, whatever it is made of?

use serde_json::Value;
use trainer::RunDir;

use crate::sandbox::{CARD, CONFIG, Sandbox, all_shipped, run, shipped, tiny_rows};

fn proven(ended: crate::sandbox::Ended) -> Value {
    let json = ended.expect(0).json();
    assert_eq!(json["equal"], true);
    assert!(json["numbers"].as_u64().unwrap() > 50 && json["losses"].as_u64().unwrap() >= 6, "{json}");
    json
}

#[test]
fn every_shipped_config_resumes_exactly() {
    for name in all_shipped() {
        let config = shipped(&name);
        let words = ["verify", "resume", config.to_str().unwrap(), "--steps", "3", "--json", "--set", "data.limit=400"];
        proven(run(words));
    }
}

/// Proves the tiny config with something in it replaced.
fn prove(from: &str, to: &str) {
    assert!(CONFIG.contains(from));
    let sandbox = Sandbox::with(CARD, &tiny_rows(), &CONFIG.replace(from, to));
    proven(sandbox.run("verify resume config.toml --steps 7 --json"));
}

#[test]
fn norms_dropout_accumulation_clipping_and_averaging_resume_exactly() {
    prove("dropout", "dropout");
}

#[test]
fn every_optimizer_resumes_exactly() {
    let listed = run(["list", "optimizers", "--json"]).json();
    let names: Vec<&str> =
        listed["optimizers"].as_array().unwrap().iter().map(|o| o["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["adam", "adamw", "lion", "muon", "sgd"]);
    for name in names {
        let weight_decay = if name == "adam" { "" } else { "\nweight_decay = 0.1" };
        prove("[optimizer.adamw]", &format!("[optimizer.{name}]{weight_decay}"));
    }
    prove("[optimizer.adamw]", "[optimizer.sgd]\nmomentum = 0.9\nnesterov = true");
    prove("[optimizer.adamw]", "[optimizer.sgd]\nmomentum = 0.0");
}

#[test]
fn every_schedule_and_sampler_resumes_exactly() {
    for kind in ["schedules", "samplers"] {
        let listed = run(["list", kind, "--json"]).json();
        for entry in listed[kind].as_array().unwrap() {
            let name = entry["name"].as_str().unwrap();
            match kind {
                "schedules" => prove("[schedule.cosine]\nwarmup = 0.1", &format!("[schedule.{name}]")),
                _ => prove("card = \"tiny\"", &format!("card = \"tiny\"\nsampler = \"{name}\"")),
            }
        }
    }
}

#[test]
fn early_stopping_and_sparse_records_resume_exactly() {
    let sandbox = Sandbox::new();
    // At a rate of next to nothing the second evaluation is no better than the first, nor is the third.
    let settings = "--set train.epochs=50 --set train.evaluate_every=2 --set stopping.patience=3 --set checkpoints.every_steps=1 \
                    --set optimizer.adamw.learning_rate=1e-9 --set checkpoints.keep_last=99";
    let stopped = sandbox.run(&format!("train config.toml --run stopped {settings} --json")).succeeded().json();
    assert_eq!((stopped["status"].as_str(), stopped["step"].as_u64()), (Some("stopped"), Some(8)));
    for from in ["step-3", "step-6", "step-7", "last", "best"] {
        let again = sandbox.run(&format!("resume stopped@{from} --json")).succeeded().json();
        for key in ["status", "step", "chosen_step", "test_loss", "test_accuracy"] {
            assert_eq!(again[key], stopped[key], "{key}, resumed from {from}");
        }
    }
    // A checkpoint between two records carries the sums of the interval that it cuts.
    let settings =
        "--set train.record_every=4 --set checkpoints.every_steps=3 --set train.steps=24 --set checkpoints.keep_last=9";
    sandbox.run(&format!("train config.toml --run straight {settings}")).succeeded();
    sandbox.run(&format!("train config.toml --run resumed {settings}")).succeeded();
    sandbox.run("resume resumed@step-15").succeeded();
    let open = |name: &str| RunDir::open(&sandbox.path(name)).unwrap();
    assert_eq!(trainer::verify::compare(&open("straight"), &open("resumed"), 24).unwrap().losses, 7);
}

/// A run of 12 steps, a checkpoint every second one, and what stands in its last weights.
fn straight(sandbox: &Sandbox, run: &str) -> Vec<u8> {
    let settings = "--set train.steps=12 --set checkpoints.every_steps=2 --set train.evaluate_every=2 --set checkpoints.keep_last=9";
    sandbox.run(&format!("train config.toml --run {run} {settings}")).succeeded();
    weights(sandbox, run, 12)
}

fn weights(sandbox: &Sandbox, run: &str, step: u64) -> Vec<u8> {
    std::fs::read(sandbox.path(&format!("{run}/checkpoints/step-{step:010}/network.safetensors"))).unwrap()
}

#[test]
fn a_run_goes_on_from_whichever_checkpoint_is_named() {
    let sandbox = Sandbox::new();
    let expected = straight(&sandbox, "r");
    let bundle = std::fs::read(sandbox.path("r/bundle/weights.safetensors")).unwrap();
    let result = |sandbox: &Sandbox| -> Value {
        let mut result: Value = serde_json::from_slice(&std::fs::read(sandbox.path("r/result.json")).unwrap()).unwrap();
        result["seconds"] = Value::Null;
        result
    };
    let before = result(&sandbox);
    for name in ["@best", "@last", "@step-4", "@step-10", "", "@step-2"] {
        let text = sandbox.run(&format!("resume r{name}")).expect(0);
        assert!(text.stderr.contains("Going on with"), "{}", text.stderr);
        assert!(weights(&sandbox, "r", 12) == expected, "resumed from {name}");
        assert!(std::fs::read(sandbox.path("r/bundle/weights.safetensors")).unwrap() == bundle, "resumed from {name}");
        assert_eq!(result(&sandbox), before, "resumed from {name}");
        let history = sandbox.history("r");
        let steps: Vec<u64> = history.progress.iter().map(|progress| progress.step).collect();
        assert_eq!(steps, (1..=12).collect::<Vec<_>>(), "resumed from {name}");
        let tests = history.scores.iter().filter(|scores| scores.part == data_loader::Part::Test).count();
        assert_eq!(tests, 1, "the verdict is recorded once, resumed from {name}");
    }
    for name in ["@step-5", "@step-14", "@first", "@"] {
        sandbox.run(&format!("resume r{name}")).refused(2, &["has no checkpoint", "step-2, step-4"]);
    }
    assert_eq!(result(&sandbox), before);
}

#[test]
fn the_average_of_weights_is_a_model_of_its_own() {
    let sandbox = Sandbox::new();
    straight(&sandbox, "averaged");
    let judged = |address: &str| {
        let mut json = sandbox.run(&format!("evaluate {address} --json")).expect(0).json();
        json["run"] = Value::Null;
        json
    };
    assert_eq!(judged("averaged@ema"), judged("averaged@last"));
    sandbox.write("config.toml", CONFIG.replace("ema_decay = 0.9\n", ""));
    straight(&sandbox, "plain");
    assert_ne!(judged("averaged@last"), judged("plain@last"));
    sandbox.run("evaluate plain@ema").refused(2, &["no average of weights", "train.ema_decay"]);
    sandbox.run("resume averaged --set train.ema_decay=0.5 --set train.steps=14").succeeded();
}

#[test]
fn a_finished_run_can_be_given_more_epochs() {
    let config = CONFIG.replace("[schedule.cosine]\nwarmup = 0.1", "[schedule.constant]");
    let sandbox = Sandbox::with(CARD, &tiny_rows(), &config);
    sandbox.run("train config.toml --run long --set train.epochs=4 --set checkpoints.keep_last=99").succeeded();
    sandbox.run("train config.toml --run short --set train.epochs=2 --set checkpoints.keep_last=99").succeeded();
    let ended = sandbox.run("resume short --set train.epochs=4 --json").succeeded();
    assert_eq!(ended.json()["step"], 22);
    let open = |name: &str| RunDir::open(&sandbox.path(name)).unwrap();
    // Nothing in a constant schedule knows where the end is, so more of it later is the same as all of it at once.
    let all = "checkpoints/step-0000000022/network.safetensors";
    let read = |name: &str| std::fs::read(open(name).path().join(all)).unwrap();
    assert!(read("long") == read("short"));
    // Fewer steps than were done already: judged at once.
    let ended = sandbox.run("resume short --set train.epochs=1 --json").succeeded();
    assert_eq!(ended.json()["step"], 22);
    // The change was written down.
    assert!(sandbox.run("config show short/config.toml").expect(0).stdout.contains("epochs = 1"));
}

#[test]
fn a_run_can_be_moved_and_resumed_from_elsewhere() {
    let sandbox = Sandbox::new();
    let expected = straight(&sandbox, "r");
    std::fs::create_dir_all(sandbox.path("far/away")).unwrap();
    std::fs::rename(sandbox.path("r"), sandbox.path("far/away/r@my home")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let address = sandbox.path("far/away/r@my home");
    for line in [["evaluate", "@best"], ["resume", "@step-6"], ["evaluate", ""]] {
        let mut command = crate::sandbox::firebox([line[0], &format!("{}{}", address.display(), line[1])]);
        let ended: crate::sandbox::Ended = command.current_dir(elsewhere.path()).output().unwrap().into();
        let ended = ended.succeeded();
        // What it says can be typed next can be typed next.
        let quoted = format!("firebox evaluate '{}'", address.display());
        assert!(line[0] != "resume" || ended.stdout.contains(&quoted), "{}", ended.stdout);
    }
    assert!(weights(&sandbox, "far/away/r@my home", 12) == expected);
}

#[test]
fn a_proof_that_fails_says_so() {
    let sandbox = Sandbox::with(CARD, &tiny_rows(), &CONFIG.replace("batch_size = 5", "batch_size = 5000"));
    sandbox.run("verify resume config.toml").refused(2, &["batch size 5000"]);
    let equal = Sandbox::new();
    straight(&equal, "a");
    equal
        .run("train config.toml --run b --set seed=7 --set train.steps=12 --set checkpoints.every_steps=2")
        .succeeded();
    let open = |name: &str| RunDir::open(&equal.path(name)).unwrap();
    let error = trainer::verify::compare(&open("a"), &open("b"), 12).unwrap_err().to_string();
    assert!(error.contains("safetensors differs from number"), "{error}");
}
