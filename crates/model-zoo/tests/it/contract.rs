//! What must every architecture satisfy? A new one is tested because it is listed; `data` says which data it is for.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use data_loader::signature::{OutputSpec, Signature};
use data_loader::{Batch, Target};
use model_zoo::architectures::{ARCHITECTURES, WithNetwork};
use model_zoo::network::NetworkConfig;
use model_zoo::{Architecture, Error, Inputs, Network, Output, ops, summary, weights};
use serde_json::Value;

use crate::data::{self, CASES, KINDS};

/// Something that must hold of every architecture on every kind of data it is for.
trait Promise {
    fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str);
}

struct Case<'a, P> {
    promise: &'a P,
    signature: Signature,
    name: String,
}

impl<P: Promise> WithNetwork for Case<'_, P> {
    type Out = ();

    fn run<C: NetworkConfig>(self, config: &C) {
        self.promise.check(config, &self.signature, &self.name);
    }
}

/// Checks a promise on every case, with settings changed by `change`.
fn all_with(promise: &impl Promise, change: impl Fn(&str, Value) -> Option<Value>) {
    let mut kept = 0;
    for (name, settings, kinds) in CASES {
        let Some(settings) = change(name, settings()) else { continue };
        for kind in *kinds {
            let case = Case { promise, signature: data::signature(kind), name: format!("{name} {settings} on {kind}") };
            data::architecture(name, settings.clone()).with(case);
            kept += 1;
        }
    }
    assert!(kept > 0);
}

fn all(promise: &impl Promise) {
    all_with(promise, |_, settings| Some(settings));
}

fn plain() -> Device {
    Device::flex()
}

fn training() -> Device {
    Device::flex().autodiff()
}

/// The answer on the host.
fn answer<M: Network>(network: &M, batch: &Batch, signature: &Signature, device: &Device) -> Vec<f32> {
    let inputs = Inputs::from_batch(batch, signature, device).unwrap();
    network.forward(&inputs).unwrap().rows().into_data().to_vec().unwrap()
}

/// Every entry stands for the file of its name, and for the settings that configs write under that name.
#[test]
fn the_list_is_alphabetical_and_names_the_files_and_the_tables() {
    let names: Vec<&str> = ARCHITECTURES.iter().map(|entry| entry.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/architectures");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "mod")
        .collect();
    assert!(files.iter().eq(&names), "files {files:?}, list {names:?}");
    for entry in ARCHITECTURES {
        let architecture = (entry.default)();
        assert_eq!(architecture.name(), entry.name);
        assert!(!entry.summary.is_empty() && !entry.summary.ends_with('.'), "{}", entry.summary);
        let value = serde_json::to_value(&architecture).unwrap();
        assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), [entry.name]);
        assert_eq!(serde_json::from_value::<Architecture>(value).unwrap(), architecture);
        assert_eq!(data::architecture(entry.name, serde_json::json!({})), architecture, "defaults of {}", entry.name);
        let misspelt = serde_json::json!({ entry.name: { "dropuot": 0.5 } });
        assert!(serde_json::from_value::<Architecture>(misspelt).is_err(), "{} takes unknown keys", entry.name);
        assert!(CASES.iter().any(|(name, ..)| *name == entry.name), "data.rs does not say what {} is for", entry.name);
    }
}

/// Whatever the data, an architecture either can be built or says why not.
#[test]
fn data_that_does_not_suit_is_an_error() {
    struct Fits<'a>(&'a Signature);
    impl WithNetwork for Fits<'_> {
        type Out = Result<(), Error>;
        fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
            config.build(self.0, 0, &plain()).map(drop)
        }
    }
    for (name, settings, kinds) in CASES {
        for (kind, signature) in KINDS {
            let built = data::architecture(name, settings()).with(Fits(&signature()));
            match built {
                Ok(()) => assert!(kinds.contains(kind), "{name} on {kind} should be refused"),
                Err(Error::Unfit { architecture, reason }) => {
                    assert_eq!(architecture, *name);
                    assert!(!reason.is_empty() && !kinds.contains(kind), "{name} on {kind}: {reason}");
                }
                Err(other) => panic!("{name} on {kind}: {other}"),
            }
        }
    }
}

