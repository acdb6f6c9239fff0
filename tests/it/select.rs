//! Does `firebox select` find what suits the data, whatever happens to it, and judge by scores that are right?

use std::time::Duration;

use data_loader::random::Random;
use serde_json::{Value, json};

use crate::sandbox::{CARD, CONFIG, Sandbox, repository, tiny_rows};

/// The tiny data set with a config that names no network.
fn without_model() -> Sandbox {
    let (before, after) = CONFIG.split_once("[model.mlp]").unwrap();
    let after = after.split_once("[train]").unwrap().1;
    Sandbox::with(CARD, &tiny_rows(), &format!("{before}[train]{after}"))
}

/// What does not depend on the clock: who scored what, after how many steps, and who won.
fn without_times(told: &Value) -> Value {
    let candidate = |line: &Value| {
        let keys = ["name", "kind", "score", "standard_error", "parameters", "steps", "rung", "failed"];
        json!(keys.map(|key| line[key].clone()))
    };
    let candidates: Vec<Value> = told["candidates"].as_array().unwrap().iter().map(candidate).collect();
    let mut verdict = told["verdict"].clone();
    // How much faster one answers than another is a matter of the moment.
    let text = verdict["text"].as_str().unwrap_or_default();
    verdict["text"] = text.split(". `").next().map(|text| text.trim_end_matches('.')).into();
    json!([candidates, told["left_out"], told["winner"], verdict, told["rungs"]])
}

fn find<'a>(told: &'a Value, name: &str) -> &'a Value {
    told["candidates"].as_array().unwrap().iter().find(|line| line["name"] == name).unwrap()
}

#[test]
fn a_config_without_a_network_gets_one_that_trains_as_it_is() {
    let sandbox = without_model();
    sandbox.run("train config.toml").refused(2, &["`model`", "name an architecture"]);
    let ended = sandbox.run("select config.toml --steps 80 --out best.toml").expect(0);
    for words in ["accuracy", "tabular_resnet", "constant", "boosted", "firebox train best.toml", "validation examples"]
    {
        assert!(ended.stdout.contains(words), "{words} is not in:\n{}", ended.stdout);
    }
    sandbox.run("train best.toml --run r --set train.steps=3").succeeded();
    // Again: nothing is left to be done, and what is there already is neither written again nor moved.
    let again = sandbox.run("select config.toml --steps 80 --out best.toml").expect(0);
    assert_eq!(again.stdout, ended.stdout);
    assert!(!sandbox.path("best.toml.old-1").exists());
    // A file of the user's is moved aside, and that is told.
    sandbox.write("best.toml", "mine");
    let ended = sandbox.run("select config.toml --steps 80 --out best.toml").expect(0);
    assert!(ended.stdout.contains("What was in best.toml lies in best.toml.old-1 now."), "{}", ended.stdout);
    assert_eq!(std::fs::read(sandbox.path("best.toml.old-1")).unwrap(), b"mine");
}

#[test]
fn candidates_are_judged_on_the_validation_split_alone_and_the_best_train_on() {
    let sandbox = Sandbox::new();
    let told = sandbox.run("select config.toml --steps 160 --json").expect(0).json();
    assert_eq!(told["rungs"], json!([4, 2]));
    let of_kind = |kind: &str| {
        let lines = told["candidates"].as_array().unwrap().iter();
        lines.filter(|line| line["kind"] == kind).cloned().collect::<Vec<Value>>()
    };
    let (networks, baselines) = (of_kind("network"), of_kind("baseline"));
    assert_eq!((networks.len(), baselines.len()), (4, 4), "{told}");
    // 160 steps in two rungs of 80: 20 for each of four, and 40 more for each of two.
    let steps: Vec<u64> = networks.iter().map(|line| line["steps"].as_u64().unwrap()).collect();
    let spent: u64 = steps.iter().sum();
    assert_eq!((steps.iter().filter(|&&steps| steps > 20).count(), spent <= 160), (2, true), "{steps:?}");
    assert_eq!(find(&told, "mlp")["reason"], "the config names it");
    let winner = find(&told, told["winner"].as_str().unwrap());
    assert_eq!((winner["rung"].as_u64(), winner["steps"].as_u64()), (Some(2), steps.iter().max().copied()));
    for line in networks.iter().chain(&baselines) {
        assert!(line["latency"].as_f64().unwrap() > 0.0 && line["seconds"].as_f64().unwrap() > 0.0, "{line}");
    }
    let folder = told["folder"].as_str().unwrap();
    for path in sandbox.contents(folder).keys() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!["result.json", "report.html", "manifest.json"].contains(&name.as_str()), "{}", path.display());
    }
    for network in &networks {
        let history = sandbox.history(&format!("{folder}/{}", network["name"].as_str().unwrap()));
        assert!(history.scores.iter().all(|scores| scores.part == data_loader::Part::Validation));
        assert!(!history.scores.is_empty());
    }
    // Equal seeds give equal scores.
    let other = Sandbox::new();
    let again = other.run("select config.toml --steps 160 --json").expect(0).json();
    assert_eq!(without_times(&again), without_times(&told));
}

