//! Do the same weights and inputs give PyTorch's answers?
//!
//! The fixtures come from `tests/peers/parity_networks.py`, which says what is in them. PyTorch computed in double precision.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use data_loader::Task;
use data_loader::signature::{Dtype, InputKind, InputSpec, OutputSpec, Signature};
use model_zoo::architectures::WithNetwork;
use model_zoo::blocks::Activation;
use model_zoo::inputs::Input;
use model_zoo::network::NetworkConfig;
use model_zoo::weights::{HostTensor, Weights};
use model_zoo::{Inputs, Network, weights};
use serde_json::json;

use crate::data;

/// The largest allowed difference of answers and running statistics, relative to the largest number of the tensor.
pub(crate) const ANSWERS: f32 = 1e-4;
/// The same of gradients.
const GRADIENTS: f32 = 1e-3;
/// A gradient that is 0 but for rounding, as that of a bias before a batch norm, has no size of its own to compare with. No
/// tensor is taken to be smaller than this share of the largest gradient of its network.
const SMALLEST: f32 = 1e-3;

pub(crate) fn fixture(name: &str) -> (PathBuf, Weights) {
    let committed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/parity");
    let folder = std::env::var_os("FIREBOX_PARITY").map_or_else(committed, PathBuf::from);
    let path = folder.join(format!("{name}.safetensors"));
    let tensors = weights::load(&path).unwrap();
    (path, tensors)
}

/// The tensors whose name begins with `prefix/`, by the rest of it.
pub(crate) fn part(tensors: &Weights, prefix: &str) -> Weights {
    let rest = |name: &str| name.strip_prefix(prefix)?.strip_prefix('/').map(str::to_owned);
    tensors.iter().filter_map(|(name, tensor)| Some((rest(name)?, tensor.clone()))).collect()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

pub(crate) fn compare(what: &str, found: &HostTensor, expected: &HostTensor, tolerance: f32, smallest: f32) {
    assert_eq!(found.shape, expected.shape, "{what}");
    let differences: Vec<f32> = found.values.iter().zip(&expected.values).map(|(a, b)| a - b).collect();
    assert!(differences.iter().all(|d| d.is_finite()), "{what}: {:?}", found.values);
    let relative = largest(&differences) / largest(&expected.values).max(smallest);
    assert!(relative <= tolerance, "{what}: differs by {relative:e}");
}

pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> HostTensor {
    HostTensor { shape: tensor.dims().to_vec(), values: tensor.try_into_vec_as().unwrap() }
}

pub(crate) fn tensor<const D: usize>(from: &HostTensor, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(from.values.clone(), from.shape.clone()), device)
}

fn whole<const D: usize>(from: &HostTensor, device: &Device) -> Tensor<D, Int> {
    let values: Vec<i64> = from.values.iter().map(|&value| value as i64).collect();
    Tensor::from_data(TensorData::new(values, from.shape.clone()), device)
}

fn inputs(tensors: &Weights, device: &Device) -> Inputs {
    let input = |(name, from): (&String, &HostTensor)| {
        let input = match name.as_str() {
            "image" => Input::Image(tensor(from, device)),
            "numbers" => Input::Numbers(tensor(from, device)),
            "series" => Input::Series(tensor(from, device)),
            "categories" => Input::Categories(whole(from, device)),
            "tokens" => Input::Tokens { ids: whole(from, device), mask: tensor(&tensors["mask"], device) },
            "mask" => return None,
            other => panic!("{other}"),
        };
        Some((name.clone(), input))
    };
    Inputs::new(tensors.iter().filter_map(input).collect())
}

struct Gradients<'a> {
    all: &'a GradientsParams,
    path: Vec<String>,
    found: BTreeMap<String, HostTensor>,
}

impl ModuleVisitor for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.all.get::<D>(param.id) {
            self.found.insert(self.path.join("."), host(gradient));
        }
    }
}

