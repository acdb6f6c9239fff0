//! By what must scores be divided, so that probabilities are as sure as they are right?
//!
//! By what makes the examples that were not learnt from most likely (Guo et al. 2017, section 4.2). With the inverse temperature b the
//! loss is convex in b, and its derivative, the mean of what is expected of a score less the score of the right class, grows with it: the place
//! where it is 0 is found by halving.

use model_zoo::Decoding;

use super::Scored;
use crate::metrics::calibration_error::CalibrationError;
use crate::metrics::{Answers, Expected, Metric, log_sum_exp};

/// Temperatures that are looked at, from and to.
const RANGE: (f64, f64) = (0.01, 100.0);
/// Halvings until nothing of a number of 64 bits is left to be found.
const HALVINGS: usize = 60;

/// A temperature, and what it changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    pub(super) temperature: f64,
    /// The mean loss before and after: of softmax the surprise at the right class, of sigmoids that at each class.
    pub(super) loss: [f64; 2],
    /// The expected calibration error before and after.
    pub(super) error: [f64; 2],
}

/// The temperature of scores that become probabilities by `decoding`.
///
/// # Errors
/// If there is none, a sentence.
pub(super) fn fit(scored: &Scored, decoding: Decoding) -> Result<Fit, String> {
    if scored.classes.is_empty() || scored.width < 2 {
        return Err("the validation split holds no example with a class".into());
    }
    if scored.rows().all(|(scores, class, _)| is_right(scores, class, decoding)) {
        return Err(format!(
            "all {} examples of the validation split are answered right, and the surer the better",
            scored.classes.len()
        ));
    }
    let slope = |inverse: f64| {
        let rows = scored.rows().map(|(scores, class, weight)| weight * slope(scores, class, decoding, inverse));
        rows.sum::<f64>()
    };
    let (mut low, mut high) = ((1.0 / RANGE.1).ln(), (1.0 / RANGE.0).ln());
    if slope(high.exp()) <= 0.0 || slope(low.exp()) >= 0.0 {
        return Err(format!(
            "no temperature from {} to {} is the best one for its scores on the validation split",
            RANGE.0, RANGE.1
        ));
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if slope(middle.exp()) < 0.0 { low = middle } else { high = middle }
    }
    let temperature = (-f64::midpoint(low, high)).exp();
    let (loss, error) = (|t| loss(scored, decoding, t), |t| calibration_error(scored, decoding, t));
    Ok(Fit { temperature, loss: [loss(1.0), loss(temperature)], error: [error(1.0), error(temperature)] })
}

/// Whether a score that grows with all others makes the loss of an example no larger.
fn is_right(scores: &[f32], class: usize, decoding: Decoding) -> bool {
    match decoding {
        Decoding::Softmax => scores.iter().all(|score| *score <= scores[class]),
        Decoding::Sigmoid => {
            scores.iter().enumerate().all(|(k, score)| if k == class { *score >= 0.0 } else { *score <= 0.0 })
        }
    }
}

/// The derivative of the loss of one example by the inverse temperature.
fn slope(scores: &[f32], class: usize, decoding: Decoding, inverse: f64) -> f64 {
    let expected: f64 = match decoding {
        Decoding::Softmax => {
            let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let terms = scores.iter().map(|score| (f64::from(*score), (inverse * f64::from(*score - highest)).exp()));
            let (weighted, sum) = terms.fold((0.0, 0.0), |(a, b), (score, term)| (a + score * term, b + term));
            weighted / sum
        }
        Decoding::Sigmoid => {
            let each =
                scores.iter().map(|score| f64::from(*score)).map(|score| score / (1.0 + (-inverse * score).exp()));
            each.sum()
        }
    };
    expected - f64::from(scores[class])
}

/// The scores at a temperature, such that their softmax is the probabilities, or the probabilities divided by their sum.
fn at(scores: &[f32], decoding: Decoding, temperature: f64) -> Vec<f32> {
    let scaled = scores.iter().map(|score| f64::from(*score) / temperature);
    match decoding {
        Decoding::Softmax => scaled.map(|score| score as f32).collect(),
        Decoding::Sigmoid => scaled.map(|score| log_sigmoid(score) as f32).collect(),
    }
}

/// log sigmoid(x) = min(x, 0) - log(1 + exp(-|x|)), which cannot overflow.
fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

fn loss(scored: &Scored, decoding: Decoding, temperature: f64) -> f64 {
    let of_row = |scores: &[f32], class: usize| match decoding {
        Decoding::Softmax => {
            let scores = at(scores, decoding, temperature);
            log_sum_exp(&scores) - f64::from(scores[class])
        }
        Decoding::Sigmoid => {
            let each = scores.iter().enumerate().map(|(k, score)| {
                let score = f64::from(*score) / temperature;
                -log_sigmoid(if k == class { score } else { -score })
            });
            each.sum::<f64>() / scores.len() as f64
        }
    };
    let sum: f64 = scored.rows().map(|(scores, class, weight)| weight * of_row(scores, class)).sum();
    sum / scored.weights.iter().sum::<f64>()
}

fn calibration_error(scored: &Scored, decoding: Decoding, temperature: f64) -> f64 {
    let mut metric = CalibrationError::default();
    metric.observe(&Answers {
        scores: scored.rows().flat_map(|(scores, _, _)| at(scores, decoding, temperature)).collect(),
        width: scored.width,
        expected: Expected::Classes(scored.classes.iter().map(|class| *class as i64).collect()),
        weights: Some(scored.weights.iter().map(|weight| *weight as f32).collect()),
    });
    metric.values().first().map_or(f64::NAN, |(_, value)| *value)
}
