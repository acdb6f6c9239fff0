//! What is learnt without labels: what is unusual about a row, and a network that another training goes on with.

use serde_json::Value;

use crate::sandbox::{Ended, Sandbox, repository, shipped};

const RECONSTRUCT: &str = r#"task = "reconstruct"
[data]
card = "tiny"
[model.autoencoder]
hidden = [16]
code = 2
[train]
epochs = 30
batch_size = 16
[optimizer.adamw]
learning_rate = 1e-2
"#;

fn score(prediction: &Value, name: &str) -> Option<f64> {
    let scores = prediction["scores"].as_array().unwrap();
    scores.iter().find(|score| score[0] == name).map(|score| score[1].as_f64().unwrap())
}

#[test]
fn a_row_that_is_unlike_all_others_is_found_and_what_is_unusual_about_it() {
    let sandbox = Sandbox::new();
    sandbox.write("reconstruct.toml", RECONSTRUCT);
    let trained = sandbox.run("train reconstruct.toml --run r --json").succeeded().json();
    assert!(trained["test_r2"].as_f64().unwrap() > 0.5 && trained["test_rmse"].as_f64().unwrap() > 0.0, "{trained}");

    // The columns in another order, one that nobody knows, and no answers.
    let mut rows = vec!["c,b,a".to_owned()];
    let usual = std::fs::read_to_string(sandbox.path("tiny/tiny.csv")).unwrap();
    let fields = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let header = fields(usual.lines().next().unwrap());
    let of = |line: &str, name: &str| fields(line)[header.iter().position(|column| column == name).unwrap()].clone();
    for line in usual.lines().skip(1).take(20) {
        rows.push(format!("{},{},{}", of(line, "c"), of(line, "b"), of(line, "a")));
    }
    let first = usual.lines().nth(1).unwrap();
    rows.push(format!("{},{},1000", of(first, "c"), of(first, "b")));
    sandbox.write("new.csv", format!("{}\n", rows.join("\n")));
    let answers = sandbox.run("predict r new.csv --json").expect(0).json();
    let answers = answers.as_array().unwrap();
    let (odd, others) = answers.split_last().unwrap();
    assert_eq!(others.len(), 20);
    assert_eq!((score(odd, "percentile"), odd["unusual"][0][0].as_str()), (Some(100.0), Some("a")), "{odd}");
    assert!(odd["unusual"][0][1].as_f64().unwrap() > 0.5, "{odd}");
    let largest = others.iter().map(|one| score(one, "anomaly_score").unwrap()).fold(0.0, f64::max);
    assert!(score(odd, "anomaly_score").unwrap() > 100.0 * largest);
    assert!(others.iter().any(|one| score(one, "percentile").unwrap() < 60.0));
    assert!(others.iter().all(|one| one.get("label").is_none()));

    // A checkpoint has no scores beside it to be held against, and gives the same ones.
    let best = sandbox.run("predict r@best new.csv --json").expect(0).json();
    for (from_bundle, from_checkpoint) in answers.iter().zip(best.as_array().unwrap()) {
        assert_eq!(score(from_checkpoint, "percentile"), None);
        assert_eq!(score(from_bundle, "anomaly_score"), score(from_checkpoint, "anomaly_score"));
    }
    let shown = sandbox.run("predict r new.csv").expect(0).stdout;
    let line = shown.lines().last().unwrap();
    assert!(line.contains("anomaly score") && line.contains("not below 100.0% of") && line.contains("(a "), "{line}");
}

#[test]
fn what_cannot_be_given_back_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("reconstruct.toml", RECONSTRUCT);
    let refused = |change: &str, words: &[&str]| {
        sandbox.run(&format!("train reconstruct.toml --run r --set {change}")).refused(2, words);
    };
    refused("model.autoencoder.code=50", &["narrow place", "`noise`"]);
    refused("model.autoencoder.channels=[4]", &["`channels` is for images alone"]);
    refused("task=classify", &["gives examples back", "`classify`"]);
    refused("loss=cross_entropy", &["loss.cross_entropy", "`reconstruct`"]);
    sandbox.run("select reconstruct.toml").refused(2, &["`reconstruct`", "no score"]);
    sandbox.run("train config.toml --run r --set task=reconstruct").refused(2, &["cannot do the task `reconstruct`"]);
}

fn few_digits(sandbox: &Sandbox, name: &str, change: impl Fn(String) -> String) {
    let text = std::fs::read_to_string(shipped(name)).unwrap();
    let card = repository().join("datasets/mnist");
    let card = card.to_str().unwrap();
    sandbox.write(&format!("{name}.toml"), change(text.replace("\"datasets/mnist\"", &format!("\"{card}\""))));
}

