//! A normal distribution that moves towards good trials, and stretches and turns to where they lie.
//!
//! Covariance matrix adaptation evolution strategy (Hansen, "The CMA Evolution Strategy: A Tutorial", 2016, with negative weights). The trials that
//! are complete make generations in the order of their numbers, and what they tell is replayed for each point anew. A trial that the distribution
//! did not bring forth, such as one that a person asked for, counts as if it lay no farther away than one that it did (Hansen, "Injecting External
//! Solutions Into CMA-ES", 2011). Where it has become too narrow to find more it begins anew somewhere else with twice the population (Auger and
//! Hansen, "A Restart CMA Evolution Strategy With Increasing Population Size", 2005).
//!
//! Choices, and what depends on them, are no directions: they come from Parzen estimators, each by itself. A number that goes by steps which are
//! wider than the distribution is moved to a neighbour now and then, lest it never changes again.

use data_loader::random::Random;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tpe::Tpe;
use super::{Search, Turn, check_count};
use crate::sweep::dimensions::{Dimensions, Kind, Point};
use crate::sweep::known::{Known, Outcome};
use crate::sweep::normal;

mod distribution;
mod eigen;

use distribution::Distribution;

/// One line for `firebox list`.
pub const SUMMARY: &str = "a normal distribution that learns where to look, for many trials of numbers";

/// A generation of more trials never ends.
const MOST: u64 = 10_000;
/// Keeps the restarts apart from all other chance.
const STREAM: u64 = 0x63_6d61_6573;
/// So often per dimension a point outside is drawn again before it is moved to the edge.
const REDRAWN: usize = 10;

/// Settings of the distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CmaEs {
    /// How many trials a generation has; by default 4 + 3 ln n, where n is the number of dimensions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub population: Option<u64>,
    /// How wide the distribution is at first, as a share of the range.
    pub sigma: f64,
    /// Whether it begins anew where nothing better can be found.
    pub restarts: bool,
}

impl Default for CmaEs {
    fn default() -> Self {
        Self { population: None, sigma: 1.0 / 6.0, restarts: true }
    }
}

impl CmaEs {
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(population) = self.population {
            check_count("population", population, 4, MOST)?;
        }
        if !(self.sigma > 0.0 && self.sigma <= 1.0) {
            return Err(format!("sigma is {}; it must be above 0 and at most 1", self.sigma));
        }
        Ok(())
    }

    /// What the distribution has become after all generations that are complete.
    fn replay(&self, indices: &[usize], dimensions: &Dimensions, known: &[Known], seed: u64) -> Distribution {
        let place =
            |trial: &Known, index: usize| trial.point[index].map(|place| dimensions.all[index].kind.exact(place));
        let complete = known.iter().filter_map(|trial| match &trial.outcome {
            Outcome::Complete(losses) => {
                let loss = losses.first().copied().filter(|loss| !loss.is_nan()).unwrap_or(f64::INFINITY);
                let places: Option<Vec<f64>> = indices.iter().map(|&index| place(trial, index)).collect();
                Some((trial.number, loss, places?))
            }
            _ => None,
        });
        let mut complete: Vec<(u64, f64, Vec<f64>)> = complete.collect();
        complete.sort_by_key(|(number, ..)| *number);
        let n = indices.len();
        let usual = 4 + (3.0 * (n as f64).ln()).floor() as usize;
        let population = self.population.map_or(usual, |population| population.clamp(4, MOST) as usize);
        let mut distribution = Distribution::new(vec![0.5; n], self.sigma, population);
        let (mut left, mut restarts) = (complete.as_slice(), 0);
        while let Some((generation, rest)) = left.split_at_checked(distribution.population()) {
            left = rest;
            let mut ranked: Vec<(f64, &[f64])> =
                generation.iter().map(|(_, loss, places)| (*loss, &places[..])).collect();
            ranked.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            distribution.learn(&ranked);
            if self.restarts && distribution.is_done() {
                restarts += 1;
                let mut random = Random::derive(&[STREAM, seed, restarts]);
                let middle = (0..n).map(|_| random.unit()).collect();
                distribution = Distribution::new(middle, self.sigma, distribution.population().saturating_mul(2));
            }
        }
        distribution
    }
}

impl Search for CmaEs {
    fn propose(&self, dimensions: &Dimensions, known: &[Known], turn: Turn) -> Point {
        let random = &mut turn.chance();
        let always = |index: &usize| {
            let dimension = &dimensions.all[*index];
            dimension.when.is_empty() && matches!(dimension.kind, Kind::Range(_))
        };
        let indices: Vec<usize> = (0..dimensions.all.len()).filter(always).collect();
        let mut places = vec![None; dimensions.all.len()];
        if !indices.is_empty() {
            let distribution = self.replay(&indices, dimensions, known, turn.seed);
            let drawn = draw(&distribution, random);
            for (k, &index) in indices.iter().enumerate() {
                let kind = &dimensions.all[index].kind;
                let moved = neighbour(kind, drawn[k], distribution.width(k), indices.len(), random);
                places[index] = Some(kind.exact(moved));
            }
        }
        let tpe = Tpe::default();
        let trials = tpe.trials(known);
        dimensions.settle(|index, dimension| match (places[index], &trials) {
            (Some(place), _) => place,
            (None, Some(trials)) => tpe.along(index, dimension, trials, random),
            (None, None) => dimension.kind.spread(random.unit()),
        })
    }
}

