//! What does a model answer to records as they were read?

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_loader::{Batch, ExampleId, Pipeline, Record};
use model_zoo::bundle::{self, Bundle};
use model_zoo::device::{Device, Found, Tensor};
use model_zoo::network::Answer;
use model_zoo::weights::Weights;
use model_zoo::{Architecture, Decision, Decoding, Inputs, Output};
use serde::{Deserialize, Serialize};

use crate::{Error, Meaning};

/// The answer to one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Which example was answered.
    pub id: String,
    /// The most likely class; only for a classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The probability of each class, in the order of the labels, or each number in the user's units; how unusual the record is.
    pub scores: Vec<(String, f64)>,
    /// The features that a network gave back worst, and which share of its failure is theirs; only where the task is to give examples
    /// back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
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

impl Numbers {
    /// The numbers of some examples.
    pub(crate) fn of(&self, rows: Range<usize>) -> Self {
        let all = self.shape.first().copied().unwrap_or(0).max(1);
        let part = |numbers: usize| {
            let each = numbers / all;
            rows.start * each..rows.end * each
        };
        let classes = self.classes.as_ref().map(|classes| Classes {
            probabilities: classes.probabilities[part(classes.probabilities.len())].to_vec(),
            answered: classes.answered[rows.clone()].to_vec(),
        });
        let shape = [rows.len()].into_iter().chain(self.shape.iter().skip(1).copied()).collect();
        Self { shape, values: self.values[part(self.values.len())].to_vec(), classes }
    }

    /// Refuses numbers that are none.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the first example that has one.
    pub(crate) fn finite(self, ids: &[ExampleId]) -> Result<Self, Error> {
        let each = (self.values.len() / ids.len().max(1)).max(1);
        match self.values.iter().position(|value| !value.is_finite()) {
            Some(place) => {
                Err(Error::NotFinite { id: ids.get(place / each).map(ToString::to_string).unwrap_or_default() })
            }
            None => Ok(self),
        }
    }
}

/// A network with the transforms that belong to it.
pub struct Predictor {
    network: Box<dyn Answer>,
    meaning: Arc<Meaning>,
    device: Device,
    /// How many golden samples were replayed, and how long that took.
    replayed: (usize, Duration),
}

impl Predictor {
    /// Opens a bundle and replays its golden samples: it answers here as it did when it was made, or not at all.
    ///
    /// # Errors
    /// If the bundle is damaged or answers differently.
    pub fn open(bundle: Bundle, device: &Found) -> Result<Self, Error> {
        let network = bundle.network(&device.device)?;
        let begun = Instant::now();
        let samples = bundle.replay_golden(network.as_ref(), &device.device)?;
        let replayed = (samples, begun.elapsed());
        let damaged = |reason| model_zoo::Error::Damaged { path: bundle.path.clone(), reason };
        let meaning = Meaning::of_bundle(bundle.pipeline, &bundle.manifest).map_err(damaged)?;
        Ok(Self { network, meaning: Arc::new(meaning), device: device.device.clone(), replayed })
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
        let meaning = Meaning::plain(pipeline, Decision { decoding, ..Decision::default() });
        Ok(Self { network, meaning: Arc::new(meaning), device: device.device.clone(), replayed: (0, Duration::ZERO) })
    }

    /// The transforms that belong to the network.
    pub fn pipeline(&self) -> &Pipeline {
        self.meaning.pipeline()
    }

    /// All of it but the network.
    pub fn meaning(&self) -> &Arc<Meaning> {
        &self.meaning
    }

    /// How many golden samples were replayed, and how long that took; none where there are none.
    pub(crate) fn replayed(&self) -> (usize, Duration) {
        self.replayed
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
    /// As [`numbers`](Self::numbers); [`Error::NotFinite`].
    pub fn infer(&self, batch: &Batch) -> Result<Numbers, Error> {
        self.numbers(batch)?.finite(&batch.ids)
    }

    /// The same where some numbers may be none.
    ///
    /// # Errors
    /// [`model_zoo::Error::WrongBatch`] if the inputs are not those of the signature; if the device fails.
    pub(crate) fn numbers(&self, batch: &Batch) -> Result<Numbers, Error> {
        let inputs = Inputs::from_batch(batch, self.pipeline().signature(), &self.device)?;
        let output = self.network.answer(&inputs)?;
        let classes = match &output {
            Output::Classes(scores) => Some(self.classes(scores)?),
            _ => None,
        };
        Ok(Numbers { shape: output.shape(), values: output.numbers()?, classes })
    }

    fn classes(&self, scores: &Tensor<2>) -> Result<Classes, Error> {
        let [_, width] = scores.dims();
        let decision = self.meaning.decision();
        let told = decision.probabilities(scores.clone());
        let probabilities = told.try_into_vec_as::<f32>().map_err(device_failed)?;
        let scores = scores.clone().try_into_vec_as::<f32>().map_err(device_failed)?;
        let rows = scores.chunks(width.max(1)).zip(probabilities.chunks(width.max(1)));
        let class = |(scores, shares): (&[f32], &[f32])| decision.class(scores, shares).unwrap_or_default();
        Ok(Classes { answered: rows.map(class).collect(), probabilities })
    }

    /// Answers records, one prediction each, in order.
    ///
    /// # Errors
    /// If a record does not suit the transforms or the device fails; [`Error::NotFinite`], [`Error::CannotShow`].
    pub fn predict(&self, records: Vec<Record>) -> Result<Vec<Prediction>, Error> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let batch = self.meaning.prepare(records)?;
        self.meaning.tell(&batch, &self.numbers(&batch)?)
    }
}

fn device_failed(error: impl std::fmt::Display) -> Error {
    model_zoo::Error::DeviceFailed { doing: "predicting", reason: error.to_string() }.into()
}
