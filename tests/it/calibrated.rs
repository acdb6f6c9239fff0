//! Temperatures and thresholds: fitted on the validation split, part of the bundle, and the same wherever it answers.

use std::fs;

use serde_json::{Value, json};

use crate::sandbox::{CARD, CONFIG, Sandbox, tiny_rows};

/// Two classes of which a third of the rows cannot be told apart, so that a network that learns them by heart believes too much.
fn noisy() -> Sandbox {
    let row = |k: usize| {
        let class = k * 31 % 7 % 2;
        let seen = if k * 13 % 10 < 3 { 1 - class } else { class };
        let noise = (k * 7919 % 401) as f64 / 400.0;
        format!(
            "{:.4},{:.4},{},{}",
            seen as f64 + noise,
            k as f64 / 400.0,
            ["red", "green"][k / 2 % 2],
            ["no", "yes"][class]
        )
    };
    let rows: Vec<String> = (0..400).map(row).collect();
    let config = CONFIG.replace("dropout = 0.2", "dropout = 0.0").replace("epochs = 8", "epochs = 40");
    let sandbox = Sandbox::with(CARD, &rows, &config);
    sandbox.run("train config.toml --run r").expect(0);
    sandbox
}

fn manifest(sandbox: &Sandbox, bundle: &str) -> Value {
    serde_json::from_slice(&fs::read(sandbox.path(bundle).join("manifest.json")).unwrap()).unwrap()
}

