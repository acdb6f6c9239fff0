//! Does a run learn what its settings mean, and keep what belongs to it? Properties of whole trainings on tiny data.

use serde_json::Value;
use trainer::checkpoint::{choose, read_manifest, steps};
use trainer::{Experiment, RunDir};

use crate::sandbox::{CARD, CONFIG, Sandbox, tiny_rows};

fn read(sandbox: &Sandbox, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(sandbox.path(name)).unwrap()).unwrap()
}

/// A network without chance, and without norms over a batch, learns the same from several batches in one step as from one
/// that holds all their examples. The last batches of an epoch are smaller than the others.
#[test]
fn accumulated_batches_are_one_large_batch() {
    let config = CONFIG.replace("batch_norm = true\ndropout = 0.2\n", "").replace("ema_decay = 0.9\n", "");
    let config = config.replace("card = \"tiny\"", "card = \"tiny\"\nsampler = \"sequential\"");
    let sandbox = Sandbox::with(CARD, &tiny_rows(), &config);
    // 54 training examples: 20 + 20 + 14 in one step, or all at once.
    let train = |run: &str, batch: usize, accumulate: usize, more: &str| {
        let settings = format!("--set train.batch_size={batch} --set train.accumulate={accumulate} {more}");
        sandbox.run(&format!("train config.toml --run {run} {settings} --set train.epochs=6")).succeeded();
        let losses: Vec<f64> = sandbox.history(run).progress.iter().map(|progress| progress.loss).collect();
        assert_eq!(losses.len(), 6);
        losses
    };
    for (k, more) in ["", "--set loss.cross_entropy.class_weights=[0.5,2.0,1.0]"].into_iter().enumerate() {
        let several = train(&format!("several{k}"), 20, 3, more);
        let one = train(&format!("one{k}"), 54, 1, more);
        for (several, one) in several.iter().zip(&one) {
            assert!((several - one).abs() <= 2e-5 * one, "{several} {one}");
        }
        assert!(one[5] < 0.99 * one[0], "it learns: {one:?}");
        // A mean of means, or a sum, would be another training.
        assert!((train(&format!("two{k}"), 27, 2, more)[5] - one[5]).abs() <= 2e-5 * one[5]);
    }
}

#[test]
fn whatever_checkpoint_is_kept_its_best_one_is_kept_too() {
    let sandbox = Sandbox::new();
    let settings = "--set train.steps=40 --set checkpoints.every_steps=1 --set train.evaluate_every=1 \
                    --set checkpoints.keep_last=4 --set train.ema_decay=0.0 --set optimizer.adamw.learning_rate=0.2";
    sandbox.run(&format!("train config.toml --run r {settings}")).succeeded();
    let run = RunDir::open(&sandbox.path("r")).unwrap();
    let kept = steps(&run);
    assert!(kept.ends_with(&[37, 38, 39, 40]) && kept.len() <= 9, "{kept:?}");
    for step in &kept {
        let best = read_manifest(&choose(&run, Some(&format!("step-{step}"))).unwrap().path).unwrap().memory.best;
        assert!(kept.contains(&best.step), "the best of step {step} was {} of {kept:?}", best.step);
    }
    // So a run that goes on from an early one ends as it would have.
    let before = read(&sandbox, "r/result.json");
    sandbox.run("resume r@step-37").succeeded();
    let again = read(&sandbox, "r/result.json");
    assert_eq!((&again["chosen_step"], &again["scores"]), (&before["chosen_step"], &before["scores"]));
}

#[test]
fn a_copy_of_a_checkpoint_is_none_of_ours() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.steps=10 --set checkpoints.every_steps=5").succeeded();
    let (place, copy) = (sandbox.path("r/checkpoints/step-0000000010"), sandbox.path("r/checkpoints/step-10"));
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(place).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    sandbox.run("resume r --set train.steps=20").succeeded();
    assert!(copy.join("state.json").exists());
}

