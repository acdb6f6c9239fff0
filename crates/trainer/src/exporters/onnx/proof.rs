//! Does a file answer as the network does? It is run, on the bundle's golden samples and on inputs made at random.

use data_loader::random::Random;
use data_loader::signature::{InputKind, InputSpec, Signature};
use data_loader::{Array, ArrayData, Batch, ExampleId, InputArray, Target};
use model_zoo::graph::MASK;
use model_zoo::inputs::{Input, Inputs};
use model_zoo::network::Answer;

use super::Written;
use super::constant::{Constant, Elements};
use super::runner::{Feed, NotRun, Runner};

/// By how much a number may differ, relative to the largest of its example (at least 1).
pub const TOLERANCE: f32 = 1e-4;
/// The same where images are resized within the graph: pixels are averaged in whole numbers before it and in floats within, so that here and
/// there one comes out a level of 255 lighter or darker.
pub const RESIZED: f32 = 2e-2;
/// What is made at random: so many examples, with texts of up to so many tokens, where the network takes as many.
const RANDOM_BATCHES: [(usize, usize); 4] = [(1, ALONE), (2, 1), (7, LONGEST / 2), (3, LONGEST)];
/// Sides of images whose size the network leaves open, of which neither is the other nor a power of two.
const SIDES: [usize; 2] = [83, 71];
/// Tokens of the longest text that is made beside others, and of one that is alone: what attention needs grows with the square of it.
const LONGEST: usize = 64;
const ALONE: usize = 1024;

/// What was found equal.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Proof {
    /// How many examples were answered by both.
    pub examples: usize,
    /// The largest difference, relative to the largest number of its example (at least 1).
    pub largest: f32,
}

/// Why there is no proof.
#[derive(Clone, Debug, PartialEq)]
pub enum NoProof {
    /// The file could not be run here.
    NotRun(NotRun),
    /// It answers otherwise.
    Differs {
        /// The largest difference, relative to the largest number of its example (at least 1).
        largest: f32,
        /// The first layer whose numbers differ, if it could be found.
        layer: Option<String>,
    },
    /// The graph contradicts itself, or runs on some inputs and not on others.
    Broken(String),
    /// The network itself failed.
    Network(String),
}

impl From<NotRun> for NoProof {
    fn from(reason: NotRun) -> Self {
        Self::NotRun(reason)
    }
}

/// Runs `bytes`, which hold `written`, on each of `batches` and compares with the answers of `network`.
///
/// # Errors
/// [`NoProof`].
pub fn prove(written: &Written, bytes: &[u8], network: &dyn Answer, batches: &[Inputs]) -> Result<Proof, NoProof> {
    let mut proof = Proof { examples: 0, largest: 0.0 };
    written.graph.check().map_err(NoProof::Broken)?;
    for inputs in batches {
        let wanted = answer(network, inputs)?;
        let feeds = feeds(inputs).map_err(NoProof::Network)?;
        let outputs = [written.answer.clone()];
        let found = match Runner::new(bytes, &feeds, &outputs).and_then(|runner| runner.run(&feeds)) {
            Ok(found) => found,
            // What ran on others and does not on these is wrong for them.
            Err(reason) if proof.examples > 0 => return Err(NoProof::Broken(reason.0)),
            Err(reason) => return Err(reason.into()),
        };
        let found = found.first().and_then(Constant::as_floats).unwrap_or_default();
        let examples = examples_of(inputs);
        match difference(&wanted, found, examples, written.compete) {
            Some(difference) if difference <= TOLERANCE => {
                proof.largest = proof.largest.max(difference);
                proof.examples += examples;
            }
            differs => {
                let layer = first_difference(written, bytes, network, inputs, &feeds);
                return Err(NoProof::Differs { largest: differs.unwrap_or(f32::INFINITY), layer });
            }
        }
    }
    Ok(proof)
}

/// How far apart the answers of two networks lie. They need not be equal.
///
/// # Errors
/// [`NoProof::Network`]; [`NoProof::Differs`] if there is a number in the answers of the other one that is none.
pub fn difference_of(network: &dyn Answer, other: &dyn Answer, batches: &[Inputs]) -> Result<Proof, NoProof> {
    let mut proof = Proof { examples: 0, largest: 0.0 };
    for inputs in batches {
        let (wanted, found) = (answer(network, inputs)?, answer(other, inputs)?);
        let examples = examples_of(inputs);
        let difference = difference(&wanted, &found, examples, 0);
        proof.largest = proof.largest.max(difference.ok_or(NoProof::Differs { largest: f32::INFINITY, layer: None })?);
        proof.examples += examples;
    }
    Ok(proof)
}

