//! What came out of a run?

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::experiment::Goal;
use crate::fit::Ending;
use crate::metrics::confusion_matrix::Matrix;
use crate::metrics::{self, Direction};

/// What stands in `result.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// `completed` or `stopped`.
    pub status: String,
    /// How many steps were done.
    pub step: u64,
    /// Of which step the weights are that were tested and bundled.
    pub chosen_step: u64,
    /// Seconds of training, over all resumptions.
    pub seconds: f64,
    /// On what the scores were taken: `test`, or `validation` where there is no test split.
    pub judged_on: String,
    /// How many examples were judged.
    pub examples: usize,
    /// The scores that are defined; JSON knows no other numbers.
    pub scores: BTreeMap<String, f64>,
    /// Which class was taken for which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Matrix>,
    /// Whether the goal was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<Verdict>,
    /// How many numbers were learnt.
    pub parameters: usize,
    /// How often an example that could not be read was left out of training, counted anew in each epoch.
    pub skipped: u64,
}

/// The judgement on a goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The goal.
    pub goal: Goal,
    /// The value that was reached; none where the metric is undefined.
    pub value: Option<f64>,
    /// Whether that is enough.
    pub met: bool,
}

impl Verdict {
    /// Judges a value by a goal.
    pub fn new(goal: &Goal, value: Option<f64>) -> Self {
        let met = value.is_some_and(|value| match metrics::direction(&goal.metric) {
            Some(Direction::Lower) => value <= goal.minimum,
            _ => value >= goal.minimum,
        });
        Self { goal: goal.clone(), value, met }
    }
}

impl RunResult {
    /// Reads `result.json`.
    ///
    /// # Errors
    /// [`Error::Io`]; a file that is not JSON of this form is one too.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(Error::io("read", path))?;
        serde_json::from_slice(&text).map_err(|error| Error::io("read", path)(error.into()))
    }
}

/// The word for an ending.
pub fn status(ending: Ending) -> &'static str {
    match ending {
        Ending::Completed => "completed",
        Ending::Stopped => "stopped",
        Ending::Interrupted => "interrupted",
        Ending::Paused => "paused",
    }
}
