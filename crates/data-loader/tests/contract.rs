//! Does every member of every list keep the promises of its kind? A new member is tested because it is listed.
//!
//! Where a member needs data or settings of its own, it needs a case here, and a missing one fails.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

#[path = "contract/cases.rs"]
mod cases;

use cases::{ROWS, case};
use data_loader::samplers::{self, Sampler};
use data_loader::split::{self, Rows};
use data_loader::{
    Card, Error, Image, Part, Pipeline, Record, Records, Schema, SplitConfig, Task, Transforms, Value, formats,
    transforms,
};

fn card(format: &str, folder: &Path) -> Card {
    let (files, features) = case(format, folder);
    let file = |file: &str| {
        let (path, role) = file.split_once(':').unwrap_or((file, "records"));
        let part = if path.starts_with('a') { "train" } else { "test" };
        format!("[[files]]\npath = \"{path}\"\nrole = \"{role}\"\npart = \"{part}\"\n")
    };
    let files: String = files.split(' ').map(file).collect();
    let target = if format == "mask_folder" { "kind = \"mask\", classes = [\"0\", \"1\"]" } else { "kind = \"class\"" };
    let text = format!(
        "name = \"tiny\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.{format}]\n{files}\
         [schema]\ntarget = {{ name = \"y\", {target} }}\n[schema.features]\n{features}\n"
    );
    std::fs::write(folder.join("card.toml"), text).unwrap();
    Card::open(folder).unwrap()
}

#[test]
fn every_format_gives_its_rows_in_any_order_from_any_thread() {
    for entry in formats::MEMBERS {
        let name = entry.name;
        let folder = tempfile::tempdir().unwrap();
        let card = card(name, folder.path());
        let records = formats::open(&card).unwrap();
        assert_eq!(records.len(), 2 * ROWS, "{name}");
        assert!(!records.is_empty());

        let read: Vec<Record> = (0..records.len()).map(|row| records.read(row).unwrap()).collect();
        for (row, record) in read.iter().enumerate() {
            assert_eq!(records.key(row).unwrap(), record.id.key, "{name}, row {row}");
            assert!(record.id.key.starts_with("tiny/"), "{name}: {} does not name its source", record.id.key);
            let names: Vec<&str> = record.fields.iter().map(|(field, _)| field.as_str()).collect();
            let wanted = card.schema().features.0.iter().map(|(field, _)| field.as_str()).chain(["y"]);
            assert_eq!(names, wanted.collect::<Vec<_>>(), "{name}");
            for (field, value) in &record.fields {
                assert_eq!(&records.field(row, field).unwrap(), value, "{name}, row {row}, {field}");
                assert!(!matches!(value, Value::Missing | Value::Code(_) | Value::Tokens(_)), "{name}, row {row}");
            }
            let part = if row < ROWS { Part::Train } else { Part::Test };
            assert_eq!(records.part(row), Some(part), "{name}, row {row}");
            assert!(matches!(records.field(row, "nowhere"), Err(Error::ColumnMissing { .. })), "{name}");
        }
        let keys: HashSet<&String> = read.iter().map(|record| &record.id.key).collect();
        let contents: HashSet<_> = read.iter().map(|record| record.content(Some("y"))).collect();
        assert_eq!((keys.len(), contents.len()), (2 * ROWS, 2 * ROWS), "{name}: two rows have one id");
        for class in ["0", "1"] {
            let is_class = |record: &&Record| match record.field("y") {
                Some(Value::Mask(mask)) => mask.pixels.iter().all(|pixel| pixel.to_string() == class),
                other => other == Some(&Value::Text(class.into())),
            };
            let count = read.iter().filter(is_class).count();
            assert!((2 * ROWS / 3..ROWS + 3).contains(&count), "{name}: {count} rows of class {class}");
        }

        let again = formats::open(&Card::open(folder.path()).unwrap()).unwrap();
        (0..again.len()).rev().for_each(|row| assert_eq!(again.read(row).unwrap(), read[row], "{name}, row {row}"));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (records, read) = (records.as_ref(), &read);
                scope.spawn(move || {
                    for row in (0..read.len()).map(|row| (row * 5 + thread * 7) % read.len()) {
                        assert_eq!(records.read(row).unwrap(), read[row], "{name}, row {row}, thread {thread}");
                    }
                });
            }
        });
    }
}

/// Rows held in memory.
struct Memory {
    names: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Records for Memory {
    fn len(&self) -> usize {
        self.rows.len()
    }
    fn read(&self, row: usize) -> Result<Record, Error> {
        let fields = self.names.iter().cloned().zip(self.rows[row].iter().cloned()).collect();
        Ok(Record::new(self.key(row)?, fields, None))
    }
    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        Ok(self.rows[row][self.names.iter().position(|known| known == name).unwrap()].clone())
    }
    fn key(&self, row: usize) -> Result<String, Error> {
        Ok(row.to_string())
    }
    fn part(&self, row: usize) -> Option<Part> {
        Some(if row.is_multiple_of(5) { Part::Test } else { Part::Train })
    }
}

