//! Can a data set have more files than a process may hold open?
//!
//! The reading is done in processes of their own, which may hold so many files open and no more.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use data_loader::{Card, formats};

/// How many files each data set has.
const FILES: usize = 300;
/// How many a process may hold open: what some systems allow, and so few that files must be let go before the pool is full.
const LIMITS: [usize; 2] = [256, 40];

/// Reads a data set of `FILES` copies of a fixture, forwards and backwards.
fn read(format: &str, fixture: &str, name: &str, schema: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/formats").join(fixture);
    for number in 0..FILES {
        std::fs::copy(&fixture, data.join(format!("{number:03}.{name}"))).unwrap();
    }
    let card = format!(
        "name = \"m\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.{format}]\n[[files]]\npath = \"data\"\n[schema]\n{schema}\n"
    );
    std::fs::write(folder.path().join("card.toml"), card).unwrap();
    let records = formats::open(&Card::open(folder.path()).unwrap()).unwrap();
    let rows = records.len() / FILES;
    assert!(rows > 0 && records.len() == rows * FILES, "{}", fixture.display());
    let first = records.read(0).unwrap().fields;
    for file in (0..FILES).chain((0..FILES).rev()) {
        let found = records.read(file * rows);
        assert_eq!(found.unwrap_or_else(|error| panic!("{name}, file {file}: {error}")).fields, first, "{name}");
    }
}

#[test]
#[ignore = "is run by the test below, under its limits"]
fn many_files() {
    let shard = "target = { name = \"y\", kind = \"class\" }\nignore = [\"id\", \"size\"]\n[schema.features]\nimage = \"image\"\ncaption = \"text\"";
    read("tar", "shards/train-000.tar", "tar", shard);
    read("tar", "shards/train-001.tar.gz", "tar.gz", shard);
    let picture = "target = { name = \"label\", kind = \"class\" }\n[schema.features]\nimage = \"image\"";
    read("parquet", "hugging_face/data/test-00000-of-00001.parquet", "parquet", picture);
}

#[test]
fn more_files_are_read_than_may_be_open() {
    for limit in LIMITS {
        let run = format!("ulimit -n {limit} && exec \"$0\" --exact many_files --ignored --test-threads 1");
        let output = Command::new("sh").args(["-c", &run]).arg(std::env::current_exe().unwrap()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{limit}: {said}");
    }
}
