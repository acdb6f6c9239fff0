//! Are values and gradients of every loss PyTorch's?

use burn::tensor::{Device, Tensor};
use data_loader::{Batch, ExampleId, OutputSpec, Target};
use model_zoo::Output;
use model_zoo::weights::Weights;
use serde_json::{Value, json};
use trainer::Error;
use trainer::losses::{Loss, MEMBERS};

use crate::fixture::{compare, host, largest, load, tensor};

const WEIGHTS: [f32; 5] = [0.25, 1.0, 2.5, 0.75, 1.25];

fn loss(name: &str, settings: Value) -> Loss {
    let loss: Loss = serde_json::from_value(json!({ name: settings })).unwrap();
    loss.check(Some(WEIGHTS.len())).unwrap();
    loss
}

fn classes(fixture: &Weights, name: &str) -> Vec<i64> {
    fixture[name].values.iter().map(|&class| class as i64).collect()
}

fn batch(examples: usize, target: Target, weights: Option<Vec<f32>>) -> Batch {
    let ids = (0..examples).map(|k| ExampleId { key: format!("row {k}") }).collect();
    Batch { inputs: Vec::new(), target, ids, weights, epoch: 0, index: 0, skipped: 0 }
}

/// A case of the fixture, the answer being `scores`, one row an example.
fn check(case: &str, loss: &Loss, target: Target, weights: Option<Vec<f32>>) {
    judge(case, loss, &batch(7, target, weights), "scores", Output::Classes);
}

fn judge<const D: usize>(case: &str, loss: &Loss, batch: &Batch, given: &str, output: fn(Tensor<D>) -> Output) {
    let fixture = load("losses");
    let given = tensor::<D>(&fixture[given], &Device::flex().autodiff()).require_grad();
    let value = loss.rows(output(given.clone()), batch).unwrap().mean();
    let expected = &fixture[&format!("{case}/loss")];
    compare(case, &host(value.clone()), expected, 1e-6, expected.values[0]);
    let gradient = host(given.grad(&value.backward()).unwrap());
    let expected = &fixture[&format!("{case}/gradient")];
    compare(case, &gradient, expected, 1e-6, largest(expected.values.iter().copied()));
}

#[test]
fn cross_entropy() {
    let fixture = load("losses");
    let hard = || Target::Classes(classes(&fixture, "hard"));
    let ignored = || Target::Classes(classes(&fixture, "ignored"));
    let soft = || Target::SoftLabels { classes: 5, values: fixture["soft"].values.clone() };
    let mask = Target::Mask { shape: [2, 2, 3], classes: classes(&fixture, "mask") };
    let plain = loss("cross_entropy", json!({}));
    let smooth = loss("cross_entropy", json!({ "label_smoothing": 0.1 }));
    let weighted = loss("cross_entropy", json!({ "class_weights": WEIGHTS }));
    let both = loss("cross_entropy", json!({ "label_smoothing": 0.1, "class_weights": WEIGHTS }));
    assert_eq!(fixture["weights"].values, WEIGHTS);

    check("cross_entropy_hard", &plain, hard(), None);
    check("cross_entropy_ignored", &plain, ignored(), None);
    judge("cross_entropy_mask", &plain, &batch(2, mask, None), "images", Output::Mask);
    check("cross_entropy_smooth", &smooth, hard(), None);
    check("cross_entropy_soft", &plain, soft(), None);
    check("cross_entropy_soft_smooth", &smooth, soft(), None);
    check("cross_entropy_soft_weights", &weighted, soft(), None);
    check("cross_entropy_weights", &weighted, hard(), None);
    check("cross_entropy_weights_smooth_ignored", &both, ignored(), None);
    check("cross_entropy_counts", &plain, hard(), Some(fixture["counts"].values.clone()));
}

#[test]
fn binary_cross_entropy() {
    let fixture = load("losses");
    let bce = loss("bce", json!({}));
    check("bce_hard", &bce, Target::Classes(classes(&fixture, "hard")), None);
    check("bce_soft", &bce, Target::SoftLabels { classes: 5, values: fixture["soft"].values.clone() }, None);
}

