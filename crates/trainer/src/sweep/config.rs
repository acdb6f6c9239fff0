//! How is a sweep to go? The table `[sweep]` of a config.
//!
//! ```toml
//! [sweep]
//! trials = 50
//! objectives = ["accuracy"]
//!
//! [sweep.searcher.tpe]
//! [sweep.pruner.asha]
//!
//! [sweep.space]
//! "optimizer.adamw.learning_rate" = { low = 1e-4, high = 1e-1, log = true }
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use super::objectives::Objective;
use super::population::{self, Population};
use super::pruners::{Pruner, none};
use super::searchers::Searcher;
use super::space::Space;

/// How many trials there are where no budget is named.
pub const TRIALS: u64 = 50;

/// And how many there are at most.
pub const MOST_TRIALS: u64 = 1_000_000;

/// A search for better settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sweep {
    /// How many trials are to be finished: complete, pruned or failed. 50 if neither hours nor a target are named either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trials: Option<u64>,
    /// Begins no trial once all of them together have trained for so many hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<f64>,
    /// Begins no trial once the first objective has reached this value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// What is to be made good; the metric that training watches if left out. Of two, those trials are best that none beats in both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objectives: Vec<Objective>,
    /// Checkpoints of so many of the best trials are kept, and become whole runs at the end.
    pub keep: usize,
    /// Checkpoints of all trials together may take so many GiB of the disk.
    pub checkpoints_gib: f64,
    /// Images are decoded once for all trials, into files of so many GiB at most; 0 decodes them anew each time.
    pub decoded_gib: f64,
    /// How often a trial that ended with an error is tried again. Training is deterministic: most errors would come again.
    pub retries: u64,
    /// How often the process that trains a trial may die before the trial counts as failed.
    pub max_crashes: u64,
    /// What proposes settings.
    pub searcher: Searcher,
    /// What ends trials early that lead nowhere; `asha` if left out, or with two objectives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruner: Option<Pruner>,
    /// Lets all trials train beside each other, the worst going on from the checkpoints of the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub population: Option<Population>,
    /// What workers need where an engine runs them on many machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
    /// What is varied, by the addresses of the config; what suits architecture and optimizer if left out.
    #[serde(skip_serializing_if = "Space::is_empty")]
    pub space: Space,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            trials: None,
            hours: None,
            target: None,
            objectives: Vec::new(),
            keep: 3,
            checkpoints_gib: 20.0,
            decoded_gib: 8.0,
            retries: 0,
            max_crashes: 10,
            searcher: Searcher::default(),
            pruner: None,
            population: None,
            cluster: None,
            space: Space::new(),
        }
    }
}

impl Sweep {
    /// Fills in what was left out of the budget, and refuses what makes no sense.
    ///
    /// # Errors
    /// A key below `sweep`, and a sentence about it.
    pub fn settle(&mut self) -> Result<(), (String, String)> {
        if self.trials.is_none() && self.hours.is_none() && self.target.is_none() {
            self.trials = Some(if self.population.is_some() { population::MEMBERS } else { TRIALS });
        }
        if self.pruner.is_none() {
            self.pruner = Some(if self.objectives.len() > 1 || self.population.is_some() {
                Pruner::None(none::None {})
            } else {
                Pruner::default()
            });
        }
        let wrong = |key: &str, reason: String| Err((key.to_owned(), reason));
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if let Some(trials) = self.trials.filter(|trials| !(1..=MOST_TRIALS).contains(trials)) {
            return wrong("trials", format!("is {trials}; it must be from 1 to {MOST_TRIALS}"));
        }
        if let Some(hours) = self.hours.filter(|hours| !positive(*hours)) {
            return wrong("hours", format!("is {hours}; it must be above 0"));
        }
        if let Some(target) = self.target.filter(|target| !target.is_finite()) {
            return wrong("target", format!("is {target}; it must be a number"));
        }
        if !positive(self.checkpoints_gib) {
            return wrong("checkpoints_gib", format!("is {}; it must be above 0", self.checkpoints_gib));
        }
        if !self.decoded_gib.is_finite() || self.decoded_gib < 0.0 {
            return wrong("decoded_gib", format!("is {}; it must be 0 or above", self.decoded_gib));
        }
        if let Some(Err(reason)) = self.cluster.as_ref().map(Cluster::check) {
            return wrong("cluster", reason);
        }
        if let Some((_, twice)) = self
            .objectives
            .iter()
            .enumerate()
            .find(|(k, one)| self.objectives[..*k].iter().any(|other| other.metric == one.metric))
        {
            return wrong("objectives", format!("name `{}` twice", twice.metric));
        }
        self.searcher.check().map_err(|reason| (format!("searcher.{}", self.searcher.name()), reason))?;
        let pruner = self.pruner.as_ref().expect("it was settled above");
        pruner.check().map_err(|reason| (format!("pruner.{}", pruner.name()), reason))?;
        if let Some(population) = &self.population {
            population.check().map_err(|reason| ("population".to_owned(), reason))?;
            if self.trials.is_none_or(|trials| trials < 2) {
                return wrong(
                    "trials",
                    "must be named, and 2 at least: the trials are the members of the population".into(),
                );
            }
            if !matches!(pruner, Pruner::None(_)) {
                let reason = "ends trials early, and in a population all come to their end; use `none`".to_owned();
                return wrong(&format!("pruner.{}", pruner.name()), reason);
            }
            if let Some(address) = Population::unchangeable(&self.space) {
                let reason = "cannot change while a trial goes on; in a population settings of `optimizer` and `schedule` can, \
                              `train.clip_norm` and `train.ema_decay`";
                return wrong(&format!("space.\"{address}\""), reason.into());
            }
        }
        if self.objectives.len() > 1 && !matches!(pruner, Pruner::None(_)) {
            let reason = "ends trials by one objective, and there are several; use `none`".to_owned();
            return wrong(&format!("pruner.{}", pruner.name()), reason);
        }
        Ok(())
    }
}