#[test]
fn every_split_deals_all_rows_out_as_it_was_asked_to() {
    const N: u32 = 4000;
    let rows =
        (0..N).map(|row| vec![Value::Number(f64::from(row * 7919 % N)), Value::Text(format!("k{row}"))]).collect();
    let memory = Memory { names: vec!["time".into(), "key".into()], rows };
    // Every ninth row cannot be used.
    let usable: Vec<u32> = (0..N).filter(|row| row % 9 != 4).collect();
    let classes: Vec<u32> = usable.iter().map(|row| u32::from(row % 3 == 0)).collect();
    let rows = Rows { records: &memory, usable: &usable, classes: Some(&classes), key: Some("key") };
    for entry in split::MEMBERS {
        // Settings, and which fractions of the rows validation and test are to be.
        let (settings, fractions) = match entry.name {
            // A fifth of the rows is in files for test; of the others another fifth goes to validation.
            "file" => ("validation = 0.2", [0.16, 0.2]),
            "hash" | "random" | "stratified" => ("validation = 0.1\ntest = 0.2", [0.1, 0.2]),
            "time" => ("by = \"time\"\nvalidation = 0.1\ntest = 0.2", [0.1, 0.2]),
            other => panic!("the split `{other}` has no case here"),
        };
        let config: SplitConfig = toml::from_str(&format!("[{}]\n{settings}", entry.name)).unwrap();
        assert_eq!(config.name(), entry.name);
        let parts = config.split(&rows).unwrap();
        let mut all: Vec<u32> = Part::ALL.iter().flat_map(|&part| parts.part(part)).copied().collect();
        all.sort_unstable();
        assert_eq!(all, usable, "{}: parts are not disjoint and complete", entry.name);
        assert!(Part::ALL.iter().all(|&part| parts.part(part).is_sorted() && !parts.part(part).is_empty()));
        for (part, fraction) in [Part::Validation, Part::Test].into_iter().zip(fractions) {
            let (found, wanted) = (parts.part(part).len() as f64, fraction * usable.len() as f64);
            // Five standard deviations of a binomial count.
            let slack = 5.0 * (wanted * (1.0 - fraction)).sqrt();
            assert!((found - wanted).abs() < slack, "{}: {found} rows in {part} for {wanted}", entry.name);
        }
        let written: SplitConfig = serde_json::from_value(serde_json::to_value(&config).unwrap()).unwrap();
        assert_eq!(written.split(&rows).unwrap(), parts, "{}: the split changes", entry.name);
    }
}

const COLUMNS: &str = "target = { name = \"y\", kind = \"number\" }\n[features]\nx = \"number\"\nz = \"number\"\n\
                       c = \"category\"\nt = \"text\"\ni = \"image\"\n\
                       d = \"date\"\nk = \"category\"\nm = \"category\"\no = \"category\"";

/// A row of [`COLUMNS`]; other numbers give other values in every column.
fn row(number: usize) -> Vec<Value> {
    let x = (number as f64 * 0.7).sin() * 10.0 / 3.0;
    let pixels = (0..4).map(|pixel| (number * 31 + pixel * 17) as u8).collect();
    vec![
        Value::Number(x),
        if number % 4 == 1 { Value::Missing } else { Value::Number(x.exp()) },
        Value::Text(format!("c{}", number % 5)),
        Value::Text(char::from(b'a' + (number % 23) as u8).to_string()),
        Value::Image(Image { channels: 1, height: 2, width: 2, pixels }),
        Value::Text(format!("{}-03-04T05:06:07Z", 2025 - number)),
        Value::Text(format!("k{}", number % 3)),
        Value::Text(format!("m{}", number % 3)),
        Value::Text(["low", "high"][number % 2].into()),
        Value::Number(1.7e9 + x),
    ]
}

/// The settings of a member that the schema does not ask for, and whether it learns from the rows at all.
fn settings(name: &str) -> (serde_json::Value, bool) {
    use serde_json::json;
    match name {
        "log" => (json!({"columns": ["x"], "method": "signed"}), false),
        // Not of `z`: of n different numbers the places are the same, whatever the numbers are.
        "robust" | "standardize" => (json!({"columns": ["x"]}), true),
        "min_max" | "quantile" => (json!({"columns": ["z"]}), true),
        "one_hot" => (json!({"columns": ["k"]}), true),
        "ordinal" => (json!({"columns": {"o": ["low", "high"]}}), false),
        "target_encode" => (json!({"columns": ["m"]}), true),
        "dates" | "encode" | "impute" | "normalize" | "tokenize" => (json!({}), true),
        // Of images nothing is learnt: what these are is what their config says.
        "center_crop" | "random_crop" | "random_resized_crop" | "resize" => (json!({"size": [3, 4]}), false),
        "color_jitter" => (json!({"brightness": 0.3, "hue": 0.1}), false),
        "auto_augment" | "horizontal_flip" | "rand_augment" | "random_erasing" | "vertical_flip" => (json!({}), false),
        other => panic!("the transform `{other}` has no case here"),
    }
}

