//! What is typical of a column of numbers? All of a population, none of a sample: the training part is all there is.

/// The mean and the population standard deviation (division by n), in two passes; (0, 0) of nothing.
pub fn mean_and_std(values: &[f64]) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let n = values.len() as f64;
    // Dividing before adding keeps the sum of huge values finite.
    let mean = values.iter().map(|value| value / n).sum::<f64>();
    let variance = values.iter().map(|value| (value - mean).powi(2) / n).sum::<f64>();
    (mean, variance.sqrt())
}

/// Count, mean and variance of numbers that are met one after the other or in several heaps, without the rounding errors of
/// sums of squares (Chan, Golub and `LeVeque`, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// How many numbers were met.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The sum of their squared distances from the mean.
    squares: f64,
}

impl Moments {
    /// Meets one more number.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value - self.mean);
    }

    /// Meets the numbers that `other` met.
    pub fn merge(&mut self, other: Self) {
        let count = self.count + other.count;
        if count == 0 {
            return;
        }
        let distance = other.mean - self.mean;
        let share = other.count as f64 / count as f64;
        self.mean += distance * share;
        self.squares += other.squares + distance * distance * share * self.count as f64;
        self.count = count;
    }

    /// The population variance; 0 of nothing.
    pub fn variance(self) -> f64 {
        self.squares / self.count.max(1) as f64
    }
}

/// The value below which the fraction `q` of `sorted` lies, linearly interpolated between neighbours: definition 7 of
/// Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996). The median is `q = 0.5`; 0 of nothing.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = q.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    let weight = place - place.floor();
    sorted[below] * (1.0 - weight) + sorted[above] * weight
}

/// Three rational functions, each a numerator and a denominator with the highest power first: what [`normal_quantile`] is made of.
#[expect(clippy::excessive_precision, reason = "As the paper prints them.")]
pub const NORMAL_QUANTILE: [[[f64; 8]; 2]; 3] = [
    [
        [
            2.509_080_928_730_122_672_7e3,
            3.343_057_558_358_812_810_5e4,
            6.726_577_092_700_870_085_3e4,
            4.592_195_393_154_987_145_7e4,
            1.373_169_376_550_946_112_5e4,
            1.971_590_950_306_551_442_7e3,
            1.331_416_678_917_843_774_5e2,
            3.387_132_872_796_366_608,
        ],
        [
            5.226_495_278_852_854_561e3,
            2.872_908_573_572_194_267_4e4,
            3.930_789_580_009_271_061e4,
            2.121_379_430_158_659_586_7e4,
            5.394_196_021_424_751_107_7e3,
            6.871_870_074_920_579_083e2,
            4.231_333_070_160_091_125_2e1,
            1.0,
        ],
    ],
    [
        [
            7.745_450_142_783_414_076_4e-4,
            2.272_384_498_926_918_458_33e-2,
            2.417_807_251_774_506_117_7e-1,
            1.270_458_252_452_368_382_58,
            3.647_848_324_763_204_605_04,
            5.769_497_221_460_691_405_5,
            4.630_337_846_156_545_295_9,
            1.423_437_110_749_683_577_34,
        ],
        [
            1.050_750_071_644_416_843_24e-9,
            5.475_938_084_995_344_946e-4,
            1.519_866_656_361_645_719_66e-2,
            1.481_039_764_274_800_745_9e-1,
            6.897_673_349_851_000_045_5e-1,
            1.676_384_830_183_803_849_4,
            2.053_191_626_637_758_821_87,
            1.0,
        ],
    ],
    [
        [
            2.010_334_399_292_288_132_65e-7,
            2.711_555_568_743_487_578_15e-5,
            1.242_660_947_388_078_438_6e-3,
            2.653_218_952_657_612_309_3e-2,
            2.965_605_718_285_048_912_3e-1,
            1.784_826_539_917_291_335_8,
            5.463_784_911_164_114_369_9,
            6.657_904_643_501_103_777_2,
        ],
        [
            2.044_263_103_389_939_785_64e-15,
            1.421_511_758_316_445_888_7e-7,
            1.846_318_317_510_054_681_8e-5,
            7.868_691_311_456_132_591e-4,
            1.487_536_129_085_061_485_25e-2,
            1.369_298_809_227_358_053_1e-1,
            5.998_322_065_558_879_376_9e-1,
            1.0,
        ],
    ],
];

