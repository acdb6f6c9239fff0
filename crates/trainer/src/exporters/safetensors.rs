//! Weights under the names of the reference implementation, which loads them strictly: that is how networks of the zoo name theirs.

use data_loader::Entry;
use model_zoo::{atomic, weights};

use super::{Job, Made, Shown, made};
use crate::Error;

/// This form in the list of forms.
pub const ENTRY: Entry =
    Entry { name: "safetensors", summary: "weights under the names of the reference implementation in PyTorch" };

const FILE: &str = "model.safetensors";

pub(super) fn write(job: &Job<'_>) -> Result<Vec<Made>, Error> {
    let (path, numbers) = (job.place(FILE), &job.source.content.weights);
    let bytes = weights::to_bytes(numbers, &path)?;
    if weights::from_bytes(&bytes, &path)? != *numbers {
        return Err(Error::ExportDiffers { path, largest: f32::INFINITY, layer: None });
    }
    atomic::write_file(&path, &bytes)?;
    Ok(vec![made("safetensors", FILE, &bytes, Shown::SameNumbers)])
}
