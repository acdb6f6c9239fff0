//! What does a user meet whose data is broken? A sentence with the path, key or row, a hint, and exit code 2.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use data_loader::config::parse_toml;
use data_loader::{Batch, DataConfig, Dataset, Error, Loader, Part, Pipeline};

const CARD: &str = r#"
name = "tiny"
title = "Tiny"
summary = "Made for this test"
source = "here"
licence = "CC0"
citation = "none"
[format.csv]
[[files]]
path = "a.csv"
[schema]
target = { name = "y", kind = "class" }
features = { x = "number", c = "category" }
"#;

/// Twenty good rows of two classes.
fn rows() -> Vec<String> {
    (0..20).map(|i| format!("{}.5,red,{}", i, ["a", "b"][i % 2])).collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(card: &str, rows: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("card.toml"), card).unwrap();
        std::fs::write(folder.path().join("a.csv"), format!("x,c,y\n{}\n", rows.join("\n"))).unwrap();
        Self(folder)
    }

    fn open(&self, config: &str) -> Result<Dataset, Error> {
        let config: DataConfig = parse_toml(&format!("card = \".\"\n{config}"), Path::new("c.toml"))?;
        Dataset::open(&config, self.0.path(), None, 0)
    }
}

/// The error of opening a data set with these rows, card and config says all of `words`, and what to do.
fn check(rows: &[String], card: &str, config: &str, words: &[&str]) {
    let error = Folder::new(card, rows).open(config).unwrap_err();
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{text}\nlacks {word}");
    }
    assert!(error.is_usage(), "{text} would exit with 1");
    assert!(error.hint().is_some(), "{text}\nhas no hint");
}

fn with(place: usize, row: &str) -> Vec<String> {
    let mut rows = rows();
    rows[place] = row.into();
    rows
}

#[test]
fn good_data_opens() {
    let data = Folder::new(CARD, &rows()).open("").unwrap();
    assert_eq!(data.config().split.as_ref().unwrap().name(), "stratified");
    assert_eq!(data.class_counts(Part::Train).unwrap(), [7, 7]);
}

#[test]
fn keys_and_types() {
    check(&rows(), CARD, "sampelr = \"shuffled\"", &["c.toml, line 2", "`sampelr`"]);
    check(&rows(), CARD, "sampler = \"balance\"", &["`balance`", "`balanced`"]);
    check(&rows(), CARD, "[loader]\nthreads = \"two\"", &["line 3, in [loader]", "invalid type"]);
    check(&rows(), CARD, "[split.stratified]\nvalidaton = 0.1", &["in [split.stratified]", "`validaton`"]);
    check(&rows(), CARD, "[split.stratifed]", &["`stratifed`"]);
    check(&rows(), CARD, "[transforms.normalise]", &["`normalise`", "`normalize`"]);
    check(&rows(), CARD, "[split.random]\nvalidation = 0.6\ntest = 0.5", &["none for training"]);
    check(&rows(), CARD, "limit = 0", &["`data.limit`"]);
    check(&rows(), &CARD.replace("\"number\"", "\"nubmer\""), "", &["card.toml", "`nubmer`"]);
    check(&rows(), &CARD.replace("a.csv", "b.csv"), "", &["b.csv"]);
    check(&rows(), &CARD.replace("name = \"y\"", "name = \"z\""), "", &["no column `z`", "`y`"]);
    let error = Dataset::open(&DataConfig::new("nowhere"), Path::new("/"), None, 0).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }) && error.hint().is_some());
}

#[test]
fn rows_that_cannot_be_used() {
    check(&with(3, "1.5,red"), CARD, "", &["a.csv", "row 3", "line 5", "2 values"]);
    check(&with(3, "1.5,red,a,9"), CARD, "", &["row 3", "4 values"]);
    check(&with(3, "1.5,red,"), CARD, "", &["tiny/a.csv#3", "`y`"]);
    // Fitting meets every training row; the split puts these among them.
    let all_train = "[split.random]";
    check(&with(3, "NaN,red,b"), CARD, all_train, &["tiny/a.csv#3", "`x`", "NaN"]);
    check(&with(3, "inf,red,b"), CARD, all_train, &["tiny/a.csv#3", "`x`", "inf"]);
    check(&with(3, "three,red,b"), CARD, all_train, &["tiny/a.csv#3", "`x`", "three"]);
    check(&[], CARD, "", &["no examples"]);
    let one_class: Vec<String> = (0..20).map(|i| format!("{i},red,a")).collect();
    check(&one_class, CARD, "", &["`a`"]);
}

