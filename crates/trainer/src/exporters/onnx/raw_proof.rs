//! Does a file with transforms in it answer records as they were read, as the network does behind them, and say the same of it?

use burn::tensor::{Tensor, TensorData};
use data_loader::{OutputSpec, Pipeline, Record, Value};
use model_zoo::device::Device;
use model_zoo::network::Answer;
use model_zoo::{Decision, Inputs};

use super::Written;
use super::constant::{Constant, Elements};
use super::graph::Element;
use super::preprocess::{IN_UNITS, PROBABILITIES};
use super::proof::{NoProof, Proof, answer, difference};
use super::runner::{Feed, NotRun, Runner};

/// What is asked beside the file: a network behind transforms, and what its scores mean.
pub struct Beside<'a> {
    /// The network.
    pub network: &'a dyn Answer,
    /// The transforms.
    pub pipeline: &'a Pipeline,
    /// What scores of classes mean.
    pub decision: &'a Decision,
    /// On what it computes.
    pub device: &'a Device,
}

/// Runs a file on `records`, one by one, and compares with what stands beside it: scores, probabilities and the class, or numbers in
/// the units of the data.
///
/// # Errors
/// As [`prove`](super::proof::prove).
pub fn prove(written: &Written, bytes: &[u8], beside: &Beside<'_>, records: &[Record]) -> Result<Proof, NoProof> {
    let mut proof = Proof { examples: 0, largest: 0.0 };
    written.graph.check().map_err(NoProof::Broken)?;
    if records.is_empty() {
        return Err(NotRun("there are no golden samples to be asked as they were read".into()).into());
    }
    for record in records {
        let feeds = feeds(written, record);
        let wanted = wanted(written, beside, record)?;
        let mut outputs: Vec<String> = wanted.numbers.iter().map(|(name, _)| name.clone()).collect();
        outputs.extend(written.class.clone());
        let found = Runner::new(bytes, &feeds, &outputs)?.run(&feeds)?;
        let differs = |largest: f32| NoProof::Differs { largest, layer: None };
        for (at, (_, wanted)) in wanted.numbers.iter().enumerate() {
            let found = found.get(at).and_then(floats).unwrap_or_default();
            match difference(wanted, &found, 1, written.compete) {
                Some(difference) if difference <= written.tolerance => proof.largest = proof.largest.max(difference),
                other => return Err(differs(other.unwrap_or(f32::INFINITY))),
            }
        }
        if written.class.is_some() && !wanted.agrees(found.last(), written.tolerance) {
            return Err(differs(f32::INFINITY));
        }
        proof.examples += 1;
    }
    Ok(proof)
}

/// What a file should answer to a record.
struct Wanted {
    /// By the name of the output.
    numbers: Vec<(String, Vec<f32>)>,
    /// By how much each class is the one that is answered.
    rank: Vec<f32>,
}

impl Wanted {
    /// Whether a place is that of the class that ranks first, or of one that ranks as high but for rounding.
    fn agrees(&self, place: Option<&Constant>, tolerance: f32) -> bool {
        let Some(Constant { elements: Elements::I64(places), .. }) = place else { return false };
        let found = places.first().and_then(|place| self.rank.get(usize::try_from(*place).ok()?));
        let first = self.rank.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        found.is_some_and(|found| *found >= first - tolerance * first.abs().max(1.0))
    }
}

fn wanted(written: &Written, beside: &Beside<'_>, record: &Record) -> Result<Wanted, NoProof> {
    let failed = |error: &dyn std::fmt::Display| NoProof::Network(error.to_string());
    let batch = beside.pipeline.batch(vec![record.clone()]).map_err(|error| failed(&error))?;
    let signature = beside.pipeline.signature();
    let inputs = Inputs::from_batch(&batch, signature, beside.device).map_err(|error| failed(&error))?;
    let answered = answer(beside.network, &inputs)?;
    let mut numbers = vec![(written.answer.clone(), answered.clone())];
    let mut rank = answered.clone();
    match &signature.output {
        OutputSpec::Classes { .. } => {
            let shape = [1, answered.len()];
            let scores = Tensor::from_data(TensorData::new(answered, shape), beside.device);
            let told =
                beside.decision.probabilities(scores).try_into_vec_as::<f32>().map_err(|error| failed(&error))?;
            if let Some(cutoffs) = &beside.decision.cutoffs {
                rank = told.iter().zip(cutoffs).map(|(share, cutoff)| share / *cutoff as f32).collect();
            }
            numbers.push((PROBABILITIES.to_owned(), told));
        }
        OutputSpec::Values { mean, std, .. } => {
            let units = mean.iter().zip(std).cycle();
            let told = answered.iter().zip(units).map(|(value, (mean, std))| (mean + std * f64::from(*value)) as f32);
            numbers.push((IN_UNITS.to_owned(), told.collect()));
        }
        _ => {}
    }
    Ok(Wanted { numbers, rank })
}

/// The numbers of a constant in 32 bits.
fn floats(constant: &Constant) -> Option<Vec<f32>> {
    match &constant.elements {
        Elements::F64(values) => Some(values.iter().map(|value| *value as f32).collect()),
        _ => constant.as_floats().map(<[f32]>::to_vec),
    }
}

/// What is given to a file for one record.
pub fn feeds(written: &Written, record: &Record) -> Vec<Feed> {
    let single = |elements| Constant { shape: vec![1, 1], elements };
    let feed = |(input, column): &(String, String)| {
        let port = written.graph.inputs.iter().find(|port| port.name == *input)?;
        let constant = match (record.field(column).unwrap_or(&Value::Missing), port.element) {
            (Value::Image(image), _) => {
                let shape = vec![1, image.channels, image.height, image.width];
                Constant { shape, elements: Elements::U8(image.planar()) }
            }
            (Value::Number(number), _) => single(Elements::F64(vec![*number])),
            (Value::Text(text), _) => single(Elements::Text(vec![text.clone()])),
            (_, Element::Text) => single(Elements::Text(vec![String::new()])),
            _ => single(Elements::F64(vec![f64::NAN])),
        };
        Some((input.clone(), constant))
    };
    written.columns.iter().filter_map(feed).collect()
}
