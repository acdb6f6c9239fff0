//! Stages 2 and 3: training, evaluation, checkpoints and reports.
//!
//! ```text
//! experiment (as written) --> plan (as meant) --> fit: step, evaluate, checkpoint --> test --> bundle, report
//! ```
//!
//! [`train`](mod@train) goes the whole way; [`fit`](mod@fit) is the loop alone. What is recorded goes through
//! [`recorders`]; nothing here prints.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod address;
mod anomaly;
pub mod average;
pub mod baselines;
pub mod batch_size;
pub mod beginning;
pub mod bench;
pub mod breakdown;
pub mod calibration;
pub mod checkpoint;
pub mod contents;
pub mod data_gate;
pub mod environment;
pub mod error;
pub mod evaluate;
pub mod experiment;
pub mod exporters;
pub mod fine_tune;
pub mod fit;
pub mod gradients;
pub mod losses;
pub mod metrics;
pub mod optimizers;
pub mod origin;
pub mod out_of_fold;
pub mod plan;
pub mod recorders;
pub mod reports;
pub mod result;
pub mod run_dir;
pub mod schedules;
pub mod select;
pub mod setting;
pub mod state;
pub mod step;
pub mod stepper;
pub mod stopping;
pub mod stopwatch;
pub mod sweep;
pub mod train;
pub mod verify;

pub use error::Error;
pub use experiment::Experiment;
pub use plan::Plan;
pub use run_dir::RunDir;
