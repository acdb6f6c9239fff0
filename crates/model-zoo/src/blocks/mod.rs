//! What are networks built of? The field's usual layers, their parameters named and laid out as PyTorch's.
//!
//! They call [`ops`](crate::ops) for the arithmetic, so that a faster kernel reaches every network at once.

mod activation;
mod attention;
mod batch_norm;
mod buffer;
mod causal_attention;
mod conv2d;
mod dropout;
mod embedding;
mod gru;
mod init;
mod input_major_linear;
mod layer_norm;
mod linear;

pub use activation::Activation;
pub use attention::SelfAttention;
pub use batch_norm::BatchNorm;
pub use buffer::Buffer;
pub use causal_attention::CausalAttention;
pub use conv2d::{Conv2d, Conv2dConfig};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use gru::Gru;
pub use init::Init;
pub use input_major_linear::InputMajorLinear;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