/// How far the answers of a file, called `answer`, lie from those of a network. They need not be equal.
///
/// # Errors
/// As [`prove`], but that only another number of numbers differs.
pub fn moved(network: &dyn Answer, bytes: &[u8], answer_name: &str, batches: &[Inputs]) -> Result<Proof, NoProof> {
    let mut proof = Proof { examples: 0, largest: 0.0 };
    for inputs in batches {
        let wanted = answer(network, inputs)?;
        let feeds = feeds(inputs).map_err(NoProof::Network)?;
        let found = Runner::new(bytes, &feeds, &[answer_name.to_owned()])?.run(&feeds)?;
        let found = found.first().and_then(Constant::as_floats).unwrap_or_default();
        let examples = examples_of(inputs);
        let difference = difference(&wanted, found, examples, 0);
        proof.largest = proof.largest.max(difference.ok_or(NoProof::Differs { largest: f32::INFINITY, layer: None })?);
        proof.examples += examples;
    }
    Ok(proof)
}

/// How many examples there are.
fn examples_of(inputs: &Inputs) -> usize {
    inputs.fields().first().map_or(0, |(_, input)| match input {
        Input::Image(t) => t.dims()[0],
        Input::Numbers(t) => t.dims()[0],
        Input::Categories(t) => t.dims()[0],
        Input::Tokens { ids, .. } => ids.dims()[0],
        Input::Series(t) => t.dims()[0],
    })
}

pub(super) fn answer(network: &dyn Answer, inputs: &Inputs) -> Result<Vec<f32>, NoProof> {
    let failed = |reason: String| NoProof::Network(reason);
    let output = network.answer(inputs).map_err(|error| failed(error.to_string()))?;
    output.numbers().map_err(|error| failed(error.to_string()))
}

/// The largest difference relative to the largest number of an example (at least 1); nothing where there are other numbers or another
/// number of them, or where another score is the largest by more than the tolerance.
pub(super) fn difference(wanted: &[f32], found: &[f32], examples: usize, compete: usize) -> Option<f32> {
    let is_number = |numbers: &[f32]| numbers.iter().all(|number| number.is_finite());
    if wanted.len() != found.len() || !is_number(wanted) || !is_number(found) || examples == 0 {
        return None;
    }
    let each = (wanted.len() / examples).max(1);
    let mut largest = 0.0_f32;
    for (wanted, found) in wanted.chunks(each).zip(found.chunks(each)) {
        let scale = wanted.iter().fold(1.0_f32, |scale, number| scale.max(number.abs()));
        let most = wanted.iter().zip(found).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        largest = largest.max(most / scale);
        if compete > 0 {
            let best = |numbers: &[f32]| (0..numbers.len()).max_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
            for (wanted, found) in wanted.chunks(compete).zip(found.chunks(compete)) {
                let (ours, theirs) = (best(wanted)?, best(found)?);
                if wanted[ours] - wanted[theirs] > TOLERANCE * scale {
                    return None;
                }
            }
        }
    }
    Some(largest)
}

/// The first layer whose numbers differ.
fn first_difference(
    written: &Written,
    bytes: &[u8],
    network: &dyn Answer,
    inputs: &Inputs,
    feeds: &[Feed],
) -> Option<String> {
    let ours = network.layers(inputs).ok()?;
    let outputs: Vec<String> = written.layers.iter().map(|(_, _, value)| value.clone()).collect();
    let theirs = Runner::new(bytes, feeds, &outputs).ok()?.run(feeds).ok()?;
    for ((name, place, _), found) in written.layers.iter().zip(theirs) {
        let (_, wanted) = ours.get(*place)?;
        // What has no parameters is found by the layer before it.
        let before = ours[..*place].iter().rev().map(|(name, _)| name).find(|name| name.contains('('));
        let name = match before.filter(|_| !name.contains('(')) {
            Some(before) => format!("{name} behind {before}"),
            None => name.clone(),
        };
        // Attention of the processor gives its heads side by side, that of the graph one by one: what comes behind it tells.
        if wanted.shape().to_vec() != found.shape {
            continue;
        }
        let wanted: Vec<f32> = wanted.clone().convert::<f32>().try_into_vec().ok()?;
        let found = found.as_floats()?;
        // What is rectified in the same pass here is not there.
        let fused = ours.get(place + 1).is_some_and(|(_, next)| {
            let next = next.clone().convert::<f32>().try_into_vec::<f32>();
            next.is_ok_and(|next| next == wanted)
        });
        if !fused && difference(&wanted, found, 1, 0).is_none_or(|difference| difference > TOLERANCE) {
            return Some(name);
        }
    }
    None
}

