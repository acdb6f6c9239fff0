//! What do our searchers find, for `tests/peers/sweep_quality.py` to lay beside what Optuna's find?

use std::env;
use std::fs;

use serde_json::{Map, Value, json};

use super::functions::{Function, SINGLE, STEPS, TWO};
use super::study;
use crate::sweep::known::{Known, Outcome};
use crate::sweep::searchers::Searcher;

/// With so many seeds.
const SEEDS: u64 = 20;
/// Of hypervolumes, the point that is worse than all of interest.
const REFERENCE: (f64, f64) = (1.1, 7.0);

/// How much of what is better than the reference is reached, by two objectives.
fn hypervolume(known: &[Known]) -> f64 {
    let losses = known.iter().filter_map(|trial| match &trial.outcome {
        Outcome::Complete(losses) => Some((losses[0], losses[1])),
        _ => None,
    });
    let mut losses: Vec<(f64, f64)> = losses.collect();
    losses.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut area, mut height) = (0.0, REFERENCE.1);
    for (x, y) in losses {
        if x < REFERENCE.0 && y < height {
            area += (REFERENCE.0 - x) * (height - y);
            height = y;
        }
    }
    area
}

/// The best after each number of trials, for every seed.
fn best(searcher: &Searcher, function: &Function, first: u64, budgets: [usize; 2]) -> Value {
    let dimensions = function.dimensions();
    let mut found = Map::new();
    for seed in first..first + SEEDS {
        let judge = |point: &[Option<f64>]| Outcome::Complete(function.losses(&dimensions, point));
        let known = study(searcher, &dimensions, seed, budgets[1] as u64, judge);
        for budget in budgets {
            let score = match function.name == TWO.name {
                true => -hypervolume(&known[..budget]),
                false => super::least(&known[..budget]),
            };
            let all = found.entry(budget.to_string()).or_insert_with(|| json!([]));
            all.as_array_mut().unwrap().push(score.into());
        }
    }
    found.into()
}

#[test]
#[ignore = "minutes; tests/peers/sweep_quality.sh runs it"]
fn the_best_of_each_searcher_is_written_down() {
    let path = env::var("FIREBOX_SWEEP_QUALITY").unwrap();
    let first = env::var("FIREBOX_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut found = Map::new();
    for (name, text) in [
        ("cma_es", "[cma_es]"),
        ("gaussian_process", "[gaussian_process]"),
        ("grid", "[grid]"),
        ("nsga2", "[nsga2]"),
        ("random", "[random]"),
        ("sobol", "[sobol]"),
        ("tpe", "[tpe]"),
        ("tpe_univariate", "[tpe]\nmultivariate = false"),
    ] {
        let searcher: Searcher = toml::from_str(text).unwrap();
        let functions = if name == "grid" { std::slice::from_ref(&STEPS) } else { SINGLE };
        let each = functions.iter().map(|f| (f.name.to_owned(), best(&searcher, f, first, [50, 100])));
        let mut each: Map<String, Value> = each.collect();
        if name == "nsga2" {
            each.insert(TWO.name.into(), best(&searcher, &TWO, first, [100, 200]));
        }
        found.insert(name.into(), each.into());
    }
    fs::write(path, serde_json::to_string(&found).unwrap()).unwrap();
}

#[test]
fn hypervolumes_are_those_of_their_rectangles() {
    let trial = |x: f64, y: f64| Known { number: 0, point: vec![], outcome: Outcome::Complete(vec![x, y]) };
    let found = hypervolume(&[trial(0.6, 5.0), trial(0.1, 6.0), trial(0.5, 9.0), trial(0.7, 5.5), trial(2.0, 0.0)]);
    assert!((found - (1.0 * 1.0 + 0.5 * 1.0)).abs() < 1e-12, "{found}");
}
