//! How is a run told to a person?

use data_loader::{Entry, Part};

use crate::metrics::Matrix;
use crate::recorders::jsonl::History;
use crate::{Error, RunDir};

pub mod data;
pub mod facts;
pub mod html;
pub mod sweep;

/// Every report, in alphabetical order.
pub const MEMBERS: &[Entry] = &[data::ENTRY, html::ENTRY, sweep::ENTRY];

/// What a report tells about a run. Texts are shown as they are: any character in them is safe.
#[derive(Clone, Debug, Default)]
pub struct RunFacts {
    /// The name of the run, as in `runs/<name>`.
    pub name: String,
    /// How the run ended, as a sentence.
    pub status: String,
    /// The goal of the config, and whether it was met.
    pub goal: Option<GoalVerdict>,
    /// When it began, as the reader should see it.
    pub started: String,
    /// When it ended; none while it goes on.
    pub ended: Option<String>,
    /// The resolved config, as TOML.
    pub config: String,
    /// Device, versions, seed, commit ... as (what, which).
    pub environment: Vec<(String, String)>,
    /// What `metrics.jsonl` tells.
    pub history: History,
    /// On what the finished model was judged: `test`, or `validation` where there is no test split. Empty means `test`.
    pub judged_on: String,
    /// The values found there, as (name, value), in the order of the metrics.
    pub test: Vec<(String, f64)>,
    /// Which class was taken for which there.
    pub confusion: Option<Matrix>,
    /// How many examples each split has.
    pub examples: Vec<(Part, usize)>,
    /// The checkpoints that are kept.
    pub checkpoints: Vec<CheckpointFact>,
    /// What to try next, as (what it does, command).
    pub next: Vec<(String, String)>,
}

/// A goal and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct GoalVerdict {
    /// The name of a value, such as `accuracy`.
    pub metric: String,
    /// What it must reach.
    pub target: f64,
    /// What it reached where it was judged; none if the run did not get there.
    pub reached: Option<f64>,
    /// Whether that is enough.
    pub met: bool,
    /// Why the goal matters, as the config says it.
    pub why: String,
}

/// A checkpoint that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointFact {
    /// By what it is addressed: `best`, `last`, `step-500`.
    pub name: String,
    /// After how many steps.
    pub step: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Writes every report of a finished run.
///
/// # Errors
/// If a file of the run is missing or damaged, or the disk fails.
pub fn write(run: &RunDir) -> Result<(), Error> {
    html::write(&facts::gather(run)?, &run.report())
}
