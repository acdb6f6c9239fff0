//! What becomes of files whose bytes were flipped, cut, doubled and moved? Records or errors, never a panic, in bounded memory.
//!
//! The work is done in a process of its own that may address [`ADDRESSES`] KiB and no more: memory that a file only claims is
//! refused by the system there, which ends the process. `FIREBOX_MUTATIONS=5000` tries so many other mutations of each file.

#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::exit)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_loader::{Card, Error, formats};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How much the process of the mutations may address, in KiB: 3 GiB.
const ADDRESSES: u64 = 3 << 20;
/// How much of that it may fill, in KiB: 1 GiB.
const RESIDENT: u64 = 1 << 20;
/// How many mutations of each file are tried.
const CASES: u32 = 300;

/// One change of a file; places are parts of its length, of 65536.
#[derive(Clone, Debug)]
enum Change {
    /// A byte becomes another.
    Set(u16, u8),
    /// A bit is flipped.
    Flip(u16, u8),
    /// A byte counted from the end is set: footers lie there.
    SetAtEnd(u16, u8),
    /// Four or eight bytes become a large number.
    Huge(u16, bool),
    /// The rest is cut off.
    Cut(u16),
    /// A piece is left out.
    Remove(u16, u8),
    /// A piece stands twice.
    Double(u16, u8),
    /// A piece becomes zeros.
    Zero(u16, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let (place, byte) = (any::<u16>, any::<u8>);
    prop_oneof![
        3 => (place(), byte()).prop_map(|(place, byte)| Change::Set(place, byte)),
        3 => (place(), 0_u8..8).prop_map(|(place, bit)| Change::Flip(place, bit)),
        3 => (0_u16..2000, byte()).prop_map(|(place, byte)| Change::SetAtEnd(place, byte)),
        1 => (place(), any::<bool>()).prop_map(|(place, long)| Change::Huge(place, long)),
        1 => place().prop_map(Change::Cut),
        1 => (place(), byte()).prop_map(|(place, length)| Change::Remove(place, length)),
        1 => (place(), byte()).prop_map(|(place, length)| Change::Double(place, length)),
        1 => (place(), byte()).prop_map(|(place, length)| Change::Zero(place, length)),
    ]
}

fn mutated(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        let at = |place: u16| usize::from(place) * length / 65536;
        let piece = |place: u16, size: u8| at(place)..(at(place) + usize::from(size)).min(length);
        match *change {
            Change::Set(place, byte) => bytes[at(place)] = byte,
            Change::Flip(place, bit) => bytes[at(place)] ^= 1 << bit,
            Change::SetAtEnd(place, byte) => bytes[length - 1 - usize::from(place) % length] = byte,
            Change::Huge(place, long) => {
                let end = (at(place) + if long { 8 } else { 4 }).min(length);
                bytes[at(place)..end].fill(0x7f);
            }
            Change::Cut(place) => bytes.truncate(at(place)),
            Change::Remove(place, size) => drop(bytes.drain(piece(place, size))),
            Change::Double(place, size) => {
                let copy = bytes[piece(place, size)].to_vec();
                let start = at(place);
                bytes.splice(start..start, copy);
            }
            Change::Zero(place, size) => bytes[piece(place, size)].fill(0),
        }
    }
    bytes
}

/// Opens the data set in `folder` and reads all that it has. What the decoders broke at is given back.
fn read_all(folder: &Path) -> (bool, Vec<String>) {
    let mut broken = Vec::new();
    let mut heard = |error: Error| {
        let text = error.to_string();
        assert!(!text.is_empty());
        if let Some((_, said)) = text.split_once("its bytes broke the decoder") {
            broken.push(said.chars().take(70).collect());
        }
    };
    let records = match Card::open(folder).and_then(|card| formats::open(&card).map(|records| (card, records))) {
        Ok(found) => found,
        Err(error) => {
            heard(error);
            return (false, broken);
        }
    };
    let (card, records) = records;
    let blocks = records.blocks();
    assert!(blocks.is_sorted() && blocks.first() == Some(&0));
    let target = card.schema().target.as_ref().map_or("y", |target| &target.name);
    for row in 0..records.len().min(40) {
        for error in [records.read(row).err(), records.field(row, target).err(), records.key(row).err()] {
            error.into_iter().for_each(&mut heard);
        }
        records.part(row);
    }
    (true, broken)
}

/// A data set in a folder of its own, and the file of it that is mutated.
struct Case {
    name: String,
    folder: tempfile::TempDir,
    file: PathBuf,
    bytes: Vec<u8>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/formats")
}

/// A case of `bytes` in the `format`; beside them lie `others`, each with the rest of its `[[files]]` table.
fn case(format: &str, name: &str, bytes: Vec<u8>, role: &str, schema: &str, others: &[(&str, &[u8], &str)]) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let mut files = format!("[[files]]\npath = \"{name}\"\n{role}\n");
    for (path, content, rest) in others {
        std::fs::write(folder.path().join(path), content).unwrap();
        files.extend(["[[files]]\npath = \"", path, "\"\n", rest, "\n"]);
    }
    let card = format!(
        "name = \"m\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.{format}]\n{files}[schema]\n{schema}\n"
    );
    std::fs::write(folder.path().join("card.toml"), card).unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, &bytes).unwrap();
    Case { name: format!("{format}: {name}"), folder, file, bytes }
}

