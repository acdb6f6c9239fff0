//! A folder as model hubs want it: `config.json`, `model.safetensors` and a `README.md` with a head that they read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use data_loader::{Entry, OutputSpec};
use model_zoo::{atomic, weights};
use serde_json::{Value, json};

use super::checked::folder_sha256;
use super::{Job, Made, Shown, Source, may_replace};
use crate::Error;

/// This form in the list of forms.
pub const ENTRY: Entry = Entry {
    name: "hugging_face",
    summary: "a folder as model hubs want it: config.json, model.safetensors, README.md",
};

const FOLDER: &str = "hugging_face";
const FILES: [&str; 4] = ["README.md", "config.json", "model.safetensors", "preprocessing.json"];

pub(super) fn write(job: &Job<'_>) -> Result<Vec<Made>, Error> {
    let (place, source) = (job.place(FOLDER), job.source);
    may_replace(&place, &FILES)?;
    let folder = atomic::Folder::begin(&place)?;
    let config = serde_json::to_vec_pretty(&config(source)?).expect("our own types have text keys");
    let numbers = weights::to_bytes(&source.content.weights, &place)?;
    if weights::from_bytes(&numbers, &place)? != source.content.weights {
        return Err(Error::ExportDiffers { path: place, largest: f32::INFINITY, layer: None });
    }
    let pipeline = serde_json::to_vec_pretty(&source.content.pipeline).expect("our own types have text keys");
    let files = [(FILES[0], card(source)?.into_bytes()), (FILES[1], config), (FILES[2], numbers), (FILES[3], pipeline)];
    for (name, bytes) in &files {
        folder.write(name, bytes)?;
    }
    folder.commit()?;
    let bytes = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let (_, sha256) = folder_sha256(&place)?;
    Ok(vec![Made { form: FOLDER, file: FOLDER.to_owned(), bytes, sha256, proof: Shown::SameNumbers, judged: None }])
}

/// The settings of the network under the keys that hubs look for, and under ours.
fn config(source: &Source) -> Result<Value, Error> {
    let content = &source.content;
    let architecture = source.architecture()?;
    let signature = content.pipeline.signature();
    let mut config = json!({
        "model_type": architecture.name(),
        "architectures": [architecture.name()],
        "torch_dtype": "float32",
        "firebox": {
            "architecture": content.architecture, "signature": signature, "decoding": content.decoding,
            "calibration": content.calibration, "thresholds": content.thresholds,
        },
    });
    if let OutputSpec::Classes { labels } | OutputSpec::Mask { labels } = &signature.output {
        let names: BTreeMap<String, &String> =
            labels.iter().enumerate().map(|(at, label)| (at.to_string(), label)).collect();
        let places: BTreeMap<&String, usize> = labels.iter().enumerate().map(|(at, label)| (label, at)).collect();
        config["num_labels"] = json!(labels.len());
        config["id2label"] = json!(names);
        config["label2id"] = json!(places);
    }
    Ok(config)
}

/// What the model is, what it learnt from, and how it did.
fn card(source: &Source) -> Result<String, Error> {
    let content = &source.content;
    let (name, task) = (&content.name, content.pipeline.signature().task);
    let architecture = source.architecture()?;
    let mut text = String::new();
    let mut line = |words: String| writeln!(text, "{words}").expect("a String takes everything");
    line("---".into());
    line("library_name: firebox".into());
    line(format!("tags:\n- firebox\n- {}\n- {task}", architecture.name()));
    if !content.metrics.is_empty() {
        line(format!("model-index:\n- name: {}\n  results:", json!(name)));
    }
    for (split, metrics) in &content.metrics {
        line(format!(
            "  - task:\n      type: {task}\n    dataset:\n      name: {}\n      type: firebox\n      split: {split}",
            json!(data(source))
        ));
        line("    metrics:".into());
        for (metric, value) in metrics {
            line(format!("    - type: {}\n      value: {value}", json!(metric)));
        }
    }
    line("---".into());
    line(format!("\n# {name}\n"));
    line(format!(
        "A network of the kind `{}` for the task `{task}`, trained with Firebox for {} steps.\n",
        architecture.name(),
        content.step
    ));
    line(format!("It learnt from {}.\n", data(source)));
    for (split, metrics) in &content.metrics {
        line(format!("| {split} | |\n|---|---|"));
        for (metric, value) in metrics {
            line(format!("| {} | {value:.4} |", metric.replace('|', "\\|")));
        }
        line(String::new());
    }
    line("`model.safetensors` names its tensors as the reference implementation in PyTorch does. `preprocessing.json` holds the".into());
    line("transforms as they were fitted on the training data: without them the network is asked other questions than it learnt.".into());
    Ok(text)
}

/// What the data was called.
fn data(source: &Source) -> String {
    let card = source.content.config.as_ref().and_then(|config| config["data"]["card"].as_str());
    card.unwrap_or("data that is not named").to_owned()
}
