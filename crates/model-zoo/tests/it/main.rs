//! Do the networks keep what they promise? One binary, since linking burn is slow.
//!
//! - `contract`: what every architecture in the list must satisfy, on every kind of data that it is for.
//! - `data`: made-up signatures, batches and small settings with which the contract is tested.
//! - `parity`: the same weights and inputs give PyTorch's answers, gradients and running statistics.
#![allow(clippy::unwrap_used)]

mod contract;
mod data;
mod parity;
