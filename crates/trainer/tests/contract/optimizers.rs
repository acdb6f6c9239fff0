//! Do optimizers change weights as PyTorch does, or as their paper says? And does what they remember survive being saved?

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use model_zoo::weights::{self, HostTensor, Weights};
use serde_json::{Value, json};
use trainer::optimizers::{MEMBERS, Optimizer};
use trainer::stepper::{Stepper, Update};
use trainer::{Error, average, gradients};

use crate::fixture::{compare, host, largest, load, tensor};

/// A parameter of every kind that rules tell apart.
#[derive(Module, Debug)]
struct Parameters {
    bias: Param<Tensor<1>>,
    filters: Param<Tensor<4>>,
    tall: Param<Tensor<2>>,
    wide: Param<Tensor<2>>,
    /// The last matrix, which is never given a gradient.
    head: Param<Tensor<2>>,
}

impl Parameters {
    /// With the values that stand under `prefix` in the fixture, and fresh identities.
    fn new(fixture: &Weights, prefix: &str) -> Self {
        let device = Device::flex().autodiff();
        let at = |name: &str| &fixture[&format!("{prefix}/{name}")];
        Self {
            bias: Param::from_tensor(tensor(at("bias"), &device)),
            filters: Param::from_tensor(tensor(at("filters"), &device)),
            tall: Param::from_tensor(tensor(at("tall"), &device)),
            wide: Param::from_tensor(tensor(at("wide"), &device)),
            head: Param::from_tensor(Tensor::ones([1, 1], &device)),
        }
    }

    /// The gradients that stand under `prefix` in the fixture.
    fn gradients(&self, fixture: &Weights, prefix: &str) -> GradientsParams {
        let device = Device::flex();
        let at = |name: &str| &fixture[&format!("{prefix}/{name}")];
        let mut gradients = GradientsParams::new();
        gradients.register(self.bias.id, tensor::<1>(at("bias"), &device));
        gradients.register(self.filters.id, tensor::<4>(at("filters"), &device));
        gradients.register(self.tall.id, tensor::<2>(at("tall"), &device));
        gradients.register(self.wide.id, tensor::<2>(at("wide"), &device));
        gradients
    }

    /// The same values with other identities, as a new process would have them.
    fn again(&self, fixture: &Weights) -> Self {
        weights::apply(Self::new(fixture, "start"), &weights::collect(self).unwrap(), Path::new("weights")).unwrap()
    }
}

const NAMES: [&str; 4] = ["bias", "filters", "tall", "wide"];
const STEPS: usize = 5;

fn optimizer(name: &str, settings: Value) -> Optimizer {
    let optimizer: Optimizer = serde_json::from_value(json!({ name: settings })).unwrap();
    optimizer.check().unwrap();
    optimizer
}

/// The cases of the fixture.
fn cases() -> Vec<(&'static str, Optimizer)> {
    let rough = json!({ "learning_rate": 0.01, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "weight_decay": 0.1 });
    let mut rougher = rough.clone();
    rougher["weight_decay"] = json!(0.5);
    let lion = json!({ "learning_rate": 0.01, "beta1": 0.7, "beta2": 0.8, "weight_decay": 0.5 });
    let sgd = json!({ "learning_rate": 0.01, "momentum": 0.8, "nesterov": true, "weight_decay": 0.1 });
    vec![
        ("adam", optimizer("adam", json!({ "learning_rate": 0.01 }))),
        ("adam_decay", optimizer("adam", rough)),
        ("adamw", optimizer("adamw", json!({ "learning_rate": 0.01 }))),
        ("adamw_decay", optimizer("adamw", rougher)),
        ("lion", optimizer("lion", json!({ "learning_rate": 0.01 }))),
        ("lion_decay", optimizer("lion", lion)),
        ("muon", optimizer("muon", json!({ "weight_decay": 0.1, "adamw_learning_rate": 0.003 }))),
        ("sgd", optimizer("sgd", json!({ "learning_rate": 0.01, "momentum": 0.0 }))),
        ("sgd_momentum", optimizer("sgd", json!({ "learning_rate": 0.01 }))),
        ("sgd_nesterov_decay", optimizer("sgd", sgd)),
    ]
}

/// One step of the fixture, with the rate that a schedule would give it.
fn step(k: usize, fixture: &Weights, optimizer: &Optimizer, stepper: &mut Stepper, network: Parameters) -> Parameters {
    let rate = optimizer.learning_rate() * f64::from(fixture["rates"].values[k]);
    let gradients = network.gradients(fixture, &format!("gradient/{k}"));
    stepper.step(rate, network, gradients)
}

