//! Do the networks keep what they promise? One binary, since linking burn is slow.
//!
//! - `data`: made-up signatures, batches and small settings with which the promises are tested.
//! - `inspections`: what is told of a network adds up to the network.
//! - `learning`: what must hold of every architecture while it learns: gradients, noise, running statistics, overfitting.
//! - `parity`: the same weights and inputs give PyTorch's answers, gradients and running statistics.
//! - `parity_series`: the same for networks that read series, and for their layers.
//! - `pretrained_lite0`, `pretrained_minilm`: published weights give what they give in the packages that they come from.
//! - `promises`: what must hold of every architecture: its name, its shapes, its errors, its weights as a file.
#![allow(clippy::unwrap_used)]

mod data;
mod graphs;
mod inspections;
mod learning;
mod parity;
mod parity_autoencoder;
mod parity_images;
mod parity_series;
mod pretrained_lite0;
mod pretrained_minilm;
mod promises;
