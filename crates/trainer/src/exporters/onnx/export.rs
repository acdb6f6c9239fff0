//! Writes the file, runs it, and only then puts it at its name.

use model_zoo::atomic;
use model_zoo::pretrained::BeganWith;
use serde_json::json;

use super::super::{Job, Made, Shown, Source, made};
use super::proof::{NoProof, Proof, prove};
use super::raw_proof::Beside;
use super::{Refused, Written, preprocess, raw_proof, write as written};
use crate::Error;

const FILE: &str = "model.onnx";

pub(in super::super) fn write(job: &Job<'_>) -> Result<Vec<Made>, Error> {
    let path = job.place(FILE);
    let mut graph = graph_of(job)?;
    let to_bytes = |graph: &Written| {
        let mut metadata = metadata(job.source);
        if !graph.columns.is_empty() {
            metadata.push(("firebox.columns".to_owned(), json!(graph.columns).to_string()));
        }
        graph.graph.to_bytes(title(job.source), &about(job.source), &metadata)
    };
    let mut bytes = to_bytes(&graph);
    let mut shown = shown(job, FILE, prove(&graph, &bytes, job.network, job.asked))?;
    if job.with_preprocessing {
        let content = &job.source.content;
        let embedded = content.decision().and_then(|decision| {
            preprocess::embed(&mut graph, &content.pipeline, &decision)?;
            Ok(decision)
        });
        let decision = embedded.map_err(|reason| Error::NotExported {
            form: "onnx with preprocessing",
            architecture: job.source.architecture().map_or("?", |architecture| architecture.name()).to_owned(),
            reason,
        })?;
        bytes = to_bytes(&graph);
        // The network was proven; with what stands around it the golden samples are asked as they were read.
        let (records, device) = (job.source.golden_records()?, &job.device.device);
        let beside = Beside { network: job.network, pipeline: &content.pipeline, decision: &decision, device };
        let proof = raw_proof::prove(&graph, &bytes, &beside, &records);
        shown = self::shown(job, FILE, proof)?;
    }
    if let Some(reason) = too_large(bytes.len()) {
        let architecture = job.source.architecture().map_or("?", |architecture| architecture.name()).to_owned();
        return Err(Error::NotExported { form: "onnx", architecture, reason });
    }
    atomic::write_file(&path, &bytes)?;
    Ok(vec![made("onnx", FILE, &bytes, shown)])
}

/// Why a file of so many bytes is none that readers of protocol buffers take, if that is so.
fn too_large(bytes: usize) -> Option<String> {
    let most = i32::MAX as usize;
    (bytes > most)
        .then(|| format!("the file would have {bytes} bytes, and {most} are the most that such a file can have"))
}

/// The network as a graph that was proven: what is quantised begins with it.
///
/// # Errors
/// As [`graph_of`]; [`Error::ExportDiffers`].
pub(in super::super) fn proven(job: &Job<'_>, file: &str) -> Result<Written, Error> {
    let graph = graph_of(job)?;
    let bytes = graph.graph.to_bytes("float", "", &[]);
    shown(job, file, prove(&graph, &bytes, job.network, job.asked))?;
    Ok(graph)
}

/// The network as a graph.
///
/// # Errors
/// [`Error::NotExported`].
pub(in super::super) fn graph_of(job: &Job<'_>) -> Result<Written, Error> {
    let content = &job.source.content;
    let architecture = job.source.architecture()?;
    let graph = written(&architecture, content.pipeline.signature(), &content.weights, &job.source.path);
    graph.map_err(|refused| match refused {
        Refused::Network(error) => error.into(),
        Refused::Lowering(reason) => {
            Error::NotExported { form: "onnx", architecture: architecture.name().to_owned(), reason }
        }
    })
}

/// What running the file showed.
///
/// # Errors
/// [`Error::ExportDiffers`].
fn shown(job: &Job<'_>, file: &str, proof: Result<Proof, NoProof>) -> Result<Shown, Error> {
    match proof {
        Ok(proof) => Ok(Shown::Equal(proof)),
        Err(NoProof::NotRun(reason)) => Ok(Shown::NotRun(reason.0)),
        Err(NoProof::Differs { largest, layer }) => Err(Error::ExportDiffers { path: job.place(file), largest, layer }),
        Err(NoProof::Broken(reason)) => Err(Error::NotExported {
            form: "onnx",
            architecture: job.source.architecture().map_or("?", |architecture| architecture.name()).to_owned(),
            reason,
        }),
        Err(NoProof::Network(reason)) => {
            Err(model_zoo::Error::DeviceFailed { doing: "answering what the file was asked", reason }.into())
        }
    }
}

/// What the graph is called; it must be called something.
pub(in super::super) fn title(source: &Source) -> &str {
    if source.content.name.is_empty() { "model" } else { &source.content.name }
}

pub(in super::super) fn about(source: &Source) -> String {
    let content = &source.content;
    format!("{}: {} for the task {}", content.name, content.architecture, content.pipeline.signature().task)
}

/// What a reader of the file may want to know, as texts; values that are more than one are JSON.
pub(in super::super) fn metadata(source: &Source) -> Vec<(String, String)> {
    let content = &source.content;
    let signature = content.pipeline.signature();
    let entry = |key: &str, value: String| (format!("firebox.{key}"), value);
    let mut all = vec![
        entry("name", content.name.clone()),
        entry("task", signature.task.to_string()),
        entry("architecture", content.architecture.to_string()),
        entry("signature", json!(signature).to_string()),
        entry("decoding", json!(content.decoding).as_str().unwrap_or_default().to_owned()),
        entry("calibration", json!(content.calibration).to_string()),
        entry("thresholds", json!(content.thresholds).to_string()),
        entry("step", content.step.to_string()),
        entry("metrics", json!(content.metrics).to_string()),
    ];
    all.extend(source.manifest_sha256().map(|sha256| entry("bundle_sha256", sha256)));
    let of_others = content.began_with.as_ref().map(|began: &BeganWith| json!(began).to_string());
    all.extend(of_others.map(|began| entry("began_with", began)));
    all
}

#[cfg(test)]
mod tests {
    use super::too_large;

    #[test]
    fn files_of_two_gigabytes_are_too_large() {
        assert_eq!(too_large((1 << 31) - 1), None);
        assert!(too_large(1 << 31).unwrap().contains("2147483648 bytes"));
    }
}