#[test]
#[cfg(unix)]
fn killed_at_any_moment_it_comes_to_the_same_table() {
    let line = "select config.toml --steps 160 --json";
    let straight = Sandbox::new().run(line).expect(0).json();
    let sandbox = Sandbox::new();
    let mut random = Random::derive(&[77]);
    let mut kills = 0;
    for _ in 0..25 {
        let mut selection = sandbox.start(line);
        std::thread::sleep(Duration::from_millis(random.next_u64() % 400));
        if selection.is_alive() {
            kills += 1;
            selection.signal("KILL");
        }
        selection.end();
    }
    let ended = sandbox.run(line).expect(0).json();
    assert!(kills >= 5, "the selection was over after {kills} kills");
    assert_eq!(without_times(&ended), without_times(&straight));
}

#[test]
#[cfg(unix)]
fn ctrl_c_saves_and_the_same_command_goes_on() {
    let line = "select config.toml --steps 160 --json";
    let straight = Sandbox::new().run(line).expect(0).json();
    let sandbox = Sandbox::new();
    let mut selection = sandbox.start(line);
    let runs = sandbox.path("runs");
    selection.wait_until(|| runs.exists());
    selection.signal("INT");
    assert_eq!(selection.end().code, 130);
    assert_eq!(without_times(&sandbox.run(line).expect(0).json()), without_times(&straight));
}

/// What a process was stopped by from outside says nothing of the candidate: the same command tries it again.
#[test]
fn who_was_stopped_from_outside_tries_again() {
    let line = "select config.toml --steps 160 --json";
    let sandbox = Sandbox::new();
    let straight = sandbox.run(line).expect(0).json();
    let folder = sandbox.path(straight["folder"].as_str().unwrap());
    let state = folder.join("selection.json");
    let mut known: Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    let stopped = json!({ "reason": "its process was ended by signal 9", "from_outside": true });
    for kind in ["candidates", "baselines"] {
        known[kind][0]["failed"] = stopped.clone();
        known[kind][0]["done"] = if kind == "candidates" { json!([]) } else { Value::Null };
    }
    std::fs::write(&state, known.to_string()).unwrap();
    assert_eq!(without_times(&sandbox.run(line).expect(0).json()), without_times(&straight));
    std::fs::write(&state, "{").unwrap();
    sandbox.run(line.trim_end_matches(" --json")).refused(2, &["selection.json", "remove the folder"]);
}

