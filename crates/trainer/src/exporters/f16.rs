//! Weights in 16 bits. They are half as large, and no longer quite the same: how far the answers move is measured.

use data_loader::Entry;
use model_zoo::{atomic, bundle, weights};

use super::onnx::proof::{NoProof, difference_of};
use super::{Job, Made, Shown, made};
use crate::Error;

/// This form in the list of forms.
pub const ENTRY: Entry = Entry { name: "f16", summary: "weights in 16 bits, half as large (safetensors)" };

const FILE: &str = "model.f16.safetensors";

pub(super) fn write(job: &Job<'_>) -> Result<Vec<Made>, Error> {
    let (path, content) = (job.place(FILE), &job.source.content);
    if let Some(name) = weights::too_large_for_half(&content.weights) {
        return Err(Error::NotExported {
            form: "f16",
            architecture: job.source.architecture()?.name().to_owned(),
            reason: format!("`{name}` holds a number that is too large for 16 bits"),
        });
    }
    let bytes = weights::to_half_bytes(&content.weights, &path)?;
    // As whoever opens the file will have them.
    let read = weights::from_bytes(&bytes, &path)?;
    let signature = content.pipeline.signature();
    let rounded = bundle::load(&job.source.architecture()?, signature, &read, &path, &job.device.device)?;
    let proof = difference_of(job.network, rounded.as_ref(), job.asked).map_err(|error| match error {
        NoProof::Network(reason) => {
            Error::Model(model_zoo::Error::DeviceFailed { doing: "trying the numbers of 16 bits", reason })
        }
        _ => Error::ExportDiffers { path: path.clone(), largest: f32::INFINITY, layer: None },
    })?;
    let judged = job.judged(|judge| judge.of_network(rounded.as_ref(), &job.device.device))?;
    atomic::write_file(&path, &bytes)?;
    Ok(vec![Made { judged, ..made("f16", FILE, &bytes, Shown::Rounded(proof)) }])
}
