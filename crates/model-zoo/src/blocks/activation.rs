//! Which non-linearity stands between layers?

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ops;

/// A non-linearity, chosen in a config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// `x Phi(x)`.
    Gelu,
    /// The approximation of GELU by tanh, as in GPT-2.
    GeluTanh,
    /// `x sigmoid(x)`.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `min(max(x / 6 + 1/2, 0), 1)`.
    HardSigmoid,
    /// `x hard_sigmoid(x)`.
    HardSwish,
}

impl Activation {
    /// Applies it to every value.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => ops::relu(x),
            Self::Gelu => ops::gelu(x),
            Self::GeluTanh => ops::gelu_tanh(x),
            Self::Silu => ops::silu(x),
            Self::Tanh => ops::tanh(x),
            Self::Sigmoid => ops::sigmoid(x),
            Self::Relu6 => ops::relu6(x),
            Self::HardSigmoid => ops::hard_sigmoid(x),
            Self::HardSwish => ops::hard_swish(x),
        }
    }
}
