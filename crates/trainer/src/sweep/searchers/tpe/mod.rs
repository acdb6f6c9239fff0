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

use super::{Search, Turn, check_count};
use crate::sweep::dimensions::{Dimension, Dimensions, Point};
use crate::sweep::known::{Known, Outcome};
use crate::sweep::pareto;

mod parzen;

use parzen::Estimator;

/// One line for `firebox list`.
pub const SUMMARY: &str = "densities of good and of other trials, the usual first choice";

/// No more trials than this count as good.
const MOST_GOOD: usize = 25;
/// No more of the others make a density: of older ones those that lie evenly among them tell the same.
const MOST_OTHERS: usize = 2000;
/// Of so many candidates the best one is proposed where all dimensions are looked at: less is found of many.
const TOGETHER: u64 = 64;
/// Of so many where each dimension is looked at by itself: the best of more would lie where l is of no weight.
const APART: u64 = 24;
/// What share of the trials counts as good.
const GOOD: f64 = 0.1;

/// Settings of the estimators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tpe {
    /// So many trials are made by chance before.
    pub startup: u64,
    /// Of so many candidates the best is proposed; by default of 64 if parameters are looked at together, else of 24.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<u64>,
    /// Whether parameters are looked at together, so that what goes well together is seen.
    pub multivariate: bool,
}

impl Default for Tpe {
    fn default() -> Self {
        Self { startup: 10, candidates: None, multivariate: true }
    }
}

/// The trials that make the densities, each in the order of their numbers.
pub(super) struct Trials<'a> {
    good: Vec<&'a Known>,
    others: Vec<&'a Known>,
}

impl Search for Tpe {
    fn propose(&self, dimensions: &Dimensions, known: &[Known], turn: Turn) -> Point {
        let random = &mut turn.chance();
        let Some(trials) = self.trials(known) else { return dimensions.random(random) };
        match self.multivariate {
            true => self.together(dimensions, &trials, random),
            false => dimensions.settle(|index, dimension| self.along(index, dimension, &trials, random)),
        }
    }
}

impl Tpe {
    pub(super) fn check(&self) -> Result<(), String> {
        self.candidates.map_or(Ok(()), |candidates| check_count("candidates", candidates, 1, 10_000))
    }

    /// What the densities are made of; nothing while trials are made by chance.
    pub(super) fn trials<'a>(&self, known: &'a [Known]) -> Option<Trials<'a>> {
        let done = known.iter().filter(|trial| matches!(trial.outcome, Outcome::Complete(_) | Outcome::Pruned { .. }));
        let done = done.count();
        (done > 0 && done as u64 >= self.startup).then(|| split(known))
    }

    /// One dimension by itself, from the trials in which it counts.
    pub(super) fn along(&self, index: usize, dimension: &Dimension, trials: &Trials, random: &mut Random) -> f64 {
        let estimator = |trials: &[&Known]| {
            let column: Vec<f64> = trials.iter().filter_map(|trial| trial.point[index]).collect();
            Estimator::new(&[dimension.kind], column.len(), |row, _| Some(column[row]))
        };
        let (l, g) = (estimator(&trials.good), estimator(&trials.others));
        self.best(APART, &l, &g, random, |random| l.draw(random))[0].unwrap_or(0.0)
    }

    /// All dimensions at once.
    fn together(&self, dimensions: &Dimensions, trials: &Trials, random: &mut Random) -> Point {
        let kinds: Vec<_> = dimensions.all.iter().map(|dimension| dimension.kind).collect();
        let estimator = |trials: &[&Known]| Estimator::new(&kinds, trials.len(), |row, index| trials[row].point[index]);
        let (l, g) = (estimator(&trials.good), estimator(&trials.others));
        self.best(TOGETHER, &l, &g, random, |random| {
            let drawn = l.draw(random);
            dimensions.settle(|index, _| drawn[index].unwrap_or(0.0))
        })
    }

    fn best(
        &self,
        usual: u64,
        l: &Estimator,
        g: &Estimator,
        random: &mut Random,
        draw: impl Fn(&mut Random) -> Point,
    ) -> Point {
        let first = draw(random);
        let score = |point: &Point| l.log_density(point) - g.log_density(point);
        let mut best = (score(&first), first);
        for _ in 1..self.candidates.unwrap_or(usual) {
            let point = draw(random);
            let found = score(&point);
            if found > best.0 {
                best = (found, point);
            }
        }
        best.1
    }
}