#[test]
fn settings_that_make_no_network_are_an_error() {
    struct Refused(Signature);
    impl WithNetwork for Refused {
        type Out = ();
        fn run<C: NetworkConfig>(self, config: &C) {
            assert!(matches!(config.build(&self.0, 0, &plain()), Err(Error::Unfit { .. })));
        }
    }
    // Every number of every setting, replaced by 0, and every probability by 1; `hidden = []` has none.
    for (name, settings, kinds) in CASES {
        for (key, value) in settings().as_object().unwrap() {
            let zero = match value {
                Value::Number(_) => serde_json::json!(0),
                Value::Array(list) if list.first().is_some_and(Value::is_array) => serde_json::json!([[0, 1]]),
                Value::Array(list) if !list.is_empty() => serde_json::json!(vec![0; list.len()]),
                _ => continue,
            };
            let mut wrong = settings();
            wrong[key] = zero;
            data::architecture(name, wrong).with(Refused(data::signature(kinds[0])));
        }
        if has_dropout(name) {
            for probability in [-0.1, 1.0] {
                let mut wrong = settings();
                wrong["dropout"] = probability.into();
                data::architecture(name, wrong).with(Refused(data::signature(kinds[0])));
            }
        }
    }
}

fn has_dropout(name: &str) -> bool {
    let entry = ARCHITECTURES.iter().find(|entry| entry.name == name).unwrap();
    !serde_json::to_value((entry.default)()).unwrap()[name]["dropout"].is_null()
}

#[test]
fn answers_have_the_shape_of_the_task() {
    struct Shape;
    impl Promise for Shape {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            for device in [plain(), training()] {
                let network = config.build(signature, 0, &device).unwrap();
                for examples in [1, 5] {
                    let inputs = Inputs::from_batch(&data::batch(signature, examples, 1), signature, &device).unwrap();
                    let output = network.forward(&inputs).unwrap();
                    assert_eq!(output.task(), signature.task, "{case}");
                    let (found, expected) = match (output, &signature.output) {
                        (Output::Classes(t), OutputSpec::Classes { labels }) => (t.dims().to_vec(), vec![examples, labels.len()]),
                        (Output::Values(t), OutputSpec::Values { names, .. }) => (t.dims().to_vec(), vec![examples, names.len()]),
                        (Output::Tokens(t), OutputSpec::Tokens { vocabulary }) => {
                            let [_, length] = inputs.tokens().unwrap().0.dims();
                            (t.dims().to_vec(), vec![examples, length, *vocabulary])
                        }
                        (output, spec) => panic!("{case}: {output:?} for {spec:?}"),
                    };
                    assert_eq!(found, expected, "{case}");
                }
            }
        }
    }
    all(&Shape);
}

#[test]
fn an_input_that_is_not_there_is_an_error() {
    struct Missing;
    impl Promise for Missing {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            let network = config.build(signature, 0, &plain()).unwrap();
            let answer = network.forward(&Inputs::new(Vec::new()));
            assert!(matches!(answer, Err(Error::MissingInput { .. })), "{case}");
        }
    }
    all(&Missing);
}

/// Paths of the parameters that a gradient does not reach.
struct Unreached<'a> {
    gradients: &'a GradientsParams,
    path: Vec<String>,
    found: Vec<String>,
    reached: usize,
}

impl ModuleVisitor for Unreached<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.get::<D>(param.id).map(|g| g.into_data().to_vec::<f32>().unwrap());
        match gradient {
            Some(g) if g.iter().all(|v| v.is_finite()) && g.iter().any(|v| *v != 0.0) => self.reached += 1,
            _ if summary::is_buffer(self.path.last().unwrap()) => {}
            _ => self.found.push(self.path.join(".")),
        }
    }
}

