//! How does a network become an ONNX file, which other programs run?
//!
//! ```text
//! network --record at several sizes--> operations --lower--> graph --simplify--> graph --> bytes --run--> equal?
//! ```

use std::collections::HashMap;
use std::path::Path;

use burn::backend::ir::OperationIr;
use burn::tensor::TensorId;
use data_loader::Entry;
use data_loader::signature::{OutputSpec, Signature};
use model_zoo::graph::{self as recordings, MASK, Recorded};
use model_zoo::weights::Weights;
use model_zoo::{Architecture, Error as ZooError};
use sha2::{Digest, Sha256};

pub mod constant;
pub mod export;
pub mod graph;
mod lower;
pub mod preprocess;
pub mod proof;
mod proto;
pub mod quantize;
pub mod raw_proof;
pub mod runner;
mod simplify;
pub mod size;

use constant::Constant;
use graph::{Element, Graph, Port, Span};
use size::Size;

/// This form in the list of forms.
pub const ENTRY: Entry = Entry { name: "onnx", summary: "network and weights as a graph that other programs run" };

/// Why a network could not be written.
#[derive(Debug)]
pub enum Refused {
    /// The network could not be built or recorded.
    Network(ZooError),
    /// Something that it does has no operator, or depends on sizes in a way that cannot be written.
    Lowering(String),
}

impl From<ZooError> for Refused {
    fn from(error: ZooError) -> Self {
        Self::Network(error)
    }
}

/// A network as a graph of ONNX operators.
#[derive(Clone, Debug)]
pub struct Written {
    /// The graph.
    pub graph: Graph,
    /// The name of the answer.
    pub answer: String,
    /// What each layer gives, in order: its name, its place among those that were recorded, and the name of the value in the graph.
    pub layers: Vec<(String, usize, String)>,
    /// How many scores stand beside each other, of which the largest is what counts; 0 where none does, or where they lie apart.
    pub compete: usize,
    /// By how much an answer may differ, relative to the largest number of its example (at least 1).
    pub tolerance: f32,
    /// The value that holds the place of the class that is answered, where that is part of the graph.
    pub class: Option<String>,
    /// Which column of a record each input holds, where transforms are part of the graph.
    pub columns: Vec<(String, String)>,
}

/// Writes a network of the zoo with its weights; `file` is only named in errors.
///
/// # Errors
/// [`Refused`].
pub fn write(
    architecture: &Architecture,
    signature: &Signature,
    weights: &Weights,
    file: &Path,
) -> Result<Written, Refused> {
    write_recorded(signature, weights, |sizes| recordings::record(architecture, signature, weights, file, sizes))
}

/// The same of any network that `record` records at given sizes.
///
/// # Errors
/// [`Refused`].
pub fn write_recorded(
    signature: &Signature,
    weights: &Weights,
    record: impl Fn(&recordings::Sizes) -> Result<Recorded, ZooError>,
) -> Result<Written, Refused> {
    let sizes = size::to_record(recordings::open_axes(signature));
    let mut all = Vec::new();
    let mut known = HashMap::new();
    let mut digests = Vec::new();
    for (at, sizes) in sizes.iter().enumerate() {
        let mut recorded = record(sizes)?;
        digests.push(given(&recorded));
        if at == 0 {
            known = constants(&recorded, weights)?;
        }
        // Once is enough to hold the weights.
        recorded.values.clear();
        all.push(recorded);
    }
    if digests.iter().any(|other| *other != digests[0]) {
        return Err(Refused::Lowering("the network makes numbers that depend on the sizes of its inputs".into()));
    }
    let lowered = lower::lower(&all, known).map_err(Refused::Lowering)?;
    let mut graph = lowered.graph;
    let answer = graph.fresh(answer_name(signature));
    graph.rename(&lowered.answer, &answer);
    graph.inputs = lowered.input_sizes.iter().map(|(name, sizes)| input(name, sizes)).collect();
    graph.outputs = vec![Port {
        name: answer.clone(),
        element: Element::F32,
        shape: spans(&lowered.answer_sizes, &answer),
        meaning: answer_meaning(signature),
    }];
    simplify::simplify(&mut graph);
    let names = &all[0].layers;
    let layers = lowered.layers.into_iter().map(|(at, value)| {
        let value = if value == lowered.answer { answer.clone() } else { value };
        (names[at].0.clone(), at, value)
    });
    let layers = layers.filter(|(_, _, value)| graph.maker(value).is_some()).collect();
    let compete = match &signature.output {
        OutputSpec::Classes { labels } => labels.len(),
        OutputSpec::Tokens { vocabulary } => *vocabulary,
        _ => 0,
    };
    Ok(Written { graph, answer, layers, compete, tolerance: proof::TOLERANCE, class: None, columns: Vec::new() })
}