/// Compares the gradient of every parameter of `network`, by name.
pub(crate) fn compare_gradients<M: Module>(name: &str, network: &M, all: &GradientsParams, expected: &Weights) {
    let mut visitor = Gradients { all, path: Vec::new(), found: BTreeMap::new() };
    network.visit(&mut visitor);
    assert!(visitor.found.keys().eq(expected.keys()), "{name}");
    let floor = SMALLEST * expected.values().map(|gradient| largest(&gradient.values)).fold(0.0, f32::max);
    for (parameter, gradient) in &visitor.found {
        compare(&format!("{name}, gradient of {parameter}"), gradient, &expected[parameter], GRADIENTS, floor);
    }
}

pub(crate) struct Compare<'a> {
    pub(crate) file: &'a str,
    pub(crate) signature: Signature,
}

impl WithNetwork for Compare<'_> {
    type Out = ();

    fn run<C: NetworkConfig>(self, config: &C) {
        let name = self.file;
        let (path, tensors) = fixture(name);
        let (plain, training) = (Device::flex(), Device::flex().autodiff());
        let first = part(&tensors, "input");
        let network = config.build(&self.signature, 0, &training).unwrap();
        let network = weights::apply(network, &part(&tensors, "weight"), &path).unwrap();

        let answer = network.valid().forward(&inputs(&first, &plain)).unwrap();
        let answer = host(answer.rows());
        compare(&format!("{name}, eval"), &answer, &as_rows(&tensors["eval"]), ANSWERS, 0.0);

        let output = network.forward(&inputs(&first, &training)).unwrap().rows();
        compare(&format!("{name}, train"), &host(output.clone()), &as_rows(&tensors["train"]), ANSWERS, 0.0);

        let cotangent = tensor::<2>(&as_rows(&tensors["cotangent"]), &training);
        let gradients = GradientsParams::from_grads((output * cotangent).sum().backward(), &network);
        compare_gradients(name, &network, &gradients, &part(&tensors, "gradient"));

        let second = part(&tensors, "second");
        if second.is_empty() {
            return;
        }
        network.forward(&inputs(&second, &training)).unwrap();
        let found = weights::collect(&network).unwrap();
        let expected = part(&tensors, "after");
        assert!(!expected.is_empty());
        for (buffer, statistics) in &expected {
            compare(&format!("{name}, {buffer} after two batches"), &found[buffer], statistics, ANSWERS, 0.0);
        }
    }
}

/// The answer to a batch with all axes but the last one in one.
fn as_rows(tensor: &HostTensor) -> HostTensor {
    let width = tensor.shape[tensor.shape.len() - 1];
    HostTensor { shape: vec![tensor.values.len() / width, width], values: tensor.values.clone() }
}

pub(crate) fn check(name: &str, settings: serde_json::Value, inputs: Vec<InputSpec>, classes: usize) {
    check_as(name, name, settings, inputs, classes);
}

/// Compares the architecture called `name` with a fixture that is called otherwise.
pub(crate) fn check_as(file: &str, name: &str, settings: serde_json::Value, inputs: Vec<InputSpec>, classes: usize) {
    let labels = (0..classes).map(|class| class.to_string()).collect();
    let signature = Signature { task: Task::Classify, inputs, output: OutputSpec::Classes { labels } };
    data::architecture(name, settings).with(Compare { file, signature });
}

pub(crate) fn image(channels: usize, height: usize, width: usize) -> InputSpec {
    let kind = InputKind::Image { mean: vec![0.0; channels], std: vec![1.0; channels] };
    let shape = [channels, height, width].map(Some).to_vec();
    InputSpec { name: "image".into(), dtype: Dtype::U8, shape, kind }
}

fn tokens(vocabulary: usize, max_length: usize) -> InputSpec {
    let kind = InputKind::Tokens { vocabulary, max_length };
    InputSpec { name: "tokens".into(), dtype: Dtype::I64, shape: vec![None], kind }
}

#[test]
fn bag_on_texts_of_different_lengths() {
    check("bag", json!({ "embedding": 5 }), vec![tokens(11, 7)], 3);
}

#[test]
fn bert_on_texts_of_different_lengths() {
    let settings = |pooling: &str| json!({ "layers": 2, "features": 12, "heads": 3, "context": 9, "dropout": 0.0, "pooling": pooling });
    check_as("bert", "bert", settings("class"), vec![tokens(11, 7)], 4);
    check_as("bert_mean", "bert", settings("mean"), vec![tokens(11, 7)], 4);
}

