//! What does a network do to one example: which layers, how large, how much work?

use std::collections::BTreeMap;

use burn::module::{Module, ParamId};
use burn::tensor::{Device, Int, Tensor};
use data_loader::signature::{InputKind, InputSpec, Signature};
use serde::Serialize;

use crate::architectures::WithNetwork;
use crate::blocks::Init;
use crate::inputs::Input;
use crate::network::NetworkConfig;
use crate::ops::trace::{self, Asked, Operation};
use crate::{Architecture, Error, Inputs, Network, device, summary, weights};

/// More numbers than these in one example are not computed for the sake of a look.
const MOST_NUMBERS: usize = 1 << 24;
/// Steps of a text or series at most: attention compares each with each.
const MOST_STEPS: usize = 1 << 16;
/// Parameters at most: two gibibytes of them.
const MOST_PARAMETERS: usize = 1 << 29;
/// What is taken for a side of images, or the length of texts, that the signature leaves open.
const SIDE: usize = 224;
const LENGTH: usize = 128;

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The name under `[model.<name>]`.
    pub architecture: &'static str,
    /// The size of each axis of each input, the batch first.
    pub inputs: BTreeMap<String, Vec<usize>>,
    /// The size of each axis of the answer, the batch first.
    pub output: Vec<usize>,
    /// Layers that hold parameters in the order in which data meets them, then what holds none, by kind.
    pub layers: Vec<Layer>,
    /// How many numbers are learnt.
    pub parameters: usize,
    /// How many numbers are remembered and not learnt, such as running means.
    pub buffers: usize,
    /// Products that are summed up to answer the batch, in convolutions, products of matrices and attention. Papers call them FLOPs, too;
    /// counted as operations they are twice as many.
    pub multiply_adds: u64,
    /// Bytes of everything that the operations give, which is what the backward pass may need of the forward one.
    pub activation_bytes: u64,
}

/// A layer, or all operations of one kind that hold no parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// The path of its parameters; empty for operations without any.
    pub name: String,
    /// What it does; `parameter` where its numbers are used by nothing that is counted.
    pub kind: &'static str,
    /// What it gives the first time, the batch first; the shape of the numbers themselves for a `parameter`.
    pub output: Vec<usize>,
    /// How often it is used in one answer.
    pub calls: usize,
    /// How many numbers it learns.
    pub parameters: usize,
    /// As of the whole.
    pub multiply_adds: u64,
    /// As of the whole.
    pub activation_bytes: u64,
}

impl Inspection {
    /// What one example says of a batch of `examples`: everything grows with their number but the parameters.
    #[must_use]
    pub fn of_batch(mut self, examples: usize) -> Self {
        let times = |number: u64| number.saturating_mul(examples as u64);
        for shape in self.inputs.values_mut().chain([&mut self.output]) {
            shape[0] *= examples;
        }
        for layer in &mut self.layers {
            if layer.calls > 0 {
                layer.output[0] *= examples;
            }
            layer.multiply_adds = times(layer.multiply_adds);
            layer.activation_bytes = times(layer.activation_bytes);
        }
        self.multiply_adds = times(self.multiply_adds);
        self.activation_bytes = times(self.activation_bytes);
        self
    }
}

/// Builds `architecture` for data of `signature`, and sees what it does to a batch of `examples`.
///
/// # Errors
/// As [`NetworkConfig::build`]; [`Error::Unfit`] of inputs too large to be computed for this.
pub fn inspect(architecture: &Architecture, signature: &Signature, examples: usize) -> Result<Inspection, Error> {
    struct Job<'a> {
        name: &'static str,
        signature: &'a Signature,
        examples: usize,
    }
    impl WithNetwork for Job<'_> {
        type Out = Result<Inspection, Error>;
        fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
            let unfit = |reason: String| Error::Unfit { architecture: self.name, reason };
            let numbers =
                |spec: &InputSpec| spec.shape.iter().map(|size| size.unwrap_or(SIDE) as u128).product::<u128>();
            if self.signature.inputs.iter().map(numbers).sum::<u128>() > MOST_NUMBERS as u128 {
                return Err(unfit(format!("an example has more than {MOST_NUMBERS} numbers, too many to try it out")));
            }
            if self.signature.inputs.iter().any(|spec| steps(spec) > MOST_STEPS) {
                return Err(unfit(format!("an example has more than {MOST_STEPS} steps, too many to try it out")));
            }
            let device = device::open("cpu")?.device;
            let mut init = Init::at_most(MOST_PARAMETERS, &device);
            let network = config.init(self.signature, &mut init)?;
            if init.is_too_large() {
                return Err(unfit(format!("it has more than {MOST_PARAMETERS} parameters, too many to try it out")));
            }
            let fields: Vec<(String, Input)> = self
                .signature
                .inputs
                .iter()
                .map(|spec| (spec.name.clone(), zeros(spec, network.context(), self.examples, &device)))
                .collect();
            let shapes = fields.iter().map(|(name, input)| (name.clone(), shape(input))).collect();
            let (output, operations) = trace::traced(Asked::Shapes, || network.forward(&Inputs::new(fields)));
            let layers = layers(&network, &operations);
            Ok(Inspection {
                architecture: self.name,
                inputs: shapes,
                output: output?.shape(),
                parameters: summary::parameters(&network),
                buffers: summary::lines(&network)
                    .iter()
                    .filter(|line| summary::is_buffer(&line.name))
                    .map(|line| line.count)
                    .sum(),
                multiply_adds: layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.multiply_adds)),
                activation_bytes: layers.iter().map(|layer| layer.activation_bytes).sum(),
                layers,
            })
        }
    }
    architecture.with(Job { name: architecture.name(), signature, examples })
}

