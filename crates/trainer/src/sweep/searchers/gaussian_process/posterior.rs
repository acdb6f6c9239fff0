//! What is to be expected of a point that nobody tried, and how sure is that? The posterior of a Gaussian process (Rasmussen and Williams, "Gaussian
//! Processes for Machine Learning", 2006, algorithm 2.1).

use super::cholesky::{Triangle, dot};
use super::kernel::{Kernel, Metric};

/// So much noise, as a share of the height, is added where a matrix is not positive by errors of rounding; then ten times as much, and so on.
const LEAST_NOISE: f64 = 1e-9;

/// What is known, seen through a kernel.
pub(super) struct Posterior {
    metric: Metric,
    kernel: Kernel,
    rows: Vec<Vec<f64>>,
    /// The inverse of the factor of the covariance.
    inverse: Triangle,
    /// The inverse covariance times the losses.
    alpha: Vec<f64>,
}

/// The covariance of rows with each other, with noise, by its lower triangle.
pub(super) fn covariance(metric: &Metric, kernel: &Kernel, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let entry = |i: usize, j: usize| match i == j {
        true => kernel.height + kernel.noise,
        false => kernel.at(metric.squared(&kernel.scales, &rows[i], &rows[j])),
    };
    (0..rows.len()).map(|i| (0..=i).map(|j| entry(i, j)).collect()).collect()
}

/// The factor of a covariance, with a little noise more if there is no other way.
pub(super) fn factor(covariance: &[Vec<f64>], height: f64) -> Option<Triangle> {
    let mut noise = 0.0;
    for _ in 0..8 {
        let mut matrix = covariance.to_vec();
        matrix.iter_mut().filter_map(|row| row.last_mut()).for_each(|diagonal| *diagonal += noise);
        if let Some(factor) = Triangle::factor(matrix) {
            return Some(factor);
        }
        noise = (10.0 * noise).max(LEAST_NOISE * height);
    }
    None
}

impl Posterior {
    /// Given rows and their losses; nothing if no matrix is positive, which is so where something is no number.
    pub(super) fn new(metric: &Metric, kernel: &Kernel, rows: Vec<Vec<f64>>, losses: &[f64]) -> Option<Self> {
        let inverse = factor(&covariance(metric, kernel, &rows), kernel.height)?.inverse();
        let alpha = inverse.transposed_times(&inverse.times(losses));
        Some(Self { metric: metric.clone(), kernel: kernel.clone(), rows, inverse, alpha })
    }

    /// The mean and the variance of the loss at a row, without what is added by chance.
    pub(super) fn at(&self, row: &[f64]) -> (f64, f64) {
        let alike: Vec<f64> = self.rows.iter().map(|other| self.alike(row, other)).collect();
        let known = self.inverse.times(&alike);
        (dot(&alike, &self.alpha), self.variance(&known))
    }

    /// The same, and the slopes of both along each dimension; along choices there are none.
    pub(super) fn with_slopes(&self, row: &[f64]) -> ((f64, f64), (Vec<f64>, Vec<f64>)) {
        let squared: Vec<f64> =
            self.rows.iter().map(|other| self.metric.squared(&self.kernel.scales, row, other)).collect();
        let alike: Vec<f64> = squared.iter().map(|squared| self.kernel.at(*squared)).collect();
        let known = self.inverse.times(&alike);
        let weights = self.inverse.transposed_times(&known);
        let (mut means, mut variances) = (vec![0.0; row.len()], vec![0.0; row.len()]);
        for (k, other) in self.rows.iter().enumerate() {
            let slope = 2.0 * self.kernel.slope(squared[k]);
            for d in (0..row.len()).filter(|&d| !self.metric.choices[d]) {
                let change = slope * self.kernel.scales[d] * (row[d] - other[d]);
                means[d] += self.alpha[k] * change;
                variances[d] -= 2.0 * weights[k] * change;
            }
        }
        ((dot(&alike, &self.alpha), self.variance(&known)), (means, variances))
    }

    fn alike(&self, row: &[f64], other: &[f64]) -> f64 {
        self.kernel.at(self.metric.squared(&self.kernel.scales, row, other))
    }

    fn variance(&self, known: &[f64]) -> f64 {
        (self.kernel.height - dot(known, known)).max(1e-12 * self.kernel.height)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const ROWS: [[f64; 2]; 6] =
        [[0.1, 0.2], [0.9, 0.4], [0.5, 0.5], [0.3, 0.95], [0.75, 0.05], [0.15, 0.65]];
    pub(in super::super) const LOSSES: [f64; 6] = [0.3, -1.2, 0.7, 1.9, -0.4, 0.1];

    pub(in super::super) fn numbers(count: usize) -> Metric {
        Metric { choices: vec![false; count] }
    }

    pub(in super::super) fn rows() -> Vec<Vec<f64>> {
        ROWS.iter().map(|row| row.to_vec()).collect()
    }

    pub(in super::super) fn kernel() -> Kernel {
        // Lengths of 0.4 and 0.8.
        Kernel { scales: vec![1.0 / 0.16, 1.0 / 0.64], height: 1.7, noise: 0.02 }
    }

    #[test]
    fn slopes_are_those_of_differences() {
        let metric = Metric { choices: vec![false, true, false] };
        let kernel = Kernel { scales: vec![4.0, 0.5, 9.0], height: 2.0, noise: 1e-3 };
        let rows = ROWS.iter().enumerate().map(|(k, row)| vec![row[0], (k % 3) as f64, row[1]]).collect();
        let posterior = Posterior::new(&metric, &kernel, rows, &LOSSES).unwrap();
        let at = [0.4, 1.0, 0.33];
        let (value, (means, variances)) = posterior.with_slopes(&at);
        assert_eq!(value, posterior.at(&at));
        assert_eq!((means[1], variances[1]), (0.0, 0.0));
        for d in [0, 2] {
            let moved = |by: f64| {
                let mut row = at;
                row[d] += by;
                posterior.at(&row)
            };
            let ((above, wide), (below, narrow)) = (moved(1e-5), moved(-1e-5));
            assert!(((above - below) / 2e-5 - means[d]).abs() < 1e-6);
            assert!(((wide - narrow) / 2e-5 - variances[d]).abs() < 1e-6);
        }
    }

    #[test]
    fn without_noise_what_is_known_is_sure() {
        let kernel = Kernel { noise: 0.0, ..kernel() };
        let posterior = Posterior::new(&numbers(2), &kernel, rows(), &LOSSES).unwrap();
        for (row, loss) in ROWS.iter().zip(LOSSES) {
            let (mean, variance) = posterior.at(row);
            assert!((mean - loss).abs() < 1e-9 && variance < 1e-9, "{mean} {loss} {variance}");
        }
        // Twice the same point, with other losses: a little noise is added.
        let twins = vec![vec![0.5, 0.5], vec![0.5, 0.5]];
        let (mean, _) = Posterior::new(&numbers(2), &kernel, twins, &[1.0, 2.0]).unwrap().at(&[0.5, 0.5]);
        assert!((mean - 1.5).abs() < 1e-3, "{mean}");
        assert!(Posterior::new(&numbers(2), &kernel, vec![vec![f64::NAN, 0.0]; 2], &[1.0, 2.0]).is_none());
    }
}
