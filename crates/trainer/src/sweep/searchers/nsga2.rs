//! Generations of trials, for several losses at once: children of those that nobody beats in all of them.
//!
//! NSGA-II (Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm", 2002) with uniform crossover, and with mutation by chance, since
//! choices are no numbers. The trials that are complete make generations in the order of their numbers; of each generation and of the parents before
//! it those are the next parents that lie on the first fronts and are least crowded there. All of that follows from the trials alone, so that any
//! number of workers agree on it. Trials that were pruned or failed have no children.

use data_loader::random::Random;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Search, Turn, check_count, check_share};
use crate::sweep::dimensions::{Dimensions, Point};
use crate::sweep::known::{Known, Outcome};
use crate::sweep::pareto;

/// One line for `firebox list`.
pub const SUMMARY: &str = "generations of trials, for several objectives at once";

/// So often a child that has been tried already is replaced by another one.
const REPLACED: usize = 20;

/// Settings of the generations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Nsga2 {
    /// How many trials a generation has; those of the first are made by chance.
    pub population: u64,
    /// With what probability a child has two parents.
    pub crossover: f64,
    /// With what probability a parameter then comes from the second one.
    pub swap: f64,
    /// With what probability a parameter is by chance; by default 1 of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutation: Option<f64>,
}

impl Default for Nsga2 {
    fn default() -> Self {
        Self { population: 50, crossover: 0.9, swap: 0.5, mutation: None }
    }
}

impl Nsga2 {
    pub(super) fn check(&self) -> Result<(), String> {
        check_count("population", self.population, 2, 10_000)?;
        check_share("crossover", self.crossover)?;
        check_share("swap", self.swap)?;
        self.mutation.map_or(Ok(()), |mutation| check_share("mutation", mutation))
    }

    /// The parents of the generation that is being made, the best first; none in the first generation.
    fn parents<'a>(&self, known: &'a [Known]) -> Vec<Parent<'a>> {
        let population = usize::try_from(self.population.max(2)).unwrap_or(usize::MAX);
        let mut complete: Vec<(u64, Parent)> = known.iter().filter_map(|t| Some((t.number, Parent::of(t)?))).collect();
        complete.sort_by_key(|(number, _)| *number);
        let complete: Vec<Parent> = complete.into_iter().map(|(_, parent)| parent).collect();
        let mut parents: Vec<Parent> = Vec::new();
        for generation in complete.chunks_exact(population) {
            parents.extend(generation);
            let losses: Vec<&[f64]> = parents.iter().map(|parent| parent.losses).collect();
            parents = pareto::best(&losses, population).into_iter().map(|index| parents[index]).collect();
        }
        parents
    }

    fn child(&self, parents: &[Parent], dimensions: &Dimensions, random: &mut Random) -> Point {
        let (one, other) = (select(parents, random), select(parents, random));
        let crossed = random.unit() < self.crossover;
        let mutation = self.mutation.unwrap_or(1.0 / dimensions.all.len().max(1) as f64);
        dimensions.settle(|index, dimension| {
            let [swapped, mutated, fresh] = std::array::from_fn(|_| random.unit());
            let from = if crossed && swapped < self.swap { other } else { one };
            // What does not count for one parent may for the other.
            let inherited = from.point[index].or(one.point[index]).or(other.point[index].filter(|_| crossed));
            let inherited = inherited.filter(|_| mutated >= mutation);
            dimension.kind.exact(inherited.unwrap_or_else(|| dimension.kind.spread(fresh)))
        })
    }
}

impl Search for Nsga2 {
    fn propose(&self, dimensions: &Dimensions, known: &[Known], turn: Turn) -> Point {
        let random = &mut turn.chance();
        let parents = self.parents(known);
        if parents.is_empty() {
            return dimensions.random(random);
        }
        let tried: Vec<Point> = known.iter().map(|trial| dimensions.exact(&trial.point)).collect();
        let mut child = self.child(&parents, dimensions, random);
        for _ in 0..REPLACED {
            if !tried.contains(&child) {
                break;
            }
            child = self.child(&parents, dimensions, random);
        }
        child
    }
}

/// A trial that is complete.
#[derive(Clone, Copy)]
struct Parent<'a> {
    point: &'a [Option<f64>],
    losses: &'a [f64],
}