/// A case whose `[[files]]` tables `entries` name folders, in which `files` lie; the first of these is mutated.
fn of_folders(format: &str, entries: &str, schema: &str, files: &[(&str, &[u8])]) -> Case {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let card = format!(
        "name = \"m\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.{format}]\n{entries}[schema]\n{schema}\n"
    );
    std::fs::write(folder.path().join("card.toml"), card).unwrap();
    let (name, bytes) = files[0];
    let file = folder.path().join(name);
    Case { name: format!("{format}: {name}"), folder, file, bytes: bytes.to_vec() }
}

fn cases() -> Vec<Case> {
    let class = "target = { name = \"y\", kind = \"class\" }\n";
    let table = format!("{class}[schema.features]\nx = \"number\"\nc = \"category\"");
    let image = format!("{class}[schema.features]\ni = \"image\"");
    let read = |name: &str| std::fs::read(fixtures().join(name)).unwrap();
    let labels = "role = \"labels\"";

    let rows: Vec<String> = (0..20).map(|x| format!("{x}.5,\"c {x}\",{}", x % 2)).collect();
    let csv = format!("x,c,y\n{}\n", rows.join("\n"));
    let lines: Vec<String> =
        (0..20).map(|x| format!("{{\"x\": {x}.5, \"c\": \"\\u00e9{x}\", \"y\": {}}}", x % 2)).collect();
    let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 2];
    idx.extend((0..120).map(|pixel| pixel as u8));
    let mut idx_labels = vec![0, 0, 8, 1, 0, 0, 0, 20];
    idx_labels.extend((0..20).map(|row| row % 2));
    let cifar: Vec<u8> = (0..5 * 3073).map(|byte| (byte % 251) as u8).collect();
    let coco = br#"{"images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}], "annotations": [{"image_id": 1, "category_id": 3}], "categories": [{"id": 3, "name": "cat"}]}"#;

    let expected: serde_json::Value = serde_json::from_slice(&read("expected.json")).unwrap();
    let columns = expected["kinds"].as_object().unwrap().iter().map(|(name, kind)| format!("{name} = {kind}\n"));
    let everything = format!("{class}ignore = [\"list\"]\n[schema.features]\n{}", columns.collect::<String>());
    let picture = "target = { name = \"label\", kind = \"class\" }\n[schema.features]\nimage = \"image\"";
    let shard = format!("{class}ignore = [\"id\", \"size\"]\n[schema.features]\nimage = \"image\"\ncaption = \"text\"");
    let columns_of_json =
        format!("key = \"id\"\n{class}ignore = [\"png\", \"txt\"]\n[schema.features]\nsize = \"number\"");

    let mut all = vec![
        case("csv", "a.csv", csv.clone().into_bytes(), "", &table, &[]),
        case("csv", "a.csv.zst", zstd(csv.as_bytes()), "", &table, &[]),
        case("jsonl", "a.jsonl", lines.join("\n").into_bytes(), "", &table, &[]),
        case("idx", "images", idx.clone(), "role = \"images\"", &image, &[("labels", &idx_labels, labels)]),
        case("idx", "labels", idx_labels, labels, &image, &[("images", &idx, "role = \"images\"")]),
        case("cifar", "a.bin", cifar, "", &image, &[]),
        case("coco", "a.json", coco.to_vec(), labels, &image, &[]),
        case("tar", "a.tar", read("shards/train-000.tar"), "", &shard, &[]),
        case("tar", "b.tar", read("shards/train-000.tar"), "", &columns_of_json, &[]),
        case("tar", "a.tar.gz", read("shards/train-001.tar.gz"), "", &shard, &[]),
        case("tar", "a.tar.zst", read("shards/test-000.tar.zst"), "", &shard, &[]),
        case("parquet", "p.parquet", read("hugging_face/data/test-00000-of-00001.parquet"), "", picture, &[]),
    ];
    // The folder of images stands beside the annotation file.
    let coco = all.iter().find(|case| case.name.starts_with("coco")).unwrap();
    std::fs::create_dir(coco.folder.path().join("images")).unwrap();
    std::fs::copy(fixtures().join("masks/images/grey.png"), coco.folder.path().join("images/a.png")).unwrap();
    let card = coco.folder.path().join("card.toml");
    let text = std::fs::read_to_string(&card).unwrap();
    let folder = "[[files]]\npath = \"images\"\nrole = \"images\"\n[schema]";
    std::fs::write(&card, text.replace("[schema]", folder)).unwrap();
    // Texts and images lie in folders; what is mutated is one file of them.
    let grey = read("masks/images/grey.png");
    let mask = read("masks/masks/grey.png");
    let text = format!("{class}[schema.features]\nt = \"text\"");
    let mask_schema = "target = { name = \"y\", kind = \"mask\", classes = [\"a\", \"b\", \"c\", \"d\"] }\n[schema.features]\ni = \"image\"";
    let spoken = "Gr\u{f6}\u{df}er\nand \u{1f600} more\r\n\n  lines\n".repeat(20).into_bytes();
    let data = "[[files]]\npath = \"data\"\n";
    let both = "[[files]]\npath = \"images\"\nrole = \"images\"\n[[files]]\npath = \"masks\"\nrole = \"labels\"\n";
    let pair = [("images/a.png", &grey[..]), ("masks/a.png", &mask[..])];
    all.push(case("text", "a.txt", spoken.clone(), "", "[schema.features]\nt = \"text\"", &[]));
    all.push(of_folders("text", data, &text, &[("data/pos/a.txt", &spoken), ("data/neg/b.txt", b"b")]));
    all.push(of_folders("image_folder", data, &image, &[("data/cat/a.png", &grey), ("data/dog/b.png", &grey)]));
    all.push(of_folders("mask_folder", both, mask_schema, &pair));
    all.push(of_folders("mask_folder", both, mask_schema, &[pair[1], pair[0]]));
    // The card itself, with something of all that may stand in it.
    let mut card = case("csv", "a.csv", csv.into_bytes(), "", &table, &[]);
    card.file = card.folder.path().join("card.toml");
    let more = "[split.hash]\nby = \"c\"\nvalidation = 0.2\n[transforms.standardize]\n[transforms.ordinal]\n";
    let written = std::fs::read_to_string(&card.file).unwrap();
    let from = "path = \"a.csv\"\npart = \"train\"\n[files.from.local]\npath = \"/nowhere/*.csv\"\n";
    card.bytes = (written.replace("path = \"a.csv\"\n", from) + more).into_bytes();
    std::fs::write(&card.file, &card.bytes).unwrap();
    card.name = "csv: card.toml".into();
    all.push(card);
    for name in ["none-v1", "snappy-v1", "gzip-v2", "zstd-v2", "lz4-v2", "brotli-v2", "int96"] {
        let name = format!("all-{name}.parquet");
        all.push(case("parquet", &name, read(&name), "", &everything, &[]));
    }
    for name in ["all-none.arrow", "all-lz4.arrow", "all-zstd.arrow", "all-none.feather", "all-zstd.feather"] {
        all.push(case("arrow", name, read(name), "", &everything, &[]));
    }
    all
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// How much memory this process has filled at most so far, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "is run by the test below, in a process of its own"]
fn mutations() {
    // Panics of the decoders are expected, and counted below; the others end this test.
    std::panic::set_hook(Box::new(|_| {}));
    let asked = std::env::var("FIREBOX_MUTATIONS").ok().and_then(|text| text.parse().ok());
    for case in cases() {
        assert!(read_all(case.folder.path()).0, "{}: the whole file cannot be read", case.name);
        let config = Config { cases: asked.unwrap_or(CASES), failure_persistence: None, ..Config::default() };
        let mut runner = match asked {
            Some(_) => TestRunner::new(config),
            None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
        };
        let (opened, broken) = (std::cell::Cell::new(0), std::cell::RefCell::new(BTreeMap::<String, usize>::new()));
        let result = runner.run(&vec(change(), 1..4), |changes| {
            std::fs::write(&case.file, mutated(&case.bytes, &changes)).unwrap();
            let (is_open, messages) = read_all(case.folder.path());
            opened.set(opened.get() + usize::from(is_open));
            for message in messages {
                *broken.borrow_mut().entry(message).or_default() += 1;
            }
            prop_assert!(peak() < RESIDENT, "{} KiB are filled", peak());
            Ok(())
        });
        result.unwrap_or_else(|error| {
            eprintln!("{}: {error}", case.name);
            std::process::exit(9)
        });
        eprintln!("{:40} {:4} opened, {} KiB, {:?}", case.name, opened.get(), peak(), broken.into_inner());
    }
}

#[test]
fn mutated_files_are_read_or_refused_in_bounded_memory() {
    let run = format!("ulimit -v {ADDRESSES} && exec \"$0\" --exact mutations --ignored --nocapture");
    let output = Command::new("sh").args(["-c", &run]).arg(std::env::current_exe().unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert_eq!(said.lines().filter(|line| line.contains(" opened, ")).count(), cases().len(), "{said}");
    // A limit that does not hold would prove nothing.
    let run = format!("ulimit -v {ADDRESSES} && exec \"$0\" --exact an_allocation_beyond_the_limit_fails --ignored");
    let output = Command::new("sh").args(["-c", &run]).arg(std::env::current_exe().unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "is run by the test above, under its limit"]
fn an_allocation_beyond_the_limit_fails() {
    let mut large = Vec::<u8>::new();
    assert!(large.try_reserve_exact(ADDRESSES as usize * 1024).is_err());
}
