//! Stages 4 and 5: from a bundle to answers.
//!
//! So far this is the [`predictor`]: the bundle's own transforms and network, applied to records as they were read.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod error;
pub mod predictor;

pub use error::Error;
pub use predictor::{Prediction, Predictor};
