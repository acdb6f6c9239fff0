//! What must every architecture satisfy? A new one is tested because it is listed; `data` says which data it is for.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use data_loader::signature::{OutputSpec, Signature};
use data_loader::{ArrayData, Batch, InputArray, reconstruction};
use model_zoo::architectures::{ARCHITECTURES, WithNetwork};
use model_zoo::network::NetworkConfig;
use model_zoo::{Architecture, Error, Inputs, Network, Output, bundle, weights};
use serde_json::Value;

use crate::data::{self, CASES, KINDS};

/// Something that must hold of every architecture on every kind of data it is for.
pub(crate) trait Promise {
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
pub(crate) fn all_with(promise: &impl Promise, change: impl Fn(&str, Value) -> Option<Value>) {
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

pub(crate) fn all(promise: &impl Promise) {
    all_with(promise, |_, settings| Some(settings));
}

pub(crate) fn plain() -> Device {
    Device::flex()
}

pub(crate) fn training() -> Device {
    Device::flex().autodiff()
}

/// The answer on the host.
pub(crate) fn answer<M: Network>(network: &M, batch: &Batch, signature: &Signature, device: &Device) -> Vec<f32> {
    let inputs = Inputs::from_batch(batch, signature, device).unwrap();
    network.forward(&inputs).unwrap().rows().try_into_vec_as().unwrap()
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
                // Noise of the probability 0 is none.
                _ if key.ends_with("dropout") || key == "drop_path" || key == "noise" => continue,
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

pub(crate) fn has_dropout(name: &str) -> bool {
    serde_json::from_value::<Architecture>(serde_json::json!({ name: { "dropout": 0.5 } })).is_ok()
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
                        (Output::Classes(t), OutputSpec::Classes { labels }) => {
                            (t.dims().to_vec(), vec![examples, labels.len()])
                        }
                        (Output::Values(t), OutputSpec::Values { names, .. }) => {
                            (t.dims().to_vec(), vec![examples, names.len()])
                        }
                        (Output::Horizon(t), OutputSpec::Horizon { names, quantiles, .. }) => {
                            (t.dims().to_vec(), vec![examples, names.len(), quantiles.len().max(1)])
                        }
                        (Output::Tokens(t), OutputSpec::Tokens { vocabulary }) => {
                            let [_, length] = inputs.tokens().unwrap().0.dims();
                            (t.dims().to_vec(), vec![examples, length, *vocabulary])
                        }
                        (Output::Mask(t), OutputSpec::Mask { labels }) => {
                            let [_, _, height, width] = inputs.image().unwrap().dims();
                            (t.dims().to_vec(), vec![examples, labels.len(), height, width])
                        }
                        (Output::Embedding(t), OutputSpec::Embedding { size }) => {
                            (t.dims().to_vec(), vec![examples, *size])
                        }
                        (Output::Reconstruction(t), OutputSpec::Inputs) => {
                            let features = reconstruction::features(signature).unwrap();
                            (t.dims().to_vec(), vec![examples, features.iter().map(|(_, width)| width).sum()])
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
/// Whoever opens a bundle builds the network anew, and it must fit the weights that came out of it.
#[test]
fn a_network_is_built_again_from_its_settings_and_weights() {
    struct Weights;
    impl Promise for Weights {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            let network = config.build(signature, 0, &plain()).unwrap();
            COLLECTED.set(weights::collect(&network).unwrap());
            assert!(COLLECTED.with_borrow(|weights| !weights.is_empty()), "{case}");
        }
    }
    thread_local! {
        static COLLECTED: std::cell::RefCell<weights::Weights> = std::cell::RefCell::default();
    }
    for (name, settings, kinds) in CASES {
        for kind in *kinds {
            let (architecture, signature) = (data::architecture(name, settings()), data::signature(kind));
            let case = format!("{name} on {kind}");
            architecture.clone().with(Case { promise: &Weights, signature: signature.clone(), name: case.clone() });
            let found = COLLECTED.take();
            let built = bundle::load(&architecture, &signature, &found, Path::new("weights"), &plain());
            assert!(built.is_ok(), "{case}: {}", built.err().unwrap());
        }
    }
}

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

/// The ids of a text may be those of a file, in which any token may have the number that stands in padding: the mask alone counts.
#[test]
fn what_stands_in_padding_changes_no_answer() {
    struct Padded(Cell<usize>);
    impl Promise for Padded {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            let network = config.build(signature, 4, &plain()).unwrap();
            let batch = data::batch(signature, 5, 5);
            let [InputArray { mask: Some(mask), lengths: Some(lengths), array, .. }] = &batch.inputs[..] else {
                return;
            };
            let ArrayData::I64(ids) = &array.data else { return };
            let with = |token: i64| {
                let mut batch = batch.clone();
                let fill = ids.iter().zip(mask).map(|(&id, &content)| if content == 0 { token } else { id });
                batch.inputs[0].array.data = ArrayData::I64(fill.collect());
                answer(&network, &batch, signature, &plain())
            };
            let (one, other) = (with(0), with(3));
            let longest = lengths.iter().max().unwrap();
            assert!(lengths.iter().any(|length| length < longest), "{case}: nothing is padded");
            let width = one.len() / lengths.len();
            for (place, length) in lengths.iter().enumerate() {
                // Of a text that is continued, the places of its tokens count.
                let tokens = matches!(signature.output, OutputSpec::Tokens { .. });
                let counts = if tokens { width / longest * length } else { width };
                let answers = |all: &[f32]| all[place * width..][..counts].to_vec();
                assert_eq!(answers(&one), answers(&other), "{case}, text {place}");
            }
            self.0.set(self.0.get() + 1);
        }
    }
    let promise = Padded(Cell::new(0));
    all(&promise);
    assert!(promise.0.get() >= 8, "{} kinds of texts", promise.0.get());
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
