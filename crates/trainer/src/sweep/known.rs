//! What does a searcher know of a trial? Losses: what is better is less, whatever the metric.

use super::dimensions::Point;

/// A trial as searchers and pruners see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Which trial of the study, from 0.
    pub number: u64,
    /// Where in the space.
    pub point: Point,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a trial so far.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is under way, or waits for a worker.
    Running,
    /// It came to its end, with a loss for each objective.
    Complete(Vec<f64>),
    /// It was ended after so many steps, with its loss there.
    Pruned {
        /// The steps that were done.
        step: u64,
        /// The latest loss.
        loss: f64,
    },
    /// It gave no loss.
    Failed,
}

impl Known {
    /// The loss of the first objective, if it came to its end and is a number.
    pub fn loss(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Complete(losses) => losses.first().copied().filter(|loss| !loss.is_nan()),
            _ => None,
        }
    }
}
