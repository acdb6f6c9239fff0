//! A model of the loss and of what it does not know: for few trials that take long.
//!
//! Bayesian optimization with a Gaussian process (Snoek et al., "Practical Bayesian Optimization of Machine Learning Algorithms", 2012): the kernel
//! that explains the trials best is fitted, and that point is proposed at which the expected improvement is greatest. The first trials are spread
//! evenly.
//!
//! - What does not count at a point lies in the middle there; what it depends on is a choice, by which the points differ.
//! - A trial that failed or gave no number is as bad as the worst, so that the same is not tried for ever. One that was pruned is at best in the
//!   middle.
//! - Trials under way are taken to end as expected, which makes the model sure where they are, so that workers beside each other do not try the
//!   same.
//! - Losses far above the middle are brought nearer to it by logarithms: how bad the bad ones are tells little, and one that ran away would drown
//!   all else.
//! - Of several losses each trial looks at another mixture (Knowles, "`ParEGO`", 2006).
//! - Of more than [`MOST`] trials the best half of so many are modelled, and of the others as many that lie evenly among them, to the latest.

use data_loader::random::Random;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sobol::Sobol;
use super::{Search, Turn};
use crate::sweep::dimensions::{Dimensions, Kind, Point};
use crate::sweep::known::{Known, Outcome};

mod acquisition;
mod cholesky;
mod descent;
mod fit;
mod kernel;
mod posterior;

use acquisition::{Acquisition, row};
use kernel::Metric;
use posterior::Posterior;

/// One line for `firebox list`.
pub const SUMMARY: &str = "a model of the loss and of its doubts, for few trials that take long";

/// No more trials than this are modelled, since time grows with their cube.
const MOST: usize = 200;
/// So many of the best are looked around.
const AROUND: usize = 4;

/// From the middle of the losses to where they are brought nearer it is so many times as far as to the least: close by all differences count.
const FAR: f64 = 16.0;
/// What is more than so many times as far is as bad as what is so far.
const FARTHEST: f64 = 6.0;
/// From so many places beside the usual one the kernel is fitted.
const STARTS: usize = 1;

/// Settings of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GaussianProcess {
    /// So many trials are spread evenly before.
    pub startup: u64,
}

impl Default for GaussianProcess {
    fn default() -> Self {
        Self { startup: 10 }
    }
}

impl Search for GaussianProcess {
    fn propose(&self, dimensions: &Dimensions, known: &[Known], turn: Turn) -> Point {
        let done = known.iter().filter(|trial| trial.outcome != Outcome::Running).count() as u64;
        let modelled = (done >= self.startup).then(|| model(dimensions, known, turn)).flatten();
        modelled.unwrap_or_else(|| Sobol::default().propose(dimensions, known, turn))
    }
}

/// The point with the most to be gained; nothing if too little is known.
fn model(dimensions: &Dimensions, known: &[Known], turn: Turn) -> Option<Point> {
    let random = &mut turn.chance();
    let mut done = judged(known, random)?;
    choose(&mut done);
    let choices = dimensions.all.iter().map(|dimension| matches!(dimension.kind, Kind::Choice(_))).collect();
    let metric = Metric { choices };
    let mut rows: Vec<Vec<f64>> = done.iter().map(|(_, trial)| row(dimensions, &trial.point)).collect();
    let losses = standard(&done.iter().map(|(loss, _)| *loss).collect::<Vec<_>>())?;
    let kernel = fit::fit(&metric, &rows, &losses, STARTS, random);
    let mut posterior = Posterior::new(&metric, &kernel, rows.clone(), &losses)?;
    // What chance added is no gain.
    let expected: Vec<f64> = rows.iter().map(|row| posterior.at(row).0).collect();
    let best = expected.iter().copied().fold(f64::INFINITY, f64::min);
    let running =
        known.iter().filter(|trial| trial.outcome == Outcome::Running).map(|trial| row(dimensions, &trial.point));
    let running: Vec<Vec<f64>> = running.take(MOST).collect();
    if !running.is_empty() {
        let hoped = running.iter().map(|row| posterior.at(row).0);
        let losses: Vec<f64> = losses.iter().copied().chain(hoped.collect::<Vec<_>>()).collect();
        rows.extend(running);
        posterior = Posterior::new(&metric, &kernel, rows, &losses)?;
    }
    let acquisition = Acquisition { posterior: &posterior, best, dimensions };
    let mut order: Vec<usize> = (0..done.len()).collect();
    order.sort_by(|&a, &b| expected[a].total_cmp(&expected[b]));
    let around: Vec<Vec<f64>> =
        order.iter().take(AROUND).map(|&k| places(dimensions, &done[k].1.point, random)).collect();
    let found = acquisition.search(&around, random.next_u64(), random);
    // What was tried is tried again only if nothing else is left.
    let tried: Vec<Point> = known.iter().map(|trial| dimensions.exact(&trial.point)).collect();
    let points = || found.iter().map(|places| acquisition.point(places));
    let new = points().find(|point| !tried.contains(point));
    new.or_else(|| points().next())
}