/// The best trials and the others; those that failed tell nothing.
fn split(known: &[Known]) -> Trials<'_> {
    let number = |loss: f64| if loss.is_nan() { f64::INFINITY } else { loss };
    let (mut complete, mut pruned, mut running) = (Vec::new(), Vec::new(), Vec::new());
    for trial in known {
        match &trial.outcome {
            Outcome::Complete(losses) => complete.push((losses.as_slice(), trial)),
            Outcome::Pruned { step, loss } => pruned.push((*step, number(*loss), trial)),
            Outcome::Running => running.push(trial),
            Outcome::Failed => {}
        }
    }
    let count = ((GOOD * (complete.len() + pruned.len()) as f64).ceil() as usize).min(MOST_GOOD);
    if complete.iter().any(|(losses, _)| losses.len() > 1) {
        let losses: Vec<&[f64]> = complete.iter().map(|(losses, _)| *losses).collect();
        let mut place = vec![usize::MAX; complete.len()];
        pareto::best(&losses, count).into_iter().enumerate().for_each(|(at, index)| place[index] = at);
        let mut placed: Vec<_> = place.into_iter().zip(complete).collect();
        placed.sort_by_key(|(place, (_, trial))| (*place, trial.number));
        complete = placed.into_iter().map(|(_, trial)| trial).collect();
    } else {
        let loss = |losses: &[f64]| number(losses.first().copied().unwrap_or(f64::NAN));
        complete.sort_by(|(a, one), (b, other)| loss(a).total_cmp(&loss(b)).then(one.number.cmp(&other.number)));
    }
    pruned.sort_by(|(a, x, one), (b, y, other)| b.cmp(a).then(x.total_cmp(y)).then(one.number.cmp(&other.number)));
    let all = complete.into_iter().map(|(_, trial)| trial).chain(pruned.into_iter().map(|(.., trial)| trial));
    let mut good: Vec<&Known> = all.chain(running).collect();
    let mut others = good.split_off(count.min(good.len()));
    good.sort_by_key(|trial| trial.number);
    others.sort_by_key(|trial| trial.number);
    if others.len() > MOST_OTHERS {
        // The latest stay, among them those that are under way.
        let latest = others.split_off(others.len() - MOST_OTHERS / 2);
        others = (0..MOST_OTHERS / 2).map(|k| others[k * others.len() / (MOST_OTHERS / 2)]).chain(latest).collect();
    }
    Trials { good, others }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::searchers::random;
    use crate::sweep::searchers::tests::{dimensions, study};

    /// Branin's function, whose least value is 0.397887, on its usual bounds.
    fn branin(x: f64, y: f64) -> f64 {
        let (b, c) = (5.1 / (4.0 * std::f64::consts::PI.powi(2)), 5.0 / std::f64::consts::PI);
        let t = 1.0 / (8.0 * std::f64::consts::PI);
        (y - b * x * x + c * x - 6.0).powi(2) + 10.0 * (1.0 - t) * x.cos() + 10.0
    }

    /// The best of some trials, one after the other.
    fn best(searcher: &dyn Search, seed: u64, trials: u64) -> f64 {
        let plane = dimensions("x = { low = -5.0, high = 10.0 }\ny = { low = 0.0, high = 15.0 }");
        let known = study(searcher, &plane, seed, trials, |point| {
            let at = |k: usize| point[k].unwrap();
            Outcome::Complete(vec![branin(15.0 * at(0) - 5.0, 15.0 * at(1))])
        });
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
        let Trials { good, others } = split(&trials);
        // Of 20 that are done, a tenth.
        assert_eq!(numbers(good), [16, 17]);
        assert_eq!(numbers(others), (0..16).chain([19, 20, 21]).collect::<Vec<_>>());
    }

    #[test]
    fn of_several_losses_those_on_the_first_front_are_good() {
        let both = |number: u64, a: f64, b: f64| known(number, Outcome::Complete(vec![a, b]));
        let mut trials: Vec<Known> = (0..17).map(|n| both(n, 5.0 + n as f64, 9.0)).collect();
        trials.extend([both(17, 9.0, 1.0), both(18, 4.0, 4.0), both(19, 8.0, 2.0)]);
        let Trials { good, others } = split(&trials);
        // Of the front of three the outermost ones, which are least crowded.
        assert_eq!(good.iter().map(|trial| trial.number).collect::<Vec<_>>(), [17, 18]);
        assert_eq!(others.len(), 18);
    }

    #[test]
    fn pruned_trials_are_good_where_too_few_are_complete_those_that_came_farthest_first() {
        let mut trials: Vec<Known> =
            (0..30).map(|n| known(n, Outcome::Pruned { step: n % 3, loss: n as f64 })).collect();
        trials.push(known(30, Outcome::Complete(vec![9.0])));
        let Trials { good, .. } = split(&trials);
        assert_eq!(good.iter().map(|trial| trial.number).collect::<Vec<_>>(), [2, 5, 8, 30]);
    }
}
