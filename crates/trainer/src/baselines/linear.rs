//! What if every column only adds its part? Logistic regression for classes, ridge regression for numbers.
//!
//! Both as scikit-learn has them by default: the sum of the losses of all rows and half (ridge: once) the squared weights, intercepts
//! being free. Fitted by smartcore, with L-BFGS and Cholesky's decomposition.

use burn::tensor::Device;
use model_zoo::Decoding;
use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters};
use smartcore::linear::ridge_regression::{RidgeRegression, RidgeRegressionParameters};

use super::{Learnt, Table, Told, classes, failed, features, values};
use crate::{Error, Plan};

/// One line for lists.
pub const SUMMARY: &str = "every column adds its part: logistic or ridge regression";

/// How strongly large weights are held against a fit.
const PENALTY: f64 = 1.0;

/// A weight for each column, and what is added, for each score.
struct Weights(Vec<(Vec<f64>, f64)>);

impl Weights {
    /// The scores of a row.
    fn scores<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let dot = move |weights: &[f64]| weights.iter().zip(row).map(|(weight, x)| weight * x).sum::<f64>();
        self.0.iter().map(move |(weights, intercept)| dot(weights) + intercept)
    }
}

/// Scores whose softmax are probabilities, as the loss decodes them: for a class that is yes or no on its own the log-odds against all
/// others, which is its score less the logarithm of the sum of their exponentials.
fn decoded(scores: Vec<f64>, decoding: Decoding) -> Vec<f32> {
    let against_others = |(class, score): (usize, &f64)| {
        let others = || scores.iter().enumerate().filter(move |(other, _)| *other != class).map(|(_, score)| *score);
        let highest = others().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = others().map(|score| (score - highest).exp()).sum();
        (score - highest - sum.ln()) as f32
    };
    match decoding {
        Decoding::Softmax => scores.iter().map(|&score| score as f32).collect(),
        Decoding::Sigmoid => scores.iter().enumerate().map(against_others).collect(),
    }
}

/// Fits the weights.
pub(super) fn learn(table: &Table, plan: &Plan, device: &Device) -> Result<Learnt, Error> {
    let weights = match &table.told {
        Told::Classes(told, count) => logistic(table, told, *count)?,
        Told::Values(told) => Weights(vec![ridge(table, told)?]),
    };
    let all = weights.0.iter().all(|(weights, intercept)| weights.iter().chain([intercept]).all(|w| w.is_finite()));
    if !all {
        return Err(failed("linear", "its weights are no longer finite numbers"));
    }
    let parameters = weights.0.len() * (table.width + 1);
    let (signature, device, width) = (plan.signature.clone(), device.clone(), table.width);
    let (count, decoding) = (plan.labels().len(), plan.loss.decoding());
    let answer = move |batch: &data_loader::Batch| {
        let numbers = features(batch, &signature)?;
        let rows = numbers.chunks(width.max(1));
        if count == 0 {
            return Ok(values(rows.flat_map(|row| weights.scores(row)).map(|score| score as f32).collect(), &device));
        }
        let of_row = |row| {
            // Of two classes there is one score: the log-odds of the second.
            let first = (weights.0.len() == 1 && count == 2).then_some(0.0);
            decoded(first.into_iter().chain(weights.scores(row)).collect(), decoding)
        };
        Ok(classes(rows.flat_map(of_row).collect(), count, &device))
    };
    Ok(Learnt { answer: Box::new(answer), parameters: Some(parameters) })
}

fn logistic(table: &Table, told: &Vec<u32>, count: usize) -> Result<Weights, Error> {
    let parameters = LogisticRegressionParameters::default().with_alpha(PENALTY);
    let model: LogisticRegression<f64, u32, DenseMatrix<f64>, Vec<u32>> =
        LogisticRegression::fit(&table.matrix("linear")?, told, parameters).map_err(|error| failed("linear", error))?;
    if model.classes().len() != count {
        return Err(failed("linear", "not every class is among the rows that it learns from"));
    }
    let (coefficients, intercept) = (model.coefficients(), model.intercept());
    let scores = coefficients.shape().0;
    let row = |score: usize| {
        let weights = (0..table.width).map(|column| *coefficients.get((score, column))).collect();
        (weights, *intercept.get((score, 0)))
    };
    Ok(Weights((0..scores).map(row).collect()))
}

/// Columns and target are shifted to a mean of 0, so that what is added is not held against the fit.
fn ridge(table: &Table, told: &[f64]) -> Result<(Vec<f64>, f64), Error> {
    let (rows, width) = (table.rows.max(1) as f64, table.width);
    let mean_told = told.iter().sum::<f64>() / rows;
    let mut means = vec![0.0; width];
    for row in table.numbers.chunks(width.max(1)) {
        means.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / rows);
    }
    let shifted: Vec<f64> = table.numbers.iter().zip(means.iter().cycle()).map(|(x, mean)| x - mean).collect();
    let told: Vec<f64> = told.iter().map(|value| value - mean_told).collect();
    let parameters = RidgeRegressionParameters::default().with_alpha(PENALTY).with_normalize(false);
    let model: RidgeRegression<f64, f64, DenseMatrix<f64>, Vec<f64>> =
        RidgeRegression::fit(&super::matrix(shifted, width, "linear")?, &told, parameters)
            .map_err(|error| failed("linear", error))?;
    let weights: Vec<f64> = (0..width).map(|column| *model.coefficients().get((column, 0))).collect();
    let intercept = mean_told - weights.iter().zip(&means).map(|(weight, mean)| weight * mean).sum::<f64>();
    Ok((weights, intercept))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sigmoid of the one are the softmax of the other.
    #[test]
    fn classes_have_the_same_chances_whatever_the_loss() {
        for scores in [vec![0.0, 1.5], vec![-2.0, 0.5, 3.0], vec![800.0, -800.0, 0.0]] {
            let softmax = decoded(scores.clone(), Decoding::Softmax);
            let highest = softmax.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = softmax.iter().map(|score| (score - highest).exp()).sum();
            for (score, one) in softmax.iter().zip(decoded(scores, Decoding::Sigmoid)) {
                let (wanted, found) = ((score - highest).exp() / sum, 1.0 / (1.0 + (-one).exp()));
                assert!((wanted - found).abs() < 1e-6, "{wanted} {found}");
            }
        }
    }
}