/// The number below which a standard normal variable lies with probability `p`, between 0 and 1. Rational approximations of
/// Michael Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution" (1988), function PPND16, correct to
/// about 1 part in 10^16.
pub fn normal_quantile(p: f64) -> f64 {
    let polynomial =
        |x: f64, coefficients: [f64; 8]| coefficients.into_iter().fold(0.0, |sum, coefficient| sum * x + coefficient);
    let rational = |x: f64, [above, below]: [[f64; 8]; 2]| polynomial(x, above) / polynomial(x, below);
    let [centre, near, far] = NORMAL_QUANTILE;
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let [above, below] = centre;
        let r = 0.180_625 - q * q;
        return q * polynomial(r, above) / polynomial(r, below);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-tail.ln()).sqrt();
    let size = if r <= 5.0 { rational(r - 1.6, near) } else { rational(r - 5.0, far) };
    size.copysign(q)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn closed_forms() {
        // Of 1 to n the mean is (n + 1) / 2 and the population variance (n^2 - 1) / 12.
        for n in [1_u32, 2, 9, 1000] {
            let values: Vec<f64> = (1..=n).map(f64::from).collect();
            let (mean, std) = mean_and_std(&values);
            let n = f64::from(n);
            assert!((mean - f64::midpoint(n, 1.0)).abs() < 1e-9);
            assert!((std - ((n * n - 1.0) / 12.0).sqrt()).abs() < 1e-9);
            assert!((quantile(&values, 0.5) - f64::midpoint(n, 1.0)).abs() < 1e-9);
            assert!((quantile(&values, 0.25) - (1.0 + (n - 1.0) / 4.0)).abs() < 1e-9);
        }
        assert_eq!((mean_and_std(&[]), quantile(&[], 0.5)), ((0.0, 0.0), 0.0));
        assert!(mean_and_std(&[f64::MAX, f64::MAX]).0.is_finite());
    }

    #[test]
    #[expect(clippy::unreadable_literal, reason = "As Python prints them.")]
    fn normal_quantiles_are_those_of_scipy() {
        for (p, wanted) in [
            (1e-300, -37.0470962993612),
            (1e-20, -9.262340089798409),
            (1e-09, -5.9978070150076865),
            (1e-07, -5.1993375821928165),
            (0.01, -2.3263478740408408),
            (0.07, -1.4757910281791706),
            (0.0750001, -1.4395307645017301),
            (0.3, -0.5244005127080409),
            (0.6, 0.2533471031357997),
            (0.925, 1.4395314709384563),
            (0.93, 1.475791028179171),
            (0.999, 3.090232306167813),
            (0.9999999, 5.199337582290661),
        ] {
            let found = normal_quantile(p);
            assert!((found - wanted).abs() <= 1e-15 * f64::abs(wanted), "{p}: {found} {wanted}");
        }
        assert_eq!(normal_quantile(0.5), 0.0);
    }

    proptest! {
        #[test]
        fn moments_in_heaps_are_those_of_all(values in proptest::collection::vec(-1e3..1e3_f64, 0..50), cut in 0..50_usize) {
            let of = |values: &[f64]| {
                let mut moments = Moments::default();
                for value in values {
                    moments.add(*value);
                }
                moments
            };
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut both = of(left);
            both.merge(of(right));
            let (mean, std) = mean_and_std(&values);
            for found in [both, of(&values)] {
                prop_assert_eq!(found.count, values.len() as u64);
                prop_assert!((found.mean - mean).abs() < 1e-9 && (found.variance() - std * std).abs() < 1e-6);
            }
        }

        #[test]
        fn shifting_and_scaling_move_the_statistics_along(
            mut values in proptest::collection::vec(-1e3..1e3_f64, 1..50), shift in -1e3..1e3_f64, scale in 0.1..10.0_f64,
        ) {
            let (mean, std) = mean_and_std(&values);
            let moved: Vec<f64> = values.iter().map(|value| value * scale + shift).collect();
            let (moved_mean, moved_std) = mean_and_std(&moved);
            prop_assert!((moved_mean - (mean * scale + shift)).abs() < 1e-6);
            prop_assert!((moved_std - std * scale).abs() < 1e-6);
            values.sort_by(f64::total_cmp);
            let median = quantile(&values, 0.5);
            let below = values.iter().filter(|&&value| value < median).count();
            let above = values.iter().filter(|&&value| value > median).count();
            prop_assert!(below * 2 <= values.len() && above * 2 <= values.len());
        }
    }
}