#[test]
fn a_gradient_reaches_every_parameter() {
    struct Reaches;
    impl Promise for Reaches {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            let network = config.build(signature, 0, &training()).unwrap();
            let batch = data::batch(signature, 6, 2);
            let output = network.forward(&Inputs::from_batch(&batch, signature, &training()).unwrap()).unwrap();
            let loss = loss(output, &batch.target);
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            let mut visitor = Unreached { gradients: &gradients, path: Vec::new(), found: Vec::new(), reached: 0 };
            network.visit(&mut visitor);
            assert!(visitor.found.is_empty(), "{case}: no gradient reaches {:?}", visitor.found);
            assert!(visitor.reached > 0, "{case}");
        }
    }
    all(&Reaches);
}

#[test]
fn saved_and_loaded_weights_give_the_same_bits() {
    struct Saved;
    impl Promise for Saved {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            let path = Path::new("weights");
            let first = config.build(signature, 1, &training()).unwrap();
            // Running statistics must have moved for their saving to be seen.
            answer(&first, &data::batch(signature, 6, 2), signature, &training());
            let saved = weights::collect(&first).unwrap();
            let loaded = weights::from_bytes(&weights::to_bytes(&saved, path).unwrap(), path).unwrap();
            assert_eq!(saved, loaded, "{case}");
            let second = config.build(signature, 2, &plain()).unwrap();
            let batch = data::batch(signature, 4, 3);
            let expected = answer(&first.valid(), &batch, signature, &plain());
            assert_ne!(answer(&second, &batch, signature, &plain()), expected, "{case}");
            let second = weights::apply(second, &loaded, path).unwrap();
            assert_eq!(answer(&second, &batch, signature, &plain()), expected, "{case}");

            let without: weights::Weights = loaded.iter().skip(1).map(|(k, v)| (k.clone(), v.clone())).collect();
            let name = loaded.keys().next().unwrap();
            let error = weights::apply(second, &without, path).unwrap_err();
            assert!(error.to_string().contains(name.as_str()), "{case}: {error}");
        }
    }
    all(&Saved);
}

/// Plain answers do not depend on which other examples stand in the batch, on its padding, or on how often one asks.
#[test]
fn an_example_is_answered_alike_alone_and_in_a_batch() {
    struct Alone;
    impl Promise for Alone {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            let network = config.build(signature, 4, &plain()).unwrap();
            let batch = data::batch(signature, 5, 5);
            let before = weights::collect(&network).unwrap();
            let together = answer(&network, &batch, signature, &plain());
            assert_eq!(answer(&network, &batch, signature, &plain()), together, "{case}");
            assert_eq!(weights::collect(&network).unwrap(), before, "{case}: a plain answer changed the network");
            for (place, rows) in together.chunks(together.len() / batch.len()).enumerate() {
                let alone = answer(&network, &data::alone(&batch, place), signature, &plain());
                let near = alone.iter().zip(rows).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0));
                assert!(near && alone.len() <= rows.len(), "{case}: {alone:?} alone, {rows:?} in the batch");
            }
        }
    }
    all(&Alone);
}

#[test]
fn the_same_seed_gives_the_same_weights() {
    struct Seeded;
    impl Promise for Seeded {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            let of = |seed, device| weights::collect(&config.build(signature, seed, &device).unwrap()).unwrap();
            assert_eq!(of(7, plain()), of(7, training()), "{case}");
            let (one, other) = (of(7, plain()), of(8, plain()));
            let drawn = one.iter().filter(|(name, tensor)| **tensor != other[*name]).count();
            assert!(drawn > 0, "{case}");
            assert_eq!(weights::names(&config.build(signature, 7, &plain()).unwrap()).len(), one.len(), "{case}");
        }
    }
    all(&Seeded);
}

