//! Do weights come from where their card says, as they are, and does the model say later with which it began?

use serde_json::Value;

use crate::sandbox::Sandbox;

/// A run whose weights stand in a folder elsewhere, and a card that says so.
fn published() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run taught --set train.steps=12").succeeded();
    let weights = sandbox.path("taught/bundle/weights.safetensors");
    std::fs::copy(weights, sandbox.path("elsewhere.safetensors")).unwrap();
    sandbox.write("tiny_weights/card.toml", card(&sha256(&sandbox)));
    sandbox
}

fn sha256(sandbox: &Sandbox) -> String {
    let manifest = std::fs::read(sandbox.path("taught/bundle/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    manifest["files"]["weights.safetensors"].as_str().unwrap().to_owned()
}

fn card(sha256: &str) -> String {
    format!(
        r#"name = "tiny_weights"
title = "A perceptron of the tiny data"
summary = "12 steps"
source = "the first run"
licence = "CC0"
citation = "none"
architecture = "mlp"
weights = "model.safetensors"

[[files]]
path = "model.safetensors"
sha256 = "{sha256}"
from = {{ local = {{ path = "../elsewhere.safetensors" }} }}
"#
    )
}

const TRAIN: &str = "train config.toml --set pretrained.weights=tiny_weights --set train.steps=2";

#[test]
fn weights_are_fetched_begun_with_and_named_by_the_model() {
    let sandbox = published();
    sandbox
        .run(&format!("{TRAIN} --run early"))
        .refused(2, &["model.safetensors", "firebox data fetch", "tiny_weights"]);
    let fetched = sandbox.run("data fetch tiny_weights --json").expect(0).json();
    assert_eq!((&fetched["files"][0]["fetched"], &fetched["files"][0]["verified"]), (&true.into(), &true.into()));
    let again = sandbox.run("data fetch tiny_weights/card.toml --json").expect(0).json();
    assert_eq!(again["files"][0]["fetched"], false);

    let told = sandbox.run(&format!("{TRAIN} --run r")).succeeded();
    let told = format!("{}{}", told.stdout, told.stderr);
    assert!(told.contains("A perceptron of the tiny data, from the first run (CC0)"), "{told}");
    let manifest = std::fs::read(sandbox.path("r/bundle/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let began = &manifest["began_with"];
    assert_eq!((began["card"].as_str(), began["licence"].as_str()), (Some("tiny_weights"), Some("CC0")));
    assert_eq!(began["sha256"].as_str(), Some(sha256(&sandbox).as_str()));
    assert!(std::fs::read_to_string(sandbox.path("r/report.html")).unwrap().contains("Began with"));

    // A run that goes on still knows, and so does one whose weights no card describes.
    sandbox.run("resume r --set train.steps=4").succeeded();
    let manifest_again: Value =
        serde_json::from_slice(&std::fs::read(sandbox.path("r/bundle/manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest_again["began_with"], *began);
    sandbox
        .run("train config.toml --run plain --set pretrained.weights=elsewhere.safetensors --set train.steps=2")
        .succeeded();
    let plain: Value =
        serde_json::from_slice(&std::fs::read(sandbox.path("plain/bundle/manifest.json")).unwrap()).unwrap();
    assert_eq!(plain["began_with"]["sha256"], began["sha256"]);
    assert_eq!(plain["began_with"].get("card"), None);
}

/// Rules stand in the card, so that no config needs them; those of a config come behind.
#[test]
fn a_card_says_how_its_weights_are_named() {
    let sandbox = published();
    std::fs::copy(sandbox.path("elsewhere.safetensors"), sandbox.path("tiny_weights/model.safetensors")).unwrap();
    let rules = "rename = [[\"^head\\\\.\", \"top.\"]]\n";
    sandbox
        .write("tiny_weights/card.toml", card(&sha256(&sandbox)).replace("weights = ", &format!("{rules}weights = ")));
    sandbox.run(&format!("{TRAIN} --run r")).refused(2, &["missing in the file: head", "unused: top."]);
    sandbox.run(&format!("{TRAIN} --run r --set pretrained.rename=[['^top\\.','head.']]")).succeeded();
}

#[test]
fn cards_that_are_wrong_are_refused_before_the_first_step() {
    let sandbox = published();
    std::fs::copy(sandbox.path("elsewhere.safetensors"), sandbox.path("tiny_weights/model.safetensors")).unwrap();
    let right = card(&sha256(&sandbox));
    for (wrong, words) in [
        (right.replace("\"mlp\"", "\"lenet\""), vec!["weights of `lenet`", "this is `mlp`"]),
        (right.replace(&sha256(&sandbox), &"0".repeat(64)), vec!["model.safetensors", &"0".repeat(64)]),
        (
            right.replace("weights = \"model.safetensors\"", "weights = \"other.pth\""),
            vec!["other.pth", "none of its files"],
        ),
        (right.replace("\"model.safetensors\"", "\"../elsewhere.safetensors\""), vec!["elsewhere"]),
        (right.replace("licence", "license"), vec!["license", "licence"]),
        (
            right.replace("weights = ", "allow_unused = [\"(\"]\nweights = "),
            vec!["allow_unused", "no regular expression"],
        ),
        (right.replace("sha256 =", "part = \"test\"\nsha256 ="), vec!["`part`"]),
    ] {
        assert_ne!(wrong, right);
        sandbox.write("tiny_weights/card.toml", &wrong);
        sandbox.run(&format!("{TRAIN} --run r")).refused(2, &words);
        assert!(!sandbox.path("r").exists());
    }
    // Rows of a database are no weights, and a data set is no card of weights.
    let database = right.replace(
        "local = { path = \"../elsewhere.safetensors\" }",
        "sqlite = { database = \"x.db\", query = \"SELECT 1\" }",
    );
    sandbox.write("tiny_weights/card.toml", &database);
    std::fs::remove_file(sandbox.path("tiny_weights/model.safetensors")).unwrap();
    std::fs::write(sandbox.path("tiny_weights/x.db"), "").unwrap();
    sandbox.run("data fetch tiny_weights").refused(2, &["no file of weights"]);
    sandbox.run("train config.toml --run r --set pretrained.weights=tiny --set train.steps=2").refused(2, &["tiny"]);
}

/// A run that was killed before its first checkpoint begins again with the weights with which it began, or not at all.
#[test]
fn a_run_without_a_checkpoint_begins_again_with_the_same_weights() {
    let sandbox = published();
    let train = "train config.toml --set pretrained.weights=elsewhere.safetensors --set train.steps=2";
    sandbox.run(&format!("{train} --run r")).succeeded();
    let weights = std::fs::read(sandbox.path("r/bundle/weights.safetensors")).unwrap();
    let begin_again = || {
        for gone in ["checkpoints", "bundle"] {
            let _ = std::fs::remove_dir_all(sandbox.path(&format!("r/{gone}")));
        }
        for gone in ["result.json", "report.html"] {
            let _ = std::fs::remove_file(sandbox.path(&format!("r/{gone}")));
        }
        sandbox.run("resume r")
    };
    begin_again().succeeded();
    assert_eq!(std::fs::read(sandbox.path("r/bundle/weights.safetensors")).unwrap(), weights);
    // The run is one of what it learnt from before, wherever it is gone on with.
    std::fs::copy(sandbox.path("r/bundle/weights.safetensors"), sandbox.path("elsewhere.safetensors")).unwrap();
    begin_again().refused(2, &["elsewhere.safetensors", "other weights", "SHA-256"]);
}

#[test]
fn what_comes_in_is_verified_and_what_does_not_is_told() {
    let sandbox = published();
    let train = "train config.toml --run r --set train.steps=2 --set pretrained.weights=";
    sandbox.run(&format!("{train}taught")).refused(2, &["taught", "The bundle of the run is"]);
    let rules = "--set pretrained.allow_missing=['^head'] --set pretrained.allow_unused=['^top']";
    let rename = "--set pretrained.rename=[['^head\\.','top.']]";
    let told = sandbox.run(&format!("{train}elsewhere.safetensors {rules} {rename}")).succeeded();
    let told = format!("{}{}", told.stdout, told.stderr);
    assert!(
        told.contains("begin anew, as is allowed: head") && told.contains("stay unused, as is allowed: top"),
        "{told}"
    );
    let all =
        "--set pretrained.allow_missing=['.'] --set pretrained.allow_unused=['.'] --set pretrained.rename=[['^','x.']]";
    let train = train.replace("--run r", "--run s");
    sandbox.run(&format!("{train}elsewhere.safetensors {all}")).refused(2, &["not one of its tensors"]);
    // Another's weights in a bundle are not its own.
    let path = sandbox.path("taught/bundle/weights.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    sandbox.run(&format!("{train}taught/bundle")).refused(2, &["its SHA-256 is not the one in manifest.json"]);
}

/// Weight is a quantity as well.
#[test]
fn a_column_may_be_called_weights() {
    let sandbox = Sandbox::new();
    let card = std::fs::read_to_string(sandbox.path("tiny/card.toml")).unwrap();
    sandbox.write("tiny/card.toml", card.replace("b = \"number\"", "weights = \"number\""));
    sandbox.run("data fetch tiny").expect(0);
}