/// Baselines learn from every row of the training split once, however networks are shown them.
#[test]
fn baselines_do_not_depend_on_how_batches_are_drawn() {
    let scores = |change: &str| {
        let sandbox = Sandbox::new();
        let told = sandbox.run(&format!("select config.toml --steps 80 --json {change}")).expect(0).json();
        ["constant", "linear", "neighbours", "boosted"].map(|name| find(&told, name)["score"].clone())
    };
    let usual = scores("--set train.watch=log_loss");
    assert!(usual.iter().all(Value::is_number), "{usual:?}");
    for change in ["data.sampler=balanced", "data.loader.drop_last=true", "data.sampler=sequential"] {
        assert_eq!(scores(&format!("--set train.watch=log_loss --set {change}")), usual, "{change}");
    }
    // Neither do the chances that they give depend on the loss by which networks learn.
    let yes_or_no = scores("--set train.watch=log_loss --set loss=bce");
    for (one, other) in usual.iter().zip(&yes_or_no) {
        assert!((one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 1e-4, "{usual:?} {yes_or_no:?}");
    }
}

/// Plain steps of such a size lead nowhere; only what Adam's careful rate is for survives.
#[test]
fn who_breaks_is_a_line_with_its_reason() {
    let sandbox = Sandbox::new();
    let rate = "--set optimizer.adamw.learning_rate=1e30";
    let ended = sandbox.run(&format!("select config.toml --steps 80 --json {rate}")).expect(0);
    let told = ended.json();
    assert_eq!(told["winner"], "ft_transformer", "{told}");
    let failed = find(&told, "tabular_resnet")["failed"].as_str().unwrap();
    assert!(failed.contains("loss is") || failed.contains("no longer finite"), "{failed}");
    let rate = "--set optimizer=sgd --set optimizer.sgd.learning_rate=1e30";
    let ended =
        sandbox.run(&format!("select config.toml --steps 80 {rate}")).refused(1, &["no network could be trained"]);
    assert!(
        ended.stdout.contains("linear") && ended.stdout.contains("No network could be trained"),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_cannot_be_chosen_from_is_refused() {
    let sandbox = Sandbox::new();
    let refused = |line: &str, words: &[&str]| {
        sandbox.run(line).refused(2, words);
    };
    refused("select nowhere.toml", &["nowhere.toml"]);
    refused("select config.toml --steps 7", &["7 steps", "4 candidates", "--steps 8"]);
    refused("select config.toml --steps 0", &["`--steps` is 0"]);
    refused("select config.toml --minutes 0", &["`--minutes` is 0"]);
    refused("select config.toml --minutes nan", &["`--minutes` is NaN"]);
    refused("select config.toml --set train.watch=acuracy", &["`train.watch`", "`acuracy`"]);
    refused("select config.toml --set task=reconstruct", &["`reconstruct`", "no score"]);
    refused("select config.toml --set train.batch_size=auto", &["`train.batch_size`", "auto"]);
    refused("select config.toml --set pretrained.weights=w.pth", &["`pretrained`", "leave it out"]);
    refused("select config.toml --set data.split.stratified.validation=0.0", &["no validation split"]);
    refused("select config.toml --out tiny", &["`--out tiny` is a folder"]);
    refused("select config.toml --out nowhere/best.toml", &["there is no folder nowhere"]);
    assert!(sandbox.path("tiny/card.toml").exists());
    sandbox.write("no_data.toml", "[train]\nepochs = 3\n");
    refused("select no_data.toml", &["`data`"]);
    assert!(!sandbox.path("runs").exists(), "a selection that is refused leaves no trace");
}

const PENGUINS: &str = r#"name = "penguins"
title = "Penguins"
summary = "those without gaps"
source = "datasets/penguins"
licence = "CC0"
citation = "none"

[format.csv]

[[files]]
path = "train.csv"
part = "train"

[[files]]
path = "validation.csv"
part = "validation"

[split.file]

"#;

/// Every baseline scores what scikit-learn's model scores, on the same rows.
#[test]
fn baselines_score_as_those_of_scikit_learn() {
    let fixture = std::fs::read(repository().join("tests/fixtures/baselines.json")).unwrap();
    let fixture: Value = serde_json::from_slice(&fixture).unwrap();
    let classify = "[schema]\ntarget = { name = \"species\", kind = \"class\" }\n[schema.features]\nbill_depth_mm = \"number\"\nbody_mass_g = \"number\"\nsex = \"category\"\n";
    let regress = "[schema]\ntarget = { name = \"body_mass_g\", kind = \"number\" }\n[schema.features]\nbill_depth_mm = \"number\"\nbill_length_mm = \"number\"\nflipper_length_mm = \"number\"\nsex = \"category\"\nisland = \"category\"\n";
    // Penguins of few columns are alike by chance, and that is not what is tested.
    let config = "device = \"cpu\"\n[data]\ncard = \"penguins\"\n[data.gates]\nexact_duplicates_across_splits = \"warn\"\n[train]\nepochs = 1\n";
    for (task, schema) in [("classify", classify), ("regress", regress)] {
        let sandbox = Sandbox::empty();
        for part in ["train", "validation"] {
            sandbox.write(&format!("penguins/{part}.csv"), fixture[part].as_str().unwrap());
        }
        let columns =
            ["species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex"];
        let unused: Vec<&&str> = columns
            .iter()
            .filter(|column| !schema.contains(&format!("{column} =")) && !schema.contains(&format!("\"{column}\"")))
            .collect();
        let schema = schema.replace("[schema]\n", &format!("[schema]\nignore = {unused:?}\n"));
        sandbox.write("penguins/card.toml", format!("{PENGUINS}{schema}"));
        sandbox.write("config.toml", config);
        for (name, metrics) in fixture[task].as_object().unwrap() {
            for (metric, expected) in metrics.as_object().unwrap() {
                let line = format!("select config.toml --steps 8 --json --set train.watch={metric}");
                let told = sandbox.run(&line).expect(0).json();
                let (found, expected) = (find(&told, name)["score"].as_f64().unwrap(), expected.as_f64().unwrap());
                // Where two columns divide the rows alike, scikit-learn draws one of them by lot.
                let tolerance = if name == "boosted" { 0.02 } else { 1e-3 };
                assert!((found / expected - 1.0).abs() < tolerance, "{task}, {name}: {metric} {found}, not {expected}");
            }
        }
    }
}
