//! Is it BERT in size, and does it take texts of every length, the empty one too?

use burn::tensor::{Device, TensorData};
use data_loader::Task;
use data_loader::signature::{Dtype, InputKind, InputSpec, OutputSpec};

use super::*;
use crate::inputs::Input;
use crate::pretrained::Pretrained;
use crate::published;
use crate::weights::{self, Weights};

const PIECES: usize = 30_522;

fn texts(vocabulary: usize, max_length: usize, classes: usize) -> Signature {
    let kind = InputKind::Tokens { vocabulary, max_length };
    let tokens = InputSpec { name: "tokens".into(), dtype: Dtype::I64, shape: vec![None], kind };
    let labels = (0..classes).map(|k| k.to_string()).collect();
    Signature { task: Task::Classify, inputs: vec![tokens], output: OutputSpec::Classes { labels } }
}

fn small(pooling: Pooling, dropout: f64) -> BertConfig {
    let (layers, features, heads) = (Some(2), Some(8), Some(2));
    BertConfig { layers, features, heads, context: 6, pooling, dropout, ..BertConfig::default() }
}

/// Texts one below the other, padded to the longest.
fn padded(texts: &[&[i64]], device: &Device) -> Inputs {
    let length = texts.iter().map(|text| text.len()).max().unwrap();
    let at = |k: usize| texts[k / length].get(k % length).copied();
    let count = texts.len() * length;
    let ids: Vec<i64> = (0..count).map(|k| at(k).unwrap_or(0)).collect();
    let mask: Vec<f32> = (0..count).map(|k| f32::from(u8::from(at(k).is_some()))).collect();
    let ids = Tensor::from_data(TensorData::new(ids, [texts.len(), length]), device);
    let mask = Tensor::from_data(TensorData::new(mask, [texts.len(), length]), device);
    Inputs::new(vec![("tokens".into(), Input::Tokens { ids, mask })])
}

fn answer(network: &Bert, texts: &[&[i64]]) -> Vec<f32> {
    network.forward(&padded(texts, &Device::flex())).unwrap().rows().try_into_vec_as().unwrap()
}

/// As many as Google's and the sentence transformers' models have, with the head that they do not have taken away.
#[test]
fn parameter_counts_are_the_published_ones() {
    for (size, encoder) in [
        (Size::Tiny, 4_385_920),
        (Size::Mini, 11_170_560),
        (Size::Minilm, 22_713_216),
        (Size::Small, 28_763_648),
        (Size::Medium, 41_373_184),
        (Size::Base, 109_482_240),
    ] {
        let config = BertConfig { size, ..BertConfig::default() };
        let head = 3 * size.numbers()[1] + 3;
        assert_eq!(published::count(&config, &texts(PIECES, 512, 3)) - head, encoder, "{size:?}");
    }
}

#[test]
fn sizes_that_make_no_network_are_refused_before_anything_is_built() {
    let zero = Some(0);
    let usual = BertConfig::default;
    for config in [
        BertConfig { layers: Some(1_000_000_000), ..usual() },
        BertConfig { features: Some(usize::MAX / 2), heads: Some(1), ..usual() },
        BertConfig { layers: zero, ..usual() },
        BertConfig { features: zero, ..usual() },
        BertConfig { heads: zero, ..usual() },
        BertConfig { context: 0, ..usual() },
        BertConfig { heads: Some(3), ..usual() },
        BertConfig { dropout: 1.0, ..usual() },
    ] {
        let built = config.build(&texts(5, 4, 2), 0, &Device::flex());
        assert!(matches!(built, Err(Error::Unfit { architecture: "bert", .. })));
    }
}

#[test]
fn a_text_longer_than_the_context_is_an_error() {
    let error = small(Pooling::Class, 0.0).build(&texts(9, 7, 2), 0, &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("7 tokens") && error.contains("`max_length`"), "{error}");
    let network = small(Pooling::Class, 0.0).build(&texts(9, 6, 2), 0, &Device::flex()).unwrap();
    assert!(network.forward(&padded(&[&[2, 3, 4, 5, 6, 7]], &Device::flex())).is_ok());
    let long = network.forward(&padded(&[&[2, 3, 4, 5, 6, 7, 8]], &Device::flex()));
    assert!(matches!(long, Err(Error::Unfit { .. })));
}

