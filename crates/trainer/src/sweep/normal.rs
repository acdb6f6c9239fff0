//! How likely are places under normal distributions, and which are drawn from them?

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use data_loader::random::Random;

/// Half the logarithm of the circle's circumference: what the logarithm of the standard normal density has left over.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

/// How much of the standard normal distribution lies below `z`.
pub(super) fn lower_tail(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// The logarithm of the density of the standard normal distribution.
pub(super) fn log_density(z: f64) -> f64 {
    -0.5 * z * z - HALF_LOG_TAU
}

/// The place below which a share of the standard normal distribution lies, by bisection.
pub(super) fn quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..64 {
        let middle = 0.5 * (low + high);
        if lower_tail(middle) < share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// How much of a normal distribution lies between two places.
pub(super) fn mass(middle: f64, width: f64, from: f64, to: f64) -> f64 {
    let [from, to] = [from, to].map(|place| (place - middle) / width);
    // On the side where less lies, so that no digits are lost.
    if from > 0.0 { lower_tail(-from) - lower_tail(-to) } else { lower_tail(to) - lower_tail(from) }
}

/// A place of a normal distribution that ends at 0 and 1; `unit` is where below it as a share.
pub(super) fn truncated(middle: f64, width: f64, unit: f64) -> f64 {
    let (low, high) = (lower_tail(-middle / width), lower_tail((1.0 - middle) / width));
    let found = middle + width * quantile(low + (high - low) * unit);
    found.clamp(0.0, 1.0)
}

/// A number of the standard normal distribution, by the method of Box and Muller.
pub(super) fn draw(random: &mut Random) -> f64 {
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (TAU * random.unit()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from tables of the standard normal distribution.
    #[test]
    fn tails_and_quantiles_are_those_of_tables() {
        for (z, share) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_543),
            (-1.959_963_984_540_054, 0.025),
            (-3.0, 0.001_349_898_031_630_095),
        ] {
            assert!((lower_tail(z) - share).abs() < 1e-14, "{z}");
            assert!((quantile(share) - z).abs() < 1e-9, "{share}");
        }
        assert!((mass(0.2, 0.1, 0.1, 0.3) - 0.682_689_492_137_086).abs() < 1e-12);
        assert!((log_density(1.0).exp() - 0.241_970_724_519_143_4).abs() < 1e-15);
    }

    #[test]
    fn what_is_drawn_is_normal() {
        let mut random = Random::derive(&[5]);
        let drawn: Vec<f64> = (0..20_000).map(|_| draw(&mut random)).collect();
        let mean = drawn.iter().sum::<f64>() / 20_000.0;
        let square = drawn.iter().map(|z| z * z).sum::<f64>() / 20_000.0;
        // Five standard errors.
        assert!(mean.abs() < 0.036 && (square - 1.0).abs() < 0.05, "{mean} {square}");
        let below = (0..1000).map(|k| truncated(0.9, 0.3, f64::from(k) / 1000.0)).filter(|place| *place < 0.9).count();
        // Of the part from 0 to 1, as much lies below 0.9 as of the whole from three widths below.
        let share = mass(0.9, 0.3, 0.0, 0.9) / mass(0.9, 0.3, 0.0, 1.0);
        assert!((below as f64 / 1000.0 - share).abs() < 0.002, "{below} {share}");
    }
}
