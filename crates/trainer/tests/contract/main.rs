//! Do losses, optimizers and measurements keep what they promise? One binary, since linking burn is slow.
//!
//! - `bench`: every workload can be measured, and is the network that PyTorch's script measures.
//! - `fixture`: PyTorch's answers as they lie in `tests/fixtures/parity`.
//! - `label_errors`: labels that were flipped by chance are found by models that never saw them.
//! - `losses`: values and gradients are PyTorch's.
//! - `onnx`: every architecture becomes a file that answers as it does.
//! - `optimizers`: updates are PyTorch's or the paper's, clipping and averages too; what they remember can be saved.
#![allow(clippy::unwrap_used)]

mod bench;
mod fixture;
mod label_errors;
mod losses;
mod onnx;
mod optimizers;
