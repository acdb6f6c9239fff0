//! Quantiles of what is to come.
//!
//! With `d = truth - answer` the loss of the quantile `q` is `max(q d, (q - 1) d)` (Koenker and Bassett, "Regression Quantiles", 1978), the
//! mean over the quantiles. It is least where a share `q` of the truths lies below the answer.

use burn::tensor::{Tensor, TensorData};
use model_zoo::ops;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Expected;

/// One line for `firebox list`.
pub const SUMMARY: &str = "pinball loss of the quantiles that [data.windows] asks for";

/// Settings of the quantile loss; there are none in a config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quantile {
    /// The quantiles that are told, ascending. They stand in `[data.windows]`, since the network must know their number.
    #[serde(skip)]
    pub levels: Vec<f64>,
}

impl Quantile {
    /// # Shapes
    /// - `scores`: `[rows, quantiles]`
    /// - result: `[rows]`
    pub(super) fn rows(&self, scores: Tensor<2>, expected: &Expected) -> Option<Tensor<1>> {
        let Expected::Values(truth) = expected else { return None };
        let [rows, width] = scores.dims();
        if width != self.levels.len() {
            return None;
        }
        let levels: Vec<f32> = self.levels.iter().map(|level| *level as f32).collect();
        let levels = Tensor::<2>::from_data(TensorData::new(levels, [1, width]), &scores.device());
        let distance = truth.clone() - scores;
        // q d, and -d more where d is below 0.
        Some((distance.clone() * levels + ops::relu(-distance)).mean_dim(1).reshape([rows]))
    }
}
