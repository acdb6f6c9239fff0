//! How alike are the losses of two points? The more the closer they are: Matérn's kernel with 5/2 degrees of smoothness (Rasmussen and Williams,
//! "Gaussian Processes for Machine Learning", 2006, chapter 4), with a length for each dimension.
//!
//! Numbers are as far from each other as their places; choices are alike or not.

/// 5 to the power of 1/2.
const ROOT: f64 = 2.236_067_977_499_79;

/// The kernel and what is added to the losses by chance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kernel {
    /// Of each dimension one over the square of its length: how far is far.
    pub(super) scales: Vec<f64>,
    /// The variance of the losses.
    pub(super) height: f64,
    /// The variance of what is added by chance.
    pub(super) noise: f64,
}

impl Kernel {
    /// At a squared distance in lengths.
    pub(super) fn at(&self, squared: f64) -> f64 {
        let r = ROOT * squared.sqrt();
        self.height * (1.0 + r + r * r / 3.0) * (-r).exp()
    }

    /// By how much it changes with the squared distance.
    pub(super) fn slope(&self, squared: f64) -> f64 {
        let r = ROOT * squared.sqrt();
        -self.height * (5.0 / 6.0) * (1.0 + r) * (-r).exp()
    }
}

/// Which dimensions are choices.
#[derive(Clone, Debug)]
pub(super) struct Metric {
    pub(super) choices: Vec<bool>,
}

impl Metric {
    /// The squared distance along one dimension.
    pub(super) fn along(&self, dimension: usize, a: &[f64], b: &[f64]) -> f64 {
        match self.choices[dimension] {
            true => f64::from(a[dimension] != b[dimension]),
            false => (a[dimension] - b[dimension]).powi(2),
        }
    }

    /// The squared distance in lengths.
    pub(super) fn squared(&self, scales: &[f64], a: &[f64], b: &[f64]) -> f64 {
        scales.iter().enumerate().map(|(dimension, scale)| scale * self.along(dimension, a, b)).sum()
    }
}
