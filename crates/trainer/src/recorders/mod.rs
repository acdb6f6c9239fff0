//! Who is told what happens in a run?
//!
//! The loop speaks in [`Event`]s; recorders write them down. The console and the dashboard are recorders too, and live with
//! everything else that prints, in the command line.

use std::path::PathBuf;

use data_loader::Part;
use serde::{Deserialize, Serialize};

use crate::Error;

pub mod jsonl;
pub mod tensorboard;

/// A run begins, or goes on.
#[derive(Clone, Debug)]
pub struct Started {
    /// The folder of the run.
    pub run: PathBuf,
    /// The step from which it goes on; 0 for a new run.
    pub first_step: u64,
    /// The step at which it ends.
    pub total_steps: u64,
    /// How many steps make one pass over the training split.
    pub steps_per_epoch: u64,
    /// How many numbers are learnt.
    pub parameters: usize,
    /// On what it is computed.
    pub device: String,
}

/// What a step of training looked like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// How many steps were done, this one included.
    pub step: u64,
    /// Passes over the training split, with a fraction.
    pub epoch: f64,
    /// The mean loss over the examples of the steps since the last record.
    pub loss: f64,
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// The norm of all gradients together before clipping; none where it is not computed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gradient_norm: Option<f64>,
    /// Examples learnt from in a second, since the last record.
    pub examples_per_second: f64,
    /// The share of the time since the last record that went by waiting for the loader, during which a graphics card may be at work; not
    /// known of runs of before it was measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waiting: Option<f64>,
    /// Seconds of training so far, over all its resumptions.
    pub seconds: f64,
}

/// How a model did on a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// After how many steps.
    pub step: u64,
    /// Passes over the training split, with a fraction.
    pub epoch: f64,
    /// On which split.
    pub part: Part,
    /// The value of each metric by its name, in the order of the metrics.
    pub values: Vec<(String, f64)>,
    /// Seconds of training so far, over all its resumptions.
    pub seconds: f64,
}

/// Something that happens in a run.
#[derive(Clone, Debug)]
pub enum Event {
    /// A run begins, or goes on.
    Started(Started),
    /// Some steps were done.
    Progress(Progress),
    /// A split was evaluated.
    Scores(Scores),
    /// A checkpoint was written.
    Saved {
        /// After how many steps.
        step: u64,
        /// Where it lies.
        path: PathBuf,
    },
    /// Something the user should know, as a sentence.
    Notice(String),
    /// The loop ended.
    Finished {
        /// After how many steps.
        step: u64,
        /// Why, as a sentence.
        reason: String,
    },
}

/// Writes events down.
pub trait Recorder {
    /// Takes note of an event.
    ///
    /// # Errors
    /// If it cannot be written.
    fn record(&mut self, event: &Event) -> Result<(), Error>;

    /// Brings everything recorded so far to the disk: a checkpoint must not know of more than the records beside it.
    ///
    /// # Errors
    /// If the disk fails.
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