#[test]
fn what_a_run_cannot_change_is_named() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.steps=6").succeeded();
    for (setting, address) in [
        ("train.batch_size=6", "`train.batch_size`"),
        ("seed=7", "`seed`"),
        ("train.accumulate=1", "`train.accumulate`"),
        ("model.mlp.hidden=[9]", "`model`"),
    ] {
        let ended = sandbox.run(&format!("resume r --set {setting}")).refused(2, &["made with another", address]);
        assert!(!ended.stderr.contains("@step-N"), "{}", ended.stderr);
    }
    sandbox.run("resume r --set task=regress").refused(2, &["for the task `classify`, not `regress`"]);
    sandbox.run("evaluate r@best").expect(0);
}

#[test]
fn each_time_a_run_goes_on_is_written_down() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.steps=6").succeeded();
    assert!(read(&sandbox, "r/environment.json").get("resumed").is_none());
    sandbox.run("resume r --set train.steps=8").succeeded();
    sandbox.run("resume r --set train.steps=10").succeeded();
    let environment = read(&sandbox, "r/environment.json");
    let resumed = environment["resumed"].as_array().unwrap();
    assert_eq!(resumed.iter().map(|one| one["step"].as_u64().unwrap()).collect::<Vec<_>>(), [6, 8]);
    assert!(resumed[1]["command"].to_string().contains("train.steps=10"), "{environment}");
    assert!(environment["command"].to_string().contains("train.steps=6"), "{environment}");
    let report = std::fs::read_to_string(sandbox.path("r/report.html")).unwrap();
    assert!(report.contains("after step 6 on cpu") && report.contains("2 times"));
}

#[test]
fn a_run_that_goes_on_has_no_bundle_until_it_ends() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.steps=6 --set checkpoints.every_steps=2").succeeded();
    let mut going_on = sandbox.start("resume r --set train.steps=40 --pause-at 12 --set checkpoints.every_steps=4");
    going_on.wait_until(|| sandbox.history("r").progress.last().is_some_and(|progress| progress.step >= 12));
    going_on.signal("KILL");
    drop(going_on);
    assert!(!sandbox.path("r/bundle").exists() && !sandbox.path("r/result.json").exists());
    // Answers are those of the best checkpoint there is now, as `evaluate` judges it.
    let predict = |model: &str| sandbox.run(&format!("predict {model} tiny/tiny.csv --json")).expect(0).json();
    assert_eq!(predict("r"), predict("r@best"));
    sandbox.run("resume r").succeeded();
    assert!(sandbox.path("r/bundle/manifest.json").exists());
    assert_eq!(predict("r"), predict("r/bundle"));
}

/// Trained with bce, a class is a yes or no of its own, in the bundle and at every other door.
#[test]
fn classes_trained_one_by_one_are_answered_one_by_one() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set loss=bce").succeeded();
    assert_eq!(read(&sandbox, "r/bundle/manifest.json")["decoding"], "sigmoid");
    let predict = |model: &str| sandbox.run(&format!("predict {model} tiny/tiny.csv --json")).expect(0).json();
    let answers = predict("r");
    assert_eq!(answers, predict("r@best"));
    let sum = |answer: &Value| -> f64 {
        let scores = answer["scores"].as_array().unwrap();
        assert!(scores.iter().all(|score| (0.0..=1.0).contains(&score[1].as_f64().unwrap())), "{answer}");
        scores.iter().map(|score| score[1].as_f64().unwrap()).sum()
    };
    assert!(answers.as_array().unwrap().iter().any(|answer| (sum(answer) - 1.0).abs() > 0.05));
    sandbox.run("train config.toml --run s").succeeded();
    assert!(predict("s").as_array().unwrap().iter().all(|answer| (sum(answer) - 1.0).abs() < 1e-5));
}