/// The places of a point, by chance where something does not count.
fn places(dimensions: &Dimensions, point: &[Option<f64>], random: &mut Random) -> Vec<f64> {
    let each = dimensions.all.iter().zip(point);
    each.map(|(dimension, place)| place.unwrap_or_else(|| dimension.kind.spread(random.unit()))).collect()
}

/// The loss of every trial that is no longer under way, from the first to the latest; nothing if none is a number.
fn judged<'a>(known: &'a [Known], random: &mut Random) -> Option<Vec<(f64, &'a Known)>> {
    let complete: Vec<&[f64]> = known
        .iter()
        .filter_map(|trial| match &trial.outcome {
            Outcome::Complete(losses) => Some(losses.as_slice()),
            _ => None,
        })
        .collect();
    let mixture = Mixture::new(&complete, random);
    let number = |loss: f64| Some(loss).filter(|loss| loss.is_finite());
    let mut finite: Vec<f64> = complete.iter().filter_map(|losses| number(mixture.of(losses))).collect();
    finite.sort_by(f64::total_cmp);
    let (middle, worst) = (*finite.get(finite.len() / 2)?, *finite.last()?);
    let mut done: Vec<(f64, &Known)> = known
        .iter()
        .filter_map(|trial| {
            let loss = match &trial.outcome {
                Outcome::Running => return None,
                Outcome::Complete(losses) => number(mixture.of(losses)).unwrap_or(worst),
                Outcome::Pruned { loss, .. } => number(*loss).unwrap_or(worst).clamp(middle, worst),
                Outcome::Failed => worst,
            };
            Some((loss, trial))
        })
        .collect();
    done.sort_by_key(|(_, trial)| trial.number);
    Some(done)
}

/// How several losses make one.
struct Mixture {
    /// Of each loss the least, and by what it is multiplied.
    parts: Vec<(f64, f64)>,
}

impl Mixture {
    fn new(complete: &[&[f64]], random: &mut Random) -> Self {
        let count = complete.iter().map(|losses| losses.len()).max().unwrap_or(0);
        let mut parts = Vec::new();
        for k in (0..count).filter(|_| count > 1) {
            let each = complete.iter().filter_map(|losses| losses.get(k).copied().filter(|loss| loss.is_finite()));
            let (low, high) = each.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), loss| (a.min(loss), b.max(loss)));
            let weight = -(1.0 - random.unit()).ln();
            let span = if high > low { high - low } else { 1.0 };
            parts.push((if low.is_finite() { low } else { 0.0 }, weight / span));
        }
        Self { parts }
    }

    /// The greatest of the weighted losses, and a little of their sum.
    fn of(&self, losses: &[f64]) -> f64 {
        if self.parts.is_empty() {
            return losses.first().copied().unwrap_or(f64::NAN);
        }
        let loss = |k: usize| losses.get(k).copied().unwrap_or(f64::NAN);
        let weighted: Vec<f64> = self.parts.iter().enumerate().map(|(k, (low, by))| (loss(k) - low) * by).collect();
        if weighted.iter().any(|part| part.is_nan()) {
            return f64::NAN;
        }
        weighted.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 0.05 * weighted.iter().sum::<f64>()
    }
}

/// Leaves no more trials than can be modelled.
fn choose(done: &mut Vec<(f64, &Known)>) {
    if done.len() <= MOST {
        return;
    }
    let mut ranked: Vec<f64> = done.iter().map(|(loss, _)| *loss).collect();
    ranked.sort_by(f64::total_cmp);
    let bar = ranked[MOST / 2 - 1];
    let (mut good, others): (Vec<_>, Vec<_>) = done.drain(..).partition(|(loss, _)| *loss <= bar);
    // Of equal ones too many may be as good.
    let first = good.len().saturating_sub(MOST / 2);
    good.drain(..first);
    let count = others.len().min(MOST - good.len());
    good.extend((1..=count).map(|k| others[k * others.len() / count - 1]));
    good.sort_by_key(|(_, trial)| trial.number);
    *done = good;
}

/// Losses with a mean of 0 and a variance of 1, those far above the middle brought nearer to it; nothing if that cannot be.
fn standard(losses: &[f64]) -> Option<Vec<f64>> {
    let mut sorted = losses.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (least, middle) = (*sorted.first()?, sorted[sorted.len() / 2]);
    let far = (middle - least) * FAR;
    let nearer = |loss: f64| match loss > middle && far > 0.0 {
        true => middle + far * ((loss - middle) / far).min(FARTHEST).ln_1p(),
        false => loss,
    };
    let near: Vec<f64> = losses.iter().copied().map(nearer).collect();
    let n = near.len() as f64;
    // Divided first, lest the sum be infinite.
    let mean = near.iter().map(|loss| loss / n).sum::<f64>();
    let spread = near.iter().map(|loss| (loss - mean).abs()).fold(0.0, f64::max);
    if !(mean.is_finite() && spread.is_finite()) {
        return None;
    }
    if spread == 0.0 {
        return Some(vec![0.0; near.len()]);
    }
    let deviation = spread * near.iter().map(|loss| ((loss - mean) / spread).powi(2) / n).sum::<f64>().sqrt();
    Some(near.iter().map(|loss| (loss - mean) / deviation).collect())
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
