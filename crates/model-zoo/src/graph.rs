//! What does a network do, as a graph? Its operations between inputs and answer, recorded and not computed.
//!
//! A graph holds for one set of sizes. What changes with them shows when the same network is recorded at others.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use burn::backend::Capture;
use burn::backend::ir::OperationIr;
use burn::module::Module;
use burn::tensor::{CapturedGraph, Device, Int, Tensor, TensorData, TensorId};
use data_loader::signature::{InputKind, InputSpec, Signature};

use crate::architectures::WithNetwork;
use crate::blocks::Init;
use crate::inputs::Input;
use crate::network::NetworkConfig;
use crate::ops::trace::{Asked, Given, Operation, traced};
use crate::weights::{self, Weights};
use crate::{Architecture, Error, Inputs, Network, Output};

/// A linear map of `[..., inputs]` by a weight, and a bias if there is one; whether the weight lies with the inputs first, and not as in
/// PyTorch.
pub const LINEAR: &str = "linear";
/// A gated recurrent layer in one direction: of steps `[batch, length, inputs]`, their mask `[batch, length]`, both weights and both
/// biases as in PyTorch, and whether it reads from the end, it makes the state after each step and the one at the end.
pub const GRU: &str = "gru";
/// The same with long short-term memory.
pub const LSTM: &str = "lstm";
/// The approximation of GELU by the tangent.
pub const GELU_TANH: &str = "gelu_tanh";
/// `x hard_sigmoid(x)`.
pub const HARD_SWISH: &str = "hard_swish";

/// The name of the mask that comes with tokens.
pub const MASK: &str = "mask";

/// An axis of the inputs whose size the network leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Axis {
    /// Examples.
    Batch,
    /// Tokens of a text, or steps of a series.
    Length,
    /// Rows of an image.
    Height,
    /// Columns of an image.
    Width,
}

impl Axis {
    /// What the axis is called in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Length => "length",
            Self::Height => "height",
            Self::Width => "width",
        }
    }
}

/// The size of each open axis.
pub type Sizes = BTreeMap<Axis, usize>;

/// A network that was recorded at one set of sizes.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The size of each open axis.
    pub sizes: Sizes,
    /// What it does, in order.
    pub operations: Vec<OperationIr>,
    /// The numbers that are given: weights, and what the network makes of its settings.
    pub values: BTreeMap<TensorId, TensorData>,
    /// Each input by name; tokens come with their [`MASK`].
    pub inputs: Vec<(String, TensorId)>,
    /// The answer.
    pub output: TensorId,
    /// What the operations of the network's layers give, in order: the name of the layer, or of the operation where it has no parameters.
    pub layers: Vec<(String, TensorId)>,
}

/// The open axes of a network's inputs, and the largest size each may have where there is a limit.
pub fn open_axes(signature: &Signature) -> BTreeMap<Axis, Option<usize>> {
    let mut axes = BTreeMap::from([(Axis::Batch, None)]);
    for spec in &signature.inputs {
        match (&spec.kind, spec.shape.as_slice()) {
            (InputKind::Tokens { max_length, .. }, _) => {
                axes.insert(Axis::Length, Some(*max_length));
            }
            (InputKind::Series { .. }, [None, _]) => {
                axes.insert(Axis::Length, None);
            }
            (InputKind::Image { .. }, [_, height, width]) => {
                let open =
                    [(Axis::Height, height), (Axis::Width, width)].into_iter().filter(|(_, side)| side.is_none());
                axes.extend(open.map(|(axis, _)| (axis, None)));
            }
            _ => {}
        }
    }
    axes
}

