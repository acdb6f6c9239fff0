//! Which lengths, which height and how much noise explain the losses best? Those of the greatest posterior probability (maximum a posteriori): how
//! likely they make the losses, times how likely they are before anything is known (Rasmussen and Williams, 2006, chapter 5).
//!
//! All are looked for by their logarithms, and before anything is known those are normal.

use data_loader::random::Random;

use super::cholesky::dot;
use super::descent::minimise;
use super::kernel::{Kernel, Metric};
use super::posterior::{covariance, factor};
use crate::sweep::normal;

/// Mean and width of the logarithm before anything is known, and its bounds.
struct Prior {
    mean: f64,
    width: f64,
    bounds: (f64, f64),
}

/// One over the square of a length: about half as long as the range, give or take a factor of e.
const SCALE: Prior = Prior { mean: 1.0, width: 2.0, bounds: (-9.0, 9.0) };
/// The losses have been brought to a variance of 1.
const HEIGHT: Prior = Prior { mean: 0.0, width: 1.0, bounds: (-5.0, 7.0) };
/// Little, but training is seldom free of it: about a hundredth of the width of the losses.
const NOISE: Prior = Prior { mean: -9.0, width: 3.0, bounds: (-14.0, 0.0) };

/// How many steps uphill are made from each start.
const STEPS: usize = 60;

fn prior(index: usize, dimensions: usize) -> &'static Prior {
    match index.checked_sub(dimensions) {
        None => &SCALE,
        Some(0) => &HEIGHT,
        Some(_) => &NOISE,
    }
}

fn kernel(logs: &[f64], dimensions: usize) -> Kernel {
    let scales = logs[..dimensions].iter().map(|log| log.exp()).collect();
    Kernel { scales, height: logs[dimensions].exp(), noise: logs[dimensions + 1].exp() }
}

/// Minus the logarithm of the posterior probability, but for what never changes, and its slopes along the logarithms.
pub(super) fn surprise(metric: &Metric, rows: &[Vec<f64>], losses: &[f64], logs: &[f64]) -> Option<(f64, Vec<f64>)> {
    let (n, dimensions) = (rows.len(), metric.choices.len());
    let kernel = kernel(logs, dimensions);
    let triangle = factor(&covariance(metric, &kernel, rows), kernel.height)?;
    let inverse = triangle.inverse();
    let alpha = inverse.transposed_times(&inverse.times(losses));
    let whole = inverse.square();
    let mut value = 0.5 * dot(losses, &alpha) + triangle.log_diagonal();
    let mut slopes = vec![0.0; logs.len()];
    // The value changes by half the sum of (inverse - alpha alphaᵀ) times how each covariance changes. Each pair stands for two of them.
    let mut diagonal = 0.0;
    for i in 0..n {
        for j in 0..i {
            let pull = whole[i][j] - alpha[i] * alpha[j];
            let squared = metric.squared(&kernel.scales, &rows[i], &rows[j]);
            let slope = pull * kernel.slope(squared);
            for (d, scale) in kernel.scales.iter().enumerate() {
                slopes[d] += slope * scale * metric.along(d, &rows[i], &rows[j]);
            }
            slopes[dimensions] += pull * kernel.at(squared);
        }
        diagonal += 0.5 * (whole[i][i] - alpha[i] * alpha[i]);
    }
    slopes[dimensions] += diagonal * kernel.height;
    slopes[dimensions + 1] += diagonal * kernel.noise;
    for (index, log) in logs.iter().enumerate() {
        let prior = prior(index, dimensions);
        let z = (log - prior.mean) / prior.width;
        value += 0.5 * z * z;
        slopes[index] += z / prior.width;
    }
    value.is_finite().then_some((value, slopes))
}

