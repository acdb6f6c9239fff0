//! How well do examples come back that were not learnt from?

use std::sync::Arc;

use burn::tensor::Device;
use data_loader::{Batch, Dataset, OutputSpec, Part};
use model_zoo::anomaly::{self, Reference};
use model_zoo::{Inputs, Network};

use crate::evaluate::each_batch;
use crate::metrics::Expected;
use crate::{Error, Plan};

/// The anomaly scores of the validation split, or of the test split if there is none; nothing where there is neither, nor for other tasks.
///
/// # Errors
/// If the data cannot be read or the device fails.
pub(crate) fn reference<M: Network>(
    network: &M,
    dataset: &Arc<Dataset>,
    plan: &Plan,
    device: &Device,
) -> Result<Option<Reference>, Error> {
    let filled = [Part::Validation, Part::Test].into_iter().find(|&part| !dataset.part(part).is_empty());
    let (OutputSpec::Inputs, Some(part)) = (&plan.signature.output, filled) else { return Ok(None) };
    let mut answer = |batch: &Batch| Ok(network.forward(&Inputs::from_batch(batch, &plan.signature, device)?)?);
    let mut scores = Vec::new();
    each_batch(&mut answer, dataset, part, plan, &mut |judged| {
        if let Expected::Values { values, .. } = &judged.answers.expected {
            scores.extend(anomaly::scores(&judged.answers.scores, values, judged.answers.width));
        }
    })?;
    Ok(Reference::new(part.name(), scores))
}
