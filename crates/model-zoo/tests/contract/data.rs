//! On what are networks tested? Every kind of data there is, and small settings of every architecture.

use data_loader::random::Random;
use data_loader::signature::{Dtype, InputKind, InputSpec, OutputSpec, Signature};
use data_loader::{Array, ArrayData, Batch, ExampleId, InputArray, Target, Task};
use model_zoo::Architecture;
use serde_json::{Value, json};

/// The name of an architecture, small settings of it, and the kinds of data that they must work with.
type Suits = (&'static str, fn() -> Value, &'static [&'static str]);

/// What each architecture is for. On every other kind of data it must be refused.
pub(crate) const CASES: &[Suits] = &[
    ("airbench", || json!({ "channels": [12, 16, 24] }), PICTURES),
    (
        "autoencoder",
        || json!({ "hidden": [32], "code": 4, "channels": [16, 64], "activation": "gelu" }),
        &["images to themselves"],
    ),
    ("autoencoder", || json!({ "hidden": [32, 16], "code": 4, "noise": 1e-3, "activation": "gelu" }), THEMSELVES),
    ("autoencoder", || json!({ "hidden": [24], "code": 4, "noise": 1e-3, "activation": "silu" }), THEMSELVES),
    ("bag", || json!({ "embedding": 8 }), TEXTS),
    ("bert", || json!({ "layers": 2, "features": 16, "heads": 2, "context": 9, "dropout": 0.0 }), TEXTS),
    (
        "bert",
        || json!({ "layers": 2, "features": 16, "heads": 2, "context": 9, "pooling": "mean", "dropout": 0.0 }),
        TEXTS,
    ),
    ("cnn", || json!({ "channels": [[4, 6], [5]], "hidden": 12 }), IMAGES),
    (
        "convnext",
        || json!({ "blocks": [1, 1, 2, 1], "channels": [6, 8, 8, 12], "patch": 1, "drop_path": 0.0 }),
        PICTURES,
    ),
    ("efficientnet", || json!({ "form": "b0", "width": 0.05, "dropout": 0.0, "drop_path": 0.0 }), PICTURES),
    ("efficientnet", || json!({ "form": "lite0", "width": 0.05, "dropout": 0.0, "drop_path": 0.0 }), PICTURES),
    (
        "ft_transformer",
        || json!({ "blocks": 2, "width": 16, "heads": 4, "hidden": 12, "dropout": 0.0, "attention_dropout": 0.0 }),
        COLUMNS,
    ),
    ("gpt", || json!({ "layers": 2, "features": 16, "heads": 2, "context": 9 }), &["texts to tokens"]),
    (
        "gpt",
        || json!({ "layers": 2, "features": 16, "heads": 2, "context": 9, "tied": false, "activation": "gelu" }),
        &["texts to tokens"],
    ),
    ("gru", || json!({ "embedding": 6, "hidden": 8 }), TEXTS),
    ("gru", || json!({ "embedding": 6, "hidden": 8, "bidirectional": false }), TEXTS),
    ("lenet", || json!({ "channels": [3, 4], "hidden": [16, 12] }), IMAGES),
    ("lstm", || json!({ "embedding": 6, "hidden": 8, "layers": 2 }), TEXTS),
    ("lstm", || json!({ "embedding": 6, "hidden": 8, "layers": 1, "bidirectional": false }), TEXTS),
    ("lstm_forecast", || json!({ "layers": 2, "hidden": 32 }), SERIES),
    ("lstm_forecast", || json!({ "layers": 1, "hidden": 32, "level": "standard" }), SERIES),
    ("mlp", || json!({ "hidden": [16, 12], "batch_norm": true, "activation": "gelu" }), TABLES),
    ("mlp", || json!({ "hidden": [] }), TABLES),
    ("mlp", || json!({ "hidden": [16], "activation": "tanh" }), TABLES),
    ("mobilenet_v3", || json!({ "width": 0.1, "dropout": 0.0 }), PICTURES),
    (
        "patch_tst",
        || json!({ "patch": 3, "stride": 2, "layers": 2, "features": 16, "heads": 2, "hidden": 24 }),
        &["series to horizon"],
    ),
    ("resnet", || json!({ "depth": 8, "width": 4 }), PICTURES),
    ("resnet_imagenet", || json!({ "depth": 18, "width": 4 }), PICTURES),
    ("resnet_imagenet", || json!({ "depth": 50, "width": 2, "stem": "small" }), PICTURES),
    ("tabular_resnet", || json!({ "blocks": 2, "width": 16, "hidden": 24 }), COLUMNS),
    ("tcn", || json!({ "channels": [16, 16, 16], "kernel": 2 }), SERIES),
    ("tcn", || json!({ "channels": [16, 12], "kernel": 3, "level": "none" }), SERIES),
    ("unet", || json!({ "depth": 2, "width": 4 }), &["images to mask"]),
    ("vit", || json!({ "patch": 2, "features": 12, "layers": 2, "heads": 3 }), IMAGES),
];

const IMAGES: &[&str] = &["images to classes", "images to directions", "images to values"];
const PICTURES: &[&str] = &["images of any size", "images to classes", "images to directions", "images to values"];
const SERIES: &[&str] = &["series to horizon", "series to quantiles", "series without history to horizon"];
const TEXTS: &[&str] = &["texts to classes", "texts to values"];
const THEMSELVES: &[&str] = &["images to themselves", "numbers to themselves", "table to themselves"];
const COLUMNS: &[&str] = &["categories to classes", "numbers to classes", "table to classes", "table to values"];
const TABLES: &[&str] = &[
    "categories to classes",
    "everything to classes",
    "images to classes",
    "images to values",
    "numbers to classes",
    "table to classes",
    "table to values",
];

/// The name of a kind of data, and how it is made.
type Kind = (&'static str, fn() -> Signature);

/// Every kind of data, alphabetically.
pub(crate) const KINDS: &[Kind] = &[
    ("categories to classes", || classify(vec![categories()])),
    ("everything to classes", || classify(vec![image(Some(14)), numbers(), categories()])),
    ("image and text to classes", || classify(vec![image(Some(14)), tokens()])),
    ("images of any size", || classify(vec![image(None)])),
    ("images to classes", || classify(vec![image(Some(14))])),
    ("images to directions", || to(Task::Contrast, vec![image(Some(14))], OutputSpec::Embedding { size: 5 })),
    ("images to mask", || to(Task::Segment, vec![image(Some(14))], OutputSpec::Mask { labels: labels() })),
    ("images to themselves", || to(Task::Reconstruct, vec![image(Some(14))], OutputSpec::Inputs)),
    ("images to values", || regress(vec![image(Some(14))])),
    ("nothing to classes", || classify(Vec::new())),
    ("numbers to classes", || classify(vec![numbers()])),
    ("numbers to themselves", || to(Task::Reconstruct, vec![numbers()], OutputSpec::Inputs)),
    ("series to classes", || classify(vec![series(1)])),
    ("series to horizon", || forecast(1, &[], true)),
    ("series to quantiles", || forecast(3, &[0.1, 0.5, 0.9], true)),
    ("series to values", || regress(vec![series(2)])),
    ("series without history to horizon", || forecast(2, &[], false)),
    ("table to classes", || classify(vec![numbers(), categories()])),
    ("table to themselves", || to(Task::Reconstruct, vec![numbers(), categories()], OutputSpec::Inputs)),
    ("table to values", || regress(vec![numbers(), categories()])),
    ("text and numbers to classes", || classify(vec![numbers(), tokens()])),
    ("texts to classes", || classify(vec![tokens()])),
    ("texts to tokens", || to(Task::Generate, vec![tokens()], OutputSpec::Tokens { vocabulary: VOCABULARY })),
    ("texts to values", || regress(vec![tokens()])),
];

const VOCABULARY: usize = 11;
const LENGTH: usize = 9;

/// The architecture called `name` with `settings`.
pub(crate) fn architecture(name: &str, settings: Value) -> Architecture {
    serde_json::from_value(json!({ name: settings })).unwrap()
}

/// The signature of a kind of data.
pub(crate) fn signature(kind: &str) -> Signature {
    let (_, make) = KINDS.iter().find(|(name, _)| *name == kind).unwrap();
    make()
}

fn to(task: Task, inputs: Vec<InputSpec>, output: OutputSpec) -> Signature {
    Signature { task, inputs, output }
}

fn classify(inputs: Vec<InputSpec>) -> Signature {
    to(Task::Classify, inputs, OutputSpec::Classes { labels: labels() })
}

fn regress(inputs: Vec<InputSpec>) -> Signature {
    let names = vec!["a".into(), "b".into()];
    to(Task::Regress, inputs, OutputSpec::Values { names, mean: vec![0.0; 2], std: vec![1.0; 2] })
}

fn labels() -> Vec<String> {
    ["x", "y", "z"].map(str::to_owned).to_vec()
}

/// Higher than wide, so that an exchange of the two shows.
fn image(width: Option<usize>) -> InputSpec {
    let kind = InputKind::Image { mean: vec![0.5, 0.4, 0.3], std: vec![0.3, 0.2, 0.1] };
    InputSpec { name: "image".into(), dtype: Dtype::U8, shape: vec![Some(3), width.map(|w| w + 2), width], kind }
}

fn numbers() -> InputSpec {
    let names: Vec<String> = ["n", "m"].map(str::to_owned).to_vec();
    InputSpec { name: "numbers".into(), dtype: Dtype::F32, shape: vec![Some(2)], kind: InputKind::Numbers { names } }
}

fn categories() -> InputSpec {
    let kind = InputKind::Categories { names: vec!["c".into(), "d".into(), "e".into()], sizes: vec![2, 5, 9] };
    InputSpec { name: "categories".into(), dtype: Dtype::I64, shape: vec![Some(3)], kind }
}

fn tokens() -> InputSpec {
    let kind = InputKind::Tokens { vocabulary: VOCABULARY, max_length: LENGTH };
    InputSpec { name: "tokens".into(), dtype: Dtype::I64, shape: vec![None], kind }
}

fn series(channels: usize) -> InputSpec {
    let kind = InputKind::Series { names: (0..channels).map(|k| format!("s{k}")).collect() };
    InputSpec { name: "series".into(), dtype: Dtype::F32, shape: vec![Some(6), Some(channels)], kind }
}

fn forecast(channels: usize, quantiles: &[f64], history: bool) -> Signature {
    let names = vec!["a".into(), "b".into()];
    let quantiles = quantiles.to_vec();
    let (mean, std) = (vec![0.0; 2], vec![1.0; 2]);
    let output = OutputSpec::Horizon { names, mean, std, quantiles, season: 1, history };
    to(Task::Forecast, vec![series(channels)], output)
}

/// Random examples that suit `signature`. Texts are of different lengths, the first one as long as can be.
pub(crate) fn batch(signature: &Signature, examples: usize, seed: u64) -> Batch {
    let mut random = Random::derive(&[seed]);
    let lengths: Vec<usize> = (0..examples).map(|k| if k == 0 { LENGTH } else { 1 + k * 3 % LENGTH }).collect();
    let inputs = signature.inputs.iter().map(|spec| input(spec, &lengths, &mut random)).collect();
    let target = match &signature.output {
        OutputSpec::Classes { labels } => {
            Target::Classes((0..examples).map(|_| random.below(labels.len() as u64) as i64).collect())
        }
        OutputSpec::Values { names, .. } | OutputSpec::Horizon { names, .. } => {
            let values = (0..examples * names.len()).map(|_| random.unit() as f32 * 2.0 - 1.0).collect();
            Target::Values { shape: vec![examples, names.len()], values }
        }
        OutputSpec::Tokens { vocabulary } => {
            let ids = lengths
                .iter()
                .flat_map(|&length| (0..LENGTH).map(move |place| place < length))
                .map(|content| if content { random.below(*vocabulary as u64) as i64 } else { -1 })
                .collect();
            Target::Tokens { shape: [examples, LENGTH], ids }
        }
        OutputSpec::Mask { labels } => {
            let (height, width) = (16, 14);
            let pixel = |_| random.below(labels.len() as u64) as i64;
            let classes = (0..examples * height * width).map(pixel).collect();
            Target::Mask { shape: [examples, height, width], classes }
        }
        OutputSpec::Inputs | OutputSpec::Embedding { .. } => Target::None,
    };
    let ids = (0..examples).map(|k| ExampleId { key: format!("made-up#{k}") }).collect();
    let batch = Batch { inputs, target, ids, weights: None, epoch: 0, index: 0, skipped: 0 };
    batch.with_own_target(signature)
}

fn input(spec: &InputSpec, lengths: &[usize], random: &mut Random) -> InputArray {
    let examples = lengths.len();
    let varying = if matches!(spec.kind, InputKind::Tokens { .. }) { LENGTH } else { 13 };
    let shape: Vec<usize> =
        [examples].into_iter().chain(spec.shape.iter().map(|size| size.unwrap_or(varying))).collect();
    let count: usize = shape.iter().product();
    let (mut mask, mut true_lengths) = (None, None);
    let data = match &spec.kind {
        InputKind::Image { .. } => ArrayData::U8((0..count).map(|_| random.below(256) as u8).collect()),
        InputKind::Numbers { .. } | InputKind::Series { .. } => {
            ArrayData::F32((0..count).map(|_| random.unit() as f32 * 4.0 - 2.0).collect())
        }
        InputKind::Categories { sizes, .. } => {
            ArrayData::I64((0..count).map(|k| random.below(sizes[k % sizes.len()] as u64) as i64).collect())
        }
        InputKind::Tokens { vocabulary, .. } => {
            let content: Vec<u8> =
                lengths.iter().flat_map(|&length| (0..LENGTH).map(move |place| u8::from(place < length))).collect();
            let mut id = |place: usize| match content[place] {
                0 => 0,
                // Texts begin differently, so that what follows can be told from what was.
                _ if place.is_multiple_of(LENGTH) => 2 + (place / LENGTH % (vocabulary - 2)) as i64,
                _ => 2 + random.below(*vocabulary as u64 - 2) as i64,
            };
            let ids = (0..content.len()).map(&mut id).collect();
            (mask, true_lengths) = (Some(content), Some(lengths.to_vec()));
            ArrayData::I64(ids)
        }
    };
    InputArray { name: spec.name.clone(), array: Array { shape, data }, mask, lengths: true_lengths }
}

/// The example at `place` of `batch` by itself, a text cut to its own length.
pub(crate) fn alone(batch: &Batch, place: usize) -> Batch {
    let inputs = batch.inputs.iter().map(|input| {
        let mut shape = input.array.shape.clone();
        let examples = std::mem::replace(&mut shape[0], 1);
        let each = input.array.data.len() / examples;
        let length = input.lengths.as_ref().map_or(each, |lengths| lengths[place]);
        if input.lengths.is_some() {
            shape[1] = length;
        }
        let range = place * each..place * each + length;
        let data = match &input.array.data {
            ArrayData::U8(v) => ArrayData::U8(v[range.clone()].to_vec()),
            ArrayData::F32(v) => ArrayData::F32(v[range.clone()].to_vec()),
            ArrayData::I64(v) => ArrayData::I64(v[range.clone()].to_vec()),
        };
        let mask = input.mask.as_ref().map(|mask| mask[range.clone()].to_vec());
        let lengths = input.lengths.as_ref().map(|_| vec![length]);
        InputArray { name: input.name.clone(), array: Array { shape, data }, mask, lengths }
    });
    Batch { inputs: inputs.collect(), target: Target::None, ids: vec![batch.ids[place].clone()], ..batch.clone() }
}