/// The kernel that explains the losses best: from the middle of what is likely, and from `starts` other places by chance.
pub(super) fn fit(metric: &Metric, rows: &[Vec<f64>], losses: &[f64], starts: usize, random: &mut Random) -> Kernel {
    let dimensions = metric.choices.len();
    let priors: Vec<&Prior> = (0..dimensions + 2).map(|index| prior(index, dimensions)).collect();
    let bounds: Vec<(f64, f64)> = priors.iter().map(|prior| prior.bounds).collect();
    let middle: Vec<f64> = priors.iter().map(|prior| prior.mean).collect();
    let mut best = (f64::INFINITY, middle.clone());
    for start in 0..=starts {
        let from: Vec<f64> = match start {
            0 => middle.clone(),
            _ => priors.iter().map(|prior| prior.mean + prior.width * normal::draw(random)).collect(),
        };
        let found = minimise(&bounds, &from, STEPS, |logs| surprise(metric, rows, losses, logs));
        if found.0 < best.0 {
            best = found;
        }
    }
    kernel(&best.1, dimensions)
}

#[cfg(test)]
mod tests {
    use super::super::posterior::Posterior;
    use super::super::posterior::tests::{LOSSES, kernel, numbers, rows};
    use super::*;

    /// What scikit-learn 1.9.1 says: `GaussianProcessRegressor(ConstantKernel(1.7) * Matern([0.4, 0.8], nu=2.5), alpha=0.02, optimizer=None)`, its
    /// `predict(rows, return_std=True)`, squared, and `log_marginal_likelihood_value_`.
    #[test]
    fn means_and_variances_are_those_of_scikit_learn() {
        let posterior = Posterior::new(&numbers(2), &kernel(), rows(), &LOSSES).unwrap();
        for (row, mean, variance) in [
            ([0.2, 0.3], 0.303_836_990_103_223_85, 0.099_361_515_328_148_41),
            ([0.5, 0.5], 0.704_787_234_983_970_1, 0.019_283_912_387_570_764),
            ([0.0, 1.0], 0.202_976_742_651_826_75, 0.564_980_925_110_59),
            ([0.6, 0.2], 0.088_870_293_020_738_12, 0.115_160_749_917_973_22),
        ] {
            let (found, spread) = posterior.at(&row);
            assert!((found - mean).abs() < 1e-9 && (spread - variance).abs() < 1e-9, "{row:?}: {found} {spread}");
        }
        let logs: Vec<f64> = [1.0 / 0.16, 1.0 / 0.64, 1.7, 0.02].map(f64::ln).to_vec();
        let (value, _) = surprise(&numbers(2), &rows(), &LOSSES, &logs).unwrap();
        let before: f64 = (0..4).map(|k| 0.5 * ((logs[k] - prior(k, 2).mean) / prior(k, 2).width).powi(2)).sum();
        let likelihood = before - value - 3.0 * std::f64::consts::TAU.ln();
        assert!((likelihood + 9.624_744_529_174_329).abs() < 1e-9, "{likelihood}");
    }

    #[test]
    fn slopes_are_those_of_differences() {
        let metric = Metric { choices: vec![false, true] };
        let rows: Vec<Vec<f64>> = rows().iter().map(|row| vec![row[0], (3.0 * row[1]).floor()]).collect();
        let at = |logs: &[f64]| surprise(&metric, &rows, &LOSSES, logs).unwrap();
        for logs in [[0.5, -0.3, 0.2, -3.0], [3.0, 1.0, -1.0, -8.0]] {
            let (_, slopes) = at(&logs);
            for (index, slope) in slopes.iter().enumerate() {
                let moved = |by: f64| {
                    let mut logs = logs;
                    logs[index] += by;
                    at(&logs).0
                };
                let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((difference - slope).abs() < 1e-6 * slope.abs().max(1.0), "{index}: {difference} {slope}");
            }
        }
    }

    #[test]
    fn what_does_not_matter_is_found_to_be_long() {
        let mut random = Random::derive(&[3]);
        let rows: Vec<Vec<f64>> = (0..40).map(|_| vec![random.unit(), random.unit()]).collect();
        let losses: Vec<f64> = rows.iter().map(|row| (9.0 * row[0]).sin() + 0.3 * normal::draw(&mut random)).collect();
        let found = fit(&numbers(2), &rows, &losses, 2, &mut random);
        assert!(found.scales[0] > 20.0 * found.scales[1], "{found:?}");
        // A variance of 0.09 was added.
        assert!((0.03..0.3).contains(&found.noise), "{found:?}");
    }
}
