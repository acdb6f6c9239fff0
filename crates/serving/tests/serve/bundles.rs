//! Bundles of every kind of input and output, made up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use data_loader::{Pipeline, Signature};
use model_zoo::architectures::WithNetwork;
use model_zoo::bundle::{self, Content};
use model_zoo::network::NetworkConfig;
use model_zoo::weights::{self, Weights};
use model_zoo::{Architecture, Decoding, device};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A classifier of three numbers called `tiny`, with golden samples, as an older program wrote it.
pub fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model-zoo/tests/fixtures/bundle_v1")
}

/// A copy of [`tiny`] in a folder called `name`.
pub fn tiny_in(name: &str) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(name);
    bundle::copy(&tiny(), &folder).unwrap();
    (root, folder)
}

/// A network that has learnt nothing, in a bundle without golden samples or columns.
pub fn untrained(architecture: &Value, task: &str, inputs: Value, output: Value) -> (TempDir, PathBuf) {
    untrained_of(json!({ "features": {} }), architecture, task, inputs, output)
}

/// The same with columns.
pub fn untrained_of(
    schema: Value,
    architecture: &Value,
    task: &str,
    inputs: Value,
    output: Value,
) -> (TempDir, PathBuf) {
    struct Drawn<'a>(&'a Signature);
    impl WithNetwork for Drawn<'_> {
        type Out = Weights;
        fn run<C: NetworkConfig>(self, config: &C) -> Weights {
            let device = device::open("cpu").unwrap().device;
            weights::collect(&config.build(self.0, 5, &device).unwrap()).unwrap()
        }
    }
    let written = json!({
        "schema": schema,
        "transforms": [],
        "signature": { "task": task, "inputs": inputs, "output": output },
    });
    let pipeline: Pipeline = serde_json::from_value(written).unwrap();
    let built: Architecture = serde_json::from_value(architecture.clone()).unwrap();
    let weights = built.with(Drawn(pipeline.signature()));
    let content = Content {
        name: "made-up".into(),
        architecture: architecture.clone(),
        config: None,
        decoding: Decoding::default(),
        calibration: None,
        thresholds: BTreeMap::new(),
        tests: Vec::new(),
        pipeline,
        weights,
        step: 0,
        metrics: BTreeMap::new(),
        anomaly: None,
        lineage: None,
        began_with: None,
        golden: None,
    };
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("bundle");
    bundle::write(content, &folder).unwrap();
    (root, folder)
}

pub fn numbers() -> Value {
    json!({ "name": "numbers", "dtype": "f32", "shape": [2], "kind": { "numbers": { "names": ["n", "m"] } } })
}

pub fn categories() -> Value {
    let kind = json!({ "categories": { "names": ["c", "d"], "sizes": [2, 5] } });
    json!({ "name": "categories", "dtype": "i64", "shape": [2], "kind": kind })
}

pub fn image() -> Value {
    let kind = json!({ "image": { "mean": [0.5, 0.4, 0.3], "std": [0.3, 0.2, 0.1] } });
    json!({ "name": "image", "dtype": "u8", "shape": [3, 16, 14], "kind": kind })
}

pub fn tokens() -> Value {
    let kind = json!({ "tokens": { "vocabulary": 11, "max_length": 9 } });
    json!({ "name": "tokens", "dtype": "i64", "shape": [null], "kind": kind })
}

pub fn series() -> Value {
    json!({ "name": "series", "dtype": "f32", "shape": [6, 1], "kind": { "series": { "names": ["s"] } } })
}

pub fn classes() -> Value {
    json!({ "classes": { "labels": ["x", "y", "z"] } })
}
