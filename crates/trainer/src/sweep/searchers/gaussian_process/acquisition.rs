//! Where is most to be gained? The logarithm of the expected improvement over the best loss so far (Ament et al., "Unexpected Improvements to
//! Expected Improvement for Bayesian Optimization", 2023), which has slopes even where next to nothing is to be gained.

use data_loader::random::Random;

use super::descent::minimise;
use super::posterior::Posterior;
use crate::sweep::dimensions::{Dimensions, Kind, Point};
use crate::sweep::normal;
use crate::sweep::searchers::sobol::Places;

/// So many points are looked at that are spread evenly.
const SPREAD: u64 = 1024;
/// So many around each of the best points that were tried.
const AROUND: usize = 32;
/// From so many of them it goes uphill.
const CLIMBED: usize = 8;
/// So many steps along what is no choice.
const STEPS: usize = 40;
/// So often along numbers, and then along choices.
const ROUNDS: usize = 3;
/// Numbers that can be counted are tried one after the other if they are no more than this; else they are rounded.
const COUNTED: u64 = 32;

/// The logarithm of φ(z) + z Φ(z).
fn log_gain(z: f64) -> f64 {
    if z > -25.0 {
        return (normal::log_density(z).exp() + z * normal::lower_tail(z)).ln();
    }
    let square = z * z;
    normal::log_density(z) - square.ln() + (-3.0 / square + 15.0 / (square * square)).ln_1p()
}

/// By how much it changes with z: Φ(z) over the same.
fn slope_of_log_gain(z: f64) -> f64 {
    if z > -25.0 { normal::lower_tail(z) / log_gain(z).exp() } else { -z - 2.0 / z }
}

/// What is looked for, and where.
pub(super) struct Acquisition<'a> {
    pub(super) posterior: &'a Posterior,
    /// Less than this is better.
    pub(super) best: f64,
    pub(super) dimensions: &'a Dimensions,
}

