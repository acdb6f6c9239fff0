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

    proptest! {
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
