//! Weights as programs that use burn read them.

use burn::tensor::{Bytes, DType};
use burn_pack::{Reader, Tensor, Writer};
use data_loader::Entry;
use model_zoo::atomic;

use super::{Job, Made, Shown, made};
use crate::Error;

/// This form in the list of forms.
pub const ENTRY: Entry = Entry { name: "burnpack", summary: "weights for programs that use burn" };

const FILE: &str = "model.bpk";

pub(super) fn write(job: &Job<'_>) -> Result<Vec<Made>, Error> {
    let path = job.place(FILE);
    let failed = |error: burn_pack::Error| Error::NotExported {
        form: "burnpack",
        architecture: job.source.content.architecture.to_string(),
        reason: error.to_string(),
    };
    let tensors = job.source.content.weights.iter().map(|(name, tensor)| {
        let bytes: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor::new(name.clone(), DType::F32, tensor.shape.clone(), None, Bytes::from_bytes_vec(bytes))
    });
    let writer = Writer::new(tensors.collect()).with_metadata("producer", "firebox");
    let bytes = writer.into_bytes().map_err(failed)?;
    let read = Reader::from_bytes(bytes.clone()).map_err(failed)?;
    for (name, tensor) in &job.source.content.weights {
        let same = read.tensor_data(name).map_err(failed)?;
        if !same.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).eq(tensor.values.iter().copied())
        {
            return Err(Error::ExportDiffers { path, largest: f32::INFINITY, layer: Some(name.clone()) });
        }
    }
    atomic::write_file(&path, &bytes)?;
    Ok(vec![made("burnpack", FILE, &bytes, Shown::SameNumbers)])
}
