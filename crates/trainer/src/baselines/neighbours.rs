//! What do the rows say that are most like it? The classes, or the mean, of the nearest rows of the training split.
//!
//! Found by smartcore among all rows, by the distance of Euclid over the numbers that the transforms give.

use burn::tensor::Device;
use smartcore::algorithm::neighbour::KNNAlgorithmName;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::metrics::distance::euclidian::Euclidian;
use smartcore::neighbors::knn_classifier::{KNNClassifier, KNNClassifierParameters};
use smartcore::neighbors::knn_regressor::{KNNRegressor, KNNRegressorParameters};

use super::{Learnt, Table, Told, classes, failed, features, matrix, score, values};
use crate::{Error, Plan};

/// One line for lists.
pub const SUMMARY: &str = "the classes, or the mean, of the 10 nearest rows";

/// How many rows are asked.
pub(super) const NEIGHBOURS: usize = 10;

type Classifier = KNNClassifier<f64, u32, DenseMatrix<f64>, Vec<u32>, Euclidian<f64>>;
type Regressor = KNNRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>, Euclidian<f64>>;

/// Remembers the rows.
pub(super) fn learn(table: &Table, plan: &Plan, device: &Device) -> Result<Learnt, Error> {
    let rows = table.matrix("neighbours")?;
    let asked = NEIGHBOURS.min(table.rows);
    let failed = |error| failed("neighbours", error);
    let (signature, device, width) = (plan.signature.clone(), device.clone(), table.width);
    let answer: super::Answer = match &table.told {
        Told::Classes(told, count) => {
            let parameters = KNNClassifierParameters::default().with_k(asked);
            let parameters = parameters.with_algorithm(KNNAlgorithmName::LinearSearch);
            let mut known = told.clone();
            known.sort_unstable();
            known.dedup();
            let model: Classifier = KNNClassifier::fit(&rows, told, parameters).map_err(failed)?;
            let (count, decoding) = (*count, plan.loss.decoding());
            Box::new(move |batch| {
                let found = model.predict_proba(&matrix(features(batch, &signature)?, width, "neighbours")?);
                let scores = found.map_err(failed)?.into_iter().flat_map(|shares| {
                    let mut votes = vec![0.0; count];
                    known.iter().zip(&shares).for_each(|(&class, share)| votes[class as usize] = share * asked as f64);
                    // Krichevsky and Trofimov 1981: half a vote more for each class, so that none is impossible.
                    let all = asked as f64 + count as f64 / 2.0;
                    votes.into_iter().map(move |votes| score((votes + 0.5) / all, decoding)).collect::<Vec<f32>>()
                });
                Ok(classes(scores.collect(), count, &device))
            })
        }
        Told::Values(told) => {
            let parameters = KNNRegressorParameters::default().with_k(asked);
            let parameters = parameters.with_algorithm(KNNAlgorithmName::LinearSearch);
            let model: Regressor = KNNRegressor::fit(&rows, told, parameters).map_err(failed)?;
            Box::new(move |batch| {
                let found = model.predict(&matrix(features(batch, &signature)?, width, "neighbours")?);
                Ok(values(found.map_err(failed)?.into_iter().map(|value| value as f32).collect(), &device))
            })
        }
    };
    Ok(Learnt { answer, parameters: None })
}
