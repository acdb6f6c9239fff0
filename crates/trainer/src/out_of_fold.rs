//! What does a quick model say of examples that it never saw? Each fold is held out once and judged by a model of the others.
//!
//! From these probabilities the data checks find labels that are probably wrong. The model need not be good: it must be better
//! than the labels are noisy, and soon done. Nothing is written and nothing is kept of it.

use std::path::Path;
use std::sync::Arc;

use data_loader::checks::label_errors::OutOfFold;
use data_loader::{Batch, Dataset, InputKind, Loader, Part, Signature, Target, Task, folds};
use model_zoo::architectures::{WithNetwork, gru, lenet, mlp};
use model_zoo::device::Found;
use model_zoo::network::NetworkConfig;
use model_zoo::{Architecture, Decoding, Inputs, Network};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::batch_size::BatchSize;
use crate::experiment::{Experiment, Train};
use crate::optimizers::{Optimizer, adamw::Adamw};
use crate::schedules::{Cosine, Schedule};
use crate::state::State;
use crate::step::{read_back, step};
use crate::{Error, Plan};

/// Small data is gone through until so many steps are done, or [`MOST_EPOCHS`] are.
const LEAST_STEPS: u64 = 400;

/// However small the data, it is not gone through more often than this.
const MOST_EPOCHS: u64 = 40;

/// Of a batch, there are at least so many in one pass.
const LEAST_BATCHES: usize = 8;

/// `[label_errors]`: the quick model by which labels are checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LabelErrors {
    /// How many folds the examples are dealt out in; each is judged by a model of the others.
    pub folds: usize,
    /// The parts whose labels are checked.
    pub parts: Vec<Part>,
    /// Passes over the data; if left out 2 for images and 3 for the rest, more for small data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// The quick model; what suits the data if left out: `lenet` for images, `gru` for texts, `mlp` for tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Architecture>,
    /// Examples in a batch; fewer where there are few examples.
    pub batch_size: usize,
    /// The rate from which `adamw` goes down along a cosine.
    pub learning_rate: f64,
}

impl Default for LabelErrors {
    fn default() -> Self {
        Self { folds: 5, parts: vec![Part::Train], epochs: None, model: None, batch_size: 32, learning_rate: 3e-3 }
    }
}

/// How far the folds have come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The fold that is held out, from 0.
    pub fold: usize,
    /// How many there are.
    pub folds: usize,
    /// Steps done without it.
    pub step: u64,
    /// Steps to be done.
    pub steps: u64,
    /// The mean loss since the last report.
    pub loss: f64,
}

/// What the models of the folds said.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// One row of probabilities for each example that was judged, in the order of their rows.
    pub answers: OutOfFold,
    /// The name of the model.
    pub model: &'static str,
    /// The share of examples whose label was the most likely one.
    pub accuracy: f64,
    /// Examples that were not judged: they are the only one of their class, or could not be read.
    pub left_out: usize,
}

/// Steps between two reports of progress.
const REPORT_EVERY: u64 = 50;