#[test]
fn distances() {
    let fixture = load("losses");
    let values = || Target::Values { shape: vec![7, 5], values: fixture["values"].values.clone() };
    check("huber", &loss("huber", json!({})), values(), None);
    check("huber_delta", &loss("huber", json!({ "delta": 0.7 })), values(), None);
    check("mse", &loss("mse", json!({})), values(), None);
    check("mse_counts", &loss("mse", json!({})), values(), Some(fixture["counts"].values.clone()));
}

#[test]
fn scores_too_large_for_exp_keep_loss_and_gradient_finite() {
    let device = Device::flex().autodiff();
    for (name, target) in [("cross_entropy", Target::Classes(vec![1])), ("bce", Target::Classes(vec![1]))] {
        let scores = Tensor::<2>::from_floats([[3e4, -3e4, 0.0]], &device).require_grad();
        let rows = loss(name, json!({})).rows(Output::Classes(scores.clone()), &batch(1, target, None)).unwrap();
        let mean = rows.mean();
        assert!(mean.clone().into_scalar::<f32>() > 1e4, "{name}");
        let gradient = host(scores.grad(&mean.backward()).unwrap());
        assert!(gradient.values.iter().all(|g| g.is_finite() && g.abs() <= 1.0), "{name}: {gradient:?}");
    }
}

#[test]
fn a_batch_in_which_nothing_counts_has_loss_0_and_no_gradient() {
    let device = Device::flex().autodiff();
    let scores = Tensor::<2>::ones([2, 5], &device).require_grad();
    let ignored = batch(2, Target::Classes(vec![-1, -1]), None);
    let mean = loss("cross_entropy", json!({})).rows(Output::Classes(scores.clone()), &ignored).unwrap().mean();
    assert_eq!(mean.clone().into_scalar::<f32>(), 0.0);
    assert_eq!(host(scores.grad(&mean.backward()).unwrap()).values, [0.0; 10]);
}