/// What is given to a file in place of `inputs`.
///
/// # Errors
/// What the device says.
pub fn feeds(inputs: &Inputs) -> Result<Vec<Feed>, String> {
    let mut feeds = Vec::new();
    for (name, input) in inputs.fields() {
        match input {
            Input::Image(t) => feeds.push((name.clone(), floats(t.dims(), t.clone().try_into_vec_as::<f32>()))),
            Input::Numbers(t) => feeds.push((name.clone(), floats(t.dims(), t.clone().try_into_vec_as::<f32>()))),
            Input::Series(t) => feeds.push((name.clone(), floats(t.dims(), t.clone().try_into_vec_as::<f32>()))),
            Input::Categories(t) => feeds.push((name.clone(), integers(t.dims(), t.clone().try_into_vec_as::<i64>()))),
            Input::Tokens { ids, mask } => {
                feeds.push((name.clone(), integers(ids.dims(), ids.clone().try_into_vec_as::<i64>())));
                feeds.push((MASK.to_owned(), floats(mask.dims(), mask.clone().try_into_vec_as::<f32>())));
            }
        }
    }
    feeds.into_iter().map(|(name, constant)| constant.map(|constant| (name, constant))).collect()
}

fn floats<E: std::fmt::Display>(shape: impl AsRef<[usize]>, values: Result<Vec<f32>, E>) -> Result<Constant, String> {
    let values = values.map_err(|error| error.to_string())?;
    Ok(Constant::floats(shape.as_ref().to_vec(), values))
}

fn integers<E: std::fmt::Display>(shape: impl AsRef<[usize]>, values: Result<Vec<i64>, E>) -> Result<Constant, String> {
    let elements = Elements::I64(values.map_err(|error| error.to_string())?);
    Ok(Constant { shape: shape.as_ref().to_vec(), elements })
}

/// Batches made at random that suit `signature`: of one example, and of several, with texts of different lengths.
pub fn random_batches(signature: &Signature, seed: u64) -> Vec<Batch> {
    let made = |(examples, tokens)| random(signature, examples, tokens, seed ^ examples as u64);
    RANDOM_BATCHES.into_iter().map(made).collect()
}

/// So many examples made at random that suit `signature`.
pub fn random_batch(signature: &Signature, examples: usize, seed: u64) -> Batch {
    random(signature, examples, LONGEST, seed)
}

fn random(signature: &Signature, examples: usize, tokens: usize, seed: u64) -> Batch {
    let mut random = Random::derive(&[seed]);
    let inputs = signature.inputs.iter().map(|spec| random_input(spec, examples, tokens, &mut random)).collect();
    let ids = (0..examples).map(|at| ExampleId { key: format!("random#{at}") }).collect();
    Batch { inputs, target: Target::None, ids, weights: None, epoch: 0, index: 0, skipped: 0 }
}

fn random_input(spec: &InputSpec, examples: usize, tokens: usize, random: &mut Random) -> InputArray {
    let (mut mask, mut lengths) = (None, None);
    let mut open = SIDES.into_iter();
    let longest = match &spec.kind {
        // 0 says that they may have any length.
        InputKind::Tokens { max_length: 0, .. } => Some(tokens),
        InputKind::Tokens { max_length, .. } => Some(tokens.min(*max_length)),
        _ => None,
    };
    let sizes = spec.shape.iter().map(|size| size.or(longest).or_else(|| open.next()).unwrap_or(1));
    let shape: Vec<usize> = [examples].into_iter().chain(sizes).collect();
    let count: usize = shape.iter().product();
    let data = match &spec.kind {
        InputKind::Image { .. } => ArrayData::U8((0..count).map(|_| random.below(256) as u8).collect()),
        InputKind::Numbers { .. } | InputKind::Series { .. } => {
            ArrayData::F32((0..count).map(|_| random.unit() as f32 * 4.0 - 2.0).collect())
        }
        InputKind::Categories { sizes, .. } => {
            ArrayData::I64((0..count).map(|at| random.below(sizes[at % sizes.len()] as u64) as i64).collect())
        }
        InputKind::Tokens { vocabulary, .. } => {
            let longest = longest.unwrap_or(1);
            // One as long as can be, one of a single token, and what lies between.
            let all: Vec<usize> = (0..examples)
                .map(|at| match at {
                    0 => longest,
                    1 => 1,
                    _ => 1 + random.below(longest as u64) as usize,
                })
                .collect();
            let content: Vec<u8> =
                all.iter().flat_map(|length| (0..longest).map(move |place| u8::from(place < *length))).collect();
            let ids = content.iter().map(|is| if *is == 1 { random.below(*vocabulary as u64) as i64 } else { 0 });
            let ids = ids.collect();
            (mask, lengths) = (Some(content), Some(all));
            ArrayData::I64(ids)
        }
    };
    InputArray { name: spec.name.clone(), array: Array { shape, data }, mask, lengths }
}
