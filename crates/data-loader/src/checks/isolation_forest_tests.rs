//! Does the forest score rows as scikit-learn's does?

use super::*;

#[test]
fn the_mean_depth_is_that_of_the_paper() {
    // c(n) = 2 H(n - 1) - 2 (n - 1) / n, with the harmonic number itself in the place of its approximation.
    for n in [3_usize, 10, 256] {
        let harmonic: f64 = (1..n).map(|k| 1.0 / k as f64).sum();
        let exact = 2.0 * harmonic - 2.0 * (n as f64 - 1.0) / n as f64;
        assert!((mean_depth(n) - exact).abs() < 1.0 / (n as f64 - 1.0), "{n}: {} and {exact}", mean_depth(n));
    }
    assert_eq!([mean_depth(0), mean_depth(1), mean_depth(2)], [0.0, 0.0, 1.0]);
}

#[test]
fn rows_that_lie_apart_have_the_highest_scores() {
    for seed in 0..5 {
        let mut random = Random::derive(&[seed, 1]);
        let mut columns: Vec<Vec<f64>> =
            (0..4).map(|_| (0..500).map(|_| (0..12).map(|_| random.unit()).sum::<f64>() - 6.0).collect()).collect();
        for (column, values) in columns.iter_mut().enumerate() {
            values[17] = 7.0 + column as f64;
            values[250] = -8.0;
        }
        let scores = scores(&columns, seed, &mut |_| {});
        let mut order: Vec<usize> = (0..500).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let mut first = [order[0], order[1]];
        first.sort_unstable();
        assert_eq!(first, [17, 250]);
        assert!(scores[17] > SCORE && scores[250] > SCORE, "{} {}", scores[17], scores[250]);
        assert!(order[2..].iter().all(|&row| scores[row] < SCORE), "{}", scores[order[2]]);
        assert!(scores.iter().all(|score| *score > 0.0 && *score < 1.0));
    }
}

#[test]
fn rows_without_a_difference_are_all_alike() {
    let columns = vec![vec![1.0; 60], vec![2.0; 60]];
    let scores = scores(&columns, 0, &mut |_| {});
    assert!(scores.iter().all(|score| (score - 0.5).abs() < 1e-9), "{scores:?}");
    assert!(filled(&[1.0, 1.0, f64::NAN]).is_none());
    assert_eq!(filled(&[1.0, 3.0, f64::NAN]).unwrap()[2], 2.0);
    let huge = vec![vec![-f64::MAX, f64::MAX, 0.0, 1.0], vec![1.0, 2.0, 3.0, 4.0]];
    assert!(super::scores(&huge, 0, &mut |_| {}).iter().all(|score| score.is_finite()));
}

#[test]
fn scores_rank_rows_as_those_of_scikit_learn() {
    // Written by tests/peers/isolation_forest_sklearn.py.
    let text = include_str!("../../tests/fixtures/isolation_forest.csv");
    let rows: Vec<Vec<f64>> =
        text.lines().skip(1).map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect();
    let columns: Vec<Vec<f64>> = (0..6).map(|column| rows.iter().map(|row| row[column]).collect()).collect();
    let theirs: Vec<f64> = rows.iter().map(|row| row[6]).collect();
    let ranks = |values: &[f64]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let mut ranks = vec![0.0; values.len()];
        order.iter().enumerate().for_each(|(rank, &at)| ranks[at] = rank as f64);
        ranks
    };
    for seed in 0..3 {
        let ours = scores(&columns, seed, &mut |_| {});
        let n = ours.len() as f64;
        let distance: f64 = ranks(&ours).iter().zip(ranks(&theirs)).map(|(a, b)| (a - b).powi(2)).sum();
        // Spearman's rank correlation.
        let correlation = 1.0 - 6.0 * distance / (n * (n * n - 1.0));
        let largest = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(correlation > 0.96, "seed {seed}: {correlation}");
        assert!(largest < 0.08, "seed {seed}: a score differs by {largest}");
    }
}
