//! Squared distance, the mean over the values of a row.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Expected;

/// One line for `firebox list`.
pub const SUMMARY: &str = "mean squared distance between numbers";

/// Settings of the mean squared error; there are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mse {}

impl Mse {
    /// # Shapes
    /// - `scores`: `[rows, values]`
    /// - result: `[rows]`
    #[expect(clippy::unused_self, reason = "every loss is called alike")]
    pub(super) fn rows(&self, scores: Tensor<2>, expected: &Expected) -> Option<Tensor<1>> {
        let Expected::Values(target) = expected else { return None };
        let rows = scores.dims()[0];
        Some((scores - target.clone()).square().mean_dim(1).reshape([rows]))
    }
}
