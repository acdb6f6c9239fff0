//! What does a model answer to records as they were read?

use data_loader::{Batch, OutputSpec, Pipeline, Record, Signature};
use model_zoo::anomaly::Reference;
use model_zoo::bundle::{self, Bundle};
use model_zoo::decision::ANOMALY;
use model_zoo::device::{Device, Found, Tensor};
use model_zoo::network::Answer;
use model_zoo::weights::Weights;
use model_zoo::{Architecture, Decision, Decoding, Inputs, Output};
use serde::Serialize;

use crate::{Error, unusual};

/// The answer to one record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Which example was answered.
    pub id: String,
    /// The most likely class; only for a classifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The probability of each class, in the order of the labels, or each number in the user's units; how unusual the record is.
    pub scores: Vec<(String, f64)>,
    /// The features that a network gave back worst, and which share of its failure is theirs; only where the task is to give examples
    /// back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unusual: Vec<(String, f64)>,
}

/// What a network answers to a batch, as numbers and in its own units.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// The size of each axis, the batch first.
    pub shape: Vec<usize>,
    /// The numbers, the last axis running fastest.
    pub values: Vec<f32>,
    /// What is known of each class; only of a classifier, whose `values` are scores.
    pub classes: Option<Classes>,
}

/// What a classifier answers to a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Classes {
    /// The probability of each class of each example, row-major.
    pub probabilities: Vec<f32>,
    /// The place of the class that is answered to each example.
    pub answered: Vec<usize>,
}

/// A network with the transforms that belong to it.
pub struct Predictor {
    network: Box<dyn Answer>,
    pipeline: Pipeline,
    decision: Decision,
    /// From which anomaly score on an example is unusual, where that was set.
    unusual_from: Option<f64>,
    /// Against what anomaly scores are held, where they are known.
    anomaly: Option<Reference>,
    device: Device,
}

impl Predictor {
    /// Opens a bundle and replays its golden samples: it answers here as it did when it was made, or not at all.
    ///
    /// # Errors
    /// If the bundle is damaged or answers differently.
    pub fn open(bundle: Bundle, device: &Found) -> Result<Self, Error> {
        let network = bundle.network(&device.device)?;
        bundle.replay_golden(network.as_ref(), &device.device)?;
        let damaged = |reason| model_zoo::Error::Damaged { path: bundle.path.clone(), reason };
        let decision = bundle.manifest.decision().map_err(damaged)?;
        let unusual_from = bundle.manifest.thresholds.get(ANOMALY).copied();
        let anomaly = bundle.manifest.anomaly;
        Ok(Self { network, pipeline: bundle.pipeline, decision, unusual_from, anomaly, device: device.device.clone() })
    }

    /// The same from its parts, such as those of a checkpoint.
    ///
    /// # Errors
    /// [`model_zoo::Error::WrongWeights`] if the weights are not those of the architecture.
    pub fn from_parts(
        architecture: &Architecture,
        pipeline: Pipeline,
        decoding: Decoding,
        weights: &Weights,
        path: &std::path::Path,
        device: &Found,
    ) -> Result<Self, Error> {
        let network = bundle::load(architecture, pipeline.signature(), weights, path, &device.device)?;
        let decision = Decision { decoding, ..Decision::default() };
        Ok(Self { network, pipeline, decision, unusual_from: None, anomaly: None, device: device.device.clone() })
    }

    /// The transforms that belong to the network.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The network.
    pub(crate) fn network(&self) -> &dyn Answer {
        self.network.as_ref()
    }