/// How many steps a sequence has; of other inputs there are none.
fn steps(spec: &InputSpec) -> usize {
    match &spec.kind {
        InputKind::Tokens { max_length, .. } => *max_length,
        InputKind::Series { .. } => spec.shape.first().copied().flatten().unwrap_or(LENGTH),
        _ => 0,
    }
}

/// An input of nothing but zeros; a text is as long as it may be.
fn zeros(spec: &InputSpec, context: Option<usize>, examples: usize, device: &Device) -> Input {
    let size = |axis: usize, otherwise: usize| spec.shape.get(axis).copied().flatten().unwrap_or(otherwise);
    match &spec.kind {
        InputKind::Image { .. } => {
            Input::Image(Tensor::zeros([examples, size(0, 3), size(1, SIDE), size(2, SIDE)], device))
        }
        InputKind::Numbers { names } => Input::Numbers(Tensor::zeros([examples, names.len()], device)),
        InputKind::Categories { sizes, .. } => {
            Input::Categories(Tensor::<2, Int>::zeros([examples, sizes.len()], device))
        }
        InputKind::Tokens { max_length, .. } => {
            let longest = if *max_length == 0 { LENGTH } else { *max_length };
            let length = context.map_or(longest, |context| context.min(longest));
            Input::Tokens {
                ids: Tensor::<2, Int>::zeros([examples, length], device),
                mask: Tensor::ones([examples, length], device),
            }
        }
        InputKind::Series { names } => Input::Series(Tensor::zeros([examples, size(0, LENGTH), names.len()], device)),
    }
}

fn shape(input: &Input) -> Vec<usize> {
    match input {
        Input::Image(t) => t.dims().to_vec(),
        Input::Numbers(t) => t.dims().to_vec(),
        Input::Categories(t) => t.dims().to_vec(),
        Input::Tokens { ids, .. } => ids.dims().to_vec(),
        Input::Series(t) => t.dims().to_vec(),
    }
}

/// The path of the layer that holds the parameter `name`.
fn layer_of(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(layer, _)| layer)
}

fn layers<M: Module>(network: &M, operations: &[Operation]) -> Vec<Layer> {
    let mut learnt = weights::places(network);
    learnt.retain(|place| !summary::is_buffer(&place.name));
    let names: BTreeMap<ParamId, &str> = learnt.iter().map(|place| (place.id, place.name.as_str())).collect();
    let (mut layers, mut without): (Vec<Layer>, Vec<Layer>) = (Vec::new(), Vec::new());
    for operation in operations {
        let (name, lines) = match operation.weight.and_then(|id| names.get(&id)) {
            Some(name) => (layer_of(name), &mut layers),
            None => ("", &mut without),
        };
        let place = lines.iter().position(|line| line.name == name && line.kind == operation.kind);
        let place = place.unwrap_or_else(|| {
            lines.push(Layer {
                name: name.to_owned(),
                kind: operation.kind,
                output: operation.shape.clone(),
                calls: 0,
                parameters: 0,
                multiply_adds: 0,
                activation_bytes: 0,
            });
            lines.len() - 1
        });
        let line = &mut lines[place];
        line.calls += 1;
        line.multiply_adds += operation.multiply_adds;
        line.activation_bytes += (operation.shape.iter().product::<usize>() * size_of::<f32>()) as u64;
    }
    for place in &learnt {
        let count: usize = place.shape.iter().product();
        let layer = layer_of(&place.name);
        match layers.iter_mut().find(|line| line.name == layer && line.kind != "parameter") {
            Some(line) => line.parameters += count,
            None => layers.push(Layer {
                name: place.name.clone(),
                kind: "parameter",
                output: place.shape.clone(),
                calls: 0,
                parameters: count,
                multiply_adds: 0,
                activation_bytes: 0,
            }),
        }
    }
    layers.append(&mut without);
    layers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::published::photographs;

    /// Billions of multiply-adds that torchvision states with its weights, in three decimals.
    #[test]
    fn the_work_of_published_networks_is_what_torchvision_states() {
        for (settings, stated) in [
            (json!({ "resnet_imagenet": { "depth": 18 } }), 1.814),
            (json!({ "resnet_imagenet": { "depth": 50 } }), 4.089),
            (json!({ "mobilenet_v3": { "size": "small" } }), 0.057),
            (json!({ "mobilenet_v3": { "size": "large" } }), 0.217),
            (json!({ "efficientnet": {} }), 0.386),
            (json!({ "convnext": {} }), 4.456),
            (json!({ "vit": { "size": "base", "patch": 16 } }), 17.564),
        ] {
            let architecture: Architecture = serde_json::from_value(settings.clone()).unwrap();
            let found = inspect(&architecture, &photographs(224), 1).unwrap().multiply_adds as f64 / 1e9;
            assert!((found - stated).abs() < 0.0006, "{settings}: {found}, torchvision states {stated}");
        }
    }
}
