//! Does the grid meet every combination, once?

use std::collections::BTreeSet;

use super::*;
use crate::sweep::searchers::tests::{cube, dimensions};

const CONDITIONAL: &str = r#"
    model = { choices = ["mlp", "gru", "bag"] }
    "model.mlp.hidden" = { each = { low = 16, high = 64, log = true }, count = { low = 0, high = 2 }, when = { model = "mlp" } }
    "model.mlp.norm" = { choices = ["none", "layer"], when = { model = "mlp" } }
    "model.mlp.momentum" = { low = 0.1, high = 0.9, when = { "model.mlp.norm" = "layer" } }
    "model.gru.hidden" = { low = 8, high = 32, step = 8, when = { model = ["gru"] } }
    "rate" = { low = 1e-3, high = 1.0, log = true }
    "train.epochs" = 7
"#;

/// What is tried, as texts, when each trial comes to its end.
fn all(grid: &Grid, dimensions: &Dimensions, trials: u64, seed: u64) -> Vec<String> {
    let mut known: Vec<Known> = Vec::new();
    for number in 0..trials {
        let point = grid.propose(dimensions, &known, Turn { seed, number });
        known.push(Known { number, point, outcome: Outcome::Complete(vec![0.0]) });
    }
    known.iter().map(|trial| format!("{:?}", dimensions.settings(&trial.point))).collect()
}

#[test]
fn every_combination_is_tried_once() {
    let dimensions = dimensions(CONDITIONAL);
    let grid = Grid { points: 3 };
    // Lists: none, or one or two of three numbers; norms: none, or one with three momenta. 3 rates with each.
    let count = grid.left(&dimensions, std::iter::empty());
    assert_eq!(count, 3 * ((1 + 2 * 3) * (1 + 3) + 4 + 1));
    for seed in 0..3 {
        let tried = all(&grid, &dimensions, count, seed);
        assert_eq!(tried.iter().collect::<BTreeSet<_>>().len() as u64, count, "none twice");
        // And then from the beginning.
        assert_eq!(all(&grid, &dimensions, count + 1, seed)[count as usize], tried[0]);
    }
}

#[test]
fn each_rank_is_that_of_its_point() {
    let dimensions = dimensions(CONDITIONAL);
    for points in [1, 2, 7] {
        let lattice = Lattice::new(&dimensions, points);
        for rank in 0..lattice.combinations() as u64 {
            let point = lattice.point(rank);
            assert_eq!(lattice.rank(&point), Some(rank));
            let written = dimensions.settings(&point).into_iter().collect();
            assert_eq!(lattice.rank(&dimensions.point(&written).unwrap()), Some(rank), "after it was written");
        }
    }
}

#[test]
fn what_was_tried_elsewhere_is_not_tried_again_and_what_failed_comes_last() {
    let dimensions = dimensions("a = { low = 1, high = 4 }\nb = { choices = [true, false] }");
    let grid = Grid::default();
    let trial = |number: u64, a: f64, b: f64, outcome| Known { number, point: vec![Some(a), Some(b)], outcome };
    let mut known = vec![
        trial(0, 0.4, 1.0, Outcome::Running),
        trial(1, 0.9, 0.0, Outcome::Failed),
        trial(2, 0.1, 0.0, Outcome::Pruned { step: 1, loss: 0.0 }),
    ];
    let mut tried = BTreeSet::new();
    for number in 3..9 {
        let point = grid.propose(&dimensions, &known, Turn { seed: 4, number });
        tried.insert(format!("{:?}", dimensions.settings(&point)));
        known.push(Known { number, point, outcome: Outcome::Complete(vec![1.0]) });
    }
    // Of 8 the 5 that are new, and at last the one that failed.
    assert_eq!(tried.len(), 6);
    assert_eq!(known[8].point, grid.propose(&dimensions, &known[..8], Turn { seed: 4, number: 8 }));
    assert_eq!(dimensions.settings(&known[8].point), dimensions.settings(&known[1].point));
}

#[test]
fn the_first_combinations_are_spread_out() {
    let dimensions = dimensions("a = { low = 1, high = 20 }\nb = { low = 1, high = 20 }");
    for seed in 0..5 {
        let mut quarters = [0; 4];
        let mut known = Vec::new();
        for number in 0..40 {
            let point = Grid::default().propose(&dimensions, &known, Turn { seed, number });
            let half = |k: usize| usize::from(point[k].unwrap() > 0.5);
            quarters[2 * half(0) + half(1)] += 1;
            known.push(Known { number, point, outcome: Outcome::Running });
        }
        assert!(quarters.iter().all(|count| *count >= 6), "{quarters:?}");
    }
}

#[test]
fn what_cannot_be_counted_is_tried_by_chance() {
    let dimensions = dimensions(&cube(9, 1.0, 1000.0).replace(".0", ""));
    let grid = Grid::default();
    assert_eq!(grid.left(&dimensions, std::iter::empty()), u64::MAX);
    let tried = all(&grid, &dimensions, 50, 1);
    assert_eq!(tried.iter().collect::<BTreeSet<_>>().len(), 50);
}

#[test]
fn what_is_left_is_what_nobody_tried() {
    let dimensions = dimensions("a = { low = 0.0, high = 0.3, step = 0.1 }\nb = { choices = [1, 2] }");
    let grid = Grid::default();
    let mut known: Vec<Known> = Vec::new();
    for number in 0..8 {
        let points: Vec<Point> = known.iter().map(|trial| trial.point.clone()).collect();
        assert_eq!(grid.left(&dimensions, points.iter()), 8 - number);
        let point = grid.propose(&dimensions, &known, Turn { seed: 1, number });
        // As it is read again where it was written.
        let settings = dimensions.settings(&point).into_iter().collect();
        known.push(Known { number, point: dimensions.point(&settings).unwrap(), outcome: Outcome::Running });
    }
    // What lies beside the grid leaves all of it.
    assert_eq!(grid.left(&dimensions, [vec![None, None]].iter()), 8);
}
