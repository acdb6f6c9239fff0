//! How well does a file do on examples that were not learnt from?

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use data_loader::{Batch, Dataset, OutputSpec, Part, Signature};
use model_zoo::device::Device;
use model_zoo::network::Answer;
use model_zoo::{Inputs, Output};
use serde::Serialize;

use super::onnx::constant::Constant;
use super::onnx::proof::feeds;
use super::onnx::runner::{NotRun, Runner};
use crate::evaluate::{Tally, each_batch};
use crate::{Error, Plan};

/// Runners that are kept for other shapes; a text has as many as it has lengths.
const MOST_RUNNERS: usize = 64;

/// The data by which files are judged.
pub struct Judge {
    plan: Plan,
    dataset: Arc<Dataset>,
    part: Part,
}

/// How a file did beside the network itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// `validation`, or `test` where there is no such split.
    pub split: String,
    /// By each metric.
    pub scores: Vec<Beside>,
}

/// Two values of one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// The metric.
    pub metric: String,
    /// Of the file.
    pub file: f64,
    /// Of the network.
    pub network: f64,
}

/// Metrics with their values.
pub type Scores = Vec<(String, f64)>;

/// What a classifier is asked for besides the metric that training watched.
const ACCURACY: &str = "accuracy";

/// Who answers batches.
pub(super) type Answerer<'a> = dyn FnMut(&Batch) -> Result<Output, Error> + 'a;

impl Judge {
    /// By the validation split, or the one of `part`; nothing where it is empty.
    pub fn new((plan, dataset): (Plan, Arc<Dataset>), part: Option<Part>) -> Option<Self> {
        let parts = part.map_or_else(|| vec![Part::Validation, Part::Test], |part| vec![part]);
        let part = parts.into_iter().find(|part| !dataset.part(*part).is_empty())?;
        Some(Self { plan, dataset, part })
    }

    /// The name of the split.
    pub fn split(&self) -> &'static str {
        self.part.name()
    }

    /// The data and its plan.
    pub(crate) fn data(&self) -> (&Plan, &Arc<Dataset>) {
        (&self.plan, &self.dataset)
    }

    /// The values of the metric that training watched, and of accuracy for a classifier, for whoever `answers`.
    ///
    /// # Errors
    /// If the data cannot be read, or what `answers` says.
    pub fn judge(&self, answers: &mut Answerer<'_>) -> Result<Scores, Error> {
        let mut tally = Tally::new(&self.plan);
        each_batch(answers, &self.dataset, self.part, &self.plan, &mut |judged| {
            tally.observe(&judged.answers, &judged.weighted, &judged.weights);
        })?;
        let values: BTreeMap<String, f64> = tally.values().into_iter().collect();
        let watched = if values.contains_key(&self.plan.watch) { self.plan.watch.as_str() } else { "loss" };
        let classifies = matches!(self.plan.signature.output, OutputSpec::Classes { .. });
        let accuracy = Some(ACCURACY).filter(|name| classifies && *name != watched);
        let value = |name: &str| values.get(name).map(|value| (name.to_owned(), *value));
        Ok([Some(watched), accuracy].into_iter().flatten().filter_map(value).collect())
    }

    /// Of the network itself.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn of_network(&self, network: &dyn Answer, device: &Device) -> Result<Scores, Error> {
        let signature = self.plan.signature.clone();
        self.judge(&mut |batch| Ok(network.answer(&Inputs::from_batch(batch, &signature, device)?)?))
    }

    /// Of an ONNX file, whose answer is called `answer`.
    ///
    /// # Errors
    /// As [`judge`](Self::judge); [`Error::NotRun`].
    pub fn of_file(&self, bytes: &[u8], answer: &str, device: &Device) -> Result<Scores, Error> {
        self.of_runners(&mut Runners::new(bytes.to_vec(), answer), device)
    }

    /// The same of one that is prepared.
    ///
    /// # Errors
    /// As [`of_file`](Self::of_file).
    pub(super) fn of_runners(&self, runners: &mut Runners, device: &Device) -> Result<Scores, Error> {
        let signature = self.plan.signature.clone();
        self.judge(&mut |batch| {
            let inputs = Inputs::from_batch(batch, &signature, device)?;
            let found = runners.run(&inputs).map_err(|reason| Error::NotRun(reason.0))?;
            output(&signature, found, device).ok_or_else(|| Error::NotRun("its answer has another shape".into()))
        })
    }
}

/// A file that is prepared anew for each shape of inputs.
pub(super) struct Runners {
    bytes: Vec<u8>,
    answer: String,
    by_shape: HashMap<Vec<Vec<usize>>, Runner>,
}

impl Runners {
    pub(super) fn new(bytes: Vec<u8>, answer: &str) -> Self {
        Self { bytes, answer: answer.to_owned(), by_shape: HashMap::new() }
    }

    pub(super) fn run(&mut self, inputs: &Inputs) -> Result<Constant, NotRun> {
        let feeds = feeds(inputs).map_err(NotRun)?;
        let shapes: Vec<Vec<usize>> = feeds.iter().map(|(_, constant)| constant.shape.clone()).collect();
        if self.by_shape.len() > MOST_RUNNERS {
            self.by_shape.clear();
        }
        if !self.by_shape.contains_key(&shapes) {
            let runner = Runner::new(&self.bytes, &feeds, std::slice::from_ref(&self.answer))?;
            self.by_shape.insert(shapes.clone(), runner);
        }
        let runner = self.by_shape.get(&shapes).ok_or_else(|| NotRun("nothing was prepared".into()))?;
        let mut found = runner.run(&feeds)?;
        if found.is_empty() { Err(NotRun("it gave no answer".into())) } else { Ok(found.remove(0)) }
    }
}

/// What a file answered, as a network would have.
fn output(signature: &Signature, found: Constant, device: &Device) -> Option<Output> {
    fn tensor<const D: usize>(shape: &[usize], values: &[f32], device: &Device) -> Option<Tensor<D>> {
        let shape: [usize; D] = shape.try_into().ok()?;
        Some(Tensor::from_data(TensorData::new(values.to_vec(), shape), device))
    }
    let (shape, values) = (&found.shape, found.as_floats()?);
    Some(match signature.output {
        OutputSpec::Classes { .. } => Output::Classes(tensor(shape, values, device)?),
        OutputSpec::Values { .. } => Output::Values(tensor(shape, values, device)?),
        OutputSpec::Mask { .. } => Output::Mask(tensor(shape, values, device)?),
        OutputSpec::Tokens { .. } => Output::Tokens(tensor(shape, values, device)?),
        OutputSpec::Horizon { .. } => Output::Horizon(tensor(shape, values, device)?),
        OutputSpec::Inputs => Output::Reconstruction(tensor(shape, values, device)?),
        OutputSpec::Embedding { .. } => Output::Embedding(tensor(shape, values, device)?),
    })
}
