//! Stages 4 and 5: from a bundle to answers.
//!
//! So far this is the [`predictor`]: the bundle's own transforms and network, applied to records as they were read, or
//! continuing a text ([`continuation`]) by tokens that are drawn ([`sampling`]); and [`deploy`] writes what a cluster, an engine of
//! containers or a machine needs to run a server of the bundle, or a browser or a Rust program to answer without one.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod continuation;
pub mod deploy;
pub mod error;
pub mod predictor;
pub mod sampling;
pub mod unusual;

pub use continuation::Continuation;
pub use error::Error;
pub use predictor::{Prediction, Predictor};
pub use sampling::Sampling;