    /// On what it computes.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Answers inputs as they come out of the transforms.
    ///
    /// # Errors
    /// [`model_zoo::Error::WrongBatch`] if they are not those of the signature; if the device fails; [`Error::NotFinite`].
    pub fn infer(&self, batch: &Batch) -> Result<Numbers, Error> {
        let inputs = Inputs::from_batch(batch, self.pipeline.signature(), &self.device)?;
        let output = self.network.answer(&inputs)?;
        let classes = match &output {
            Output::Classes(scores) => Some(self.classes(scores)?),
            _ => None,
        };
        let (shape, values) = (output.shape(), output.numbers()?);
        let each = (values.len() / batch.len().max(1)).max(1);
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => {
                Err(Error::NotFinite { id: batch.ids.get(place / each).map(ToString::to_string).unwrap_or_default() })
            }
            None => Ok(Numbers { shape, values, classes }),
        }
    }

    fn classes(&self, scores: &Tensor<2>) -> Result<Classes, Error> {
        let [_, width] = scores.dims();
        let told = self.decision.probabilities(scores.clone());
        let probabilities = told.try_into_vec_as::<f32>().map_err(device_failed)?;
        let scores = scores.clone().try_into_vec_as::<f32>().map_err(device_failed)?;
        let rows = scores.chunks(width.max(1)).zip(probabilities.chunks(width.max(1)));
        let class = |(scores, shares): (&[f32], &[f32])| self.decision.class(scores, shares).unwrap_or_default();
        Ok(Classes { answered: rows.map(class).collect(), probabilities })
    }

    /// Answers records, one prediction each, in order.
    ///
    /// # Errors
    /// If a record does not suit the transforms or the device fails; [`Error::NotFinite`], [`Error::CannotShow`].
    pub fn predict(&self, mut records: Vec<Record>) -> Result<Vec<Prediction>, Error> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        // What someone wrote where the answer belongs is no business of the model's.
        if let Some(target) = &self.pipeline.schema().target {
            for record in &mut records {
                record.fields.retain(|(name, _)| *name != target.name);
            }
        }
        let batch = self.pipeline.batch(records)?;
        let signature: &Signature = self.pipeline.signature();
        let inputs = Inputs::from_batch(&batch, signature, &self.device)?;
        let output = self.network.answer(&inputs)?;
        let mut answered = None;
        let (names, rows) = match (output, &signature.output) {
            (Output::Classes(scores), OutputSpec::Classes { labels }) => {
                let Classes { probabilities, answered: places } = self.classes(&scores)?;
                answered = Some(places);
                (labels.clone(), probabilities.into_iter().map(f64::from).collect())
            }
            (Output::Values(values), OutputSpec::Values { names, mean, std }) => {
                let mut rows = host(values)?;
                let units = mean.iter().zip(std).cycle();
                rows.iter_mut().zip(units).for_each(|(value, (mean, std))| *value = mean + std * *value);
                (names.clone(), rows)
            }
            (Output::Horizon(told), OutputSpec::Horizon { names, mean, std, quantiles, .. }) => {
                let each = quantiles.len().max(1);
                let mut rows = host(told)?;
                let units = mean.iter().zip(std).cycle();
                for (step, (mean, std)) in rows.chunks_mut(each).zip(units) {
                    for value in step.iter_mut() {
                        *value = mean + std * *value;
                    }
                    // Quantiles that cross are put in order, as evaluation does.
                    step.sort_by(f64::total_cmp);
                }
                (step_names(names, quantiles), rows)
            }
            (Output::Reconstruction(told), OutputSpec::Inputs) => {
                let told = told.try_into_vec_as::<f32>().map_err(device_failed)?;
                return finite(unusual::predictions(
                    &told,
                    &batch,
                    signature,
                    self.anomaly.as_ref(),
                    self.unusual_from,
                ));
            }
            (output, _) => {
                return Err(Error::CannotShow { task: output.task() });
            }
        };
        let width = names.len().max(1);
        let label = |at: usize| answered.as_ref().and_then(|places| names.get(*places.get(at)?)).cloned();
        let predictions = batch.ids.iter().zip(rows.chunks(width)).enumerate().map(|(at, (id, row))| Prediction {
            id: id.to_string(),
            label: label(at),
            scores: names.iter().cloned().zip(row.iter().copied()).collect(),
            unusual: Vec::new(),
        });
        finite(predictions.collect())
    }
}

/// A name for each number that is told: the step, and its quantile if there are some.
fn step_names(steps: &[String], quantiles: &[f64]) -> Vec<String> {
    if quantiles.is_empty() {
        return steps.to_vec();
    }
    steps.iter().flat_map(|step| quantiles.iter().map(move |quantile| format!("{step} at {quantile}"))).collect()
}

/// Refuses answers of which one is not a number.
fn finite(predictions: Vec<Prediction>) -> Result<Vec<Prediction>, Error> {
    let broken = predictions.iter().find(|one| one.scores.iter().any(|(_, score)| !score.is_finite()));
    match broken {
        Some(one) => Err(Error::NotFinite { id: one.id.clone() }),
        None => Ok(predictions),
    }
}

/// The numbers in 64 bits, in which large ones of the user's units have room.
fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f64>, Error> {
    let numbers = tensor.try_into_vec_as::<f32>().map_err(device_failed)?;
    Ok(numbers.into_iter().map(f64::from).collect())
}

fn device_failed(error: impl std::fmt::Display) -> Error {
    model_zoo::Error::DeviceFailed { doing: "predicting", reason: error.to_string() }.into()
}
