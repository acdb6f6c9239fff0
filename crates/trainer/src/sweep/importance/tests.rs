//! Are the shares those of functions of which they are known?

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::sweep::dimensions::{Dimension, Kind, Part};
use crate::sweep::space::Range;

/// A space of numbers from 0 to 1 (0) and of so many choices.
fn space(kinds: &[usize]) -> Dimensions {
    let mut dimensions = Dimensions::new(&crate::sweep::space::Space::new()).unwrap();
    for (index, &kind) in kinds.iter().enumerate() {
        let kind = match kind {
            0 => Kind::Range(Range { low: 0.0, high: 1.0, log: false, step: None, whole: false }),
            count => Kind::Choice(count),
        };
        dimensions.all.push(Dimension { address: format!("x{index}"), part: Part::Whole, kind, when: Vec::new() });
    }
    dimensions
}

fn complete(points: Vec<Vec<Option<f64>>>, losses: &[f64]) -> Vec<Known> {
    let known = points.into_iter().zip(losses).enumerate();
    known
        .map(|(number, (point, &loss))| Known { number: number as u64, point, outcome: Outcome::Complete(vec![loss]) })
        .collect()
}

/// Trials at random points of a space, with what a function makes of them.
fn tried(dimensions: &Dimensions, count: u64, loss: impl Fn(&[Option<f64>], &mut Random) -> f64) -> Vec<Known> {
    let mut random = Random::derive(&[count, 5]);
    let points: Vec<_> = (0..count).map(|_| dimensions.random(&mut random)).collect();
    let losses: Vec<f64> = points.iter().map(|point| loss(point, &mut random)).collect();
    complete(points, &losses)
}

fn shares(found: &Importance) -> Vec<f64> {
    found.dimensions.iter().map(|dimension| dimension.share).collect()
}

fn near(found: &[f64], truth: &[f64], apart: f64) {
    let most = found.iter().zip(truth).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(found.len() == truth.len() && most <= apart, "{found:?} is not {truth:?}");
}

/// A number from 0 to 1 with mean 0 and variance 1.
fn even(place: Option<f64>) -> f64 {
    (place.unwrap() - 0.5) * 12.0_f64.sqrt()
}

#[test]
fn sums_are_taken_apart() {
    let dimensions = space(&[0, 0, 3, 0]);
    // Variances 4, 1, 2 (of -1, -1, 2) and 0.
    let sum = |point: &[Option<f64>], _: &mut Random| {
        2.0 * even(point[0]) + even(point[1]) + [-1.0, -1.0, 2.0][point[2].unwrap() as usize]
    };
    let found = Importance::of(&dimensions, &tried(&dimensions, 500, sum), 0, 0).unwrap();
    near(&shares(&found), &[4.0 / 7.0, 1.0 / 7.0, 2.0 / 7.0, 0.0], 0.05);
    assert!(found.explained > 0.9 && found.trials == 500);
    assert!(found.pairs.iter().all(|pair| pair.share < 0.03), "{:?}", found.pairs);
    let choice = &found.dimensions[2].losses;
    assert!((choice[2] - choice[0] - 3.0).abs() < 0.5, "{choice:?}");
    let line = &found.dimensions[0].losses;
    assert!(line.len() == 64 && line[63] - line[0] > 5.0 && line[63] - line[0] < 7.0);
}

#[test]
fn products_are_pairs() {
    let dimensions = space(&[0, 0, 0]);
    // x0 x1 + x2: half of the variance is that of the pair.
    let product = |point: &[Option<f64>], _: &mut Random| even(point[0]) * even(point[1]) + even(point[2]);
    let found = Importance::of(&dimensions, &tried(&dimensions, 1000, product), 0, 0).unwrap();
    near(&shares(&found), &[0.0, 0.0, 0.5], 0.06);
    assert_eq!(found.pairs[0].dimensions, (0, 1));
    assert!((found.pairs[0].share - 0.5).abs() < 0.08, "{:?}", found.pairs);
}

#[test]
fn what_counts_sometimes_has_what_it_explains_where_it_counts() {
    let mut dimensions = space(&[2, 0, 0, 0]);
    dimensions.all[1].when = vec![(0, vec![0])];
    dimensions.all[2].when = vec![(0, vec![1])];
    // The choice has variance 1, its numbers 4 / 2 and 1 / 2, the other one 1.
    let nested = |point: &[Option<f64>], _: &mut Random| {
        let inner = match point[0] {
            Some(0.0) => 1.0 + 2.0 * even(point[1]),
            _ => -1.0 + even(point[2]),
        };
        inner + even(point[3])
    };
    let found = Importance::of(&dimensions, &tried(&dimensions, 1000, nested), 0, 0).unwrap();
    near(&shares(&found), &[1.0 / 4.5, 2.0 / 4.5, 0.5 / 4.5, 1.0 / 4.5], 0.06);
    assert!(found.pairs.iter().all(|pair| pair.dimensions != (0, 1) && pair.dimensions != (0, 2)));
}

#[test]
fn a_stray_trial_decides_nothing() {
    let dimensions = space(&[0, 0]);
    let line = |point: &[Option<f64>], _: &mut Random| even(point[0]);
    let mut known = tried(&dimensions, 200, line);
    known[3].outcome = Outcome::Complete(vec![1e300]);
    known[4].outcome = Outcome::Complete(vec![f64::INFINITY]);
    known[5].outcome = Outcome::Pruned { step: 1, loss: -9.0 };
    let found = Importance::of(&dimensions, &known, 0, 0).unwrap();
    assert!(found.dimensions[0].share > 0.85 && found.trials == 198, "{found:?}");
    assert_eq!(Importance::of(&dimensions, &known, 0, 0), Some(found), "the same seed, the same shares");
}