impl Acquisition<'_> {
    /// A place for each dimension, those that do not count being passed over, as a row.
    fn row(&self, places: &[f64]) -> Vec<f64> {
        row(self.dimensions, &self.point(places))
    }

    pub(super) fn point(&self, places: &[f64]) -> Point {
        self.dimensions.settle(|index, dimension| dimension.kind.exact(places[index]))
    }

    fn at(&self, places: &[f64]) -> f64 {
        let (mean, variance) = self.posterior.at(&self.row(places));
        let width = variance.sqrt();
        width.ln() + log_gain((self.best - mean) / width)
    }

    /// The best places, and what follows them.
    pub(super) fn search(&self, around: &[Vec<f64>], seed: u64, random: &mut Random) -> Vec<Vec<f64>> {
        let all = &self.dimensions.all;
        let spread = Places::new(seed);
        let mut candidates: Vec<Vec<f64>> = Vec::new();
        for number in 0..SPREAD {
            candidates.push(all.iter().enumerate().map(|(k, d)| d.kind.spread(spread.at(number, k))).collect());
        }
        for places in around {
            for _ in 0..AROUND {
                candidates.push(self.moved(places, random));
            }
        }
        let mut ranked: Vec<(f64, Vec<f64>)> =
            candidates.into_iter().map(|places| (self.at(&places), places)).collect();
        ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let mut climbed: Vec<(f64, Vec<f64>)> =
            ranked.iter().take(CLIMBED).map(|(_, p)| self.climb(p.clone())).collect();
        climbed.extend(ranked.into_iter().skip(CLIMBED));
        climbed.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        climbed.into_iter().map(|(_, places)| places).collect()
    }

    /// Some places changed a little, by distances of every order.
    fn moved(&self, places: &[f64], random: &mut Random) -> Vec<f64> {
        let share = (2.0 / places.len().max(1) as f64).max(0.2);
        let width = 10_f64.powf(-3.0 * random.unit()) * 0.3;
        let all = self.dimensions.all.iter().zip(places);
        all.map(|(dimension, place)| match dimension.kind {
            _ if random.unit() > share => *place,
            Kind::Choice(_) => dimension.kind.spread(random.unit()),
            Kind::Range(_) => (place + width * normal::draw(random)).clamp(0.0, 1.0),
        })
        .collect()
    }

    /// Uphill, along numbers and choices by turns, until nothing is gained.
    fn climb(&self, mut places: Vec<f64>) -> (f64, Vec<f64>) {
        let mut best = self.at(&places);
        for _ in 0..ROUNDS {
            let before = best;
            let smooth = self.along_numbers(&places);
            let found = self.at(&smooth);
            if found > best {
                (best, places) = (found, smooth);
            }
            for index in 0..places.len() {
                for place in self.others(index) {
                    let kept = std::mem::replace(&mut places[index], place);
                    let found = self.at(&places);
                    if found > best {
                        best = found;
                    } else {
                        places[index] = kept;
                    }
                }
            }
            if best <= before + 1e-6 {
                break;
            }
        }
        (best, places)
    }

    /// What may be tried one after the other along a dimension.
    fn others(&self, index: usize) -> Vec<f64> {
        match &self.dimensions.all[index].kind {
            Kind::Choice(count) => (0..*count).map(|choice| choice as f64).collect(),
            Kind::Range(range) => match range.count().filter(|count| *count <= COUNTED) {
                Some(count) => (0..count).map(|k| (k as f64 + 0.5) / count as f64).collect(),
                None => Vec::new(),
            },
        }
    }

    fn along_numbers(&self, places: &[f64]) -> Vec<f64> {
        let point = self.point(places);
        let free = |index: &usize| point[*index].is_some() && self.others(*index).is_empty();
        let free: Vec<usize> = (0..places.len()).filter(free).collect();
        if free.is_empty() {
            return places.to_vec();
        }
        // Not rounded on the way.
        let mut row = row(self.dimensions, &point);
        let start: Vec<f64> = free.iter().map(|&index| places[index]).collect();
        let (_, found) = minimise(&vec![(0.0, 1.0); free.len()], &start, STEPS, |x| {
            free.iter().zip(x).for_each(|(&index, x)| row[index] = *x);
            let ((mean, variance), (means, variances)) = self.posterior.with_slopes(&row);
            let width = variance.sqrt();
            let z = (self.best - mean) / width;
            let gain = slope_of_log_gain(z);
            let slope = |&index: &usize| {
                let wider = variances[index] / (2.0 * width);
                -(wider / width + gain * (-means[index] - z * wider) / width)
            };
            let value = -(width.ln() + log_gain(z));
            value.is_finite().then(|| (value, free.iter().map(slope).collect()))
        });
        let mut places = places.to_vec();
        free.iter().zip(found).for_each(|(&index, found)| places[index] = found);
        places
    }
}

/// A point as numbers: choices by their numbers, what does not count in the middle, or as a choice that there is not.
pub(super) fn row(dimensions: &Dimensions, point: &[Option<f64>]) -> Vec<f64> {
    let each = dimensions.all.iter().zip(point).map(|(dimension, place)| match (place, dimension.kind) {
        (Some(place), _) => dimension.kind.exact(*place),
        (None, Kind::Range(_)) => 0.5,
        (None, Kind::Choice(_)) => -1.0,
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_are_those_of_the_definition() {
        // By numerical integration of max(0, z - x) over the standard normal density, and far below by its series.
        for (z, gain) in
            [(0.0_f64, 0.398_942_280_401_432_7_f64), (1.0, 1.083_315_470_587_686_3), (-2.0, 0.008_490_702_616_829_6)]
        {
            assert!((log_gain(z) - gain.ln()).abs() < 1e-12, "{z}");
        }
        assert!((log_gain(-25.0 - 1e-9) - log_gain(-25.0 + 1e-9)).abs() < 1e-6);
        assert!((slope_of_log_gain(-25.0 - 1e-9) - slope_of_log_gain(-25.0 + 1e-9)).abs() < 1e-2);
        for z in [-60.0, -24.0, -3.0, 0.0, 4.0] {
            let difference = (log_gain(z + 1e-4) - log_gain(z - 1e-4)) / 2e-4;
            assert!((difference - slope_of_log_gain(z)).abs() < 1e-3 * difference, "{z}: {difference}");
        }
        assert!(log_gain(-1e6).is_finite());
    }
}
