//! Do the networks keep what they promise? One binary, since linking burn is slow.
//!
//! - `data`: made-up signatures, batches and small settings with which the promises are tested.
//! - `learning`: what must hold of every architecture while it learns: gradients, noise, running statistics, overfitting.
//! - `parity`: the same weights and inputs give PyTorch's answers, gradients and running statistics.
//! - `promises`: what must hold of every architecture: its name, its shapes, its errors, its weights as a file.
#![allow(clippy::unwrap_used)]

mod data;
mod learning;
mod parity;
mod parity_images;
mod pretrained_lite0;
mod promises;