#[test]
fn five_steps_lead_where_pytorch_or_the_paper_leads() {
    let fixture = load("optimizers");
    assert_eq!(fixture["rates"].values.len(), STEPS);
    for (case, optimizer) in cases() {
        let mut network = Parameters::new(&fixture, "start");
        let mut stepper = Stepper::new(&optimizer);
        for k in 0..STEPS {
            network = step(k, &fixture, &optimizer, &mut stepper, network);
        }
        let found = weights::collect(&network).unwrap();
        for name in NAMES {
            let (start, end) = (&fixture[&format!("start/{name}")], &fixture[&format!("{case}/{name}")]);
            // By the way gone, not by where it ends: steps are small beside weights.
            let way = largest(start.values.iter().zip(&end.values).map(|(a, b)| a - b));
            compare(&format!("{case}, {name}"), &found[name], end, 1e-4, way);
        }
    }
}

#[test]
fn a_restored_optimizer_goes_on_bit_for_bit() {
    let fixture = load("optimizers");
    let path = Path::new("optimizer.safetensors");
    for (case, optimizer) in cases() {
        let mut straight = Parameters::new(&fixture, "start");
        let mut stepper = Stepper::new(&optimizer);
        for k in 0..2 {
            straight = step(k, &fixture, &optimizer, &mut stepper, straight);
        }
        let mut resumed = straight.again(&fixture);
        assert_ne!(resumed.tall.id, straight.tall.id);
        let state = state(&stepper);
        let bytes = weights::to_bytes(&state, path).unwrap();
        let mut restored = Stepper::new(&optimizer);
        restored.restore(&resumed, &weights::from_bytes(&bytes, path).unwrap(), path).unwrap();
        for k in 2..STEPS {
            straight = step(k, &fixture, &optimizer, &mut stepper, straight);
            resumed = step(k, &fixture, &optimizer, &mut restored, resumed);
        }
        assert_eq!(bits(&weights::collect(&straight).unwrap()), bits(&weights::collect(&resumed).unwrap()), "{case}");
        assert_eq!(bits(&self::state(&stepper)), bits(&self::state(&restored)), "{case}");
    }
}

fn state(stepper: &Stepper) -> Weights {
    Update::<Parameters>::state(stepper).unwrap()
}

fn bits(weights: &Weights) -> Vec<(String, Vec<u32>)> {
    weights.iter().map(|(name, t)| (name.clone(), t.values.iter().map(|v| v.to_bits()).collect())).collect()
}

/// What is remembered bears PyTorch's names, and nothing is forgotten or unlisted.
#[test]
fn what_is_remembered_is_named_by_path_and_field() {
    let fixture = load("optimizers");
    for (case, optimizer) in cases() {
        let mut stepper = Stepper::new(&optimizer);
        step(0, &fixture, &optimizer, &mut stepper, Parameters::new(&fixture, "start"));
        let adam: &[&str] = &["exp_avg", "exp_avg_sq", "step"];
        let fields = |parameter: &str| match (case.split('_').next().unwrap(), parameter) {
            ("adam" | "adamw", _) | ("muon", "bias" | "filters") => adam,
            ("lion", _) => &["exp_avg"],
            _ if case == "sgd" => &[],
            _ => &["momentum_buffer"],
        };
        let expected: Vec<String> =
            NAMES.iter().flat_map(|name| fields(name).iter().map(move |field| format!("{name}.{field}"))).collect();
        assert_eq!(state(&stepper).into_keys().collect::<Vec<_>>(), expected, "{case}");
    }
}

