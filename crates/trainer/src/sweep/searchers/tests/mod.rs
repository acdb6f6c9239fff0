//! Does every searcher keep what all of them promise?

use data_loader::random::Random;
use serde::Deserialize;

use super::{MEMBERS, Search, Searcher, Turn};
use crate::sweep::dimensions::{Dimensions, Kind, Point};
use crate::sweep::known::{Known, Outcome};
use crate::sweep::space::Space;

mod functions;
mod quality;

/// The dimensions of a space as it is written.
pub(super) fn dimensions(text: &str) -> Dimensions {
    #[derive(Deserialize)]
    struct Holder {
        space: Space,
    }
    Dimensions::new(&toml::from_str::<Holder>(&format!("[space]\n{text}")).unwrap().space).unwrap()
}

/// A space of `n` numbers from `low` to `high`, as it is written.
pub(super) fn cube(n: usize, low: f64, high: f64) -> String {
    let lines: Vec<String> = (0..n).map(|k| format!("x{k} = {{ low = {low:?}, high = {high:?} }}")).collect();
    lines.join("\n")
}

/// Trials one after the other.
pub(super) fn study(
    searcher: &dyn Search,
    dimensions: &Dimensions,
    seed: u64,
    trials: u64,
    judge: impl Fn(&[Option<f64>]) -> Outcome,
) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    for number in 0..trials {
        let point = searcher.propose(dimensions, &known, Turn { seed, number });
        let outcome = judge(&point);
        known.push(Known { number, point, outcome });
    }
    known
}

/// The least loss of trials.
pub(super) fn least(known: &[Known]) -> f64 {
    known.iter().filter_map(Known::loss).fold(f64::INFINITY, f64::min)
}

/// Each searcher as it is by default, and with settings far from that.
fn all() -> Vec<Searcher> {
    let mut texts: Vec<String> = MEMBERS.iter().map(|entry| format!("[{}]", entry.name)).collect();
    let odd = [
        "[cma_es]\npopulation = 4\nsigma = 1.0\nrestarts = false",
        "[grid]\npoints = 1",
        "[nsga2]\npopulation = 2\ncrossover = 0.0\nmutation = 1.0",
        "[tpe]\nstartup = 0\ncandidates = 1\nmultivariate = false",
        "[tpe]\nstartup = 1\ncandidates = 3",
    ];
    texts.extend(odd.map(str::to_owned));
    texts.iter().map(|text| toml::from_str(text).unwrap()).collect()
}

#[test]
fn every_searcher_is_listed_and_is_written_as_it_is_read() {
    for (searcher, entry) in all().iter().zip(MEMBERS) {
        assert_eq!(searcher.name(), entry.name);
        let written = toml::to_string(searcher).unwrap();
        assert!(written.starts_with(&format!("[{}]", entry.name)), "{written}");
        assert_eq!(toml::from_str::<Searcher>(&written).unwrap(), *searcher);
        assert!(toml::from_str::<Searcher>(&format!("[{}]\nodd = 1", entry.name)).is_err());
    }
    assert!(all().iter().all(|searcher| searcher.check().is_ok()));
    assert_eq!(Searcher::default().name(), "tpe");
}

#[test]
fn settings_that_make_no_sense_are_refused_in_a_sentence() {
    for (text, word) in [
        ("[cma_es]\npopulation = 3", "population is 3; it must be from 4 to 10000"),
        ("[cma_es]\nsigma = 0.0", "sigma is 0"),
        ("[grid]\npoints = 0", "points is 0"),
        ("[grid]\npoints = 1000000000", "from 1 to 10000"),
        ("[nsga2]\npopulation = 1", "population is 1"),
        ("[nsga2]\ncrossover = 1.5", "crossover is 1.5"),
        ("[nsga2]\nmutation = -1.0", "mutation is -1"),
        ("[tpe]\ncandidates = 0", "candidates is 0"),
    ] {
        let refused = toml::from_str::<Searcher>(text).unwrap().check().unwrap_err();
        assert!(refused.contains(word), "{text}: {refused}");
    }
}

