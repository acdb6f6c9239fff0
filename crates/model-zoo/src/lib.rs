//! Networks, the devices they run on, and the bundle they travel in.
//!
//! A host [`Batch`](data_loader::Batch) comes in by [`inputs`], a [`network`] answers, the answer leaves as an
//! [`output::Output`] (DOOR 2), and what was learnt leaves as a [`bundle`] (DOOR 3).
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod anomaly;
pub mod architectures;
pub mod atomic;
pub mod blocks;
pub mod bundle;
pub mod decision;
pub mod device;
pub mod error;
pub mod generator;
pub mod graph;
pub mod inputs;
pub mod inspection;
pub mod network;
pub mod ops;
pub mod output;
pub mod pretrained;
#[cfg(test)]
mod published;
pub mod summary;
pub mod weights;

pub use architectures::Architecture;
pub use decision::Decision;
pub use error::Error;
pub use inputs::Inputs;
pub use network::Network;
pub use output::{Decoding, Output};
