//! Tree-structured Parzen estimators: points like the good ones, and unlike the others.
//!
//! Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011; the kernels, their widths and weights are those that the field
//! settled on (Watanabe, "Tree-Structured Parzen Estimator", 2023). Of the trials that are done the best tenth make a density l, the others g;
//! of some points drawn from l that one is proposed at which l / g is greatest.
//!
//! Trials that were pruned come behind those that are complete, those that got farther first. Trials that are under way count as bad ones, so
//! that workers beside each other do not all try the same ("constant liar").

use data_loader::random::Random;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Search;
use super::parzen::{Estimator, Kernels};
use crate::sweep::dimensions::{Dimensions, Point};
use crate::sweep::known::{Known, Outcome};

/// One line for `firebox list`.
pub const SUMMARY: &str = "densities of good and of other trials, the usual first choice";

/// No more trials than this count as good.
const MOST_GOOD: usize = 25;
/// What share of the trials counts as good.
const GOOD: f64 = 0.1;

/// Settings of the estimators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tpe {
    /// So many trials are made by chance before.
    pub startup: u64,
    /// Of so many candidates the best is proposed.
    pub candidates: usize,
    /// Whether parameters are looked at together, so that what goes well together is seen.
    pub multivariate: bool,
}

impl Default for Tpe {
    fn default() -> Self {
        Self { startup: 10, candidates: 24, multivariate: true }
    }
}

impl Search for Tpe {
    fn propose(&self, dimensions: &Dimensions, known: &[Known], random: &mut Random) -> Point {
        let done = known.iter().filter(|trial| matches!(trial.outcome, Outcome::Complete(_) | Outcome::Pruned { .. }));
        if (done.count() as u64) < self.startup {
            return dimensions.random(random);
        }
        let (good, others) = split(known);
        match self.multivariate {
            true => self.together(dimensions, &good, &others, random),
            false => self.apart(dimensions, &good, &others, random),
        }
    }
}

impl Tpe {
    /// Every dimension by itself, from the trials in which it counts.
    fn apart(&self, dimensions: &Dimensions, good: &[&Known], others: &[&Known], random: &mut Random) -> Point {
        dimensions.settle(|index, dimension| {
            let estimator = |trials: &[&Known]| {
                let rows: Vec<Vec<Option<f64>>> =
                    trials.iter().filter(|t| t.point[index].is_some()).map(|t| vec![t.point[index]]).collect();
                Estimator::new(&[dimension.kind], &rows, Kernels::ByNeighbours)
            };
            let (l, g) = (estimator(good), estimator(others));
            let best = self.best(&l, &g, random, |random| l.draw(random));
            best[0].unwrap_or_else(|| dimension.kind.spread(random.unit()))
        })
    }

    /// All dimensions at once.
    fn together(&self, dimensions: &Dimensions, good: &[&Known], others: &[&Known], random: &mut Random) -> Point {
        let kinds: Vec<_> = dimensions.all.iter().map(|dimension| dimension.kind).collect();
        let estimator = |trials: &[&Known]| {
            let rows: Vec<Point> = trials.iter().map(|trial| trial.point.clone()).collect();
            Estimator::new(&kinds, &rows, Kernels::ByNumber)
        };
        let (l, g) = (estimator(good), estimator(others));
        self.best(&l, &g, random, |random| {
            let drawn = l.draw(random);
            dimensions.settle(|index, dimension| drawn[index].unwrap_or_else(|| dimension.kind.spread(0.5)))
        })
    }

    fn best(&self, l: &Estimator, g: &Estimator, random: &mut Random, draw: impl Fn(&mut Random) -> Point) -> Point {
        let mut best: Option<(f64, Point)> = None;
        for _ in 0..self.candidates.max(1) {
            let point = draw(random);
            let score = l.log_density(&point) - g.log_density(&point);
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, point));
            }
        }
        best.map(|(_, point)| point).unwrap_or_default()
    }
}