/// The probability of `yes` and the label of every answer.
fn answers(told: &Value) -> Vec<(f64, String)> {
    let yes = |one: &Value| {
        let scores = one["scores"].as_array().unwrap();
        scores.iter().find(|score| score[0] == "yes").unwrap()[1].as_f64().unwrap()
    };
    told.as_array().unwrap().iter().map(|one| (yes(one), one["label"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn a_model_leaves_calibrated_and_answers_from_its_threshold_on() {
    let sandbox = noisy();
    let said = sandbox.run("export r --to bundle,onnx --with-preprocessing --calibrate --threshold yes=f1 --out out");
    let said = said.expect(0).stdout;
    assert!(said.contains("Temperature ") && said.contains("`yes` is answered from"), "{said}");
    let found = manifest(&sandbox, "out/bundle");
    let temperature = found["calibration"]["temperature"].as_f64().unwrap();
    let threshold = found["thresholds"]["yes"].as_f64().unwrap();
    assert_eq!(found["calibration"]["part"], "validation");
    assert!(temperature > 0.0 && threshold > 0.0 && threshold < 1.0, "{found}");
    // Behind what the run says of its test, which is there already.
    let tests = found["tests"].as_array().unwrap();
    let names: Vec<&str> = tests.iter().map(|test| test["test"].as_str().unwrap()).collect();
    assert_eq!(names, ["evaluation", "calibration", "threshold"]);
    assert_eq!(manifest(&sandbox, "r/bundle")["tests"][0], tests[0]);
    let counts = tests[0]["confusion"]["counts"].as_array().unwrap();
    let all: f64 = counts.iter().map(|count| count.as_f64().unwrap()).sum();
    assert_eq!(all, tests[0]["examples"].as_f64().unwrap(), "{found}");
    let loss = |when: &str| tests[1]["loss"][when].as_f64().unwrap();
    assert!(loss("after") <= loss("before"), "{found}");
    assert!(tests[2]["f1"]["at_threshold"].as_f64() >= tests[2]["f1"]["at_half"].as_f64(), "{found}");

    // What the run answers, with the log-odds divided by the temperature.
    let rows: Vec<String> =
        (0..40).map(|k| format!("{:.2},{:.2},red", k as f64 / 20.0, (k * 7 % 40) as f64 / 40.0)).collect();
    sandbox.write("new.csv", format!("a,b,c\n{}\n", rows.join("\n")));
    let plain = answers(&sandbox.run("predict r new.csv --json").expect(0).json());
    let calibrated = sandbox.run("predict out/bundle new.csv --json").expect(0);
    assert_eq!(sandbox.run("predict out/bundle.tar.zst new.csv --json").expect(0).stdout, calibrated.stdout);
    let (mut moved, mut answered) = (0, 0);
    for ((before, _), (after, label)) in plain.iter().zip(answers(&calibrated.json())) {
        let odds = |p: f64| (p / (1.0 - p)).ln();
        let wanted = 1.0 / (1.0 + (-odds(*before) / temperature).exp());
        assert!((wanted - after).abs() < 1e-5, "{before} {after} {temperature}");
        assert_eq!(label == "yes", after > threshold, "{after} {threshold}");
        moved += usize::from((after - before).abs() > 1e-4);
        answered += usize::from(label == "yes");
    }
    assert!(moved > 10 && answered > 0 && answered < 40, "{moved} {answered}");

    // It is a bundle like any other.
    sandbox.run("verify export out").expect(0);
    sandbox.run("verify export out/bundle").expect(0);
    sandbox.run("export out/bundle --to bundle,hugging_face --out again").expect(0);
    for file in ["bundle.tar.zst", "bundle/manifest.json"] {
        assert!(
            fs::read(sandbox.path("again").join(file)).unwrap() == fs::read(sandbox.path("out").join(file)).unwrap()
        );
    }
    let config: Value =
        serde_json::from_slice(&fs::read(sandbox.path("again/hugging_face/config.json")).unwrap()).unwrap();
    assert_eq!(config["firebox"]["thresholds"], json!({ "yes": threshold }));
    // A threshold of a bundle by itself needs no data; an older one stays.
    sandbox.run("export out/bundle --threshold yes=0.9 --out strict").expect(0);
    let strict = manifest(&sandbox, "strict/bundle");
    assert_eq!((&strict["thresholds"]["yes"], &strict["calibration"]), (&json!(0.9), &found["calibration"]));
    // Of the older one nothing is told any more.
    let tests: Vec<&Value> = strict["tests"].as_array().unwrap().iter().map(|test| &test["test"]).collect();
    assert_eq!(tests, ["evaluation", "calibration"]);
    sandbox.run("export out/bundle --threshold no=0.2 --out lenient").expect(0);
    assert_eq!(manifest(&sandbox, "lenient/bundle")["thresholds"], json!({ "no": 0.2 }));
    let told = answers(&sandbox.run("predict strict/bundle new.csv --json").expect(0).json());
    assert!(told.iter().all(|(yes, label)| (label == "yes") == (*yes > 0.9)), "{told:?}");
}

#[test]
fn what_cannot_be_calibrated_says_why() {
    let sandbox = noisy();
    sandbox.run("export r/bundle --calibrate --out x").refused(2, &["a bundle by itself has no data", "name the run"]);
    sandbox.run("export r/bundle --threshold yes=f1 --out x").refused(2, &["a bundle by itself has no data"]);
    for (threshold, words) in [
        ("yes", "`--threshold yes`"),
        ("yes=maybe", "`maybe`"),
        ("yes=1.5", "between 0 and 1"),
        ("perhaps=0.5", "the classes are no, yes"),
        ("perhaps=f1", "none of the classes no and yes"),
        ("yes=90%", "`anomaly`"),
        ("anomaly=90%", "no anomaly scores"),
    ] {
        sandbox.run(&format!("export r --threshold {threshold} --out x")).refused(2, &[words, "--threshold"]);
    }
    for (words, said) in [
        ("--threshold yes=0.2 --threshold yes=0.3", "two thresholds"),
        ("--threshold yes=0.2 --threshold no=0.3", "sum to 0.5"),
        ("--to onnx,safetensors --calibrate", "none of these forms"),
        ("--to f16 --threshold yes=0.2", "none of these forms"),
    ] {
        sandbox.run(&format!("export r --out x {words}")).refused(2, &[said]);
    }
    assert!(!sandbox.path("x").exists());
    // What a run ended with stays what it ended with.
    sandbox.run("export r --threshold yes=0.2 --out r").refused(2, &["r/bundle", "not written over"]);
    sandbox.run("export r --to onnx --out r").expect(0);
    // A threshold that was found at another temperature does not hold any more.
    sandbox.run("export r --threshold yes=0.2 --out first").expect(0);
    fs::remove_dir_all(sandbox.path("r/bundle")).unwrap();
    fs::rename(sandbox.path("first/bundle"), sandbox.path("r/bundle")).unwrap();
    sandbox.run("export r --calibrate --out x").refused(2, &["another temperature", "--threshold"]);
    sandbox.run("export r --calibrate --threshold no=f1 --out x").expect(0);
    // Three classes have no single best threshold, and without a validation split there is nothing to fit by.
    let card = CARD.replace("validation = 0.2\n", "");
    let other = Sandbox::with(&card, &tiny_rows(), CONFIG);
    other.run("train config.toml --run r --set train.epochs=2").succeeded();
    other.run("export r --calibrate --out x").refused(2, &["no validation split"]);
    let three = Sandbox::new();
    three.run("train config.toml --run r --set train.epochs=2").succeeded();
    three.run("export r --threshold x=f1 --out x").refused(2, &["one of two classes", "there are 3"]);
    three.run("export r --threshold x=0.2 --out x").expect(0);
}

#[test]
fn an_example_is_unusual_from_its_threshold_on() {
    let sandbox = Sandbox::new();
    let config = "task = \"reconstruct\"\n[data]\ncard = \"tiny\"\n[model.autoencoder]\nhidden = [16]\ncode = 2\n\
                  [train]\nepochs = 10\nbatch_size = 16\n";
    sandbox.write("reconstruct.toml", config);
    sandbox.run("train reconstruct.toml --run r").succeeded();
    sandbox.run("export r --threshold anomaly=90% --out out").expect(0);
    let found = manifest(&sandbox, "out/bundle");
    let threshold = found["thresholds"]["anomaly"].as_f64().unwrap();
    let scores: Vec<f64> =
        found["anomaly"]["scores"].as_array().unwrap().iter().map(|score| score.as_f64().unwrap()).collect();
    let reached = scores.iter().filter(|score| **score >= threshold).count();
    assert!(reached >= 1 && reached * 10 <= scores.len() + 10, "{reached} of {}", scores.len());
    sandbox.write("new.csv", "a,b,c\n0.5,1.0,red\n1000,1.0,red\n");
    let told = sandbox.run("predict out/bundle new.csv --json").expect(0).json();
    assert_eq!(told[1]["label"], "unusual");
    for one in told.as_array().unwrap() {
        let score = one["scores"][0][1].as_f64().unwrap();
        assert_eq!(one["label"] == "unusual", score >= threshold, "{one}");
    }
    let shown = sandbox.run("predict out/bundle new.csv").expect(0).stdout;
    assert!(shown.contains("unusual, anomaly score"), "{shown}");
    sandbox.run("export r --calibrate --out x").refused(2, &["`reconstruct`", "only classes"]);
}