/// A place inside, if there is one soon; else the nearest one to the last that was drawn.
fn draw(distribution: &Distribution, random: &mut Random) -> Vec<f64> {
    let n = distribution.middle().len();
    let mut drawn = Vec::new();
    for _ in 0..REDRAWN * n {
        let normals: Vec<f64> = (0..n).map(|_| normal::draw(random)).collect();
        drawn = distribution.at(&normals);
        if drawn.iter().all(|place| (0.0..=1.0).contains(place)) {
            break;
        }
    }
    let inside = |place: f64| if place.is_nan() { 0.5 } else { place.clamp(0.0, 1.0) };
    drawn.into_iter().map(inside).collect()
}

/// The place of a step to the left or right instead of one, by chance, where the distribution is narrower than half a step. Of `n` such numbers one
/// is moved on the average in two trials.
fn neighbour(kind: &Kind, place: f64, width: f64, n: usize, random: &mut Random) -> f64 {
    let Kind::Range(range) = kind else { return place };
    let Some(step) = range.count().map(|count| 1.0 / count as f64).filter(|step| width < step / 2.0) else {
        return place;
    };
    let unit = random.unit() * 4.0 * n as f64;
    match unit {
        _ if unit < 1.0 => (place + step).min(1.0),
        _ if unit < 2.0 => (place - step).max(0.0),
        _ => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::searchers::random;
    use crate::sweep::searchers::tests::{self, dimensions, least, study};

    fn cube(n: usize) -> Dimensions {
        dimensions(&tests::cube(n, 0.0, 1.0))
    }

    /// An ellipsoid whose axes, of lengths 1 to 1,000, are turned in every plane.
    fn ellipsoid(point: &[Option<f64>]) -> Outcome {
        let mut x: Vec<f64> = point.iter().map(|place| place.unwrap() - 0.3).collect();
        let n = x.len();
        for (p, q) in (0..n).flat_map(|p| (p + 1..n).map(move |q| (p, q))) {
            (x[p], x[q]) = (0.8 * x[p] - 0.6 * x[q], 0.6 * x[p] + 0.8 * x[q]);
        }
        let stretched = x.iter().enumerate().map(|(k, x)| 1e6_f64.powf(k as f64 / (n as f64 - 1.0)) * x * x);
        Outcome::Complete(vec![stretched.sum()])
    }

    #[test]
    fn a_turned_ellipsoid_is_descended() {
        for seed in 0..2 {
            let found = least(&study(&CmaEs::default(), &cube(5), seed, 1200, ellipsoid));
            let by_chance = least(&study(&random::Random::default(), &cube(5), seed, 1200, ellipsoid));
            assert!(found < 1e-4 && by_chance > 10.0, "{seed}: {found}, by chance {by_chance}");
        }
    }

    /// Rastrigin's function has a hollow for every whole number; one is deepest.
    #[test]
    fn it_begins_anew_where_a_hollow_is_not_the_deepest() {
        let rastrigin = |point: &[Option<f64>]| {
            let x = point.iter().map(|place| 8.0 * place.unwrap() - 5.0);
            Outcome::Complete(vec![x.map(|x| 10.0 + x * x - 10.0 * (std::f64::consts::TAU * x).cos()).sum()])
        };
        let found = |restarts: bool| {
            let searcher = CmaEs { restarts, ..CmaEs::default() };
            (0..7).filter(|&seed| least(&study(&searcher, &cube(2), seed, 1500, rastrigin)) < 1e-3).count()
        };
        let (with, without) = (found(true), found(false));
        assert!(with >= 4 && without < 3, "{with} of 7 with restarts, {without} without");
    }

    #[test]
    fn what_did_not_come_from_the_distribution_does_not_throw_it_off() {
        // Half of all trials were asked for by somebody, at the edge.
        let mut known = Vec::new();
        let searcher = CmaEs::default();
        let space = cube(4);
        for number in 0..800 {
            let asked = vec![Some(1.0), Some(0.0), Some(1.0), Some(0.999)];
            let point = match number % 2 {
                0 => asked,
                _ => searcher.propose(&space, &known, Turn { seed: 1, number }),
            };
            let loss = point.iter().map(|place| (place.unwrap() - 0.3).powi(2)).sum();
            known.push(Known { number, point, outcome: Outcome::Complete(vec![loss]) });
        }
        assert!(least(&known) < 2e-3, "{}", least(&known));
    }

    #[test]
    fn steps_and_choices_are_found_too() {
        let space = dimensions(
            "a = { low = 1, high = 40 }\nb = { low = 0.0, high = 1.0 }\nc = { choices = [1, 2, 3, 4] }\n\
             d = { low = 0.0, high = 1.0, when = { c = [2, 3] } }",
        );
        let judge = |point: &[Option<f64>]| {
            let a = (40.0 * point[0].unwrap()).floor() - 30.0;
            let c = [0.5, 0.3, 0.0, 0.4][point[2].unwrap() as usize];
            Outcome::Complete(vec![
                a * a / 100.0 + (point[1].unwrap() - 0.2).powi(2) + c + (point[3].unwrap_or(0.5) - 0.9).powi(2),
            ])
        };
        let median = |searcher: &dyn Search| {
            let mut found: Vec<f64> = (0..9).map(|seed| least(&study(searcher, &space, seed, 150, judge))).collect();
            found.sort_by(f64::total_cmp);
            found[4]
        };
        let (found, by_chance) = (median(&CmaEs::default()), median(&random::Random::default()));
        assert!(found < 0.01 && found < 0.3 * by_chance, "{found}, by chance {by_chance}");
    }
}