/// The good trials and the others, each in the order of their numbers; those that failed tell nothing.
fn split(known: &[Known]) -> (Vec<&Known>, Vec<&Known>) {
    // What is better comes first: complete by loss, then pruned by how far they came, then those under way.
    let rank = |trial: &Known| match &trial.outcome {
        Outcome::Complete(losses) => {
            let loss = losses.first().copied().unwrap_or(f64::NAN);
            Some((0, 0, if loss.is_nan() { f64::INFINITY } else { loss }))
        }
        Outcome::Pruned { step, loss } => Some((1, u64::MAX - step, if loss.is_nan() { f64::INFINITY } else { *loss })),
        Outcome::Running => Some((2, 0, 0.0)),
        Outcome::Failed => None,
    };
    let mut ranked: Vec<_> = known.iter().filter_map(|trial| Some((rank(trial)?, trial))).collect();
    ranked.sort_by(|((a, b, c), one), ((x, y, z), other)| {
        (a, b).cmp(&(x, y)).then(c.total_cmp(z)).then(one.number.cmp(&other.number))
    });
    let done = ranked.iter().filter(|((kind, ..), _)| *kind < 2).count();
    let count = ((GOOD * done as f64).ceil() as usize).min(MOST_GOOD);
    let mut trials: Vec<&Known> = ranked.into_iter().map(|(_, trial)| trial).collect();
    let mut others = trials.split_off(count.min(trials.len()));
    trials.sort_by_key(|trial| trial.number);
    others.sort_by_key(|trial| trial.number);
    (trials, others)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sweep::searchers::chance;
    use crate::sweep::searchers::random;
    use crate::sweep::space::{Parameter, Range, Space, Values};

    /// Branin's function, whose least value is 0.397887, on its usual bounds.
    fn branin(x: f64, y: f64) -> f64 {
        let (b, c) = (5.1 / (4.0 * std::f64::consts::PI.powi(2)), 5.0 / std::f64::consts::PI);
        let t = 1.0 / (8.0 * std::f64::consts::PI);
        (y - b * x * x + c * x - 6.0).powi(2) + 10.0 * (1.0 - t) * x.cos() + 10.0
    }

    fn plane() -> Dimensions {
        let range = |low, high| {
            let values = Values::Range(Range { low, high, log: false, step: None, whole: false });
            Parameter { values, when: BTreeMap::new() }
        };
        let space: Space = [("x".to_owned(), range(-5.0, 10.0)), ("y".to_owned(), range(0.0, 15.0))].into();
        Dimensions::new(&space).unwrap()
    }

    /// The best of some trials, one after the other.
    fn best(searcher: &dyn Search, seed: u64, trials: u64) -> f64 {
        let dimensions = plane();
        let mut known = Vec::new();
        for number in 0..trials {
            let point = searcher.propose(&dimensions, &known, &mut chance(seed, number));
            let at = |k: usize| point[k].unwrap();
            let loss = branin(15.0 * at(0) - 5.0, 15.0 * at(1));
            known.push(Known { number, point, outcome: Outcome::Complete(vec![loss]) });
        }
        known.iter().filter_map(Known::loss).fold(f64::INFINITY, f64::min)
    }

    fn median(searcher: &dyn Search) -> f64 {
        let mut found: Vec<f64> = (0..21).map(|seed| best(searcher, seed, 60)).collect();
        found.sort_by(f64::total_cmp);
        found[10]
    }

    /// Of 60 trials with each of 21 seeds.
    #[test]
    fn it_is_better_than_chance() {
        let by_chance = median(&random::Random {});
        for multivariate in [false, true] {
            let found = median(&Tpe { multivariate, ..Tpe::default() });
            assert!(found < 0.7 && found < 0.8 * by_chance, "{multivariate}: {found}, by chance {by_chance}");
        }
    }

    #[test]
    fn equal_seeds_give_equal_trials() {
        let tpe = Tpe::default();
        assert_eq!(best(&tpe, 3, 40).to_bits(), best(&tpe, 3, 40).to_bits());
        assert_ne!(best(&tpe, 3, 40).to_bits(), best(&tpe, 4, 40).to_bits());
    }

    fn known(number: u64, outcome: Outcome) -> Known {
        Known { number, point: vec![Some(0.5)], outcome }
    }

    #[test]
    fn the_best_tenth_is_good_and_what_failed_is_neither() {
        let mut trials: Vec<Known> = (0..18).map(|n| known(n, Outcome::Complete(vec![100.0 - n as f64]))).collect();
        trials.push(known(18, Outcome::Failed));
        trials.push(known(19, Outcome::Complete(vec![f64::NAN])));
        trials.push(known(20, Outcome::Pruned { step: 5, loss: 0.0 }));
        trials.push(known(21, Outcome::Running));
        let numbers = |trials: Vec<&Known>| trials.iter().map(|trial| trial.number).collect::<Vec<_>>();
        let (good, others) = split(&trials);
        // Of 20 that are done, a tenth.
        assert_eq!(numbers(good), [16, 17]);
        assert_eq!(numbers(others), (0..16).chain([19, 20, 21]).collect::<Vec<_>>());
    }

    #[test]
    fn pruned_trials_are_good_where_too_few_are_complete_those_that_came_farthest_first() {
        let mut trials: Vec<Known> =
            (0..30).map(|n| known(n, Outcome::Pruned { step: n % 3, loss: n as f64 })).collect();
        trials.push(known(30, Outcome::Complete(vec![9.0])));
        let (good, _) = split(&trials);
        assert_eq!(good.iter().map(|trial| trial.number).collect::<Vec<_>>(), [2, 5, 8, 30]);
    }
}
