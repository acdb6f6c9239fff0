//! Are batches that are picked from prepared rows those that are prepared row by row, to the last bit? And is what cannot be
//! prepared once and for all left alone?

use std::path::Path;
use std::sync::Arc;

use crate::config::parse_toml;
use crate::transforms::FittedTransform;
use crate::{Batch, DataConfig, Dataset, Loader, Part, collate};

/// A table of `rows` rows with gaps, a category and a class.
fn folder(rows: usize, change: impl Fn(usize, String) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let row = |row: usize| {
        let gap = if row % 7 == 3 { String::new() } else { format!("{:.7}", (row as f64 * 0.7).sin() / 3.0) };
        change(row, format!("{},{gap},{}", ["u", "v", "w"][row % 3], ["red", "", "blue"][row % 5 % 3]))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    std::fs::write(folder.path().join("t.csv"), format!("y,a,b\n{}\n", rows.join("\n"))).unwrap();
    let card = "name = \"t\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.csv]\n\
         [[files]]\npath = \"t.csv\"\n[schema]\ntarget = { name = \"y\", kind = \"class\" }\n\
         [schema.features]\na = \"number\"\nb = \"category\"\n";
    std::fs::write(folder.path().join("card.toml"), card).unwrap();
    folder
}

fn open(folder: &Path, config: &str) -> Arc<Dataset> {
    let config: DataConfig = parse_toml(&format!("card = \".\"\n{config}"), Path::new("c")).unwrap();
    Arc::new(Dataset::open(&config, folder, None, 0).unwrap())
}

/// The batches of the first two epochs, each row of them prepared by itself.
fn row_by_row(data: &Dataset, size: usize) -> Vec<Batch> {
    let mut batches = Vec::new();
    for epoch in 0..2 {
        for (index, rows) in (0..).zip(data.order(3, epoch).chunks(size)) {
            let examples = rows.iter().map(|&row| data.example(row, Some(epoch)).unwrap()).collect();
            let mut batch = collate(examples, data.signature()).unwrap();
            data.mix(&mut batch, epoch, index).unwrap();
            batches.push(Batch { epoch, index, ..batch });
        }
    }
    batches
}

fn picked(data: &Arc<Dataset>, size: usize, threads: usize) -> Vec<Batch> {
    let count = data.part(Part::Train).len().div_ceil(size) * 2;
    Loader::train(Arc::clone(data), size, 3, threads, 0).unwrap().take(count).map(Result::unwrap).collect()
}

#[test]
fn picked_batches_are_those_of_their_rows() {
    // More rows than one thread prepares alone.
    let folder = folder(10_000, |_, row| row);
    for config in [
        "",
        "sampler = \"balanced\"",
        "[transforms.impute]\n[transforms.one_hot]\n[transforms.mixup]",
        "[transforms.impute]\n[transforms.target_encode]",
    ] {
        let data = open(folder.path(), config);
        assert!(data.prepared(Part::Train, true).is_some(), "{config}: prepared in every epoch");
        let expected = row_by_row(&data, 77);
        for threads in [0, 2] {
            assert!(picked(&data, 77, threads) == expected, "{config}, {threads} threads");
        }
        assert_eq!(Loader::train(Arc::clone(&data), 77, 3, 0, 0).unwrap().threads(), 0);
        for part in Part::ALL {
            let rows: Vec<u32> = data.part(part).to_vec();
            let examples = rows.iter().map(|&row| data.example(row, None).unwrap()).collect();
            let expected = collate(examples, data.signature()).unwrap();
            let judged = Loader::once(Arc::clone(&data), part, rows.len()).unwrap().next().unwrap().unwrap();
            assert!(judged == expected, "{config}, {part}");
        }
    }
}

#[test]
fn a_loader_that_hands_nothing_over_goes_on_anywhere() {
    let folder = folder(300, |_, row| row);
    let data = open(folder.path(), "");
    let all = picked(&data, 16, 0);
    let mut later = Loader::train(data, 16, 3, 0, 5).unwrap();
    assert_eq!(later.position(), 5);
    assert_eq!(later.next().unwrap().unwrap(), all[5]);
    assert_eq!(later.position(), 6);
}

#[test]
fn what_chance_changes_is_prepared_in_every_epoch() {
    let folder = folder(300, |_, row| row);
    let data = Arc::into_inner(open(folder.path(), "")).unwrap();
    let data = Arc::new(data.with_pipeline(|pipeline| {
        let mut transforms = pipeline.transforms().to_vec();
        // In front, where numbers are numbers still.
        transforms.insert(0, FittedTransform::Jitter);
        pipeline.with_transforms(transforms)
    }));
    assert!(data.prepared(Part::Train, true).is_none());
    assert!(picked(&data, 16, 0) == row_by_row(&data, 16));
}

#[test]
fn a_row_that_cannot_be_used_is_met_in_its_batch() {
    let folder = folder(300, |row, text| if row == 77 { "u,inf,red".into() } else { text });
    let skip = open(
        folder.path(),
        "[loader]\nbad_examples = \"skip\"\n[transforms.impute]\nnumbers = { constant = 0 }\n[transforms.encode]\n[split.random]",
    );
    let part = Part::ALL.into_iter().find(|&part| skip.part(part).contains(&77)).unwrap();
    assert!(skip.prepared(part, false).is_none());
    let skipped: usize = Loader::once(skip, part, 7).unwrap().map(|batch| batch.unwrap().skipped).sum();
    assert_eq!(skipped, 1);
}

#[test]
fn a_large_batch_is_handed_over() {
    let data = open(folder(9000, |_, row| row).path(), "[split.random]\nvalidation = 0.05\ntest = 0.0");
    let threads = |size| Loader::train(Arc::clone(&data), size, 0, 0, 0).unwrap().threads();
    assert_eq!(threads(64), 0);
    assert!(threads(8400) > 0);
}
