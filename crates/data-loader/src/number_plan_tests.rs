//! Are batches that are filled column by column those that are made of a record for each row, to the last bit?

use std::path::Path;
use std::sync::Arc;

use crate::config::parse_toml;
use crate::{Batch, DataConfig, Dataset, Loader, Part};

/// A table of 500 rows with gaps in `a`; the target is a number, or for `class` one of three words.
fn folder(target: &str, change: impl Fn(usize, String) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let row = |row: usize| {
        let x = (row as f64 * 0.7).sin() * 10.0 / 3.0;
        let gap = if row % 7 == 3 { String::new() } else { format!("{x:.7}") };
        let y = if target == "class" { ["u", "v", "w"][row % 3].to_owned() } else { format!("{:.3}", x * 2.0) };
        change(row, format!("{y},{:e},{gap},{row}", x.exp()))
    };
    let rows: Vec<String> = (0..500).map(row).collect();
    std::fs::write(folder.path().join("t.csv"), format!("y,b,a,c\n{}\n", rows.join("\n"))).unwrap();
    let card = format!(
        "name = \"t\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.csv]\n\
         [[files]]\npath = \"t.csv\"\n[schema]\ntarget = {{ name = \"y\", kind = \"{target}\" }}\n\
         [schema.features]\na = \"number\"\nb = \"number\"\nc = \"number\"\n"
    );
    std::fs::write(folder.path().join("card.toml"), card).unwrap();
    folder
}

fn open(folder: &Path, config: &str) -> Dataset {
    let config: DataConfig = parse_toml(&format!("card = \".\"\n{config}"), Path::new("c")).unwrap();
    Dataset::open(&config, folder, None, 0).unwrap()
}

/// The same data set, prepared record by record.
fn slow(data: Dataset) -> Arc<Dataset> {
    let slow = data.with_pipeline(|pipeline| {
        let transforms = pipeline.transforms().to_vec();
        pipeline.with_transforms(transforms)
    });
    assert!(slow.batch_of(&slow.part(Part::Train)[..1]).is_none());
    Arc::new(slow)
}

fn batches(data: Arc<Dataset>) -> Vec<Batch> {
    Loader::train(data, 32, 3, 2, 0).unwrap().take(30).map(Result::unwrap).collect()
}

#[test]
fn columns_and_records_make_the_same_batches() {
    for target in ["number", "class"] {
        let folder = folder(target, |_, row| row);
        for transforms in [
            "",
            "[transforms.normalize]\n[transforms.impute]",
            "[transforms.impute]\nnumbers = \"mean\"",
            "[transforms.normalize]\nnumbers = \"minmax\"\ntargets = false\n[transforms.impute]\nnumbers = { constant = -1.5 }",
        ] {
            let data = open(folder.path(), transforms);
            assert!(data.batch_of(&data.part(Part::Train)[..10]).is_some(), "{target}, {transforms}: the slow way");
            assert_eq!(
                batches(Arc::new(data)),
                batches(slow(open(folder.path(), transforms))),
                "{target}, {transforms}"
            );
        }
        let indicator = open(folder.path(), "[transforms.impute]\nindicator = true");
        assert!(
            indicator.batch_of(&indicator.part(Part::Train)[..10]).is_none(),
            "a column that is in no file was read"
        );
    }
}

#[test]
fn what_is_unusual_is_said_by_the_slow_way() {
    let config = "[split.random]\n[transforms.impute]\nnumbers = { constant = 0 }\n[loader]\nbad_examples = \"skip\"";
    for bad in ["1,2,3,4,5", "1,x,3,4", "1,2,inf,4", "\"1\",\"2\",\" 3 \",\"4\""] {
        let folder = folder("number", |row, text| if row == 77 { bad.to_owned() } else { text });
        let data = open(folder.path(), config);
        let met = data.batch_of(data.part(Part::Train)).is_some();
        // A row of another length is not among the usable ones, and quotes are nothing unusual.
        assert_eq!(met, !bad.contains(['x', 'i']), "{bad}");
        assert_eq!(batches(Arc::new(data)), batches(slow(open(folder.path(), config))), "{bad}");
    }
    // A gap that nothing fills is an error that names the example.
    let folder = folder("number", |_, row| row);
    let data = Arc::new(open(folder.path(), "[transforms.normalize]"));
    let error = Loader::train(data, 32, 0, 1, 0).unwrap().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("the number `a` is missing"), "{error}");
}
