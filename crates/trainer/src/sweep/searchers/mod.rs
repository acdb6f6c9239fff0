//! Which point should be tried next? Each searcher answers from what is known of the trials so far, and from nothing else: it has no state that
//! would have to be saved.
//!
//! One file each, listed once below; `[sweep.searcher.tpe]` in a config is `tpe`.

use data_loader::Entry;
use data_loader::random::Random as Chance;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sweep::dimensions::{Dimensions, Point};
use crate::sweep::known::Known;

pub mod cma_es;
pub mod gaussian_process;
pub mod grid;
pub mod nsga2;
pub mod random;
pub mod sobol;
pub mod tpe;

/// Every searcher, alphabetically.
pub const MEMBERS: &[Entry] = &[
    Entry { name: "cma_es", summary: cma_es::SUMMARY },
    Entry { name: "gaussian_process", summary: gaussian_process::SUMMARY },
    Entry { name: "grid", summary: grid::SUMMARY },
    Entry { name: "nsga2", summary: nsga2::SUMMARY },
    Entry { name: "random", summary: random::SUMMARY },
    Entry { name: "sobol", summary: sobol::SUMMARY },
    Entry { name: "tpe", summary: tpe::SUMMARY },
];

/// A searcher with its settings, as it stands under `[sweep.searcher.<name>]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Searcher {
    /// A normal distribution that moves, stretches and turns from generation to generation.
    CmaEs(cma_es::CmaEs),
    /// A model of the loss and of what it does not know.
    GaussianProcess(gaussian_process::GaussianProcess),
    /// Every combination.
    Grid(grid::Grid),
    /// Generations of trials, for several losses at once.
    Nsga2(nsga2::Nsga2),
    /// Points by chance.
    Random(random::Random),
    /// Points that are spread evenly.
    Sobol(sobol::Sobol),
    /// Densities of good and of other trials.
    Tpe(tpe::Tpe),
}

/// Keeps the streams of searchers apart from all others.
const STREAM: u64 = 0x73_7765_6570;

/// For which trial a point is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The seed of the study, which all its trials share.
    pub seed: u64,
    /// Which trial, from 0.
    pub number: u64,
}

impl Turn {
    /// The chance of this trial, and of no other.
    pub fn chance(self) -> Chance {
        Chance::derive(&[STREAM, self.seed, self.number])
    }
}

/// Proposes points.
pub trait Search {
    /// A point for a trial, given what is known of others. Of equal arguments equal points come.
    fn propose(&self, dimensions: &Dimensions, known: &[Known], turn: Turn) -> Point;
}

impl Default for Searcher {
    fn default() -> Self {
        Self::Tpe(tpe::Tpe::default())
    }
}

impl Searcher {
    /// The name under `[sweep.searcher.<name>]`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CmaEs(_) => "cma_es",
            Self::GaussianProcess(_) => "gaussian_process",
            Self::Grid(_) => "grid",
            Self::Nsga2(_) => "nsga2",
            Self::Random(_) => "random",
            Self::Sobol(_) => "sobol",
            Self::Tpe(_) => "tpe",
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// A sentence that says which do not.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::CmaEs(s) => s.check(),
            Self::Grid(s) => s.check(),
            Self::Nsga2(s) => s.check(),
            Self::GaussianProcess(_) | Self::Random(_) | Self::Sobol(_) => Ok(()),
            Self::Tpe(s) => s.check(),
        }
    }
}

impl Search for Searcher {
    fn propose(&self, dimensions: &Dimensions, known: &[Known], turn: Turn) -> Point {
        match self {
            Self::CmaEs(s) => s.propose(dimensions, known, turn),
            Self::GaussianProcess(s) => s.propose(dimensions, known, turn),
            Self::Grid(s) => s.propose(dimensions, known, turn),
            Self::Nsga2(s) => s.propose(dimensions, known, turn),
            Self::Random(s) => s.propose(dimensions, known, turn),
            Self::Sobol(s) => s.propose(dimensions, known, turn),
            Self::Tpe(s) => s.propose(dimensions, known, turn),
        }
    }
}

/// Whether a share lies from 0 to 1.
fn check_share(key: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} is {value}; it must be from 0 to 1"))
}

/// Whether there are enough of something, and not too many.
fn check_count(key: &str, value: u64, least: u64, most: u64) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} is {value}; it must be from {least} to {most}"))
}

#[cfg(test)]
mod tests;