/// Records what a network of one of our architectures does with its weights; `file` is only named in errors.
///
/// # Errors
/// As [`bundle::load`](crate::bundle::load); [`Error::NotRecorded`].
pub fn record(
    architecture: &Architecture,
    signature: &Signature,
    weights: &Weights,
    file: &Path,
    sizes: &Sizes,
) -> Result<Recorded, Error> {
    struct Job<'a> {
        signature: &'a Signature,
        weights: &'a Weights,
        file: &'a Path,
        sizes: &'a Sizes,
    }
    impl WithNetwork for Job<'_> {
        type Out = Result<Recorded, Error>;
        fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
            record_network(self.signature, self.sizes, |device| {
                let network = config.init(self.signature, &mut Init::new(0, device))?;
                weights::apply(network.no_grad(), self.weights, self.file)
            })
        }
    }
    architecture.with(Job { signature, weights, file, sizes })
}

/// The same of any network, which `build` makes with its weights on the device that it is given.
///
/// # Errors
/// What `build` says; [`Error::NotRecorded`].
pub fn record_network<N: Network>(
    signature: &Signature,
    sizes: &Sizes,
    build: impl FnOnce(&Device) -> Result<N, Error>,
) -> Result<Recorded, Error> {
    let device = Device::capture();
    let mut found = None;
    // What a network of others does may panic here: a graph has no numbers to look at.
    let captured = catch_unwind(AssertUnwindSafe(|| {
        device.capture_scope(|scope| {
            let went = trace(signature, sizes, &device, build);
            let (inputs, output) =
                went.as_ref().map_or((Vec::new(), None), |went| (ids(&went.inputs), Some(went.output)));
            found = Some(went);
            scope.complete(inputs, output)
        })
    }))
    .map_err(|panic| Error::NotRecorded(said(panic.as_ref())))?;
    let went = found.unwrap_or_else(|| Err(Error::NotRecorded("nothing was recorded".to_owned())))?;
    let CapturedGraph { graph, mut values } = captured.map_err(|error| Error::NotRecorded(error.to_string()))?;
    // That numbers were given is said by the numbers.
    let operations: Vec<OperationIr> =
        graph.operations.into_iter().filter(|operation| !matches!(operation, OperationIr::Init(_))).collect();
    // A network draws weights that others then take the place of.
    let used: BTreeSet<TensorId> = operations.iter().flat_map(OperationIr::nodes).map(|tensor| tensor.id).collect();
    values.retain(|id, _| used.contains(id));
    // Through aliases what goes in and comes out may stand under other names.
    let names = went.inputs.into_iter().map(|(name, _)| name);
    Ok(Recorded {
        sizes: sizes.clone(),
        inputs: names.zip(graph.inputs).collect(),
        output: graph.outputs.first().copied().unwrap_or(went.output),
        operations,
        values,
        layers: went.layers,
    })
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}

fn ids(inputs: &[(String, TensorId)]) -> Vec<TensorId> {
    inputs.iter().map(|(_, id)| *id).collect()
}

struct Went {
    inputs: Vec<(String, TensorId)>,
    output: TensorId,
    layers: Vec<(String, TensorId)>,
}

fn trace<N: Network>(
    signature: &Signature,
    sizes: &Sizes,
    device: &Device,
    build: impl FnOnce(&Device) -> Result<N, Error>,
) -> Result<Went, Error> {
    let network = build(device)?;
    let mut inputs = Vec::new();
    let fields: Vec<(String, Input)> =
        signature.inputs.iter().map(|spec| (spec.name.clone(), blank(spec, sizes, device))).collect();
    for (name, input) in &fields {
        match input {
            Input::Image(t) => inputs.push((name.clone(), place(t)?)),
            Input::Numbers(t) => inputs.push((name.clone(), place(t)?)),
            Input::Categories(t) => inputs.push((name.clone(), place_of_integers(t)?)),
            Input::Tokens { ids, mask } => {
                inputs.push((name.clone(), place_of_integers(ids)?));
                inputs.push((MASK.to_owned(), place(mask)?));
            }
            Input::Series(t) => inputs.push((name.clone(), place(t)?)),
        }
    }
    let (output, operations) = traced(Asked::Places, || network.forward(&Inputs::new(fields)));
    let output = match output? {
        Output::Classes(t) | Output::Values(t) | Output::Reconstruction(t) | Output::Embedding(t) => place(&t)?,
        Output::Mask(t) => place(&t)?,
        Output::Tokens(t) | Output::Horizon(t) => place(&t)?,
    };
    let layers = layers(&network, &operations).into_iter().filter_map(|(name, given)| match given {
        Given::Place(id) => Some((name, *id)),
        _ => None,
    });
    Ok(Went { inputs, output, layers: layers.collect() })
}

