//! Is a bundle read as it was written, whatever program wrote it, and refused when it is not?

use std::fs;
use std::path::{Path, PathBuf};

use data_loader::{Pipeline, Record, Records, Schema, Task, Transforms, Value};
use tempfile::TempDir;

use super::*;

/// Rows in memory.
struct Rows(Vec<Record>);

impl Records for Rows {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn read(&self, row: usize) -> Result<Record, data_loader::Error> {
        Ok(self.0[row].clone())
    }
    fn field(&self, row: usize, name: &str) -> Result<Value, data_loader::Error> {
        Ok(self.0[row].field(name).cloned().unwrap_or(Value::Missing))
    }
    fn key(&self, row: usize) -> Result<String, data_loader::Error> {
        Ok(self.0[row].id.key.clone())
    }
}

/// Draws weights for a pipeline, and answers records with them.
struct Drawn<'a>(&'a Pipeline, Vec<Record>);

impl WithNetwork for Drawn<'_> {
    type Out = (Weights, Golden);
    fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
        let device = crate::device::open("cpu").unwrap().device;
        let network = config.build(self.0.signature(), 5, &device).unwrap().no_grad();
        (weights::collect(&network).unwrap(), record_golden(self.1, self.0, &network, &device).unwrap())
    }
}

/// A network of three numbers that has learnt nothing, with all that belongs to it.
pub(super) fn content() -> Content {
    let schema: Schema = toml::from_str(
        "target = { name = \"kind\", kind = \"class\" }\n[features]\na = \"number\"\nb = \"number\"\nc = \"number\"",
    )
    .unwrap();
    let record = |row: usize| {
        let number = |k: usize| Value::Number(((row * 7 + k * 5) % 11) as f64 / 2.0);
        let features = ["a", "b", "c"].iter().enumerate().map(|(k, name)| ((*name).to_owned(), number(k))).collect();
        let kind = ["low", "high"][row % 2];
        Record::new(format!("#{row}"), features, Some(("kind".into(), Value::Text(kind.into()))))
    };
    let rows = Rows((0..8).map(record).collect());
    let all: Vec<u32> = (0..8).collect();
    let pipeline =
        Pipeline::fit(&schema, Task::Classify, &Transforms::default_for(&schema), &rows, &all, false).unwrap();
    let settings = serde_json::json!({ "mlp": { "hidden": [4] } });
    let architecture: Architecture = serde_json::from_value(settings.clone()).unwrap();
    let (weights, golden) = architecture.with(Drawn(&pipeline, rows.0[..3].to_vec()));
    Content {
        name: "tiny".into(),
        architecture: settings,
        config: None,
        decoding: Decoding::default(),
        calibration: None,
        thresholds: BTreeMap::new(),
        tests: Vec::new(),
        pipeline,
        weights,
        step: 12,
        metrics: BTreeMap::from([("test".to_owned(), BTreeMap::from([("accuracy".to_owned(), 0.5)]))]),
        anomaly: None,
        lineage: None,
        began_with: None,
        golden: Some(golden),
    }
}

/// A new bundle in a folder of its own.
pub(super) fn bundle() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("bundle");
    write(content(), &folder).unwrap();
    (root, folder)
}