/// flex has one random generator a process, so that only one test at a time may draw from it.
static NOISE: Mutex<()> = Mutex::new(());

#[test]
fn dropout_is_noise_while_training_and_nothing_otherwise() {
    struct Noisy;
    impl Promise for Noisy {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            let network = config.build(signature, 9, &training()).unwrap();
            let batch = data::batch(signature, 4, 3);
            let noisy = |seed| {
                training().seed(seed);
                answer(&network, &batch, signature, &training())
            };
            let first = noisy(1);
            assert_eq!(noisy(1), first, "{case}: the same seed, another noise");
            assert_ne!(noisy(2), first, "{case}: another seed, the same noise");
            let quiet = network.valid();
            let expected = answer(&quiet, &batch, signature, &plain());
            training().seed(5);
            assert_eq!(answer(&quiet, &batch, signature, &plain()), expected, "{case}");
        }
    }
    let _alone = NOISE.lock().unwrap_or_else(PoisonError::into_inner);
    all_with(&Noisy, |name, mut settings| {
        if !has_dropout(name) || settings["hidden"].as_array().is_some_and(Vec::is_empty) {
            return None;
        }
        settings["dropout"] = 0.5.into();
        Some(settings)
    });
}

#[test]
fn running_statistics_move_while_training_and_only_then() {
    struct Statistics;
    impl Promise for Statistics {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            let network = config.build(signature, 9, &training()).unwrap();
            let buffers = |network: &C::Network| {
                let mut weights = weights::collect(network).unwrap();
                weights.retain(|name, _| summary::is_buffer(name));
                weights
            };
            let batch = data::batch(signature, 6, 3);
            let before = buffers(&network);
            let copy = network.clone();
            answer(&network, &batch, signature, &training());
            let after = buffers(&network);
            for (name, tensor) in &after {
                assert_ne!(*tensor, before[name], "{case}: {name} stayed");
            }
            assert_eq!(buffers(&copy), before, "{case}: a copy shares its statistics");
            let valid = network.valid();
            answer(&valid, &batch, signature, &plain());
            assert_eq!(buffers(&valid), after, "{case}: a plain answer moved them");
        }
    }
    all(&Statistics);
}

/// The mean loss over what is expected: cross-entropy for classes and tokens, squares for values.
fn loss(output: Output, target: &Target) -> Tensor<1> {
    let rows = output.rows();
    let [count, width] = rows.dims();
    let device = rows.device();
    let matrix = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [count, width]), &device);
    match target {
        Target::Values { values, .. } => (rows - matrix(values.clone())).square().mean(),
        Target::Classes(classes) | Target::Tokens { ids: classes, .. } => {
            let hot = classes.iter().flat_map(|&class| (0..width).map(move |k| f32::from(u8::from(class == k as i64))));
            let counted = classes.iter().filter(|class| **class >= 0).count();
            (ops::log_softmax(rows, 1) * matrix(hot.collect())).sum().neg() / counted as f64
        }
        other => panic!("no loss for {other:?}"),
    }
}

#[test]
fn one_small_batch_can_be_learnt_by_heart() {
    struct Learns;
    impl Promise for Learns {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            let mut network = config.build(signature, 3, &training()).unwrap();
            let batch = data::batch(signature, 4, 8);
            let inputs = Inputs::from_batch(&batch, signature, &training()).unwrap();
            let mut optimizer = AdamWConfig::new().with_weight_decay(0.0).init();
            let mut losses = Vec::new();
            for _ in 0..150 {
                let loss = loss(network.forward(&inputs).unwrap(), &batch.target);
                losses.push(loss.clone().into_scalar::<f32>());
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                network = optimizer.step(1e-2, network, gradients);
            }
            let (first, last) = (losses[0], losses[losses.len() - 1]);
            assert!(last < 0.1 * first && last < 0.05, "{case}: from {first} to {last}");
        }
    }
    all(&Learns);
}