/// Trains a quick model for each fold and lets it judge the examples that it did not see. The transforms of the card or the
/// config are fitted anew for each fold, without what is held out. `seed` deals out the folds and begins the models; `origin`
/// is named in errors.
///
/// # Errors
/// [`Error::Config`] where the data is not for telling classes apart or a setting cannot be used, and whatever may go wrong in
/// training.
pub fn out_of_fold(
    dataset: &Dataset,
    config: &LabelErrors,
    seed: u64,
    device: &Found,
    origin: &Path,
    report: &mut dyn FnMut(Progress),
) -> Result<Judged, Error> {
    let wrong = |key: &str, reason: String| Error::Config { path: origin.to_owned(), key: key.to_owned(), reason };
    let Some(labels) = dataset.pipeline().labels().filter(|_| dataset.signature().task == Task::Classify) else {
        let reason = format!("is for data with classes, and the task is `{}`", dataset.signature().task);
        return Err(wrong("label_errors", reason));
    };
    if config.parts.is_empty() {
        return Err(wrong("label_errors.parts", "is empty; name `train`, `validation` or `test`".into()));
    }
    let all = dataset.rows_of(&config.parts);
    let classes = dataset.classes_of(&all).unwrap_or_default();
    let mut sizes = vec![0_usize; labels.len() + 1];
    for &class in &classes {
        sizes[class as usize] += 1;
    }
    // Whoever is alone in its class would be judged by a model that never saw the class.
    let judged = |class: u32| (class as usize) < labels.len() && sizes[class as usize] > 1;
    let (rows, classes): (Vec<u32>, Vec<u32>) = all.iter().zip(classes).filter(|(_, class)| judged(*class)).unzip();
    let folds = folds::deal(&rows, &classes, config.folds, seed)?;

    let mut answers: Vec<Answer> = Vec::with_capacity(rows.len());
    for (number, held_out) in folds.iter().enumerate() {
        let mut train: Vec<u32> = folds.iter().filter(|fold| *fold != held_out).flatten().copied().collect();
        train.sort_unstable();
        let fold = Arc::new(dataset.fold(train, held_out.clone())?);
        let model = config.model.clone().unwrap_or_else(|| quick(fold.signature()));
        let experiment = experiment(config, model.clone(), &fold, seed.wrapping_add(number as u64));
        let plan = Plan::new(experiment, origin, &fold)?;
        let mut tell = |step, loss| {
            report(Progress { fold: number, folds: folds.len(), step, steps: plan.total_steps, loss });
        };
        answers.extend(model.with(Job { fold: &fold, plan: &plan, device, tell: &mut tell })?);
    }
    answers.sort_by_key(|answer| answer.row);
    let model = config.model.clone().unwrap_or_else(|| quick(dataset.signature())).name();
    gather(dataset, labels, answers, model, all.len())
}

/// Puts the answers of all folds together.
fn gather(
    dataset: &Dataset,
    labels: &[String],
    answers: Vec<Answer>,
    model: &'static str,
    examples: usize,
) -> Result<Judged, Error> {
    let mut found = OutOfFold { labels: labels.to_vec(), ..OutOfFold::default() };
    let mut right = 0;
    for answer in &answers {
        let most = |best: usize, class: usize| {
            if answer.probabilities[class] > answer.probabilities[best] { class } else { best }
        };
        right += usize::from((0..labels.len()).fold(0, most) == answer.given);
        found.rows.push(answer.row);
        found.ids.push(dataset.key(answer.row)?);
        found.given.push(answer.given);
        found.probabilities.extend(&answer.probabilities);
    }
    let accuracy = right as f64 / answers.len().max(1) as f64;
    Ok(Judged { answers: found, model, accuracy, left_out: examples - answers.len() })
}

/// What a fold's model says of one example.
struct Answer {
    row: u32,
    given: usize,
    probabilities: Vec<f32>,
}

/// The model that is soon good enough at such inputs. On MNIST with wrong labels `lenet` finds more of them than `mlp`. None has
/// dropout: so few passes need none, and a model without chance is the same whatever else the process computes.
fn quick(signature: &Signature) -> Architecture {
    let only = match &signature.inputs[..] {
        [only] => Some(only),
        _ => None,
    };
    match only.map(|input| (&input.kind, &input.shape[..])) {
        Some((InputKind::Image { .. }, [_, Some(12..), Some(12..)])) => {
            Architecture::Lenet(lenet::LenetConfig::default())
        }
        Some((InputKind::Tokens { .. }, _)) => Architecture::Gru(gru::GruConfig::default()),
        _ => Architecture::Mlp(mlp::MlpConfig { hidden: vec![64, 64], ..mlp::MlpConfig::default() }),
    }
}

