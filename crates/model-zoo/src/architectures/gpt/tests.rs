//! Is it GPT-2 in size, and does it look at what came before alone, at once or token by token?

use burn::tensor::{Device, TensorData};
use data_loader::signature::{Dtype, InputKind, InputSpec};
use data_loader::task::Task;

use super::*;
use crate::inputs::Input;
use crate::summary;

fn texts(vocabulary: usize, max_length: usize) -> Signature {
    let kind = InputKind::Tokens { vocabulary, max_length };
    let tokens = InputSpec { name: "tokens".into(), dtype: Dtype::I64, shape: vec![None], kind };
    Signature { task: Task::Generate, inputs: vec![tokens], output: OutputSpec::Tokens { vocabulary } }
}

fn ids(ids: &[i64]) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), [1, ids.len()]), &Device::flex())
}

fn tokens(list: &[i64]) -> Inputs {
    let ids = ids(list);
    let mask = Tensor::ones(ids.dims(), &Device::flex());
    Inputs::new(vec![("tokens".into(), Input::Tokens { ids, mask })])
}

fn small(context: usize) -> GptConfig {
    GptConfig { layers: Some(2), features: Some(8), heads: Some(2), context: Some(context), ..GptConfig::default() }
}

fn host(scores: Tensor<3>) -> Vec<f32> {
    scores.try_into_vec_as().unwrap()
}

fn answer(network: &Gpt, list: &[i64]) -> Vec<f32> {
    let Output::Tokens(scores) = network.forward(&tokens(list)).unwrap() else { panic!("gpt gives tokens") };
    host(scores)
}

fn agrees(x: &[f32], y: &[f32]) -> bool {
    x.len() == y.len() && x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-5)
}

#[test]
fn sizes_that_make_no_network_are_refused_before_anything_is_built() {
    let zero = Some(0);
    for config in [
        GptConfig { layers: Some(1_000_000_000), ..GptConfig::default() },
        GptConfig { features: Some(usize::MAX / 2), heads: Some(1), ..GptConfig::default() },
        GptConfig { layers: zero, ..GptConfig::default() },
        GptConfig { features: zero, ..GptConfig::default() },
        GptConfig { heads: zero, ..GptConfig::default() },
        GptConfig { context: zero, ..GptConfig::default() },
        GptConfig { heads: Some(3), ..GptConfig::default() },
        GptConfig { dropout: 1.0, ..GptConfig::default() },
    ] {
        let built = config.build(&texts(5, 4), 0, &Device::flex());
        assert!(matches!(built, Err(Error::Unfit { architecture: "gpt", .. })));
    }
}

#[test]
fn the_parameter_count_of_gpt2_is_the_published_one() {
    let config = GptConfig { size: Size::Gpt2, ..GptConfig::default() };
    let network = config.build(&texts(50_257, 1024), 0, &Device::flex()).unwrap();
    assert_eq!(summary::parameters(&network), 124_439_808);
}

#[test]
fn the_parameter_counts_of_the_other_sizes_are_as_described() {
    for (size, expected) in [(Size::Nano, 0.81), (Size::Micro, 2.72), (Size::Mini, 10.75), (Size::Small, 25.48)] {
        let config = GptConfig { size, ..GptConfig::default() };
        let network = config.build(&texts(2, 64), 0, &Device::flex()).unwrap();
        let millions = summary::parameters(&network) as f64 / 1e6;
        assert!((millions - expected).abs() < 0.006, "{size:?} has {millions} million");
    }
}

#[test]
fn no_place_sees_what_comes_after_it() {
    let network = small(6).build(&texts(9, 6), 3, &Device::flex()).unwrap();
    let (a, b) = (answer(&network, &[2, 3, 4, 5, 6]), answer(&network, &[2, 3, 4, 8, 7]));
    assert!(agrees(&a[..3 * 9], &b[..3 * 9]));
    assert!(!agrees(&a[3 * 9..], &b[3 * 9..]));
    assert!(agrees(&answer(&network, &[2, 3, 4]), &a[..3 * 9]));
}

/// However a text is taken apart, what is remembered of the beginning gives the scores of the whole.
#[test]
fn token_by_token_it_answers_as_at_once() {
    let list = [2, 7, 3, 3, 8, 4, 6, 5];
    for tied in [true, false] {
        let network = GptConfig { tied, ..small(8) }.build(&texts(9, 8), 3, &Device::flex()).unwrap();
        let whole = answer(&network, &list);
        for pieces in [vec![1; 8], vec![3, 1, 1, 3], vec![8], vec![5, 3]] {
            let (mut cache, mut at, mut found) = (Cache::default(), 0, Vec::new());
            for piece in pieces {
                found.extend(host(network.continue_from(ids(&list[at..at + piece]), &mut cache).unwrap()));
                at += piece;
                assert_eq!(cache.length(), at);
            }
            assert!(agrees(&found, &whole), "{found:?} and {whole:?}");
            assert!(matches!(network.continue_from(ids(&[2]), &mut cache), Err(Error::Unfit { .. })));
        }
    }
}

#[test]
fn a_text_longer_than_the_context_is_an_error() {
    assert!(matches!(small(4).build(&texts(9, 5), 0, &Device::flex()), Err(Error::Unfit { .. })));
    let network = small(4).build(&texts(9, 4), 0, &Device::flex()).unwrap();
    assert!(network.forward(&tokens(&[2, 3, 4, 5])).is_ok());
    assert!(matches!(network.forward(&tokens(&[2, 3, 4, 5, 6])), Err(Error::Unfit { .. })));
    assert_eq!(network.context(), Some(4));
}