fn fit(rows: Vec<Vec<Value>>, train: &[u32]) -> (Pipeline, Memory) {
    let schema: Schema = toml::from_str(COLUMNS).unwrap();
    let names = ["x", "z", "c", "t", "i", "d", "k", "m", "o", "y"].map(str::to_owned).to_vec();
    let memory = Memory { names, rows };
    // All members: first those that work on single columns, then those that the schema asks for, in their order.
    let default = serde_json::to_value(Transforms::default_for(&schema)).unwrap();
    let asked = default.as_object().unwrap();
    let others = transforms::MEMBERS.iter().filter(|entry| !asked.contains_key(entry.name));
    let others = others.filter(|entry| !MIXES.contains(&entry.name));
    let mut list: serde_json::Map<_, _> = others.map(|entry| (entry.name.to_owned(), settings(entry.name).0)).collect();
    list.extend(asked.clone());
    let list = serde_json::Value::Object(list);
    let list: Transforms = serde_json::from_value(list).unwrap();
    let pipeline = Pipeline::fit(&schema, Task::Regress, &list, &memory, train, false).unwrap();
    (pipeline, memory)
}

/// Members that mix the examples of a batch. They are for images and numbers alone, and refuse the words of [`COLUMNS`].
const MIXES: &[&str] = &["cutmix", "mixup"];

/// What each member learnt, as it is written to a bundle.
fn learnt(pipeline: &Pipeline) -> Vec<(String, String)> {
    let one = |fitted| match serde_json::to_value(fitted).unwrap() {
        serde_json::Value::Object(object) => {
            let (name, inside) = object.into_iter().next().unwrap();
            (name, inside.to_string())
        }
        other => panic!("{other} has no name"),
    };
    pipeline.transforms().iter().map(one).collect()
}

#[test]
fn every_transform_learns_from_the_training_rows_alone_and_survives_json() {
    let rows: Vec<Vec<Value>> = (0..40).map(row).collect();
    let train: Vec<u32> = (0..30).collect();
    let (pipeline, memory) = fit(rows.clone(), &train);
    let names: BTreeSet<String> = learnt(&pipeline).into_iter().map(|(name, _)| name).collect();
    let members = transforms::MEMBERS.iter().map(|entry| entry.name).filter(|name| !MIXES.contains(name));
    assert_eq!(names, members.map(str::to_owned).collect());

    let strange = || {
        let mut strange = row(1000);
        strange[1] = Value::Number(1e6);
        strange[2] = Value::Text("never seen".into());
        strange[3] = Value::Text("é".into());
        strange[5] = Value::Text("1066-10-14".into());
        strange[6] = Value::Text("never seen".into());
        strange
    };
    let mut other_test = rows.clone();
    other_test[30..].fill_with(strange);
    assert_eq!(fit(other_test, &train).0, pipeline, "a row outside of training changes what is learnt");
    let mut other_train = rows;
    other_train[0] = strange();
    for ((name, before), (_, after)) in learnt(&pipeline).iter().zip(learnt(&fit(other_train, &train).0)) {
        assert_eq!(before != &after, settings(name).1, "`{name}`: what it learns does not depend on a training row");
    }

    let json = serde_json::to_string(&pipeline).unwrap();
    let again: Pipeline = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), json);
    for row in 0..memory.len() {
        let prepared = |pipeline: &Pipeline| pipeline.prepare(memory.read(row).unwrap()).unwrap();
        // Written out, a zero keeps its sign and every number all of its digits.
        assert_eq!(format!("{:?}", prepared(&again)), format!("{:?}", prepared(&pipeline)), "row {row}");
    }
}

#[test]
fn every_sampler_orders_the_rows_by_seed_and_epoch_alone() {
    let rows: Vec<u32> = (0..90).map(|row| row * 3 + 1).collect();
    let classes: Vec<u32> = rows.iter().map(|row| u32::from(row % 4 == 0)).collect();
    for entry in samplers::MEMBERS {
        // Whether every row comes once, and whether chance plays a part.
        let (permutes, random) = match entry.name {
            "balanced" => (false, true),
            "sequential" => (true, false),
            "shuffled" => (true, true),
            other => panic!("the sampler `{other}` has no case here"),
        };
        let sampler: Sampler = serde_json::from_value(entry.name.into()).unwrap();
        let order = |seed, epoch| sampler.order(&rows, Some(&classes), seed, epoch);
        for (seed, epoch) in [(0, 0), (0, 1), (7, 0), (u64::MAX, 1_000_000)] {
            let found = order(seed, epoch);
            assert_eq!((found.len(), &found), (rows.len(), &order(seed, epoch)), "{}", entry.name);
            assert!(found.iter().all(|row| rows.contains(row)), "{}", entry.name);
            let distinct: BTreeSet<u32> = found.iter().copied().collect();
            assert!(!permutes || distinct.len() == rows.len(), "{}: a row comes twice", entry.name);
            assert_eq!(found != order(seed, epoch + 1), random, "{}: epochs {epoch} and the next", entry.name);
            assert_eq!(found != order(seed ^ 1, epoch), random, "{}: seeds {seed} and another", entry.name);
        }
    }
}