#[test]
fn cnn() {
    check("cnn", json!({ "channels": [[4, 6], [5]], "hidden": 8 }), vec![image(3, 9, 12)], 4);
}

#[test]
fn ft_transformer_on_numbers_and_categories() {
    let settings =
        json!({ "blocks": 2, "width": 12, "heads": 3, "hidden": 7, "dropout": 0.0, "attention_dropout": 0.0 });
    check("ft_transformer", settings, columns(), 4);
}

#[test]
fn gpt2() {
    let signature =
        Signature { task: Task::Generate, inputs: vec![tokens(9, 7)], output: OutputSpec::Tokens { vocabulary: 9 } };
    let settings = json!({ "layers": 2, "features": 12, "heads": 3, "context": 10 });
    data::architecture("gpt", settings).with(Compare { file: "gpt2", signature });
}

#[test]
fn gru_on_texts_of_different_lengths() {
    check("gru", json!({ "embedding": 5, "hidden": 6 }), vec![tokens(11, 7)], 3);
}

#[test]
fn lenet() {
    check("lenet", json!({ "channels": [4, 6], "hidden": [20, 12] }), vec![image(1, 20, 14)], 5);
}

#[test]
fn lstm_on_texts_of_different_lengths() {
    let settings = json!({ "embedding": 5, "hidden": 6, "layers": 2 });
    check_as("lstm_texts", "lstm", settings, vec![tokens(11, 7)], 3);
}

#[test]
fn mlp_with_batch_norm_on_pixels_numbers_and_categories() {
    let names = |letters: &str| letters.chars().map(String::from).collect::<Vec<_>>();
    let numbers = InputKind::Numbers { names: names("abc") };
    let categories = InputKind::Categories { names: names("de"), sizes: vec![4, 7] };
    let inputs = vec![
        image(1, 4, 3),
        InputSpec { name: "numbers".into(), dtype: Dtype::F32, shape: vec![Some(3)], kind: numbers },
        InputSpec { name: "categories".into(), dtype: Dtype::I64, shape: vec![Some(2)], kind: categories },
    ];
    check("mlp", json!({ "hidden": [12, 9], "batch_norm": true, "activation": "gelu" }), inputs, 4);
}

#[test]
fn resnet20() {
    check("resnet", json!({ "depth": 20, "width": 3 }), vec![image(3, 10, 14)], 4);
}

/// Three numbers and two categories.
pub(crate) fn columns() -> Vec<InputSpec> {
    let names = |letters: &str| letters.chars().map(String::from).collect::<Vec<_>>();
    let numbers = InputKind::Numbers { names: names("abc") };
    let categories = InputKind::Categories { names: names("de"), sizes: vec![4, 7] };
    vec![
        InputSpec { name: "numbers".into(), dtype: Dtype::F32, shape: vec![Some(3)], kind: numbers },
        InputSpec { name: "categories".into(), dtype: Dtype::I64, shape: vec![Some(2)], kind: categories },
    ]
}

#[test]
fn tabular_resnet_on_numbers_and_categories() {
    let settings = json!({ "blocks": 2, "width": 8, "hidden": 11, "dropout": 0.0 });
    check("tabular_resnet", settings, columns(), 4);
}

#[test]
fn activations() {
    for (file, name, activation) in [
        ("activations", "gelu", Activation::Gelu),
        ("gelu_tanh", "gelu_tanh", Activation::GeluTanh),
        ("activations", "relu", Activation::Relu),
        ("activations", "sigmoid", Activation::Sigmoid),
        ("activations", "silu", Activation::Silu),
        ("activations", "tanh", Activation::Tanh),
    ] {
        let (_, tensors) = fixture(file);
        let x = tensor::<1>(&tensors["x"], &Device::flex().autodiff()).require_grad();
        let y = activation.forward(x.clone());
        compare(name, &host(y.clone()), &tensors[&format!("{name}/value")], 3e-6, 0.0);
        let gradients = y.sum().backward();
        compare(name, &host(x.grad(&gradients).unwrap()), &tensors[&format!("{name}/gradient")], 3e-6, 0.0);
    }
}
