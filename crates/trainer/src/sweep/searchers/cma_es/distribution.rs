//! The normal distribution of CMA-ES, and how a generation changes it (Hansen, 2016; the symbols are those of the tutorial).

use super::eigen::{Matrix, eigen, identity};

/// Narrower than this share of the range along every axis, nothing is told apart.
const NARROW: f64 = 1e-5;
/// By so much longer axes cannot be told from errors of rounding.
const LONG: f64 = 1e14;

/// A normal distribution, and what it remembers of how it came here.
pub(super) struct Distribution {
    rules: Rules,
    middle: Vec<f64>,
    sigma: f64,
    covariance: Matrix,
    /// The lengths of the axes, and in the columns their directions.
    axes: (Vec<f64>, Matrix),
    path_sigma: Vec<f64>,
    path_covariance: Vec<f64>,
    generation: i32,
    /// The best loss of each of the latest generations.
    best: Vec<f64>,
    flat: bool,
}

/// The numbers that follow from those of the dimensions and of the trials in a generation.
struct Rules {
    weights: Vec<f64>,
    mu_eff: f64,
    c_sigma: f64,
    d_sigma: f64,
    c_c: f64,
    c_1: f64,
    c_mu: f64,
    /// How long a step in normal numbers is on the average.
    chi: f64,
    /// No step counts as longer.
    longest: f64,
}