#[test]
fn answers_and_targets_that_do_not_go_together_are_an_error() {
    let device = Device::flex();
    let distribution = |classes| Target::SoftLabels { classes, values: vec![0.5; 2 * classes] };
    let numbers = |width| Target::Values { shape: vec![2, width], values: vec![0.5; 2 * width] };
    for (name, target) in [
        ("cross_entropy", numbers(3)),
        ("cross_entropy", Target::Classes(vec![0, 3])),
        ("cross_entropy", Target::Classes(vec![0])),
        ("cross_entropy", distribution(2)),
        ("cross_entropy", Target::None),
        ("bce", Target::Classes(vec![0, 1, 2])),
        ("huber", Target::Classes(vec![0, 1])),
        ("mse", Target::Classes(vec![0, 1])),
        ("mse", numbers(2)),
        ("mse", numbers(4)),
    ] {
        let answer = Output::Classes(Tensor::zeros([2, 3], &device));
        let judged = loss(name, json!({})).rows(answer, &batch(2, target.clone(), None));
        assert!(matches!(judged, Err(Error::WrongLoss { .. })), "{name} on {target:?}");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (name, settings) in [
        ("cross_entropy", json!({ "label_smoothing": 1.0 })),
        ("cross_entropy", json!({ "label_smoothing": -0.1 })),
        ("cross_entropy", json!({ "class_weights": [1.0] })),
        ("cross_entropy", json!({ "class_weights": [1.0, 1.0, -1.0, 1.0, 1.0] })),
        ("cross_entropy", json!({ "class_weights": [0.0, 0.0, 0.0, 0.0, 0.0] })),
        ("huber", json!({ "delta": 0.0 })),
    ] {
        let loss: Loss = serde_json::from_value(json!({ name: settings })).unwrap();
        assert!(loss.check(Some(5)).is_err(), "{name} {settings}");
    }
}

#[test]
fn the_list_is_alphabetical_and_names_the_tables() {
    assert!(MEMBERS.is_sorted_by(|a, b| a.name < b.name));
    for entry in MEMBERS {
        assert_eq!(loss(entry.name, json!({})).name(), entry.name);
    }
}

/// The slope of `max(x, 0) - x q + log(1 + exp(-|x|))` is `sigmoid(x) - q`, at 0 too, where its parts have none.
#[test]
fn bce_has_a_slope_at_zero() {
    let scores = Tensor::<2>::zeros([1, 2], &Device::flex().autodiff()).require_grad();
    let target = Target::Classes(vec![1]);
    let value = loss("bce", json!({})).rows(Output::Classes(scores.clone()), &batch(1, target, None)).unwrap().mean();
    let gradient = host(scores.grad(&value.backward()).unwrap());
    assert_eq!(gradient.values, [0.25, -0.25]);
}

#[test]
fn a_batch_that_weighs_nothing_teaches_nothing() {
    let weighted = loss("cross_entropy", json!({ "class_weights": [0.0, 1.0, 1.0, 1.0, 1.0], "label_smoothing": 0.1 }));
    let scores = Tensor::<2>::ones([2, 5], &Device::flex().autodiff()).require_grad();
    let batch = batch(2, Target::Classes(vec![0, 0]), None);
    let value = weighted.rows(Output::Classes(scores.clone()), &batch).unwrap().mean();
    assert_eq!(host(value.clone()).values, [0.0]);
    assert!(host(scores.grad(&value.backward()).unwrap()).values.iter().all(|&slope| slope == 0.0));
}

/// Two windows of two steps each, three quantiles: values and gradients by hand.
#[test]
fn quantiles() {
    let output = OutputSpec::Horizon {
        names: vec!["a".into(), "b".into()],
        mean: vec![0.0; 2],
        std: vec![1.0; 2],
        quantiles: vec![0.1, 0.5, 0.9],
        season: 1,
        history: true,
    };
    let loss = loss("quantile", json!({})).of_output(&output);
    assert!(loss.suits(&output) && !Loss::Mse(trainer::losses::mse::Mse::default()).suits(&output));
    let told = [0.0_f32, 2.0, 4.0, 10.0, 12.0, 13.0, 3.5, 5.0, 7.0, 8.0, 9.0, 12.0];
    let scores = Tensor::<1>::from_floats(told, &Device::flex().autodiff()).reshape([2, 2, 3]).require_grad();
    let values = vec![1.0, 14.0, 3.0, 10.0];
    let batch = batch(2, Target::Values { shape: vec![2, 2], values }, Some(vec![1.0, 3.0]));
    let value = loss.rows(Output::Horizon(scores.clone()), &batch).unwrap().mean();
    let first = 0.1 + 0.5 + 0.3 + 0.4 + 1.0 + 0.9;
    let second = 0.45 + 1.0 + 0.4 + 0.2 + 0.5 + 0.2;
    let found: f32 = value.clone().into_scalar();
    assert!((found - (first + 3.0 * second) / 24.0).abs() < 1e-6, "{found}");
    let gradient: Vec<f32> = scores.grad(&value.backward()).unwrap().try_into_vec_as().unwrap();
    let slopes = [-0.1, 0.5, 0.1, -0.1, -0.5, -0.9, 0.9, 0.5, 0.1, -0.1, -0.5, 0.1_f32];
    for (place, (found, slope)) in gradient.iter().zip(slopes).enumerate() {
        let wanted = slope * if place < 6 { 1.0 } else { 3.0 } / 24.0;
        assert!((found - wanted).abs() < 1e-6, "{place}: {found}, not {wanted}");
    }
    // A forecast of another number of quantiles is not judged.
    let other = Tensor::<3>::zeros([2, 2, 2], &Device::flex());
    assert!(matches!(loss.rows(Output::Horizon(other), &batch), Err(Error::WrongLoss { .. })));
}
