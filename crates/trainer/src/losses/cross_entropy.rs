//! One class out of several.
//!
//! `-sum_k q_k log softmax(scores)_k`, where `q` is the right class, or a distribution, smoothed towards the uniform one as
//! in Szegedy et al., "Rethinking the Inception Architecture", 2016.

use burn::tensor::{Device, Tensor, TensorData};
use model_zoo::ops;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Expected;

/// One line for `firebox list`.
pub const SUMMARY: &str = "one class out of several, with label smoothing and class weights";

/// Settings of the cross-entropy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropy {
    /// The share of probability that is spread evenly over all classes, from 0 to below 1.
    pub label_smoothing: f64,
    /// How much each class counts, in the order of the labels; all alike if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f32>>,
}

impl CrossEntropy {
    pub(super) fn check(&self, classes: Option<usize>) -> Result<(), String> {
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return Err(format!("label_smoothing is {}; it must be from 0 to below 1", self.label_smoothing));
        }
        if let (Some(weights), Some(classes)) = (&self.class_weights, classes) {
            if weights.len() != classes {
                return Err(format!("class_weights has {} numbers for {classes} classes", weights.len()));
            }
            if weights.iter().any(|w| !w.is_finite() || *w < 0.0) || weights.iter().all(|w| *w == 0.0) {
                return Err("class_weights must be at least 0 and not all 0".into());
            }
        }
        Ok(())
    }

    /// The loss of each row, class weights already in it.
    ///
    /// # Shapes
    /// - `scores`: `[rows, classes]`
    /// - result: `[rows]`
    pub(super) fn rows(&self, scores: Tensor<2>, expected: &Expected) -> Option<Tensor<1>> {
        let [rows, classes] = scores.dims();
        let device = scores.device();
        if let (Expected::Classes { indices, .. }, None) = (expected, &self.class_weights)
            && let Some(losses) = ops::class_losses(&scores, indices, self.label_smoothing)
        {
            return Some(losses);
        }
        let mut log_p = ops::log_softmax(scores, 1);
        if let Some(weights) = &self.class_weights {
            log_p = log_p * Tensor::<2>::from_data(TensorData::new(weights.clone(), [1, classes]), &device);
        }
        let uniform = (self.label_smoothing > 0.0).then(|| log_p.clone().sum_dim(1).reshape([rows]) / classes as f64);
        let hit = match expected {
            Expected::Classes { indices, .. } => log_p.gather(1, indices.clone().reshape([rows, 1])).reshape([rows]),
            Expected::SoftLabels(q) => (log_p * q.clone()).sum_dim(1).reshape([rows]),
            Expected::Values(_) => return None,
        };
        Some(match uniform {
            Some(uniform) => -(hit * (1.0 - self.label_smoothing) + uniform * self.label_smoothing),
            None => -hit,
        })
    }

    /// By what the mean over rows divides: as in PyTorch the weight of each row's class, and 1 for distributions.
    pub(super) fn row_weights(&self, expected: &Expected, device: &Device) -> Option<Tensor<1>> {
        let weights = self.class_weights.as_ref()?;
        let Expected::Classes { host, .. } = expected else { return None };
        let values: Vec<f32> = host.iter().map(|&class| weights[class as usize]).collect();
        let rows = values.len();
        Some(Tensor::from_data(TensorData::new(values, [rows]), device))
    }
}