impl Rules {
    fn new(n: usize, population: usize) -> Self {
        let n = n as f64;
        let raw: Vec<f64> =
            (1..=population).map(|k| f64::midpoint(population as f64, 1.0).ln() - (k as f64).ln()).collect();
        let half = population / 2;
        let effective = |some: &[f64]| some.iter().sum::<f64>().powi(2) / some.iter().map(|w| w * w).sum::<f64>();
        let (mu_eff, mu_eff_negative) = (effective(&raw[..half]), effective(&raw[half..]));
        let c_1 = 2.0 / ((n + 1.3).powi(2) + mu_eff);
        let c_mu = (2.0 * (mu_eff - 2.0 + 1.0 / mu_eff) / ((n + 2.0).powi(2) + mu_eff)).min(1.0 - c_1);
        let negative = [
            1.0 + c_1 / c_mu.max(f64::MIN_POSITIVE),
            1.0 + 2.0 * mu_eff_negative / (mu_eff + 2.0),
            (1.0 - c_1 - c_mu) / (n * c_mu).max(f64::MIN_POSITIVE),
        ];
        let negative = negative.into_iter().fold(f64::INFINITY, f64::min);
        let above: f64 = raw.iter().filter(|w| **w > 0.0).sum();
        let below: f64 = -raw.iter().filter(|w| **w < 0.0).sum::<f64>();
        let weights = raw.iter().map(|&w| if w >= 0.0 { w / above } else { negative * w / below }).collect();
        let c_sigma = (mu_eff + 2.0) / (n + mu_eff + 5.0);
        Self {
            weights,
            mu_eff,
            c_sigma,
            d_sigma: 1.0 + 2.0 * (((mu_eff - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma,
            c_c: (4.0 + mu_eff / n) / (n + 4.0 + 2.0 * mu_eff / n),
            c_1,
            c_mu,
            chi: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
            longest: n.sqrt() + 2.0 * n / (n + 2.0),
        }
    }
}

impl Distribution {
    pub(super) fn new(middle: Vec<f64>, sigma: f64, population: usize) -> Self {
        let n = middle.len();
        Self {
            rules: Rules::new(n, population),
            middle,
            sigma,
            covariance: identity(n),
            axes: (vec![1.0; n], identity(n)),
            path_sigma: vec![0.0; n],
            path_covariance: vec![0.0; n],
            generation: 0,
            best: Vec::new(),
            flat: false,
        }
    }

    pub(super) fn population(&self) -> usize {
        self.rules.weights.len()
    }

    pub(super) fn middle(&self) -> &[f64] {
        &self.middle
    }

    /// How wide it is along a dimension.
    pub(super) fn width(&self, dimension: usize) -> f64 {
        self.sigma * self.covariance[dimension][dimension].sqrt()
    }

    /// The place that belongs to standard normal numbers.
    pub(super) fn at(&self, normals: &[f64]) -> Vec<f64> {
        let (lengths, directions) = &self.axes;
        let along: Vec<f64> = normals.iter().zip(lengths).map(|(normal, length)| normal * length).collect();
        let step = |row: &Vec<f64>| row.iter().zip(&along).map(|(direction, along)| direction * along).sum::<f64>();
        self.middle.iter().zip(directions).map(|(middle, row)| middle + self.sigma * step(row)).collect()
    }

    /// A step as the distribution would have drawn it from a ball: along each axis divided by its length.
    fn whitened(&self, step: &[f64]) -> Vec<f64> {
        let (lengths, directions) = &self.axes;
        let n = step.len();
        let along: Vec<f64> =
            (0..n).map(|axis| (0..n).map(|k| directions[k][axis] * step[k]).sum::<f64>() / lengths[axis]).collect();
        directions.iter().map(|row| row.iter().zip(&along).map(|(direction, along)| direction * along).sum()).collect()
    }

    /// What a generation tells, the best first.
    pub(super) fn learn(&mut self, ranked: &[(f64, &[f64])]) {
        let r = &self.rules;
        let n = self.middle.len();
        self.generation = self.generation.saturating_add(1);
        let steps: Vec<(Vec<f64>, f64)> = ranked
            .iter()
            .map(|(_, place)| {
                let step: Vec<f64> = place.iter().zip(&self.middle).map(|(x, m)| (x - m) / self.sigma).collect();
                let length = norm(&self.whitened(&step));
                let factor = (r.longest / length).min(1.0);
                (step.iter().map(|s| factor * s).collect(), factor * length)
            })
            .collect();
        let mut mean = vec![0.0; n];
        for ((step, _), weight) in steps.iter().zip(&r.weights).filter(|(_, weight)| **weight > 0.0) {
            mean.iter_mut().zip(step).for_each(|(mean, step)| *mean += weight * step);
        }
        self.middle.iter_mut().zip(&mean).for_each(|(m, step)| *m += self.sigma * step);
        let scale = (r.c_sigma * (2.0 - r.c_sigma) * r.mu_eff).sqrt();
        let white = self.whitened(&mean);
        self.path_sigma.iter_mut().zip(&white).for_each(|(p, w)| *p = (1.0 - r.c_sigma) * *p + scale * w);
        let length = norm(&self.path_sigma);
        let grown = 1.0 - (1.0 - r.c_sigma).powi(2 * self.generation);
        let steady = length / grown.sqrt() < (1.4 + 2.0 / (n as f64 + 1.0)) * r.chi;
        let scale = if steady { (r.c_c * (2.0 - r.c_c) * r.mu_eff).sqrt() } else { 0.0 };
        self.path_covariance.iter_mut().zip(&mean).for_each(|(p, s)| *p = (1.0 - r.c_c) * *p + scale * s);
        let lost = if steady { 0.0 } else { r.c_c * (2.0 - r.c_c) };
        let sum: f64 = r.weights.iter().sum();
        let kept = 1.0 + r.c_1 * lost - r.c_1 - r.c_mu * sum;
        for row in 0..n {
            for column in 0..=row {
                let path = self.path_covariance[row] * self.path_covariance[column];
                let spread = steps.iter().zip(&r.weights).map(|((step, length), weight)| {
                    let weight =
                        if *weight >= 0.0 { *weight } else { weight * n as f64 / (length * length).max(1e-12) };
                    weight * step[row] * step[column]
                });
                let value = kept * self.covariance[row][column] + r.c_1 * path + r.c_mu * spread.sum::<f64>();
                self.covariance[row][column] = value;
                self.covariance[column][row] = value;
            }
        }
        // Beyond the width of the space a wider distribution is no other one.
        self.sigma = (self.sigma * ((r.c_sigma / r.d_sigma) * (length / r.chi - 1.0)).exp()).min(1.0);
        let (values, directions) = eigen(&self.covariance);
        self.axes = (values.iter().map(|value| value.max(1e-20).sqrt()).collect(), directions);
        self.remember(ranked);
    }

    fn remember(&mut self, ranked: &[(f64, &[f64])]) {
        let patience = 10 + (30.0 * self.middle.len() as f64 / self.population() as f64).ceil() as usize;
        self.best.push(ranked.first().map_or(f64::INFINITY, |(loss, _)| *loss));
        let old = self.best.len().saturating_sub(patience);
        self.best.drain(..old);
        let all = self.best.iter().copied().chain(ranked.iter().map(|(loss, _)| *loss));
        let (least, most) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), loss| (a.min(loss), b.max(loss)));
        let differ = most - least > 1e-12 * least.abs();
        self.flat = self.best.len() >= patience && !differ;
    }

    /// Whether nothing more is to be expected of it.
    pub(super) fn is_done(&self) -> bool {
        let (lengths, _) = &self.axes;
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        let shortest = lengths.iter().copied().fold(f64::INFINITY, f64::min);
        let sound = self.sigma.is_finite() && self.middle.iter().all(|place| place.is_finite());
        !sound || self.flat || self.sigma * longest < NARROW || longest * longest > LONG * shortest * shortest
    }
}

fn norm(step: &[f64]) -> f64 {
    step.iter().map(|s| s * s).sum::<f64>().sqrt()
}
