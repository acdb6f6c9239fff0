//! What of a window is forgotten before it is read, and added again to what is told?
//!
//! A series that grows leaves the range that training saw. A network that reads each window relative to itself answers a series that
//! is higher by any number with answers that are higher by the same number.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is added to the variance, so that a window that never changes can be divided.
const EPSILON: f64 = 1e-5;

/// To what the values of a window are relative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The last value of each channel is subtracted from it.
    #[default]
    Last,
    /// Each channel is brought to mean 0 and variance 1 over the window (Kim et al., "Reversible Instance Normalization", 2022,
    /// without the learnt scale).
    Standard,
    /// The values are read as they are.
    None,
}

/// What was taken from a window, to be given back.
#[derive(Clone, Debug)]
pub struct Taken {
    /// `[batch, 1, channels]`.
    shift: Tensor<3>,
    /// `[batch, 1, channels]`; nothing where the spread stayed.
    scale: Option<Tensor<3>>,
}

impl Level {
    /// Makes windows relative.
    ///
    /// # Shapes
    /// - `x`: `[batch, time, channels]`
    /// - result: as `x`, and what was taken
    pub fn take(self, x: Tensor<3>) -> (Tensor<3>, Option<Taken>) {
        let time = x.dims()[1];
        match self {
            Self::None => (x, None),
            Self::Last => {
                let shift = x.clone().slice_dim(1, time - 1..time);
                (x - shift.clone(), Some(Taken { shift, scale: None }))
            }
            Self::Standard => {
                let shift = x.clone().mean_dim(1);
                let centred = x - shift.clone();
                let scale = (centred.clone().square().mean_dim(1) + EPSILON).sqrt();
                (centred / scale.clone(), Some(Taken { shift, scale: Some(scale) }))
            }
        }
    }
}

impl Taken {
    /// Gives back to a forecast of the last channel what was taken from it.
    ///
    /// # Shapes
    /// - `y`: `[batch, horizon, quantiles]`
    /// - result: as `y`
    pub fn give_back(self, y: Tensor<3>) -> Tensor<3> {
        let channels = self.shift.dims()[2];
        let y = match self.scale {
            Some(scale) => y * scale.slice_dim(2, channels - 1..channels),
            None => y,
        };
        y + self.shift.slice_dim(2, channels - 1..channels)
    }
}
