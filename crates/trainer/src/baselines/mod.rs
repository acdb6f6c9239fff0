//! How well does one do without a deep network? What a network must beat to be worth its time.
//!
//! A baseline learns from what the fitted transforms make of the training split, and is judged by the same code on the same rows
//! as a network. One file each, listed once below. The arithmetic of linear models, neighbours and trees is smartcore's.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use data_loader::random::Random;
use data_loader::{Batch, Dataset, Entry, InputKind, Loader, OutputSpec, Part, Signature, Target};
use model_zoo::{Decoding, Output};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::{Error, Plan};

pub mod boosted;
pub mod constant;
pub mod linear;
pub mod neighbours;
pub mod seasonal;

/// Every baseline, in alphabetical order.
pub const MEMBERS: &[Entry] = &[
    Entry { name: "boosted", summary: boosted::SUMMARY },
    Entry { name: "constant", summary: constant::SUMMARY },
    Entry { name: "linear", summary: linear::SUMMARY },
    Entry { name: "neighbours", summary: neighbours::SUMMARY },
    Entry { name: "seasonal", summary: seasonal::SUMMARY },
];

/// Rows of a table that are learnt from at most: neighbours are compared with each of them, and trees sort them again and again.
const MOST_ROWS: usize = 20_000;
/// Numbers of these rows at most, over all columns: of wide tables fewer rows are learnt from.
const MOST_NUMBERS: usize = 2_000_000;

/// What answers a batch.
pub(crate) type Answer = Box<dyn FnMut(&Batch) -> Result<Output, Error>>;

/// A baseline that has learnt.
pub(crate) struct Learnt {
    /// What answers a batch.
    pub(crate) answer: Answer,
    /// How many numbers were learnt, where that can be said.
    pub(crate) parameters: Option<usize>,
}

/// The names of the baselines for such data, the plainest first.
pub fn for_data(signature: &Signature) -> Vec<&'static str> {
    let table = signature.inputs.iter().all(|input| is_table(&input.kind));
    let of_table: &[&str] = if table { &["linear", "neighbours", "boosted"] } else { &[] };
    match &signature.output {
        OutputSpec::Classes { .. } => [&["constant"], of_table].concat(),
        OutputSpec::Values { names, .. } if names.len() == 1 => [&["constant"], of_table].concat(),
        OutputSpec::Values { .. } | OutputSpec::Mask { .. } | OutputSpec::Tokens { .. } => vec!["constant"],
        OutputSpec::Horizon { history: true, .. } => vec!["seasonal"],
        OutputSpec::Horizon { .. } | OutputSpec::Inputs | OutputSpec::Embedding { .. } => Vec::new(),
    }
}

fn is_table(kind: &InputKind) -> bool {
    matches!(kind, InputKind::Numbers { .. } | InputKind::Categories { .. })
}

/// Lets the baseline `name` learn from the training split; its answers lie on `device`.
///
/// # Errors
/// If the data cannot be read, or [`Error::Baseline`] says why nothing can be learnt from them.
pub(crate) fn learn(name: &str, plan: &Plan, dataset: &Arc<Dataset>, device: &Device) -> Result<Learnt, Error> {
    match name {
        "boosted" => boosted::learn(&Table::read(plan, dataset)?, plan, device),
        "constant" => constant::learn(plan, dataset, device),
        "linear" => linear::learn(&Table::read(plan, dataset)?, plan, device),
        "neighbours" => neighbours::learn(&Table::read(plan, dataset)?, plan, device),
        "seasonal" => seasonal::learn(plan, device),
        _ => Err(failed("baseline", format!("there is none called `{name}`"))),
    }
}

fn failed(name: &'static str, reason: impl std::fmt::Display) -> Error {
    Error::Baseline { name, reason: reason.to_string() }
}

/// What is to be told of each row.
pub(crate) enum Told {
    /// The class, one of so many.
    Classes(Vec<u32>, usize),
    /// A number, in the units of a network.
    Values(Vec<f64>),
}

/// The training split as numbers: categories are spread out, a column for each code.
pub(crate) struct Table {
    rows: usize,
    width: usize,
    /// `[rows, width]`, row-major.
    numbers: Vec<f64>,
    told: Told,
}

impl Table {
    /// Reads the training split once, without chance; of a large one a uniform sample of rows, drawn by the seed.
    fn read(plan: &Plan, dataset: &Arc<Dataset>) -> Result<Self, Error> {
        let width = width(&plan.signature);
        let classes = plan.labels().len();
        let told = if classes > 0 { Told::Classes(Vec::new(), classes) } else { Told::Values(Vec::new()) };
        let mut table = Self { rows: 0, width, numbers: Vec::new(), told };
        let mut sample = Sample::new(plan, MOST_ROWS.min(MOST_NUMBERS / width.max(1)).max(1));
        each_training_batch(plan, dataset, |batch| table.add(batch, &plan.signature, &mut sample))?;
        Ok(table)
    }

