//! Squared near 0, linear far away: large errors pull less.
//!
//! Huber, "Robust Estimation of a Location Parameter", 1964, scaled as PyTorch's `HuberLoss`.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Expected;

/// One line for `firebox list`.
pub const SUMMARY: &str = "squared distance near 0, linear far away, for numbers with outliers";

/// Settings of the Huber loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Huber {
    /// Where the square becomes a line, in standard deviations of the target.
    pub delta: f64,
}

impl Default for Huber {
    fn default() -> Self {
        Self { delta: 1.0 }
    }
}

impl Huber {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.delta > 0.0 && self.delta.is_finite() {
            Ok(())
        } else {
            Err(format!("delta is {}; it must be above 0", self.delta))
        }
    }

    /// # Shapes
    /// - `scores`: `[rows, values]`
    /// - result: `[rows]`
    pub(super) fn rows(&self, scores: Tensor<2>, expected: &Expected) -> Option<Tensor<1>> {
        let Expected::Values(target) = expected else { return None };
        let rows = scores.dims()[0];
        let distance = (scores - target.clone()).abs();
        // With m = min(|d|, delta): m (|d| - m / 2) is d^2 / 2 inside and delta (|d| - delta / 2) outside.
        let inside = distance.clone().clamp_max(self.delta);
        Some((inside.clone() * (distance - inside * 0.5)).mean_dim(1).reshape([rows]))
    }
}