/// An input of nothing in particular.
fn blank(spec: &InputSpec, sizes: &Sizes, device: &Device) -> Input {
    let of = |axis: Axis| sizes.get(&axis).copied().unwrap_or(1);
    let side = |place: usize, axis: Axis| spec.shape.get(place).copied().flatten().unwrap_or_else(|| of(axis));
    let batch = of(Axis::Batch);
    let floats = |shape: &[usize]| TensorData::zeros::<f32, _>(shape.to_vec());
    match &spec.kind {
        InputKind::Image { mean, .. } => Input::Image(Tensor::from_data(
            floats(&[batch, mean.len(), side(1, Axis::Height), side(2, Axis::Width)]),
            device,
        )),
        InputKind::Numbers { names } => Input::Numbers(Tensor::from_data(floats(&[batch, names.len()]), device)),
        InputKind::Categories { names, .. } => Input::Categories(integers([batch, names.len()], device)),
        InputKind::Tokens { .. } => {
            let shape = [batch, of(Axis::Length)];
            Input::Tokens { ids: integers(shape, device), mask: Tensor::from_data(floats(&shape), device) }
        }
        InputKind::Series { names } => {
            Input::Series(Tensor::from_data(floats(&[batch, side(0, Axis::Length), names.len()]), device))
        }
    }
}

fn integers(shape: [usize; 2], device: &Device) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::zeros::<i64, _>(shape), device)
}

fn place<const D: usize>(tensor: &Tensor<D>) -> Result<TensorId, Error> {
    let tensor = tensor.clone().try_into_primitive::<Capture>();
    tensor.map(|tensor| tensor.id()).map_err(|error| Error::NotRecorded(format!("{error:?}")))
}

fn place_of_integers<const D: usize>(tensor: &Tensor<D, Int>) -> Result<TensorId, Error> {
    let tensor = tensor.clone().try_into_primitive::<Capture>();
    tensor.map(|tensor| tensor.id()).map_err(|error| Error::NotRecorded(format!("{error:?}")))
}

/// The name of the layer of each operation, and what it gives.
fn layers<'a, M: Module>(network: &M, operations: &'a [Operation]) -> Vec<(String, &'a Given)> {
    let places = weights::places(network);
    let name = |operation: &Operation| {
        let place = operation.weight.and_then(|id| places.iter().find(|place| place.id == id));
        let layer = place.and_then(|place| place.name.rsplit_once('.')).map(|(layer, _)| layer);
        layer.map_or_else(|| operation.kind.to_owned(), |layer| format!("{layer} ({})", operation.kind))
    };
    operations.iter().map(|operation| (name(operation), &operation.given)).collect()
}

/// The numbers that each layer of a network gives for `inputs`, in the order of [`Recorded::layers`].
///
/// # Errors
/// As [`Network::forward`].
pub fn numbers_of_layers<N: Network>(network: &N, inputs: &Inputs) -> Result<Vec<(String, TensorData)>, Error> {
    let (output, operations) = traced(Asked::Numbers, || network.forward(inputs));
    output?;
    let numbers = layers(network, &operations).into_iter().filter_map(|(name, given)| match given {
        Given::Numbers(numbers) => Some((name, numbers.clone())),
        _ => None,
    });
    Ok(numbers.collect())
}