#[test]
fn a_bundle_says_from_what_it_came() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.steps=6").succeeded();
    let manifest = read(&sandbox, "r/bundle/manifest.json");
    let written = Experiment::read(&sandbox.path("r/config.toml"), &[]).unwrap();
    assert_eq!(manifest["config"], serde_json::to_value(written).unwrap());
    assert_eq!(manifest["config"]["train"]["steps"], 6);
}

/// A column of answers in new data is not looked at, whatever stands in it.
#[test]
fn new_data_may_bring_answers_along() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.steps=6").succeeded();
    sandbox.write("without.csv", "a,b,c\n1,2,red\n0.5,1,green\n1,0,red\n");
    sandbox.write("with.csv", "a,b,c,y\n1,2,red,x\n0.5,1,green,NA\n1,0,red,unknown\n");
    let scores = |file: &str, more: &str| -> Vec<Value> {
        let json = sandbox.run(&format!("predict r {file} --json {more}")).expect(0).json();
        json.as_array().unwrap().iter().map(|answer| answer["scores"].clone()).collect()
    };
    assert_eq!(scores("with.csv", ""), scores("without.csv", ""));
    sandbox.write("with.jsonl", "{\"a\": 1, \"b\": 2, \"c\": \"red\", \"y\": [7]}\n");
    assert_eq!(scores("with.jsonl", ""), scores("without.csv", "")[..1]);
    assert_eq!(scores("with.csv", "--batch-size 1").len(), 3);
}

#[test]
fn an_answer_that_is_not_a_number_is_no_answer() {
    let sandbox = Sandbox::new();
    let settings =
        "--set train.steps=1 --set optimizer=sgd --set optimizer.sgd.learning_rate=1e30 --set train.clip_norm=1e30";
    sandbox.run(&format!("train config.toml --run r {settings} --set train.ema_decay=0.0"));
    let ended = sandbox.run("predict r@last tiny/tiny.csv");
    ended.refused(1, &["tiny.csv#0 is not a number", "lower learning rate"]);
}

/// Recomputing what the backward pass needs is the same arithmetic, done twice.
#[test]
fn checkpoints_of_gradients_change_no_bit() {
    let sandbox = Sandbox::new();
    let losses = |run: &str, more: &str| {
        sandbox.run(&format!("train config.toml --run {run} --set train.steps=8 {more}")).succeeded();
        sandbox.history(run).progress.iter().map(|progress| progress.loss).collect::<Vec<_>>()
    };
    let kept = losses("kept", "");
    assert_eq!(kept.len(), 8);
    assert_eq!(losses("again", "--set train.gradient_checkpointing=true"), kept);
}

#[test]
fn a_batch_size_that_is_left_to_measurement_is_settled_before_the_run() {
    let sandbox = Sandbox::new();
    let measured = sandbox.run("bench batch config.toml --set train.accumulate=1 --json").succeeded().json();
    let chosen = measured["batch_size"].as_u64().unwrap();
    // There are 54 examples to learn from.
    assert!(chosen.is_power_of_two() && chosen <= 32, "{measured}");
    assert!(
        measured["probes"].as_array().unwrap().iter().all(|probe| probe["examples_per_second"].as_f64().unwrap() > 0.0)
    );
    let auto = "--set train.accumulate=1 --set train.batch_size=auto --set train.steps=4";
    let told = sandbox.run(&format!("train config.toml --run r {auto}")).succeeded();
    assert!(told.stderr.contains("examples a second by batch size"), "{}", told.stderr);
    let experiment = Experiment::read(&sandbox.path("r/config.toml"), &[]).unwrap();
    let size = serde_json::to_value(experiment.train.batch_size).unwrap();
    assert!(size.as_u64().is_some_and(|size| size.is_power_of_two() && size <= 32), "{size}");
    sandbox.run("train config.toml --set train.batch_size=atuo").refused(2, &["a number of examples, or \"auto\""]);
    sandbox.run(&format!("verify resume config.toml --steps 3 {auto}")).succeeded();
}
