//! Each class yes or no on its own, from scores before the sigmoid.
//!
//! `max(x, 0) - x q + log(1 + exp(-|x|))`, the form that cannot overflow, mean over the classes. Metrics that speak of
//! probabilities, where one class is right, take the sigmoids divided by their sum.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Expected;

/// One line for `firebox list`.
pub const SUMMARY: &str = "binary cross-entropy: each class yes or no on its own";

/// Settings of the binary cross-entropy; there are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bce {}

impl Bce {
    /// # Shapes
    /// - `scores`: `[rows, classes]`
    /// - result: `[rows]`
    #[expect(clippy::unused_self, reason = "every loss is called alike")]
    pub(super) fn rows(&self, scores: Tensor<2>, expected: &Expected) -> Tensor<1> {
        let [rows, classes] = scores.dims();
        let target = match expected {
            Expected::Classes { indices, .. } => indices.clone().one_hot::<2>(classes).float(),
            Expected::SoftLabels(q) | Expected::Values(q) => q.clone(),
        };
        let size = scores.clone().abs();
        let tail = (-size.clone()).exp().log1p();
        // Half of x + |x| is max(x, 0), and unlike it has the right gradient where x is 0.
        ((scores.clone() + size) * 0.5 - scores * target + tail).mean_dim(1).reshape([rows])
    }
}
