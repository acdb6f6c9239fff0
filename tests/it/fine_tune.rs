//! Does training that begins with others' weights begin with them, and do those learn that are meant to?

use std::path::Path;

use model_zoo::weights::{self, Weights};
use trainer::RunDir;
use trainer::checkpoint::{choose, weights_of};

use crate::sandbox::Sandbox;

/// A run whose weights others are to begin with.
fn taught() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run taught --set train.steps=12").succeeded();
    sandbox
}

fn bundled(sandbox: &Sandbox, run: &str) -> Weights {
    weights::load(&sandbox.path(&format!("{run}/bundle/weights.safetensors"))).unwrap()
}

fn last(sandbox: &Sandbox, run: &str) -> Weights {
    let run = RunDir::open(&sandbox.path(run)).unwrap();
    weights_of(&choose(&run, Some("last")).unwrap().path, true).unwrap()
}

const TAUGHT: &str = "--set pretrained.weights=taught/bundle --set train.steps=6 --set train.ema_decay=0.0";

#[test]
fn a_run_begins_with_the_weights_of_another() {
    let sandbox = taught();
    let slow = "--set optimizer.adamw.learning_rate=1e-12 --set schedule=constant";
    let told = sandbox.run(&format!("train config.toml --run r {TAUGHT} {slow}")).succeeded();
    assert!(
        told.stderr.contains("Training begins with the weights in")
            || told.stdout.contains("Training begins with the weights in")
    );
    let (before, after) = (bundled(&sandbox, "taught"), bundled(&sandbox, "r"));
    for (name, tensor) in before.iter().filter(|(name, _)| name.ends_with("weight")) {
        let far = tensor.values.iter().zip(&after[name].values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-6, "{name}: {far}");
    }
}

#[test]
fn what_is_frozen_stays_until_its_time() {
    let sandbox = taught();
    let before = bundled(&sandbox, "taught");
    let moved = |run: &str, part: &str| {
        let after = last(&sandbox, run);
        let of_part = before.iter().filter(|(name, _)| name.starts_with(part) && !name.contains("running"));
        of_part.filter(|(name, tensor)| after[*name] != **tensor).count()
    };
    let frozen = "--set fine_tune.freeze=['^layers']";
    let told = sandbox.run(&format!("train config.toml --run r {TAUGHT} {frozen}")).succeeded();
    assert!(format!("{}{}", told.stdout, told.stderr).contains("parameters learn"));
    assert!(moved("r", "layers") == 0 && moved("r", "head") > 0);
    sandbox.run(&format!("train config.toml --run s {TAUGHT} {frozen} --set fine_tune.unfreeze_at=3")).succeeded();
    assert!(moved("s", "layers") > 0);
    sandbox
        .run(&format!("train config.toml --run t {TAUGHT} --set fine_tune.learning_rates=[['^layers',0.0]]"))
        .succeeded();
    assert!(moved("t", "layers") == 0 && moved("t", "head") > 0);
}

#[test]
fn adapters_learn_beside_frozen_matrices_and_are_merged_in_the_bundle() {
    let sandbox = taught();
    let lora = "--set fine_tune.lora.rank=2 --set train.evaluate_every=6";
    sandbox.run(&format!("train config.toml --run r {TAUGHT} {lora}")).succeeded();
    let (before, checkpoint, bundle) = (bundled(&sandbox, "taught"), last(&sandbox, "r"), bundled(&sandbox, "r"));
    let name = "layers.0.weight";
    assert_eq!(checkpoint[name], before[name]);
    assert!(checkpoint[&format!("{name}.lora.a")].values.iter().any(|v| *v != 0.0));
    assert!(bundle.keys().eq(before.keys()), "{:?}", bundle.keys());
    // By the formula: the matrix and 16 / 2 times the product of the factors.
    let (a, b) = (&checkpoint[&format!("{name}.lora.a")], &checkpoint[&format!("{name}.lora.b")]);
    let [outputs, inputs] = before[name].shape[..] else { panic!() };
    assert_eq!((&a.shape, &b.shape), (&vec![outputs, 2], &vec![2, inputs]));
    for row in 0..outputs {
        for column in 0..inputs {
            let product: f32 = (0..2).map(|k| a.values[row * 2 + k] * b.values[k * inputs + column]).sum();
            let expected = before[name].values[row * inputs + column] + 8.0 * product;
            assert!((bundle[name].values[row * inputs + column] - expected).abs() < 1e-5);
        }
    }
    // A checkpoint answers as its bundle does.
    let predict = |model: &str| sandbox.run(&format!("predict {model} tiny/tiny.csv --json")).succeeded().stdout;
    assert_eq!(predict("r@best"), predict("r"));
}