impl<'a> Parent<'a> {
    fn of(trial: &'a Known) -> Option<Self> {
        match &trial.outcome {
            Outcome::Complete(losses) => Some(Self { point: &trial.point, losses }),
            _ => None,
        }
    }
}

/// Of two by chance the one that is better in all losses; else the first of them.
fn select<'a>(parents: &[Parent<'a>], random: &mut Random) -> Parent<'a> {
    let [one, other] = std::array::from_fn(|_| parents[random.below(parents.len() as u64) as usize]);
    if pareto::dominates(other.losses, one.losses) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::searchers::random;
    use crate::sweep::searchers::tests::{cube, dimensions, study};

    /// The first test function of Zitzler, Deb and Thiele (2000), whose front is y = 1 - sqrt(x).
    fn zdt1(point: &[Option<f64>]) -> Vec<f64> {
        let at = |k: usize| point[k].unwrap_or(0.0);
        let g = 1.0 + 9.0 * (1..point.len()).map(at).sum::<f64>() / (point.len() as f64 - 1.0);
        vec![at(0), g * (1.0 - (at(0) / g).sqrt())]
    }

    /// How far the first front lies from the true one, in the middle of the trials on it.
    fn distance(searcher: &dyn Search, seed: u64) -> (f64, usize) {
        let known =
            study(searcher, &dimensions(&cube(5, 0.0, 1.0)), seed, 1000, |point| Outcome::Complete(zdt1(point)));
        let losses: Vec<&[f64]> = known.iter().filter_map(|t| Parent::of(t).map(|parent| parent.losses)).collect();
        let front: Vec<&[f64]> = pareto::ranks(&losses)
            .iter()
            .zip(&losses)
            .filter(|(rank, _)| **rank == 0)
            .map(|(_, losses)| *losses)
            .collect();
        let mut away: Vec<f64> = front.iter().map(|losses| losses[1] - (1.0 - losses[0].sqrt())).collect();
        away.sort_by(f64::total_cmp);
        (away[away.len() / 2], front.len())
    }

    #[test]
    fn the_front_is_found() {
        for seed in 0..3 {
            let ((found, count), (by_chance, _)) =
                (distance(&Nsga2::default(), seed), distance(&random::Random::default(), seed));
            assert!(
                found < 0.35 && found < 0.3 * by_chance && count > 8,
                "{seed}: {found} {count}, by chance {by_chance}"
            );
        }
    }

    #[test]
    fn generations_follow_from_the_trials_that_are_complete() {
        let nsga2 = Nsga2 { population: 3, ..Nsga2::default() };
        let trial = |number: u64, outcome| Known { number, point: vec![Some(number as f64 / 10.0)], outcome };
        let complete = |number: u64, loss: f64| trial(number, Outcome::Complete(vec![loss]));
        let mut known = vec![complete(3, 3.0), trial(1, Outcome::Failed), complete(2, 2.0), trial(4, Outcome::Running)];
        assert!(nsga2.parents(&known).is_empty());
        known.push(complete(0, 5.0));
        let places = |known: &[Known]| nsga2.parents(known).iter().map(|p| p.point[0].unwrap()).collect::<Vec<_>>();
        assert_eq!(places(&known), [0.2, 0.3, 0.0]);
        known.extend([complete(7, 1.0), complete(5, 4.0)]);
        assert_eq!(places(&known), [0.2, 0.3, 0.0], "the second generation is not complete");
        known.push(complete(6, 9.0));
        assert_eq!(places(&known), [0.7, 0.2, 0.3]);
    }

    #[test]
    fn where_little_is_left_nothing_is_tried_twice_while_there_is_something_new() {
        let dimensions = dimensions("a = { low = 1, high = 6 }\nb = { low = 1, high = 6 }");
        let nsga2 = Nsga2 { population: 4, ..Nsga2::default() };
        let known = study(&nsga2, &dimensions, 1, 20, |point| Outcome::Complete(vec![point[0].unwrap_or(0.0)]));
        let tried = |trials: &[Known]| {
            let settings = trials.iter().map(|trial| format!("{:?}", dimensions.settings(&trial.point)));
            settings.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert!(tried(&known[4..]) >= 15, "{}", tried(&known[4..]));
    }
}