/// Spaces of every kind.
const SPACES: &[&str] = &[
    "",
    "a = 3",
    "a = { low = 0.0, high = 1.0 }",
    "a = { low = 1, high = 2 }",
    "a = { choices = [1] }",
    "a = { choices = [1, 2, 3] }\nb = { choices = [true, false] }",
    "a = { low = 1e-6, high = 1.0, log = true }\nb = { low = 1, high = 1000, log = true }\nc = { low = -3, high = 9, step = 2 }",
    "a = { each = { low = 0.0, high = 1.0 }, count = { low = 0, high = 3 } }",
    r#"
    model = { choices = ["mlp", "gru", "bag"] }
    "model.mlp.hidden" = { each = { low = 16, high = 64, log = true }, count = { low = 0, high = 2 }, when = { model = "mlp" } }
    "model.mlp.norm" = { choices = ["none", "layer"], when = { model = ["mlp", "bag"] } }
    "model.mlp.momentum" = { low = 0.1, high = 0.9, when = { "model.mlp.norm" = "layer" } }
    "model.gru.hidden" = { low = 8, high = 32, step = 8, when = { model = ["gru"] } }
    rate = { low = 1e-3, high = 1.0, log = true }
    "#,
];

/// What may have come of a trial, however odd.
fn outcome(random: &mut Random, kinds: u64) -> Outcome {
    let loss = |random: &mut Random| match random.below(8) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => f64::MAX,
        4 => 1.0,
        _ => random.unit() - 0.5,
    };
    match random.below(kinds) {
        0 => Outcome::Failed,
        1 => Outcome::Running,
        2 => Outcome::Pruned { step: random.below(9), loss: loss(random) },
        3 => Outcome::Complete((0..random.below(4)).map(|_| loss(random)).collect()),
        4 => Outcome::Complete(vec![loss(random)]),
        _ => Outcome::Complete(vec![random.unit()]),
    }
}

fn lies_inside(dimensions: &Dimensions, point: &Point) -> bool {
    let inside = |(index, place): (usize, &Option<f64>)| match (place, dimensions.all[index].kind) {
        (None, _) => !dimensions.counts(index, point),
        (Some(place), Kind::Range(_)) => dimensions.counts(index, point) && (0.0..=1.0).contains(place),
        (Some(place), Kind::Choice(count)) => {
            dimensions.counts(index, point) && place.fract() == 0.0 && (0.0..count as f64).contains(place)
        }
    };
    point.len() == dimensions.all.len() && point.iter().enumerate().all(inside)
}

/// Histories by chance, from trials that all failed to such that tell something, their numbers in any order and with gaps.
#[test]
fn whatever_is_known_a_point_inside_comes_and_always_the_same() {
    let mut random = Random::derive(&[11]);
    for searcher in all() {
        for text in SPACES {
            let dimensions = dimensions(text);
            for kinds in [1, 2, 4, 9] {
                for count in [0, 1, 2, 12, 60] {
                    let same = random.below(4) == 0;
                    let first = dimensions.random(&mut random);
                    let trial = |number: u64| Known {
                        number: 2 * number,
                        point: if same { first.clone() } else { dimensions.random(&mut random) },
                        outcome: outcome(&mut random, kinds),
                    };
                    let mut known: Vec<Known> = (0..count).map(trial).collect();
                    random.shuffle(&mut known);
                    let turn = Turn { seed: random.next_u64(), number: 2 * count + 1 };
                    let point = searcher.propose(&dimensions, &known, turn);
                    assert!(lies_inside(&dimensions, &point), "{searcher:?}, {text}: {point:?} after {known:?}");
                    if count == 12 {
                        assert_eq!(searcher.propose(&dimensions, &known, turn), point, "{searcher:?}, {text}");
                    }
                }
            }
        }
    }
}

#[test]
fn workers_beside_each_other_do_not_try_the_same() {
    let dimensions = dimensions("a = { low = 0.0, high = 1.0 }\nb = { low = 0.0, high = 1.0 }");
    for searcher in all() {
        let judge = |point: &[Option<f64>]| Outcome::Complete(vec![(point[0].unwrap() - 0.3).powi(2)]);
        let mut known = study(&searcher, &dimensions, 3, 20, judge);
        for number in 20..24 {
            let point = searcher.propose(&dimensions, &known, Turn { seed: 3, number });
            known.push(Known { number, point, outcome: Outcome::Running });
        }
        let few = Searcher::Grid(super::grid::Grid { points: 1 });
        let twice = (20..24).any(|k| known[20..k].iter().any(|other| other.point == known[k].point));
        assert!(searcher == few || !twice, "{searcher:?}");
    }
}