#[test]
fn of_nothing_nothing_is_told() {
    let dimensions = space(&[0, 2]);
    let of = |count, loss: fn(&[Option<f64>], &mut Random) -> f64| {
        Importance::of(&dimensions, &tried(&dimensions, count, loss), 0, 0)
    };
    assert_eq!(of(9, |point, _| even(point[0])), None);
    assert_eq!(of(50, |_, _| 3.0), None);
    assert_eq!(of(50, |_, _| f64::NAN), None);
    assert_eq!(Importance::of(&space(&[]), &tried(&space(&[]), 50, |_, random| random.unit()), 0, 0), None);
    assert_eq!(Importance::of(&dimensions, &tried(&dimensions, 50, |_, random| random.unit()), 1, 0), None);
    let noise = of(300, |_, random| random.unit()).unwrap();
    assert!(noise.explained < 0.1, "{noise:?}");
    let huge = of(50, |point, _| if point[1] == Some(0.0) { f64::MAX } else { f64::MIN }).unwrap();
    assert!(shares(&huge).iter().all(|share| share.is_finite()) && huge.dimensions[1].share > 0.9, "{huge:?}");
}

#[test]
fn marginals_are_those_of_the_definition() {
    let bins = [Bins { count: 3, ordered: false }, Bins { count: 4, ordered: true }, Bins { count: 2, ordered: true }];
    let mut random = Random::derive(&[4]);
    let rows: Vec<u8> = (0..60).flat_map(|_| [3, 4, 2].map(|count| random.below(count) as u8)).collect();
    let losses: Vec<f64> = (0..60).map(|_| random.unit()).collect();
    let table = Table { bins: bins.to_vec(), rows, losses, scale: Scale { low: 0.0, half: 0.5 } };
    let (forest, _) = grow(&table, &mut random);
    let pairs = [(0, 1), (0, 2), (1, 2)];
    let marginals = Marginals::of(&bins, &pairs, TREES, |told| {
        for tree in &forest {
            tree.leaves(&bins, &mut *told);
        }
    });
    let all: Vec<[u8; 3]> = (0..24).map(|k| [k % 3, k / 3 % 4, k / 12]).collect();
    let value = |row: &[u8; 3]| forest.iter().map(|tree| tree.at(row)).sum::<f64>() / TREES as f64;
    let mean = |holds: &dyn Fn(&[u8; 3]) -> bool| {
        let rows: Vec<_> = all.iter().filter(|row| holds(row)).collect();
        rows.iter().map(|row| value(row)).sum::<f64>() / rows.len() as f64
    };
    let whole = mean(&|_| true);
    assert!((marginals.mean - whole).abs() < 1e-12);
    let alone = |d: usize, bin: u8| mean(&|row| row[d] == bin) - whole;
    for (d, bins) in bins.iter().enumerate() {
        let count = bins.count as u8;
        let variance = (0..count).map(|bin| alone(d, bin).powi(2)).sum::<f64>() / f64::from(count);
        assert!((marginals.variance(d) - variance).abs() < 1e-12);
    }
    for (place, &(a, b)) in pairs.iter().enumerate() {
        let both = |row: &[u8; 3]| {
            mean(&|other| other[a] == row[a] && other[b] == row[b]) - whole - alone(a, row[a]) - alone(b, row[b])
        };
        let variance = all.iter().map(|row| both(row).powi(2)).sum::<f64>() / 24.0;
        assert!((marginals.variance_of_pair(place) - variance).abs() < 1e-12);
    }
}

/// For `tests/peers/importance_optuna.py`.
#[test]
#[ignore = "needs the functions of tests/peers/importance_optuna.py"]
fn importances_of_functions() {
    #[derive(Deserialize)]
    struct Function {
        family: String,
        kinds: Vec<usize>,
        points: Vec<Vec<Option<f64>>>,
        losses: Vec<f64>,
    }
    let folder = std::path::PathBuf::from(std::env::var_os("FIREBOX_IMPORTANCE").unwrap());
    let functions: Vec<Function> =
        serde_json::from_str(&std::fs::read_to_string(folder.join("functions.json")).unwrap()).unwrap();
    let mut told = Vec::new();
    for function in functions {
        let mut dimensions = space(&function.kinds);
        if function.family == "conditional" {
            dimensions.all[1].when = vec![(0, vec![0])];
            dimensions.all[2].when = vec![(0, vec![1])];
        }
        let known = complete(function.points, &function.losses);
        let began = std::time::Instant::now();
        let found = Importance::of(&dimensions, &known, 0, 0).unwrap();
        let seconds = began.elapsed().as_secs_f64();
        let single: Vec<f64> = found.dimensions.iter().map(|one| one.share).collect();
        let double: Vec<_> =
            found.pairs.iter().map(|pair| json!([pair.dimensions.0, pair.dimensions.1, pair.share])).collect();
        told.push(json!({ "single": single, "double": double, "seconds": seconds, "explained": found.explained }));
    }
    std::fs::write(folder.join("ours.json"), serde_json::to_string(&told).unwrap()).unwrap();
}