#[test]
fn fine_tuning_that_was_broken_off_ends_as_it_would_have() {
    let sandbox = taught();
    for more in ["fine_tune.freeze=['^layers'] --set fine_tune.unfreeze_at=4", "fine_tune.lora.rank=2"] {
        let settings = "--set pretrained.weights=taught/bundle --set train.steps=8";
        sandbox.run(&format!("verify resume config.toml {settings} --set {more}")).succeeded();
    }
}

#[test]
fn weights_and_settings_that_do_not_suit_are_refused_before_the_first_step() {
    let sandbox = taught();
    let whole = std::fs::read(sandbox.path("taught/bundle/weights.safetensors")).unwrap();
    std::fs::write(sandbox.path("half.safetensors"), &whole[..whole.len() / 2]).unwrap();
    let code = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pretrained/with_code.pth");
    std::fs::copy(code, sandbox.path("code.pth")).unwrap();
    for (settings, words) in [
        ("pretrained.weights=none.pth", vec!["cannot read", "none.pth"]),
        ("pretrained.weights=half.safetensors", vec!["half.safetensors is damaged"]),
        ("pretrained.weights=code.pth", vec!["code.pth"]),
        (
            "pretrained.weights=taught/bundle --set model.mlp.hidden=[9]",
            vec!["do not suit the network", "of another shape", "rename"],
        ),
        ("pretrained.weights=taught/bundle --set model.tabular_resnet.width=8", vec!["missing in the file", "unused"]),
        (
            "pretrained.weights=taught/bundle --set pretrained.rename=[['(','x']]",
            vec!["`pretrained.rename`", "no regular expression"],
        ),
        ("fine_tune.freeze=['^nothing']", vec!["`fine_tune.freeze`", "fits no parameter", "layers.0.weight"]),
        ("fine_tune.freeze=['.']", vec!["`fine_tune.freeze`", "nothing would be learnt"]),
        ("fine_tune.unfreeze_at=3", vec!["`fine_tune.unfreeze_at`"]),
        ("fine_tune.lora.rank=0", vec!["`fine_tune.lora.rank`"]),
        ("fine_tune.learning_rates=[['^head',-1.0]]", vec!["`fine_tune.learning_rates`"]),
    ] {
        let ended = sandbox
            .run(&format!("train config.toml --run refused --set train.steps=2 --set {settings}"))
            .refused(2, &words);
        assert!(
            !sandbox.path("refused/metrics.jsonl").exists() && !sandbox.path("executed").exists(),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn where_nothing_would_be_learnt_there_is_no_training() {
    let sandbox = taught();
    let refused = |settings: &str, words: &[&str]| {
        sandbox.run(&format!("train config.toml --run r {TAUGHT} {settings}")).refused(2, words);
        assert!(!sandbox.path("r").exists());
    };
    let all = "--set fine_tune.freeze=['weight','bias']";
    refused(all, &["`fine_tune.freeze`", "freezes every parameter for ever"]);
    refused("--set fine_tune.freeze=['.'] --set fine_tune.unfreeze_at=3", &["every parameter until step 3"]);
    refused(
        "--set fine_tune.freeze=['^layers'] --set fine_tune.unfreeze_at=6",
        &["unfreeze_at", "training has 6 steps"],
    );
    refused("--set fine_tune.lora.on=['^head']", &["`fine_tune.lora.on`", "no matrix but those of the head"]);
    refused("--set fine_tune.lora.on=['bias$']", &["`fine_tune.lora.on`"]);
}

/// A rate of a matrix is one of its adapter.
#[test]
fn adapters_learn_at_the_rate_of_their_matrix() {
    let sandbox = taught();
    let before = bundled(&sandbox, "taught");
    let lora = "--set fine_tune.lora.rank=2 --set fine_tune.learning_rates=[['layers.*weight$',0.0]]";
    sandbox.run(&format!("train config.toml --run r {TAUGHT} {lora}")).succeeded();
    let after = bundled(&sandbox, "r");
    for (name, tensor) in before.iter().filter(|(name, _)| name.starts_with("layers") && name.ends_with("weight")) {
        assert_eq!(after[name], *tensor, "{name} moved");
    }
    assert_ne!(after["head.weight"], before["head.weight"]);
}

/// BERT by its names, which are transformers': what is frozen, and adapters beside the queries and values of its attentions.
#[test]
fn parts_of_bert_are_frozen_and_adapted_by_their_names() {
    let sandbox = Sandbox::with(TEXTS, &texts(), BERT);
    sandbox.run("train config.toml --run taught").succeeded();
    let before = bundled(&sandbox, "taught");
    let more = "--set pretrained.weights=taught/bundle";
    let lower = "['^bert\\.embeddings\\.','^bert\\.encoder\\.layer\\.0\\.']";
    sandbox.run(&format!("train config.toml --run frozen {more} --set fine_tune.freeze={lower}")).succeeded();
    let after = last(&sandbox, "frozen");
    for (name, tensor) in &before {
        let frozen = name.starts_with("bert.embeddings.") || name.starts_with("bert.encoder.layer.0.");
        // A key's bias shifts all scores of a query alike, so that it has no gradient.
        assert!((after[name] == *tensor) == frozen || name.ends_with("key.bias"), "{name}");
    }
    let on = "['attention\\.self\\.(query|value)\\.weight$']";
    sandbox.run(&format!("train config.toml --run adapted {more} --set fine_tune.lora.on={on}")).succeeded();
    let (checkpoint, bundle) = (last(&sandbox, "adapted"), bundled(&sandbox, "adapted"));
    let adapters: Vec<&str> = checkpoint.keys().filter_map(|name| name.strip_suffix(".lora.a")).collect();
    let attention = |layer, what| format!("bert.encoder.layer.{layer}.attention.self.{what}.weight");
    let mut wanted: Vec<String> = (0..2).flat_map(|k| ["query", "value"].map(|what| attention(k, what))).collect();
    wanted.sort();
    assert_eq!(adapters, wanted);
    assert!(bundle.keys().eq(before.keys()));
    for (name, tensor) in &before {
        let learns = wanted.contains(name) || name.starts_with("classifier.");
        assert_eq!(bundle[name] != *tensor, learns, "{name}");
    }
}

const TEXTS: &str = r#"name = "tiny"
title = "Tiny"
summary = "made up"
source = "made up"
licence = "CC0"
citation = "none"
[format.csv]
[[files]]
path = "tiny.csv"
[schema]
target = { name = "y", kind = "class" }
ignore = ["b", "c"]
[schema.features]
a = "text"
[split.stratified]
validation = 0.2
test = 0.2
"#;

const BERT: &str = r#"device = "cpu"
task = "classify"
[data]
card = "tiny"
[data.transforms.tokenize]
method = "wordpiece"
vocabulary = 40
max_length = 8
[model.bert]
layers = 2
features = 8
heads = 2
context = 8
[train]
steps = 6
batch_size = 10
[optimizer.adamw]
learning_rate = 1e-2
"#;

/// Which word a text begins with says of which kind it is.
fn texts() -> Vec<String> {
    let letter = |k: usize| char::from(b'a' + (k % 10) as u8);
    let row = |k: usize| format!("{} {} {},,,{}", ["old", "new"][k % 2], letter(k), letter(k / 10), ["x", "y"][k % 2]);
    (0..60).map(row).collect()
}
