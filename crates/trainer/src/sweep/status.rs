//! How does a study stand?

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::study::Study;
use super::trial::{State, Trial};

/// A study at a glance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Its name.
    pub study: String,
    /// Where its database is, without a password.
    pub database: String,
    /// Where the runs of its trials lie.
    pub folder: PathBuf,
    /// `over`, `stopped` or `open`.
    pub state: &'static str,
    /// How many trials are to be finished; none if only time or a target end it.
    pub trials: Option<u64>,
    /// How many are finished: complete, pruned or failed.
    pub finished: u64,
    /// How many came to their end.
    pub complete: u64,
    /// How many were ended early.
    pub pruned: u64,
    /// How many came to no end.
    pub failed: u64,
    /// How many are trained now, or were when their worker died.
    pub running: u64,
    /// How many wait for a worker.
    pub waiting: u64,
    /// How many were brought in from elsewhere; they are counted nowhere else.
    pub brought: u64,
    /// Steps that were done, over all trials.
    pub steps: u64,
    /// Seconds of training, over all trials.
    pub seconds: f64,
    /// What is made good.
    pub objectives: Vec<String>,
    /// The best trial, or with two objectives those that none beats.
    pub best: Vec<Best>,
}

/// A trial among the best.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Best {
    /// Which trial.
    pub trial: u64,
    /// The value of each objective.
    pub values: Vec<Option<f64>>,
    /// Its settings.
    pub settings: BTreeMap<String, Value>,
    /// Its run, if it lies here.
    pub run: Option<PathBuf>,
}

impl Status {
    /// Of a study as it was read last.
    pub fn of(study: &Study) -> Self {
        let own: Vec<&Trial> = study.trials.iter().filter(|trial| !trial.is_brought()).collect();
        let count = |state: State| own.iter().filter(|trial| trial.state == state).count() as u64;
        let (complete, pruned, failed) = (count(State::Complete), count(State::Pruned), count(State::Failed));
        let (running, waiting) = (count(State::Running), count(State::Waiting));
        let state = match study.is_stopped() {
            true => "stopped",
            false if running + waiting == 0 && !study.may_begin() => "over",
            false => "open",
        };
        Self {
            study: study.name().to_owned(),
            database: study.place().to_owned(),
            folder: study.folder().to_owned(),
            state,
            trials: study.sweep.trials,
            finished: complete + pruned + failed,
            complete,
            pruned,
            failed,
            running,
            waiting,
            brought: (study.trials.len() - own.len()) as u64,
            steps: own.iter().map(|trial| trial.step).sum(),
            seconds: own.iter().map(|trial| trial.seconds).sum(),
            objectives: study.objectives().iter().map(|objective| objective.metric.clone()).collect(),
            best: study.front().into_iter().map(|trial| Best::of(study, trial)).collect(),
        }
    }
}

impl Best {
    fn of(study: &Study, trial: &Trial) -> Self {
        Self {
            trial: trial.number,
            values: study.objectives().iter().map(|objective| trial.scores.get(&objective.metric).copied()).collect(),
            settings: trial.settings.clone().unwrap_or_default(),
            run: study.kept_run(trial.number).map(|run| run.path().to_owned()),
        }
    }
}
