//! What are networks built of? The field's usual layers, their parameters named and laid out as PyTorch's.
//!
//! They call [`ops`](crate::ops) for the arithmetic, so that a faster kernel reaches every network at once.

mod activation;
mod attention;
mod batch_norm;
mod buffer;
mod conv2d;
mod dropout;
mod embedding;
mod gru;
mod init;
mod layer_norm;
mod level;
mod linear;
mod lstm;

pub use activation::Activation;
pub use attention::SelfAttention;
pub use batch_norm::BatchNorm;
pub use buffer::Buffer;
pub use conv2d::{Conv2d, Conv2dConfig};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use gru::Gru;
pub use init::Init;
pub use layer_norm::LayerNorm;
pub use level::{Level, Taken};
pub use linear::Linear;
pub use lstm::{Lstm, LstmConfig};
