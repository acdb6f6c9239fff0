//! A density over points, made of a kernel around each point that was tried and of one over everything.

use std::collections::HashMap;

use data_loader::random::Random;

use crate::sweep::dimensions::{Kind, Point};
use crate::sweep::normal::{log_density, mass, truncated};
use crate::sweep::space::Range;

/// The latest trials weigh alike; what is older than so many weighs less.
const FRESH: usize = 25;

/// A mixture of kernels.
pub(super) struct Estimator {
    /// How much each kernel weighs; they add up to 1. The last one lies over everything.
    weights: Vec<f64>,
    log_weights: Vec<f64>,
    /// Of each dimension what each kernel is.
    dimensions: Vec<Mixture>,
}

/// What the kernels are along one dimension.
enum Mixture {
    /// Normal distributions, which end where the places do.
    Normal(Range, Vec<Normal>),
    /// The same for numbers that can be counted: which one each kernel is, since few differ.
    Steps(Range, Vec<Normal>, Vec<usize>),
    /// The probabilities of the choices around each choice and, at last, where nobody chose; and which of them each kernel is.
    Choice(Vec<Vec<f64>>, Vec<usize>),
}

/// A normal distribution from 0 to 1.
#[derive(Clone, Copy)]
struct Normal {
    middle: f64,
    width: f64,
    /// One over the width, since it is asked for so often.
    inverse: f64,
    /// The logarithm of its greatest density.
    log_most: f64,
}

impl Normal {
    /// Over everything.
    const WIDE: (f64, f64) = (0.5, 1.0);

    fn new((middle, width): (f64, f64)) -> Self {
        // Far from both ends nothing is missing.
        let inside = 6.0 * width < middle.min(1.0 - middle);
        let whole = if inside { 1.0 } else { mass(middle, width, 0.0, 1.0) };
        Self { middle, width, inverse: 1.0 / width, log_most: log_density(0.0) - (width * whole).ln() }
    }

    fn log_density(&self, place: f64) -> f64 {
        let z = (place - self.middle) * self.inverse;
        self.log_most - 0.5 * z * z
    }

    fn log_mass(&self, (from, to): (f64, f64)) -> f64 {
        // So close together the density is all the same.
        if to - from < 0.1 * self.width {
            return self.log_density(f64::midpoint(from, to)) + (to - from).max(f64::MIN_POSITIVE).ln();
        }
        let log_mass = mass(self.middle, self.width, from, to).max(f64::MIN_POSITIVE).ln();
        log_mass + self.log_most - log_density(0.0) + self.width.ln()
    }
}

impl Estimator {
    /// Around points, from the oldest to the latest; a dimension that does not count at a point is as likely there as anywhere. `point` gives the
    /// place of a row along a dimension.
    pub(super) fn new(kinds: &[Kind], rows: usize, place: impl Fn(usize, usize) -> Option<f64>) -> Self {
        let dimensions = kinds.iter().enumerate().map(|(index, kind)| {
            let column: Vec<Option<f64>> =
                (0..rows).map(|row| place(row, index).map(|place| kind.exact(place))).collect();
            match kind {
                Kind::Choice(count) => {
                    let of = column.iter().map(|choice| choice.map_or(*count, |choice| choice as usize));
                    Mixture::Choice(choices(*count, rows), of.chain([*count]).collect())
                }
                Kind::Range(range) => {
                    let normals = normals(&column);
                    match range.count() {
                        None => Mixture::Normal(*range, normals.into_iter().map(Normal::new).collect()),
                        Some(_) => steps(*range, &normals),
                    }
                }
            }
        });
        let dimensions = dimensions.collect();
        let weights = weights(rows);
        let log_weights = weights.iter().map(|weight| weight.ln()).collect();
        Self { weights, log_weights, dimensions }
    }

    /// A point, every dimension settled.
    pub(super) fn draw(&self, random: &mut Random) -> Point {
        let kernel = pick(&self.weights, random.unit());
        let normal = |range: &Range, normal: &Normal, unit: f64| {
            let place = truncated(normal.middle, normal.width, unit);
            Kind::Range(*range).exact(place)
        };
        let draw = |mixture: &Mixture| match mixture {
            Mixture::Normal(range, normals) => normal(range, &normals[kernel], random.unit()),
            Mixture::Steps(range, normals, of) => normal(range, &normals[of[kernel]], random.unit()),
            Mixture::Choice(rows, of) => pick(&rows[of[kernel]], random.unit()) as f64,
        };
        self.dimensions.iter().map(draw).map(Some).collect()
    }

