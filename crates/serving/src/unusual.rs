//! How unusual is a record, and what about it?

use data_loader::{Batch, Signature, Target, reconstruction};
use model_zoo::anomaly::{self, Reference};

use crate::predictor::Prediction;

/// What the anomaly score is called among the scores of a prediction.
pub const ANOMALY_SCORE: &str = "anomaly_score";
/// What is called how many percent of the held-out examples have no higher one.
pub const PERCENTILE: &str = "percentile";
/// What is answered to an example whose score reaches the threshold, where one was set, and to any other.
const UNUSUAL: &str = "unusual";
const USUAL: &str = "usual";
/// How many features are named that came back worst.
const MOST_NAMED: usize = 3;

/// Of every example of `batch` the anomaly score, the percentile of it among scores of examples that were not learnt from, and the
/// features that came back worst, each with its share of the score; and whether it is unusual, where a threshold says from
/// which score on one is.
///
/// # Shapes
/// - `told`: `[batch, numbers]`, row-major
pub(crate) fn predictions(
    told: &[f32],
    batch: &Batch,
    signature: &Signature,
    reference: Option<&Reference>,
    unusual_from: Option<f64>,
) -> Vec<Prediction> {
    let (Target::Values { values, .. }, Some(features)) = (&batch.target, reconstruction::features(signature)) else {
        return Vec::new();
    };
    let width = features.iter().map(|(_, width)| width).sum::<usize>().max(1);
    let rows = told.chunks(width).zip(values.chunks(width));
    let of_row = |(id, (told, expected)): (&data_loader::ExampleId, (&[f32], &[f32]))| {
        let squares: Vec<f64> = anomaly::squares(told, expected).collect();
        let sum: f64 = squares.iter().sum();
        let mut rest = squares.as_slice();
        let mut parts: Vec<(String, f64)> = Vec::new();
        for (name, width) in &features {
            let (own, behind) = rest.split_at((*width).min(rest.len()));
            parts.push((name.clone(), own.iter().sum::<f64>() / sum));
            rest = behind;
        }
        parts.sort_by(|a, b| b.1.total_cmp(&a.1));
        parts.truncate(MOST_NAMED);
        let score = sum / width as f64;
        let percentile = reference.map(|reference| (PERCENTILE.to_owned(), reference.percentile(score)));
        Prediction {
            id: id.to_string(),
            label: unusual_from.map(|from| if score >= from { UNUSUAL } else { USUAL }.to_owned()),
            scores: [(ANOMALY_SCORE.to_owned(), score)].into_iter().chain(percentile).collect(),
            // Of a single feature, and of an example that came back whole, there is nothing to say.
            unusual: if features.len() > 1 && sum > 0.0 { parts } else { Vec::new() },
        }
    };
    batch.ids.iter().zip(rows).map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use data_loader::{Array, ArrayData, Dtype, ExampleId, InputArray, InputKind, InputSpec, OutputSpec, Task};

    use super::*;

    #[test]
    fn the_features_that_came_back_worst_are_named_first() {
        let input =
            |name: &str, dtype, kind, width| InputSpec { name: name.into(), dtype, shape: vec![Some(width)], kind };
        let numbers = InputKind::Numbers { names: vec!["long".into(), "heavy".into()] };
        let categories = InputKind::Categories { names: vec!["island".into()], sizes: vec![2] };
        let signature = Signature {
            task: Task::Reconstruct,
            inputs: vec![input("numbers", Dtype::F32, numbers, 2), input("categories", Dtype::I64, categories, 1)],
            output: OutputSpec::Inputs,
        };
        let array = |name: &str, data: ArrayData| InputArray {
            name: name.into(),
            array: Array { shape: vec![2, data.len() / 2], data },
            mask: None,
            lengths: None,
        };
        let batch = Batch {
            inputs: vec![
                array("numbers", ArrayData::F32(vec![1.0, 2.0, 0.0, 0.0])),
                array("categories", ArrayData::I64(vec![1, 0])),
            ],
            target: Target::None,
            ids: ["a", "b"].map(|key| ExampleId { key: key.into() }).to_vec(),
            weights: None,
            epoch: 0,
            index: 0,
            skipped: 0,
        };
        let batch = batch.with_own_target(&signature);
        // The island is 0 1 and came back as 1 0, the weight as 0 instead of 2; the other one came back as it was.
        let told = [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let reference = Reference::new("validation", vec![0.1, 1.0, 2.0, 3.0]).unwrap();
        let [first, second] = &predictions(&told, &batch, &signature, Some(&reference), Some(0.5))[..] else {
            panic!()
        };
        assert_eq!(first.scores, [("anomaly_score".into(), 1.5), ("percentile".into(), 50.0)]);
        let shares: Vec<(&str, f64)> = first.unusual.iter().map(|(name, share)| (name.as_str(), *share)).collect();
        assert_eq!(shares, [("heavy", 4.0 / 6.0), ("island", 2.0 / 6.0), ("long", 0.0)]);
        assert_eq!((first.label.as_deref(), second.label.as_deref()), (Some("unusual"), Some("usual")));
        assert_eq!(second.scores, [("anomaly_score".into(), 0.0), ("percentile".into(), 0.0)]);
        assert!(second.unusual.is_empty());
        assert_eq!(predictions(&told, &batch, &signature, None, None)[0].scores.len(), 1);
    }
}
