//! What are networks built of? The field's usual layers, their parameters named and laid out as PyTorch's.
//!
//! They call [`ops`](crate::ops) for the arithmetic, so that a faster kernel reaches every network at once.

mod activation;
mod attention;
mod batch_norm;
mod buffer;
mod causal_attention;
mod conv2d;
mod conv_norm;
mod conv_transpose2d;
mod drop_path;
mod dropout;
mod either;
mod embedding;
mod ending;
mod gap;
mod gru;
mod init;
mod input_major_linear;
mod inverted_residual;
mod layer_norm;
mod level;
mod linear;
mod lstm;
mod squeeze_excite;

pub use activation::Activation;
pub use attention::SelfAttention;
pub(crate) use attention::{attend, check_sizes};
pub use batch_norm::BatchNorm;
pub use buffer::Buffer;
pub use causal_attention::CausalAttention;
pub use conv_norm::{ConvNorm, Norm, conv_norm, conv_norm_forward};
pub use conv_transpose2d::ConvTranspose2d;
pub use conv2d::{Conv2d, Conv2dConfig};
pub use drop_path::DropPath;
pub use dropout::Dropout;
pub use either::Either;
pub use embedding::Embedding;
pub use ending::{Ending, PROJECTION};
pub use gap::Gap;
pub use gru::Gru;
pub use init::Init;
pub use input_major_linear::InputMajorLinear;
pub use inverted_residual::{InvertedResidual, InvertedResidualConfig};
pub use layer_norm::LayerNorm;
pub use level::{Level, Taken};
pub use linear::Linear;
pub use lstm::{Lstm, LstmConfig};
pub use squeeze_excite::SqueezeExcite;