    /// The logarithm of the density, or for numbers that can be counted of the probability.
    pub(super) fn log_density(&self, point: &[Option<f64>]) -> f64 {
        let mut logs = self.log_weights.clone();
        for (mixture, place) in self.dimensions.iter().zip(point) {
            let Some(place) = *place else { continue };
            match mixture {
                Mixture::Normal(_, normals) => {
                    logs.iter_mut().zip(normals).for_each(|(log, normal)| *log += normal.log_density(place));
                }
                Mixture::Steps(range, normals, of) => {
                    let around = around(range, place);
                    let masses: Vec<f64> = normals.iter().map(|normal| normal.log_mass(around)).collect();
                    logs.iter_mut().zip(of).for_each(|(log, kernel)| *log += masses[*kernel]);
                }
                Mixture::Choice(rows, of) => {
                    let shares: Vec<f64> = rows.iter().map(|row| row[place as usize].ln()).collect();
                    logs.iter_mut().zip(of).for_each(|(log, kernel)| *log += shares[*kernel]);
                }
            }
        }
        log_sum(&logs)
    }
}

/// From where to where places stand for the same number as this one.
fn around(range: &Range, place: f64) -> (f64, f64) {
    let number = range.at(place);
    let half = range.step.unwrap_or(1.0) / 2.0;
    let (low, high) = range.bounds();
    let scaled = |number: f64| if range.log { number.max(f64::MIN_POSITIVE).ln() } else { number };
    let at = |number: f64| ((scaled(number) - low) / (high - low)).clamp(0.0, 1.0);
    (at(number - half), at(number + half))
}

/// How much the trials weigh, and behind them what lies over everything.
fn weights(count: usize) -> Vec<f64> {
    let old = count.saturating_sub(FRESH);
    let each = (0..count).map(|k| {
        let ramp = |k: usize| 1.0 / count as f64 + (1.0 - 1.0 / count as f64) * k as f64 / (old.max(2) - 1) as f64;
        if k < old { ramp(k) } else { 1.0 }
    });
    let all: Vec<f64> = each.chain([1.0]).collect();
    let sum: f64 = all.iter().sum();
    all.into_iter().map(|weight| weight / sum).collect()
}

/// Middles and widths of the kernels, and of the one over everything. A kernel reaches as far as its neighbours, which lie close where much was
/// tried.
fn normals(column: &[Option<f64>]) -> Vec<(f64, f64)> {
    // Kernels that are too narrow would see nothing but what was tried.
    let narrowest = 1.0 / (column.len() as f64 + 2.0).min(100.0);
    let mut sorted: Vec<f64> = column.iter().flatten().copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    // Towards an end with nobody before it the other side counts, unless nobody is there either.
    let edge = |away: f64| if sorted.len() > 1 { 0.0 } else { away };
    let width = |place: f64| {
        let at = sorted.partition_point(|&other| other < place);
        let behind = sorted.partition_point(|&other| other <= place);
        let left = if at > 0 { place - sorted[at - 1] } else { edge(place) };
        let right = if behind < sorted.len() { sorted[behind] - place } else { edge(1.0 - place) };
        let twins = behind - at > 1;
        if twins { left.min(right) } else { left.max(right) }
    };
    let kernel = |place: &Option<f64>| match place {
        Some(place) => (*place, width(*place).clamp(narrowest, 1.0)),
        None => Normal::WIDE,
    };
    column.iter().map(kernel).chain([Normal::WIDE]).collect()
}

/// Each distribution that is among the kernels, and which one each kernel is.
fn steps(range: Range, normals: &[(f64, f64)]) -> Mixture {
    let (mut different, mut numbers) = (Vec::new(), HashMap::new());
    let number = |&(middle, width): &(f64, f64)| {
        *numbers.entry((middle.to_bits(), width.to_bits())).or_insert_with(|| {
            different.push(Normal::new((middle, width)));
            different.len() - 1
        })
    };
    let of: Vec<usize> = normals.iter().map(number).collect();
    Mixture::Steps(range, different, of)
}

/// The probabilities of the choices around each of them, and where nobody chose.
fn choices(count: usize, rows: usize) -> Vec<Vec<f64>> {
    let rest = 1.0 / (rows as f64 + 1.0);
    let sum = 1.0 + rest * count as f64;
    let share = |chosen: bool| (f64::from(chosen) + rest) / sum;
    let around = (0..count).map(|choice| (0..count).map(|other| share(other == choice)).collect());
    around.chain([vec![1.0 / count as f64; count]]).collect()
}

/// Which one a number from 0 to 1 falls on.
fn pick(weights: &[f64], unit: f64) -> usize {
    let mut left = unit;
    for (k, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return k;
        }
    }
    weights.len() - 1
}

fn log_sum(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    // What is smaller than the last digit of the sum is passed over.
    let shares = logs.iter().map(|log| log - most).filter(|log| *log > -40.0);
    most + shares.map(f64::exp).sum::<f64>().ln()
}
