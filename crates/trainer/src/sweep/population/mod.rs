//! Population-based training (Jaderberg et al., "Population Based Training of Neural Networks", 2017): all trials train beside each other, and
//! where they are compared, the worst go on from the checkpoints of the best, with settings a little changed.
//!
//! A generation is what lies between two comparisons. Nobody begins the next one before all have ended theirs, so that what comes of it does
//! not depend on how many workers there are.

use std::collections::BTreeMap;

use data_loader::random::Random;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dimensions::{Dimension, Dimensions, Kind, Point};
use super::objectives::Objective;
use super::space::{Range, Space, Values};
use super::trial::{Look, State, Trial};

pub mod snapshots;

/// How many trials make a population where no number is named.
pub const MEMBERS: u64 = 8;
/// Keeps the chance of generations apart from all other.
const STREAM: u64 = 0x706f_7075_6c61;
/// What may change while a trial goes on: its checkpoints stay what they are.
const CHANGEABLE: &[&str] = &["optimizer.", "schedule.", "train.clip_norm", "train.ema_decay"];
/// By what a number is multiplied.
const FACTORS: [f64; 2] = [0.8, 1.2];

/// How a population goes on. Its members are the trials of the sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Population {
    /// So many evaluations make a generation.
    pub every: usize,
    /// The share of the members that go on from others, and of those from whom they do.
    pub share: f64,
    /// How often a setting is drawn anew instead of being changed a little.
    pub resample: f64,
}

impl Default for Population {
    fn default() -> Self {
        Self { every: 1, share: 0.25, resample: 0.25 }
    }
}

/// What a trial became at the beginning of a generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Which generation, the first that is changed being 1.
    pub generation: u64,
    /// From whose checkpoint it goes on, if not from its own.
    pub from: Option<u64>,
    /// With which settings.
    pub settings: BTreeMap<String, Value>,
}

impl Population {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.every == 0 {
            return Err("every is 0; it must be at least 1".into());
        }
        if !(self.share > 0.0 && self.share <= 0.5) {
            return Err(format!("share is {}; it must be above 0 and at most 0.5", self.share));
        }
        if !(0.0..=1.0).contains(&self.resample) {
            return Err(format!("resample is {}; it must be from 0 to 1", self.resample));
        }
        Ok(())
    }

    /// The first parameter that cannot change while a trial goes on.
    pub(super) fn unchangeable(space: &Space) -> Option<&String> {
        let mut varied = space.iter().filter(|(_, parameter)| !matches!(parameter.values, Values::Fixed(_)));
        varied.find(|(address, _)| !Self::may_change(address)).map(|(address, _)| address)
    }

    /// Whether a parameter can change while a trial goes on.
    pub(super) fn may_change(address: &str) -> bool {
        CHANGEABLE.iter().any(|beginning| address.starts_with(beginning))
    }

    /// Whether a trial has come to the end of a generation that is not written down as ended.
    pub fn ends_generation(&self, trial: &Trial) -> bool {
        let (looks, every) = (trial.history.len(), self.every.max(1));
        looks.is_multiple_of(every) && (looks / every) as u64 > trial.generations
    }

    /// Whether a trial goes on with what it had at the end of its latest generation.
    pub fn begins_generation(&self, trial: &Trial) -> bool {
        trial.generations > 0 && trial.history.len() as u64 == trial.generations * self.every.max(1) as u64
    }

    /// Whether a trial that waits may go on: everybody has come as far.
    pub fn may_go_on(&self, trial: &Trial, trials: &[Trial]) -> bool {
        trials.iter().filter(|other| !other.state.is_finished()).all(|other| other.generations >= trial.generations)
    }

    /// What a trial becomes that begins a generation.
    pub fn change(
        &self,
        trial: &Trial,
        trials: &[Trial],
        objective: &Objective,
        dimensions: &Dimensions,
        seed: u64,
    ) -> Change {
        let generation = trial.generations;
        let settings = trial.settings.clone().unwrap_or_default();
        let stays = Change { generation, from: None, settings };
        let at = (generation as usize * self.every.max(1)).saturating_sub(1);
        let loss = |other: &Trial| match other.history.get(at) {
            Some(Look(_, Some(value))) => objective.loss(*value),
            _ => f64::INFINITY,
        };
        let mut members: Vec<&Trial> =
            trials.iter().filter(|other| other.state != State::Failed && other.history.len() > at).collect();
        members.sort_by(|a, b| loss(a).total_cmp(&loss(b)).then(a.number.cmp(&b.number)));
        let some = (self.share * members.len() as f64).floor() as usize;
        let is_worst = members.iter().rev().take(some).any(|member| member.number == trial.number);
        if !is_worst {
            return stays;
        }
        let mut random = Random::derive(&[STREAM, seed, generation, trial.number]);
        let donor = members[random.below(some as u64) as usize];
        // Equals have nothing to learn from each other.
        if loss(donor) >= loss(trial) {
            return stays;
        }
        let known = donor.settings.as_ref().and_then(|settings| dimensions.point(settings));
        let point = known.map(|point| self.perturb(&point, dimensions, &mut random));
        let settings = point.map_or_else(
            || donor.settings.clone().unwrap_or_default(),
            |point| dimensions.settings(&point).into_iter().collect(),
        );
        Change { generation, from: Some(donor.number), settings }
    }

    /// A point near another one.
    fn perturb(&self, point: &Point, dimensions: &Dimensions, random: &mut Random) -> Point {
        dimensions.settle(|index, dimension| {
            let (drawn, anew) = (random.unit(), random.unit());
            let larger = random.below(2) as usize;
            match point[index] {
                Some(place) if drawn >= self.resample => near(place, dimension, larger),
                _ => dimension.kind.spread(anew),
            }
        })
    }
}

/// A number by a factor, or the choice beside one.
fn near(place: f64, dimension: &Dimension, larger: usize) -> f64 {
    match dimension.kind {
        Kind::Choice(count) => {
            let last = count.saturating_sub(1) as f64;
            if larger == 1 { (place + 1.0).min(last) } else { (place - 1.0).max(0.0) }
        }
        Kind::Range(range) => {
            let before = range.at(place);
            let after = bounded(&range, before * FACTORS[larger]);
            // Of whole numbers and steps the next one, where the factor is too small for it.
            let moved = range.place(after).unwrap_or(place);
            match range.step {
                Some(step) if range.at(moved) == before => {
                    let sign = if larger == 1 { 1.0 } else { -1.0 };
                    range.place(bounded(&range, before + sign * step)).unwrap_or(place)
                }
                _ => moved,
            }
        }
    }
}

fn bounded(range: &Range, number: f64) -> f64 {
    number.clamp(range.low, range.high)
}

#[cfg(test)]
mod tests;
