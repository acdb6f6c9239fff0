//! The graph with weights of 8 bits, what goes into layers being brought to bytes in the range of each batch.

use data_loader::Entry;
use model_zoo::atomic;

use super::onnx::export::{about, metadata, proven, title};
use super::onnx::graph::Graph;
use super::onnx::proof::{NoProof, moved};
use super::onnx::quantize;
use super::{Job, Made, Shown, made};
use crate::Error;

/// This form in the list of forms.
pub const ENTRY: Entry = Entry {
    name: "int8",
    summary: "the graph of `onnx` with weights of 8 bits, and inputs of layers in the range of each batch",
};

const FILE: &str = "model.int8.onnx";

pub(super) fn write(job: &Job<'_>) -> Result<Vec<Made>, Error> {
    let float = proven(job, FILE)?;
    let graph = quantize::dynamic(&float.graph);
    Ok(vec![quantised(job, "int8", FILE, &graph, &float.answer)?])
}

/// Writes a graph that computes with bytes. How far its answers move is measured on what every file is asked, and on data that was not
/// learnt from.
pub(super) fn quantised(
    job: &Job<'_>,
    form: &'static str,
    file: &'static str,
    graph: &Graph,
    answer: &str,
) -> Result<Made, Error> {
    let path = job.place(file);
    let bytes = graph.to_bytes(title(job.source), &about(job.source), &metadata(job.source));
    let shown = match moved(job.network, &bytes, answer, job.asked) {
        Ok(proof) => Shown::Rounded(proof),
        Err(NoProof::NotRun(reason)) => Shown::NotRun(reason.0),
        Err(NoProof::Broken(reason)) => {
            let architecture = job.source.content.architecture.to_string();
            return Err(Error::NotExported { form, architecture, reason });
        }
        Err(NoProof::Differs { largest, layer }) => return Err(Error::ExportDiffers { path, largest, layer }),
        Err(NoProof::Network(reason)) => {
            return Err(model_zoo::Error::DeviceFailed { doing: "answering what the file was asked", reason }.into());
        }
    };
    let judged = match &shown {
        Shown::Rounded(_) => job.judged(|judge| judge.of_file(&bytes, answer, &job.device.device))?,
        _ => None,
    };
    atomic::write_file(&path, &bytes)?;
    Ok(Made { judged, ..made(form, file, &bytes, shown) })
}
