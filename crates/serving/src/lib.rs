//! Stages 4 and 5: from a bundle to answers.
//!
//! A [`predictor`] is a bundle's own transforms and network, applied to records as they were read, or continuing a
//! text ([`continuation`]) by tokens that are drawn ([`sampling`]). [`http`] answers with one over the network, which
//! is all that the program `firebox-serve` does, and [`deploy`] writes what a cluster, an engine of containers or a
//! machine needs to run it, or a browser or a Rust program to answer without it.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod access;
mod attribution;
pub mod batching;
pub mod config;
pub mod continuation;
pub mod deploy;
pub mod error;
mod feedback;
pub mod health;
pub mod http;
mod journal;
pub mod limits;
pub mod load;
pub mod many;
pub mod meaning;
mod metrics;
pub mod predictor;
pub mod registry;
pub mod sampling;
mod shadow;
mod statistics;
pub mod traces;
pub mod tune;
pub mod unusual;
mod wire;

pub use config::Config;
pub use continuation::Continuation;
pub use error::Error;
pub use http::{Server, Settings};
pub use limits::Limits;
pub use meaning::Meaning;
pub use predictor::{Prediction, Predictor};
pub use registry::Source;
pub use sampling::Sampling;