    fn add(&mut self, batch: &Batch, signature: &Signature, sample: &mut Sample) -> Result<(), Error> {
        let numbers = features(batch, signature)?;
        for (row, features) in numbers.chunks(self.width.max(1)).enumerate() {
            if !sample.takes_next() {
                continue;
            }
            match (&mut self.told, &batch.target) {
                (Told::Classes(all, _), Target::Classes(classes)) => all.push(classes[row] as u32),
                (Told::Values(all), Target::Values { values, .. }) => all.push(f64::from(values[row])),
                _ => {
                    return Err(failed(
                        "baseline",
                        "it learns one class or one number a row, and the targets are others",
                    ));
                }
            }
            self.numbers.extend(features);
            self.rows += 1;
        }
        Ok(())
    }

    /// As smartcore wants it.
    fn matrix(&self, name: &'static str) -> Result<DenseMatrix<f64>, Error> {
        matrix(self.numbers.clone(), self.width, name)
    }
}

/// Which rows are taken, one after the other: each with the same chance, so many in all (Fan, Muller and Rezucha 1962; algorithm S of
/// Knuth, "The Art of Computer Programming", section 3.4.2).
struct Sample {
    random: Random,
    /// Rows that may still come.
    left: usize,
    /// Rows that are still wanted.
    wanted: usize,
}

/// Keeps the choice of rows apart from all other chance.
const STREAM: u64 = 0x6261_7365_6c69_6e65;

impl Sample {
    fn new(plan: &Plan, most: usize) -> Self {
        let random = Random::derive(&[plan.experiment.seed, STREAM]);
        Self { random, left: plan.examples, wanted: most.min(plan.examples) }
    }

    fn takes_next(&mut self) -> bool {
        let takes = self.left > 0 && self.random.below(self.left as u64) < self.wanted as u64;
        self.left = self.left.saturating_sub(1);
        self.wanted -= usize::from(takes);
        takes
    }
}

/// Shows every row of the training split once, as it lies and without chance, in batches.
fn each_training_batch(
    plan: &Plan,
    dataset: &Arc<Dataset>,
    mut visit: impl FnMut(&Batch) -> Result<(), Error>,
) -> Result<(), Error> {
    for batch in Loader::once(Arc::clone(dataset), Part::Train, plan.evaluation_batch_size.max(1))? {
        let batch = batch?;
        if !batch.is_empty() {
            visit(&batch)?;
        }
    }
    Ok(())
}

/// How many numbers a row has once its categories are spread out.
fn width(signature: &Signature) -> usize {
    let of_kind = |kind: &InputKind| match kind {
        InputKind::Numbers { names } => names.len(),
        InputKind::Categories { sizes, .. } => sizes.iter().sum(),
        _ => 0,
    };
    signature.inputs.iter().map(|input| of_kind(&input.kind)).sum()
}

/// The rows of a batch as numbers, `[batch, width]` row-major.
pub(crate) fn features(batch: &Batch, signature: &Signature) -> Result<Vec<f64>, Error> {
    use data_loader::ArrayData::{F32, I64};
    let mut numbers = Vec::with_capacity(batch.len() * width(signature));
    for row in 0..batch.len() {
        for spec in &signature.inputs {
            let found = batch.input(&spec.name).map(|input| &input.array.data);
            match (&spec.kind, found) {
                (InputKind::Numbers { names }, Some(F32(values))) => {
                    numbers.extend(values[row * names.len()..][..names.len()].iter().map(|&value| f64::from(value)));
                }
                (InputKind::Categories { sizes, .. }, Some(I64(codes))) => {
                    for (&code, &size) in codes[row * sizes.len()..][..sizes.len()].iter().zip(sizes) {
                        numbers.extend((0..size as i64).map(|place| f64::from(u8::from(place == code))));
                    }
                }
                _ => return Err(model_zoo::Error::WrongBatch(format!("it lacks the input `{}`", spec.name)).into()),
            }
        }
    }
    Ok(numbers)
}

fn matrix(numbers: Vec<f64>, width: usize, name: &'static str) -> Result<DenseMatrix<f64>, Error> {
    let rows = numbers.len().checked_div(width).unwrap_or(0);
    DenseMatrix::new(rows, width, numbers, false).map_err(|error| failed(name, error))
}

/// Scores of classes `[batch, classes]` on a device.
fn classes(scores: Vec<f32>, classes: usize, device: &Device) -> Output {
    let rows = scores.len() / classes.max(1);
    Output::Classes(Tensor::from_data(TensorData::new(scores, [rows, classes]), device))
}

/// Numbers `[batch, 1]` on a device.
fn values(numbers: Vec<f32>, device: &Device) -> Output {
    let rows = numbers.len();
    Output::Values(Tensor::from_data(TensorData::new(numbers, [rows, 1]), device))
}

/// The score of a probability above 0 and below 1, as the loss decodes it.
fn score(probability: f64, decoding: Decoding) -> f32 {
    match decoding {
        Decoding::Softmax => probability.ln() as f32,
        Decoding::Sigmoid => (probability / (1.0 - probability)).ln() as f32,
    }
}