#[test]
fn a_state_that_is_not_the_networks_is_refused() {
    let fixture = load("optimizers");
    let path = Path::new("optimizer.safetensors");
    for (case, optimizer) in cases() {
        let mut stepper = Stepper::new(&optimizer);
        let network = step(0, &fixture, &optimizer, &mut stepper, Parameters::new(&fixture, "start"));
        let state = state(&stepper);
        let Some((name, tensor)) = state.iter().find(|(_, tensor)| !tensor.shape.is_empty()) else { continue };
        let refused = |what: &str, changed: Weights| {
            let error = Stepper::new(&optimizer).restore(&network, &changed, path);
            assert!(matches!(error, Err(Error::BadCheckpoint { .. })), "{case}: {what}");
        };
        let with = |name: String, tensor: HostTensor| {
            let mut changed = state.clone();
            changed.insert(name, tensor);
            changed
        };
        refused("another parameter", with("neck.exp_avg".into(), tensor.clone()));
        refused("no parameter", with("neck".into(), tensor.clone()));
        refused("another field", with("bias.sum".into(), tensor.clone()));
        let longer = HostTensor { shape: vec![99], values: vec![0.0; 99] };
        refused("another shape", with(name.clone(), longer));
        let single = HostTensor { shape: Vec::new(), values: vec![1.0] };
        refused("a counter for a tensor", with(name.clone(), single));
        if state.contains_key("bias.step") {
            refused("a tensor for a counter", with("bias.step".into(), state["bias.exp_avg"].clone()));
        }
        let mut without = state.clone();
        without.remove(name);
        // Where a rule remembers one thing of a parameter, nothing of it is as good as a fresh start.
        if state.keys().filter(|other| other.starts_with("bias.")).count() > 1 {
            refused("a field is missing", without);
        }
    }
}

/// Muon is for the matrices between layers: what is looked up and what answers is left to AdamW.
#[test]
fn muon_leaves_embeddings_and_the_head_to_adamw() {
    #[derive(Module, Debug)]
    struct Small {
        embedding: model_zoo::blocks::Embedding,
        hidden: model_zoo::blocks::Linear,
        head: model_zoo::blocks::Linear,
    }
    let device = Device::flex().autodiff();
    let init = &mut model_zoo::blocks::Init::new(0, &device);
    let network = Small {
        embedding: model_zoo::blocks::Embedding::new(5, 4, 1.0, init),
        hidden: model_zoo::blocks::Linear::new(4, 4, init),
        head: model_zoo::blocks::Linear::new(4, 3, init),
    };
    let indices = Tensor::<2, burn::tensor::Int>::from_ints([[0, 1, 2], [3, 4, 0]], &device);
    let answer = network.head.forward(network.hidden.forward(network.embedding.forward(indices)));
    let gradients = GradientsParams::from_grads(answer.square().sum().backward(), &network);
    let mut stepper = Stepper::new(&optimizer("muon", json!({})));
    stepper.step(0.02, network, gradients);
    let names: Vec<String> = Update::<Small>::state(&stepper).unwrap().into_keys().collect();
    let by_muon: Vec<&String> = names.iter().filter(|name| name.ends_with("momentum_buffer")).collect();
    assert_eq!(by_muon, ["hidden.weight.momentum_buffer"]);
    for parameter in ["embedding.weight", "hidden.bias", "head.weight", "head.bias"] {
        assert!(names.contains(&format!("{parameter}.exp_avg")), "{parameter} in {names:?}");
    }
}

/// Parameters that no gradient reached stay as they are, and nothing is remembered of them.
#[test]
fn parameters_without_gradient_are_left_alone() {
    let fixture = load("optimizers");
    for (case, optimizer) in cases() {
        let network = Parameters::new(&fixture, "start");
        let mut gradients = GradientsParams::new();
        gradients.register(network.wide.id, tensor::<2>(&fixture["gradient/0/wide"], &Device::flex()));
        let mut stepper = Stepper::new(&optimizer);
        let network = stepper.step(0.1, network, gradients);
        let found = weights::collect(&network).unwrap();
        for name in ["bias", "filters", "tall"] {
            assert_eq!(found[name], fixture[&format!("start/{name}")], "{case}");
        }
        assert_ne!(found["wide"], fixture["start/wide"], "{case}");
        assert!(state(&stepper).keys().all(|key| key.starts_with("wide.")), "{case}");
    }
}

/// All gradients as the fixture names them.
fn collected(network: &Parameters, gradients: &GradientsParams) -> Vec<(&'static str, HostTensor)> {
    vec![
        ("bias", host(gradients.get::<1>(network.bias.id).unwrap())),
        ("filters", host(gradients.get::<4>(network.filters.id).unwrap())),
        ("tall", host(gradients.get::<2>(network.tall.id).unwrap())),
        ("wide", host(gradients.get::<2>(network.wide.id).unwrap())),
    ]
}

