//! What must hold of every architecture while it learns?

use std::sync::{Mutex, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Tensor, TensorData};
use data_loader::Target;
use data_loader::random::Random;
use data_loader::signature::Signature;
use model_zoo::architectures::autoencoder::AutoencoderConfig;
use model_zoo::inputs::Input;
use model_zoo::network::NetworkConfig;
use model_zoo::{Inputs, Network, Output, ops, summary, weights};
use serde_json::Value;

use crate::data;
use crate::promises::{Promise, all, all_with, answer, has_dropout, plain, training};

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
        let gradient = self.gradients.get::<D>(param.id).map(|g| g.try_into_vec_as::<f32>().unwrap());
        match gradient {
            Some(g) if g.iter().all(|v| v.is_finite()) && g.iter().any(|v| *v != 0.0) => self.reached += 1,
            _ if summary::is_buffer(self.path.last().unwrap()) => {}
            // A number added to every key moves every score of a query alike, which a softmax does not see.
            _ if self.path.ends_with(&["k_proj".to_owned(), "bias".to_owned()]) => {}
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
        if !has_dropout(name) || is_linear(&settings) {
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
        // Of a forecast every quantile is drawn to the one number that is known.
        Target::Values { values, .. } if values.len() < count * width => {
            let each = values.iter().flat_map(|&value| std::iter::repeat_n(value, width)).collect();
            (rows - matrix(each)).square().mean()
        }
        Target::Values { values, .. } => (rows - matrix(values.clone())).square().mean(),
        Target::Classes(classes) | Target::Tokens { ids: classes, .. } | Target::Mask { classes, .. } => {
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
            // Noise is what convolutions find hardest to give back, pixel by pixel.
            let (steps, most) = if case.ends_with("images to themselves") { (600, f32::MAX) } else { (150, 0.05) };
            for _ in 0..steps {
                let loss = loss(network.forward(&inputs).unwrap(), &batch.target);
                losses.push(loss.clone().into_scalar::<f32>());
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                network = optimizer.step(1e-2, network, gradients);
                if losses.len() >= 150 && losses[losses.len() - 1] < 0.1 * losses[0].min(10.0 * most) {
                    break;
                }
            }
            let (first, last) = (losses[0], losses[losses.len() - 1]);
            assert!(last < 0.1 * first && last < most, "{case}: from {first} to {last}");
        }
    }
    // A linear network cannot tell any classes of any points apart.
    all_with(&Learns, |_, settings| (!is_linear(&settings)).then_some(settings));
}

/// Baldi and Hornik 1989: through a narrow place a linear network can bring no more than the first principal components.
#[test]
fn a_linear_autoencoder_learns_the_first_principal_component() {
    let signature = data::signature("numbers to themselves");
    let config = AutoencoderConfig { code: Some(1), hidden: Vec::new(), ..Default::default() };
    let mut random = Random::derive(&[11]);
    let points: Vec<[f64; 2]> = (0..128)
        .map(|_| {
            let (far, near) = (random.unit() * 6.0 - 3.0, random.unit() - 0.5);
            [0.8 * far - 0.6 * near + 1.0, 0.6 * far + 0.8 * near - 2.0]
        })
        .collect();
    let numbers: Vec<f32> = points.concat().iter().map(|&number| number as f32).collect();
    let device = training();
    let tensor = Tensor::<2>::from_data(TensorData::new(numbers, [points.len(), 2]), &device);
    let inputs = Inputs::new(vec![("numbers".into(), Input::Numbers(tensor.clone()))]);
    let mut network = config.build(&signature, 3, &device).unwrap();
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.0).init();
    let mut error = f64::NAN;
    for _ in 0..1500 {
        let loss = (network.forward(&inputs).unwrap().rows() - tensor.clone()).square().mean();
        error = f64::from(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(1e-2, network, gradients);
    }
    // The smaller eigenvalue of the covariance is the variance that one component leaves out of two.
    let mean = |of: &dyn Fn(&[f64; 2]) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(&|p| p[0]), mean(&|p| p[1]));
    let (xx, yy) = (mean(&|p| (p[0] - x).powi(2)), mean(&|p| (p[1] - y).powi(2)));
    let xy = mean(&|p| (p[0] - x) * (p[1] - y));
    let left_out = f64::midpoint(xx, yy) - f64::hypot(f64::midpoint(xx, -yy), xy);
    assert!((error / (left_out / 2.0) - 1.0).abs() < 0.01, "{error}, the second component has {left_out}");
}

fn is_linear(settings: &Value) -> bool {
    settings["hidden"].as_array().is_some_and(Vec::is_empty)
}
