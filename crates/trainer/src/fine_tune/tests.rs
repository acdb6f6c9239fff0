//! Do adapters compute, learn and merge as peft's do? `tests/peers/lora_peft.py` wrote the file and says what is in it.

use std::path::Path;

use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::Device;
use model_zoo::blocks::{Init, Linear};

use super::*;

#[derive(Module, Debug)]
struct Two {
    a: Linear,
    b: Linear,
}

impl Two {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.b.forward(self.a.forward(x).clamp_min(0.0))
    }
}

fn part(tensors: &Weights, prefix: &str) -> Weights {
    let rest = |name: &String| name.strip_prefix(prefix).map(str::to_owned);
    tensors.iter().filter_map(|(name, tensor)| Some((rest(name)?, tensor.clone()))).collect()
}

fn tensor(from: &HostTensor, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(from.values.clone(), from.shape.clone()), device)
}

fn near(what: &str, found: &[f32], expected: &HostTensor) {
    let largest = expected.values.iter().fold(1e-3_f32, |largest, value| largest.max(value.abs()));
    assert_eq!(found.len(), expected.values.len(), "{what}");
    for (a, b) in found.iter().zip(&expected.values) {
        assert!((a - b).abs() <= 1e-5 * largest, "{what}: {a} instead of {b}");
    }
}

/// Puts the factors of the file in the place of those that were drawn.
struct Factors<'a> {
    tensors: &'a Weights,
    path: Vec<String>,
}

impl ModuleMapper for Factors<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let Some(which) = FACTORS.iter().position(|factor| path.ends_with(factor)) else { return param };
        let from = &self.tensors[["first/a.weight", "second/a.weight"][which]];
        let data = TensorData::new(from.values.clone(), from.shape.clone());
        param.map(|old| Tensor::from_data(data, &old.device()).set_require_grad(true))
    }
}

#[test]
fn adapters_compute_learn_and_merge_as_those_of_peft() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let path = fixtures.join("lora.safetensors");
    let tensors = weights::load(&path).unwrap();
    let device = Device::flex().autodiff();
    let mut init = Init::new(1, &device);
    let network = Two { a: Linear::new(3, 5, &mut init), b: Linear::new(5, 4, &mut init) };
    let network = weights::apply(network, &part(&tensors, "weight/"), &path).unwrap();
    let lora = Adapters { rank: 2, alpha: 6.0, ..Adapters::default() };
    let tuned = FineTune { lora: Some(lora), ..FineTune::default() };
    let mut network = tuned.prepare(network, Some("b"), 0, 0).map(&mut Factors { tensors: &tensors, path: Vec::new() });
    let (x, y) = (tensor(&tensors["input"], &device), tensor(&tensors["target"], &device));
    let mut optimizer = SgdConfig::new().init();
    for step in 0..3 {
        let answer = network.forward(x.clone());
        if step == 0 {
            near("answer", &answer.clone().try_into_vec_as::<f32>().unwrap(), &tensors["answer"]);
        }
        let loss = (answer - y.clone()).square().mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(0.1, network, gradients);
    }
    let merged = tuned.merged(weights::collect(&network).unwrap());
    let expected = part(&tensors, "merged/");
    assert!(merged.keys().eq(expected.keys()), "{:?}", merged.keys());
    for (name, tensor) in &expected {
        near(name, &merged[name].values, tensor);
    }
    // The matrix and its bias are frozen; only what stands beside the matrix moved.
    assert_eq!(merged["a.bias"], tensors["weight/a.bias"]);
}