/// A bundle that the program wrote when the first version was the newest.
pub(super) fn v1() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle_v1")
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in names(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// What lies in a folder, in order.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

/// Asserts that it went wrong, in a sentence with these words and with a hint.
pub(super) fn refused<T>(result: Result<T, Error>, words: &[&str]) -> Error {
    let error = result.err().unwrap();
    let text = error.to_string();
    assert!(error.hint().is_some(), "no hint: {text}");
    assert!(words.iter().all(|word| text.contains(word)), "not {words:?}: {text}");
    error
}

fn replay(path: &Path) -> usize {
    let device = crate::device::open("cpu").unwrap().device;
    let bundle = Bundle::read(path).unwrap();
    bundle.replay_golden(bundle.network(&device).unwrap().as_ref(), &device).unwrap()
}

#[test]
fn a_bundle_of_the_first_version_answers_as_it_did() {
    let bundle = Bundle::read(&v1()).unwrap();
    assert_eq!((bundle.manifest.format_version, &*bundle.manifest.name, bundle.manifest.step), (1, "tiny", 12));
    assert_eq!(
        (bundle.manifest.calibration, bundle.manifest.thresholds.len(), bundle.manifest.tests.len()),
        (None, 0, 0)
    );
    assert_eq!((replay(&v1()), verify_files(&v1()).unwrap()), (3, 3));
}

#[test]
fn a_new_bundle_is_of_the_newest_version_and_differs_in_nothing_else() {
    let (_root, folder) = bundle();
    assert_eq!(replay(&folder), 3);
    let read = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(read(&folder, PIPELINE), read(&v1(), PIPELINE));
    let without = |folder: &Path| {
        let mut manifest = Bundle::read(folder).unwrap().manifest;
        (manifest.format_version, manifest.created_at) = (0, String::new());
        // Another processor may answer with other last bits.
        manifest.files.insert(GOLDEN.into(), String::new()).unwrap();
        manifest
    };
    assert_eq!(without(&folder), without(&v1()));
    assert!(read(&folder, MANIFEST).contains("\"format_version\": 2,"));
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    let (_root, folder) = bundle();
    let path = folder.join(MANIFEST);
    let text = fs::read_to_string(&path).unwrap();
    // With sections that nobody knows yet.
    fs::write(&path, text.replace("\"format_version\": 2,", "\"format_version\": 3, \"signature\": 7,")).unwrap();
    for result in [Bundle::read(&folder).map(drop), verify_files(&folder).map(drop)] {
        refused(result, &["bundle/manifest.json", "format version 3", "versions up to 2"]);
    }
}

#[test]
fn what_is_known_later_is_added() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("bundle");
    copy(&v1(), &folder);
    let test = serde_json::json!({ "name": "slices", "passed": true });
    amend(&folder, |manifest| {
        manifest.calibration = Some(Calibration { temperature: 1.25, part: None });
        manifest.thresholds.insert("high".into(), 0.7);
        manifest.tests.push(test.clone());
    })
    .unwrap();
    let manifest = Bundle::read(&folder).unwrap().manifest;
    assert_eq!(
        (manifest.format_version, manifest.calibration),
        (2, Some(Calibration { temperature: 1.25, part: None }))
    );
    assert_eq!((manifest.thresholds["high"], manifest.tests), (0.7, vec![test]));
    assert_eq!(replay(&folder), 3);

    let before = fs::read(folder.join(MANIFEST)).unwrap();
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let change = |manifest: &mut Manifest| manifest.calibration = Some(Calibration { temperature, part: None });
        refused(amend(&folder, change), &["manifest.json", "temperature"]);
    }
    let change = |manifest: &mut Manifest| manifest.thresholds.extend([("low".into(), f64::NAN)]);
    refused(amend(&folder, change), &["threshold of `low`"]);
    refused(amend(&folder, |manifest| drop(manifest.files.insert("../x".into(), String::new()))), &["../x"]);
    assert_eq!(fs::read(folder.join(MANIFEST)).unwrap(), before);
    let text = String::from_utf8(before).unwrap().replace("1.25", "-1.25");
    fs::write(folder.join(MANIFEST), text).unwrap();
    refused(Bundle::read(&folder), &["bundle/manifest.json", "temperature is -1.25"]);
}

#[test]
fn a_file_with_one_bit_changed_is_named() {
    let (root, folder) = bundle();
    let (secret, public) = (root.path().join("key"), root.path().join("key.pub"));
    let key = generate_key(&secret, &public).unwrap();
    sign(&folder, &secret).unwrap();
    assert_eq!(names(&folder).len(), 5);
    for name in names(&folder) {
        let path = folder.join(&name);
        let whole = fs::read(&path).unwrap();
        for place in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            fs::write(&path, bytes).unwrap();
            refused(verify(&folder, Some(&key)), &[&format!("bundle/{name}")]);
            refused(verify(&folder, None), &[&format!("bundle/{name}")]);
            if ![MANIFEST, signature::SIGNATURE].contains(&&*name) {
                refused(verify_files(&folder), &[&format!("bundle/{name}")]);
                refused(Bundle::read(&folder), &[&format!("bundle/{name}")]);
            }
        }
        fs::remove_file(&path).unwrap();
        refused(verify(&folder, Some(&key)), &["bundle"]);
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(verify(&folder, Some(&key)).unwrap(), Signed { by: key, files: 3 });
}
