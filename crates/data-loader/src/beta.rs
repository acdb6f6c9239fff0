//! How is a number from the Beta distribution drawn? As the share of one of two numbers from the Gamma distribution.

use crate::random::Random;

/// A number from 0 to 1 of the distribution Beta(alpha, alpha); `alpha` is above 0.
pub(crate) fn beta(alpha: f64, random: &mut Random) -> f64 {
    // With logarithms, because both numbers are 0 to all digits where alpha is small.
    let (x, y) = (log_gamma_variate(alpha, random), log_gamma_variate(alpha, random));
    1.0 / (1.0 + (y - x).exp())
}

/// The logarithm of a number of the distribution Gamma(shape, 1).
///
/// Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables" (2000); below a shape of 1 by their reduction to
/// shape + 1.
fn log_gamma_variate(shape: f64, random: &mut Random) -> f64 {
    if shape < 1.0 {
        let below = (1.0 - random.unit()).ln() / shape;
        return log_gamma_variate(shape + 1.0, random) + below;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(random);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - random.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return (d * v).ln();
        }
    }
}

/// A number of the standard normal distribution, by the method of Box and Muller.
fn normal(random: &mut Random) -> f64 {
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.unit()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distribution() {
        for (place, alpha) in [0.1, 0.2, 1.0, 4.0].into_iter().enumerate() {
            let mut random = Random::derive(&[11, place as u64]);
            let n = 100_000_u32;
            let drawn: Vec<f64> = (0..n).map(|_| beta(alpha, &mut random)).collect();
            assert!(drawn.iter().all(|x| (0.0..=1.0).contains(x)));
            let n = f64::from(n);
            let mean = drawn.iter().sum::<f64>() / n;
            let variance = drawn.iter().map(|x| (x - 0.5).powi(2)).sum::<f64>() / n;
            // Beta(a, a) has the mean 1/2, the variance 1 / (4 (2a + 1)) and the fourth central moment
            // 3 / (16 (2a + 1) (2a + 3)); means of n numbers lie within five of their standard deviations.
            let wanted = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            let fourth = 3.0 / (16.0 * (2.0 * alpha + 1.0) * (2.0 * alpha + 3.0));
            assert!((mean - 0.5).abs() < 5.0 * (wanted / n).sqrt(), "alpha {alpha}: mean {mean}");
            let slack = 5.0 * ((fourth - wanted * wanted) / n).sqrt();
            assert!((variance - wanted).abs() < slack, "alpha {alpha}: variance {variance}, not {wanted}");
        }
        // So small that a number which is not a logarithm would be 0 / 0.
        let mut random = Random::derive(&[12]);
        assert!((0..1000).all(|_| beta(1e-4, &mut random).is_finite()));
    }
}