fn told(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

#[test]
fn a_network_that_told_views_apart_goes_on_to_name_digits() {
    let sandbox = Sandbox::empty();
    few_digits(&sandbox, "mnist_lenet_contrast", |text| text);
    let few = "--device cpu --set data.limit=96 --set train.batch_size=32";
    let trained = sandbox
        .run(&format!("train mnist_lenet_contrast.toml --run views {few} --set train.epochs=12 --json"))
        .succeeded();
    let trained = trained.json();
    // Of 63 other views one is of the same image; chance finds it once in 63 times.
    assert!(trained["test_accuracy"].as_f64().unwrap() > 0.1, "{trained}");
    // Views for judging are always the same ones.
    let judge = || sandbox.run("evaluate views --part validation --json").expect(0).stdout;
    assert_eq!(judge(), judge());
    let file = repository().join("datasets/mnist/t10k-images-idx3-ubyte.gz");
    sandbox.run(&format!("predict views {}", file.display())).refused(2, &["`contrast`", "[pretrained]"]);

    few_digits(&sandbox, "mnist_lenet", |text| text.replace("dropout = 0.25\n", ""));
    let begun = "--set pretrained.weights=views/bundle --set train.steps=3";
    let ended = sandbox.run(&format!("train mnist_lenet.toml --run digits {few} {begun}")).succeeded();
    assert!(told(&ended).contains("the head `fc3` is another: it begins anew"), "{}", told(&ended));
    // And back again: digits that were named may be where views are told apart.
    let begun = "--set pretrained.weights=digits/bundle --set train.steps=3";
    let ended = sandbox.run(&format!("train mnist_lenet_contrast.toml --run again {few} {begun}")).succeeded();
    assert!(told(&ended).contains("begins anew"), "{}", told(&ended));
}

#[test]
fn views_that_are_alike_or_of_no_image_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set task=contrast").refused(2, &["views of images"]);
    let images = Sandbox::empty();
    few_digits(&images, "mnist_lenet_contrast", |text| {
        let kept = text.split("[data.transforms.random_resized_crop]").next().unwrap().to_owned();
        kept + "[model.lenet]\n"
    });
    images
        .run("train mnist_lenet_contrast.toml --run r --set data.limit=64")
        .refused(2, &["leaves anything to chance"]);
}

#[test]
fn a_run_on_views_goes_on_as_if_nothing_had_happened() {
    let sandbox = Sandbox::empty();
    few_digits(&sandbox, "mnist_lenet_contrast", |text| text);
    let few = "--set device=cpu --set data.limit=64 --set train.batch_size=16";
    sandbox.run(&format!("verify resume mnist_lenet_contrast.toml --steps 4 {few}")).expect(0);
}

/// Most rows of most data sets have no label, and these tasks need none.
#[test]
fn rows_without_labels_are_learnt_from_where_none_are_needed() {
    let sandbox = Sandbox::new();
    let rows = std::fs::read_to_string(sandbox.path("tiny/tiny.csv")).unwrap();
    let unlabelled = |k: usize, line: &str| match (k, line.rsplit_once(',')) {
        (1.., Some((features, _))) if k.is_multiple_of(3) => format!("{features},"),
        _ => line.to_owned(),
    };
    let rows: Vec<String> = rows.lines().enumerate().map(|(k, line)| unlabelled(k, line)).collect();
    sandbox.write("tiny/tiny.csv", format!("{}\n", rows.join("\n")));
    sandbox.write("reconstruct.toml", RECONSTRUCT);
    sandbox.run("train config.toml --run r").refused(2, &["has no"]);
    // The split of the card deals out each class, and there are rows of none.
    sandbox.run("train reconstruct.toml --run r").refused(2, &["`stratified`", "rows have none", "random"]);
    let split = "--set data.split.random.validation=0.2 --set data.split.random.test=0.2";
    sandbox.run(&format!("train reconstruct.toml --run r {split}")).succeeded();
    let lineage = std::fs::read_to_string(sandbox.path("r/lineage.json")).unwrap();
    let lineage: Value = serde_json::from_str(&lineage).unwrap();
    assert_eq!((&lineage["rows"], &lineage["unusable"]), (&90.into(), &0.into()));
    assert_eq!((lineage["train"]["examples"].as_u64(), lineage["test"]["examples"].as_u64()), (Some(54), Some(18)));
    sandbox.run("evaluate r").succeeded();
    sandbox.run(&format!("verify resume reconstruct.toml --steps 4 {split}")).expect(0);
    sandbox.run(&format!("data check reconstruct.toml {split}")).expect(0);
}