/// A digest of every number that the network was given, in the order of their use.
fn given(recorded: &Recorded) -> Vec<[u8; 32]> {
    let inputs: Vec<TensorId> = recorded.inputs.iter().map(|(_, id)| *id).collect();
    let tensors = recorded.operations.iter().flat_map(OperationIr::inputs);
    let values =
        tensors.filter(|tensor| !inputs.contains(&tensor.id)).filter_map(|tensor| recorded.values.get(&tensor.id));
    values.map(|data| Sha256::digest(data.as_bytes()).into()).collect()
}

/// The numbers that the network was given, each with its name among `weights` where it has one.
fn constants(recorded: &Recorded, weights: &Weights) -> Result<HashMap<TensorId, (Constant, String)>, Refused> {
    let mut named: HashMap<(Vec<usize>, [u8; 32]), Vec<&str>> = HashMap::new();
    for (name, tensor) in weights.iter().rev() {
        named.entry((tensor.shape.clone(), digest(&tensor.values))).or_default().push(name);
    }
    let inputs: Vec<TensorId> = recorded.inputs.iter().map(|(_, id)| *id).collect();
    let mut all = HashMap::new();
    for tensor in recorded.operations.iter().flat_map(OperationIr::inputs) {
        let Some(data) = recorded.values.get(&tensor.id).filter(|_| !inputs.contains(&tensor.id)) else { continue };
        if all.contains_key(&tensor.id) {
            continue;
        }
        let constant = Constant::of(data)
            .ok_or_else(|| Refused::Lowering(format!("the network holds numbers of the type {:?}", data.dtype())))?;
        // Of several that are equal, as fresh biases are, each use takes the next name.
        let found = constant.as_floats().and_then(|values| named.get_mut(&(constant.shape.clone(), digest(values))));
        let name = found.map_or("", |names| if names.len() > 1 { names.pop().unwrap_or("") } else { names[0] });
        all.insert(tensor.id, (constant.clone(), name.to_owned()));
    }
    Ok(all)
}

fn digest(values: &[f32]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for value in values {
        digest.update(value.to_le_bytes());
    }
    digest.finalize().into()
}

/// What the answer to a task is called.
pub(super) fn answer_name(signature: &Signature) -> &'static str {
    match signature.output {
        OutputSpec::Classes { .. } | OutputSpec::Mask { .. } | OutputSpec::Tokens { .. } => "scores",
        OutputSpec::Values { .. } => "values",
        OutputSpec::Horizon { .. } => "horizon",
        OutputSpec::Inputs => "reconstruction",
        OutputSpec::Embedding { .. } => "embedding",
    }
}

fn answer_meaning(signature: &Signature) -> String {
    match &signature.output {
        OutputSpec::Classes { labels } => {
            format!("one score for each of {} classes, before softmax or sigmoid", labels.len())
        }
        OutputSpec::Mask { labels } => format!("one score for each of {} classes at each pixel", labels.len()),
        OutputSpec::Tokens { .. } => "one score for each token at each place".into(),
        OutputSpec::Values { .. } => {
            "numbers in the network's units; times std plus mean they are those of the data".into()
        }
        OutputSpec::Horizon { .. } => "the coming values in the network's units, by step and quantile".into(),
        OutputSpec::Inputs => "the inputs given back".into(),
        OutputSpec::Embedding { .. } => "where an example lies among others; only the direction counts".into(),
    }
}

fn input(name: &str, sizes: &[Option<Size>]) -> Port {
    let (element, meaning) = match name {
        "image" => {
            (Element::F32, "pixels from 0 to 1, less the mean and divided by the standard deviation of each channel")
        }
        "numbers" => (Element::F32, "features as the fitted transforms make them"),
        "categories" => (Element::I64, "the code of each category; 0 is an unknown one"),
        "tokens" => (Element::I64, "the id of each token, filled up with 0"),
        MASK => (Element::F32, "1 where there is a token, and 0 where it was filled up; filling stands at the end"),
        "series" => (Element::F32, "measurements by step and channel, as the fitted transforms make them"),
        _ => (Element::F32, ""),
    };
    Port { name: name.to_owned(), element, shape: spans(sizes, name), meaning: meaning.to_owned() }
}

fn spans(sizes: &[Option<Size>], name: &str) -> Vec<Span> {
    let span = |(axis, size): (usize, &Option<Size>)| match size {
        Some(size) => match size.known() {
            Some(known) => Span::Fixed(known as usize),
            None => Span::Open(size.to_string()),
        },
        None => Span::Open(format!("{name}_{axis}")),
    };
    sizes.iter().enumerate().map(span).collect()
}