#[test]
fn a_marker_in_the_card_makes_nan_a_gap() {
    let card = CARD.replace("features =", "missing = [\"NaN\"]\nfeatures =");
    let data = Folder::new(&card, &with(3, "NaN,red,b")).open("[split.random]").unwrap();
    assert!(data.example(3, None).is_ok());
}

#[test]
fn a_model_meets_gaps_where_it_was_trained_to() {
    let markers = |list: &str| CARD.replace("features =", &format!("missing = {list}\nfeatures ="));
    let pipeline = Folder::new(&markers("[\"\", \"-999\"]"), &rows()).open("").unwrap().pipeline().clone();
    let open = |card: &str| {
        let folder = Folder::new(card, &rows());
        Dataset::open_with(&DataConfig::new("."), folder.0.path(), pipeline.clone(), 0)
    };
    for card in [CARD, &markers("[\"\"]")] {
        let error = open(card).unwrap_err();
        assert!(error.to_string().contains("the texts ``, `-999` stood for a missing value"), "{error}");
        assert!(error.hint().unwrap().contains("`missing`") && error.is_usage());
    }
    assert!(open(&markers("[\"-999\", \"\"]")).is_ok(), "their order does not matter");
}

#[test]
fn bad_rows_are_skipped_and_counted_if_the_config_says_so() {
    let mut rows = with(3, "1.5,red");
    rows[4] = "NaN,red,a".into();
    rows[5] = "5.5,red,".into();
    let folder = Folder::new(CARD, &rows);
    let data = Arc::new(folder.open("[split.random]\n[loader]\nbad_examples = \"skip\"").unwrap());
    assert_eq!((data.part(Part::Train).len(), data.lineage().unusable), (18, 2));
    let batches: Vec<_> = Loader::once(data, Part::Train, 6).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.skipped).sum::<usize>(), 1);
    assert_eq!(batches.iter().map(Batch::len).sum::<usize>(), 17);
}

#[test]
fn a_class_that_training_never_saw_is_met_before_training() {
    let card = CARD.replace("[schema]", "part = \"train\"\n[[files]]\npath = \"b.csv\"\npart = \"test\"\n[schema]");
    let folder = Folder::new(&card, &rows());
    std::fs::write(folder.0.path().join("b.csv"), "y,c,x\na,red,1\nzebra,red,2\n").unwrap();
    let error = folder.open("").unwrap_err();
    assert_eq!(
        error.to_string(),
        "Example tiny/b.csv#1 has the class `zebra`, which was never seen in training; the known classes are `a`, `b`."
    );
    // The same holds for a model that was trained before.
    let pipeline: Pipeline = Folder::new(CARD, &rows()).open("").unwrap().pipeline().clone();
    let other = Folder::new(CARD, &with(0, "1,red,zebra"));
    let config = |loader| {
        parse_toml::<DataConfig>(&format!("card = \".\"\nsampler = \"balanced\"\n{loader}"), Path::new("c")).unwrap()
    };
    let error = Dataset::open_with(&config(""), other.0.path(), pipeline.clone(), 0).unwrap_err();
    assert!(matches!(&error, Error::UnknownClass { class, .. } if class == "zebra"), "{error}");
    let skip = config("[split.random]\n[loader]\nbad_examples = \"skip\"");
    let data = Arc::new(Dataset::open_with(&skip, other.0.path(), pipeline, 0).unwrap());
    assert!(Loader::train(data, 10, 0, 2, 0).unwrap().take(4).all(|batch| batch.is_ok()));
}

#[test]
fn truncated_mnist() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/mnist");
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&source).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let images = folder.path().join("train-images-idx3-ubyte.gz");
    let bytes = std::fs::read(&images).unwrap();
    std::fs::write(&images, &bytes[..bytes.len() / 2]).unwrap();
    let open = || Dataset::open(&DataConfig::new("."), folder.path(), None, 0).unwrap_err();
    assert!(matches!(open(), Error::Checksum { .. }));
    // Without a checksum the broken stream itself is the error.
    let card = folder.path().join("card.toml");
    let text = std::fs::read_to_string(&card).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("sha256")).collect();
    std::fs::write(&card, lines.join("\n")).unwrap();
    let error = open();
    assert!(matches!(error, Error::Malformed { .. }) && error.to_string().contains("gzip"), "{error}");
}