#[test]
fn clipping_shortens_all_gradients_together() {
    let fixture = load("optimizers");
    let network = Parameters::new(&fixture, "start");
    for (case, max_norm) in [("clip_short", 1000.0), ("clip_long", 0.5)] {
        let (clipped, norm) = gradients::clip(&network, network.gradients(&fixture, "gradient/0"), max_norm);
        let expected = &fixture[&format!("{case}/norm")];
        compare(case, &host(norm.unwrap()), expected, 1e-6, expected.values[0]);
        for (name, gradient) in collected(&network, &clipped) {
            let expected = &fixture[&format!("{case}/{name}")];
            compare(&format!("{case}, {name}"), &gradient, expected, 1e-6, largest(expected.values.iter().copied()));
        }
    }
    let (none, norm) = gradients::clip(&network, GradientsParams::new(), 1.0);
    assert!(norm.is_none() && none.is_empty());
}

#[test]
fn gradients_add_up_and_scale_by_parameter() {
    let fixture = load("optimizers");
    let network = Parameters::new(&fixture, "start");
    let sum = gradients::add(&network, None, network.gradients(&fixture, "gradient/0"));
    let mut more = network.gradients(&fixture, "gradient/1");
    more.remove::<1>(network.bias.id).unwrap();
    let sum = gradients::add(&network, Some(sum), more);
    let half = gradients::scale(&network, sum, &Tensor::from_floats([0.5], &Device::flex()));
    for (name, found) in collected(&network, &half) {
        let (a, b) = (&fixture[&format!("gradient/0/{name}")].values, &fixture[&format!("gradient/1/{name}")].values);
        let share = if name == "bias" { 0.0 } else { 1.0 };
        let expected: Vec<f32> = a.iter().zip(b).map(|(a, b)| 0.5 * (a + share * b)).collect();
        assert_eq!(found.values, expected, "{name}");
    }
}

/// After steps 1 to n the average is `d^n w_0 + (1 - d) sum_k d^(n - k) w_k`.
#[test]
fn the_average_of_weights_has_its_closed_form() {
    let fixture = load("optimizers");
    let decay = 0.8_f64;
    let optimizer = optimizer("sgd", json!({ "learning_rate": 0.01 }));
    let mut network = Parameters::new(&fixture, "start");
    let mut stepper = Stepper::new(&optimizer);
    let mut average = network.valid();
    let mut expected: Vec<f64> = numbers(&network).iter().map(|w| decay.powi(STEPS as i32) * w).collect();
    for k in 0..STEPS {
        network = step(k, &fixture, &optimizer, &mut stepper, network);
        average = average::update(average, &network, decay);
        let share = (1.0 - decay) * decay.powi((STEPS - 1 - k) as i32);
        expected.iter_mut().zip(numbers(&network)).for_each(|(sum, w)| *sum += share * w);
    }
    let found = numbers(&average);
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs().max(1.0)));
    assert_ne!(found, numbers(&network));
    // It lies on the plain device under the same identities, as a checkpoint and an evaluation need it.
    assert!(average.devices().iter().all(|device| !device.is_autodiff()));
    assert_eq!(identities(&average), identities(&network));
}

fn numbers(network: &Parameters) -> Vec<f64> {
    weights::collect(network).unwrap().into_values().flat_map(|t| t.values).map(f64::from).collect()
}

fn identities(network: &Parameters) -> Vec<u64> {
    struct Identities(Vec<u64>);
    impl ModuleVisitor for Identities {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.id.val());
        }
    }
    let mut visitor = Identities(Vec::new());
    network.visit(&mut visitor);
    visitor.0
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (name, settings) in [
        ("adam", json!({ "learning_rate": 0.0 })),
        ("adamw", json!({ "beta2": 1.0 })),
        ("adamw", json!({ "epsilon": -1e-8 })),
        ("lion", json!({ "beta1": -0.1 })),
        ("muon", json!({ "momentum": 1.0 })),
        ("muon", json!({ "adamw_learning_rate": -1.0 })),
        ("sgd", json!({ "weight_decay": -0.1 })),
        ("sgd", json!({ "momentum": 0.0, "nesterov": true })),
    ] {
        let optimizer: Optimizer = serde_json::from_value(json!({ name: settings })).unwrap();
        assert!(optimizer.check().is_err(), "{name} {settings}");
    }
}

#[test]
fn the_list_is_alphabetical_and_names_the_tables() {
    assert!(MEMBERS.is_sorted_by(|a, b| a.name < b.name));
    for entry in MEMBERS {
        assert_eq!(optimizer(entry.name, json!({})).name(), entry.name);
    }
}