/// The training of one fold's model.
fn experiment(config: &LabelErrors, model: Architecture, fold: &Dataset, seed: u64) -> Experiment {
    let examples = fold.part(Part::Train).len();
    let batch_size = config.batch_size.min((examples / LEAST_BATCHES).max(1));
    let images = matches!(fold.signature().inputs[..], [ref only] if matches!(only.kind, InputKind::Image { .. }));
    let usual = if images { 2 } else { 3 };
    let small = LEAST_STEPS.div_ceil(examples.div_ceil(batch_size.max(1)).max(1) as u64);
    let epochs = config.epochs.unwrap_or(usual.max(small.min(MOST_EPOCHS)));
    let train =
        Train { epochs, batch_size: BatchSize::Examples(batch_size), record_every: REPORT_EVERY, ..Train::default() };
    Experiment {
        task: Some(Task::Classify),
        seed: seed & i64::MAX as u64,
        optimizer: Optimizer::Adamw(Adamw { learning_rate: config.learning_rate, ..Adamw::default() }),
        schedule: Schedule::Cosine(Cosine { warmup: 0.1, ..Cosine::default() }),
        train,
        ..Experiment::new(fold.config().clone(), Some(model))
    }
}

struct Job<'a> {
    fold: &'a Arc<Dataset>,
    plan: &'a Plan,
    device: &'a Found,
    tell: &'a mut dyn FnMut(u64, f64),
}

impl WithNetwork for Job<'_> {
    type Out = Result<Vec<Answer>, Error>;

    fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
        let Job { fold, plan, device, tell } = self;
        let (seed, device) = (plan.experiment.seed, &device.device);
        let network = config.build(&plan.signature, seed, &plan.training_device(device))?;
        let batches = Loader::train(Arc::clone(fold), plan.batch_size, seed, 0, 0)?;
        let mut state = State::new(network, plan, batches, device);
        while state.memory.step < plan.total_steps {
            state = step(state, plan)?;
            if plan.records(state.memory.step) {
                read_back(&mut state)?;
                let interval = std::mem::take(&mut state.memory.interval);
                tell(state.memory.step, interval.loss / interval.weight);
            }
        }
        let network = state.judged();
        let mut answers = Vec::with_capacity(fold.part(Part::Test).len());
        for batch in Loader::once(Arc::clone(fold), Part::Test, plan.evaluation_batch_size)? {
            let batch = batch?;
            if !batch.is_empty() {
                let output = network.forward(&Inputs::from_batch(&batch, &plan.signature, device)?)?;
                let probabilities = Decoding::Softmax.probabilities(output.rows());
                let numbers = probabilities.try_into_vec_as::<f32>().map_err(|error| {
                    model_zoo::Error::DeviceFailed { doing: "judging labels", reason: error.to_string() }
                })?;
                collect(&mut answers, fold, &batch, plan.evaluation_batch_size, &numbers)?;
            }
        }
        Ok(answers)
    }
}

/// Adds the answers to one batch. Its ids follow the rows of the part, of which those that could not be read are left out.
fn collect(
    answers: &mut Vec<Answer>,
    fold: &Dataset,
    batch: &Batch,
    batch_size: usize,
    numbers: &[f32],
) -> Result<(), Error> {
    let Target::Classes(given) = &batch.target else {
        return Err(Error::WrongLoss { loss: "cross_entropy", reason: "the targets are no classes".into() });
    };
    let width = numbers.len() / batch.len();
    let mut rows = fold.part(Part::Test).iter().skip(batch.index as usize * batch_size);
    for ((id, &given), probabilities) in batch.ids.iter().zip(given).zip(numbers.chunks(width.max(1))) {
        for &row in rows.by_ref() {
            if batch.skipped == 0 || fold.key(row)? == id.key {
                answers.push(Answer { row, given: given as usize, probabilities: probabilities.to_vec() });
                break;
            }
        }
    }
    Ok(())
}