/// Alone, beside a longer one, and where all are empty; in training with noise too.
#[test]
fn an_empty_text_has_an_answer_and_a_gradient() {
    for pooling in [Pooling::Class, Pooling::Mean] {
        let network = small(pooling, 0.0).build(&texts(9, 6, 2), 5, &Device::flex()).unwrap();
        let alone = answer(&network, &[&[]]);
        assert!(alone.iter().all(|score| score.is_finite()), "{alone:?}");
        let beside = answer(&network, &[&[3, 4, 5], &[], &[2]]);
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(
            near(&beside[2..4], &alone) && near(&answer(&network, &[&[], &[]]), &[&alone[..], &alone[..]].concat())
        );
        let device = Device::flex().autodiff();
        for dropout in [0.0, 0.5] {
            let network = small(pooling, dropout).build(&texts(9, 6, 2), 5, &device).unwrap();
            for lot in [&[&[3, 4, 5][..], &[]][..], &[&[], &[]]] {
                let scores = network.forward(&padded(lot, &device)).unwrap().rows();
                let gradients = scores.powi_scalar(2).sum().backward();
                let found = network.bert.encoder.layer[0].output.dense.weight.val().grad(&gradients).unwrap();
                let found: Vec<f32> = found.try_into_vec_as().unwrap();
                assert!(found.iter().all(|value| value.is_finite()), "{pooling:?}, {dropout}");
            }
        }
    }
}

/// What is padded does not count, and the order of tokens does.
#[test]
fn places_that_are_padding_are_not_seen() {
    for pooling in [Pooling::Class, Pooling::Mean] {
        let network = small(pooling, 0.0).build(&texts(9, 6, 2), 5, &Device::flex()).unwrap();
        let device = Device::flex();
        let of = |ids: [i64; 4]| {
            let ids = Tensor::from_data(TensorData::new(ids.to_vec(), [1, 4]), &device);
            let mask = Tensor::from_data(TensorData::new(vec![1.0, 1.0, 1.0, 0.0], [1, 4]), &device);
            let inputs = Inputs::new(vec![("tokens".into(), Input::Tokens { ids, mask })]);
            network.forward(&inputs).unwrap().rows().try_into_vec_as::<f32>().unwrap()
        };
        assert_eq!(of([2, 3, 4, 0]), of([2, 3, 4, 8]));
        assert_ne!(of([2, 3, 4, 0]), of([2, 4, 3, 0]));
    }
}

#[test]
fn noise_comes_in_training_alone() {
    let device = Device::flex().autodiff();
    let network = small(Pooling::Class, 0.5).build(&texts(9, 6, 2), 5, &device).unwrap();
    let scores = |network: &Bert, device: &Device| -> Vec<f32> {
        network.forward(&padded(&[&[2, 3, 4]], device)).unwrap().rows().try_into_vec_as().unwrap()
    };
    assert_ne!(scores(&network, &device), scores(&network, &device));
    let plain = network.valid();
    assert_eq!(scores(&plain, &Device::flex()), scores(&plain, &Device::flex()));
}

/// Files of an encoder alone, as sentence encoders are published: without `bert.` in front, without a head, with a pooler that the
/// mean does not need, and, of earlier versions of transformers, with the numbers of the places beside the weights.
#[test]
fn the_file_of_an_encoder_is_read() {
    use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
    let device = Device::flex();
    let network = |pooling, seed| small(pooling, 0.0).build(&texts(9, 6, 2), seed, &device).unwrap();
    let theirs = weights::collect(&network(Pooling::Class, 1)).unwrap();
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let encoder: Vec<(String, Vec<usize>, Vec<u8>)> = theirs
        .iter()
        .filter_map(|(name, tensor)| {
            Some((name.strip_prefix("bert.")?.to_owned(), tensor.shape.clone(), bytes(&tensor.values)))
        })
        .collect();
    let places: Vec<u8> = (0..6_i64).flat_map(i64::to_le_bytes).collect();
    let mut views: Vec<(&str, TensorView<'_>)> = encoder
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()))
        .collect();
    views.push(("embeddings.position_ids", TensorView::new(Dtype::I64, vec![1, 6], &places).unwrap()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    serialize_to_file(views, None, &path).unwrap();

    let settings = Pretrained {
        rename: vec![("^".into(), "bert.".into())],
        allow_missing: vec!["^classifier\\.".into()],
        allow_unused: vec!["^bert\\.pooler\\.".into()],
        ..Pretrained::default()
    };
    for (pooling, unused) in [(Pooling::Mean, 2), (Pooling::Class, 0)] {
        let (loaded, notices) =
            settings.load(network(pooling, 2), Some("classifier"), settings.read(&path).unwrap()).unwrap();
        assert!(notices[0].contains("begin anew, as is allowed: classifier"), "{notices:?}");
        let of_encoder =
            |all: Weights| all.into_iter().filter(|(name, _)| name.starts_with("bert.")).collect::<Weights>();
        let found = of_encoder(weights::collect(&loaded).unwrap());
        assert_eq!(found.len() + unused, encoder.len());
        assert!(found.iter().all(|(name, tensor)| theirs[name] == *tensor), "{pooling:?}");
    }
}
