//! What do records ask a network, and what do its numbers tell? All of a bundle but the network itself: any thread may use it.

use data_loader::{Batch, OutputSpec, Pipeline, Record};
use model_zoo::Decision;
use model_zoo::anomaly::Reference;
use model_zoo::bundle::Manifest;
use model_zoo::decision::ANOMALY;

use crate::predictor::{Numbers, Prediction};
use crate::{Error, unusual};

/// Transforms as they were fitted, and what answers mean.
#[derive(Clone, Debug)]
pub struct Meaning {
    pipeline: Pipeline,
    decision: Decision,
    /// From which anomaly score on an example is unusual, where that was set.
    unusual_from: Option<f64>,
    /// Against what anomaly scores are held, where they are known.
    anomaly: Option<Reference>,
}

impl Meaning {
    /// What a bundle says.
    ///
    /// # Errors
    /// Which threshold cannot be meant; not of a bundle that was read.
    pub(crate) fn of_bundle(pipeline: Pipeline, manifest: &Manifest) -> Result<Self, String> {
        Ok(Self {
            decision: manifest.decision()?,
            unusual_from: manifest.thresholds.get(ANOMALY).copied(),
            anomaly: manifest.anomaly.clone(),
            pipeline,
        })
    }

    /// What is known of a checkpoint.
    pub(crate) fn plain(pipeline: Pipeline, decision: Decision) -> Self {
        Self { pipeline, decision, unusual_from: None, anomaly: None }
    }

    /// The transforms.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// What scores of classes mean.
    pub(crate) fn decision(&self) -> &Decision {
        &self.decision
    }

    /// What a network is asked by records. What someone wrote where the answer belongs is no business of the model's.
    ///
    /// # Errors
    /// If a record does not suit the transforms.
    pub fn prepare(&self, mut records: Vec<Record>) -> Result<Batch, Error> {
        if let Some(target) = &self.pipeline.schema().target {
            for record in &mut records {
                record.fields.retain(|(name, _)| *name != target.name);
            }
        }
        Ok(self.pipeline.batch(records)?)
    }

    /// What a network's `numbers` tell of the examples of `batch`, one prediction each, in order.
    ///
    /// # Errors
    /// [`Error::NotFinite`]; [`Error::CannotShow`].
    pub fn tell(&self, batch: &Batch, numbers: &Numbers) -> Result<Vec<Prediction>, Error> {
        let signature = self.pipeline.signature();
        // In 64 bits large numbers of the user's units have room.
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<f64>>();
        let (names, rows) = match (&signature.output, &numbers.classes) {
            (OutputSpec::Classes { labels }, Some(classes)) => (labels.clone(), wide(&classes.probabilities)),
            (OutputSpec::Values { names, mean, std }, _) => {
                let mut rows = wide(&numbers.values);
                let units = mean.iter().zip(std).cycle();
                rows.iter_mut().zip(units).for_each(|(value, (mean, std))| *value = mean + std * *value);
                (names.clone(), rows)
            }
            (OutputSpec::Horizon { names, mean, std, quantiles, .. }, _) => {
                let each = quantiles.len().max(1);
                let mut rows = wide(&numbers.values);
                let units = mean.iter().zip(std).cycle();
                for (step, (mean, std)) in rows.chunks_mut(each).zip(units) {
                    for value in step.iter_mut() {
                        *value = mean + std * *value;
                    }
                    // Quantiles that cross are put in order, as evaluation does.
                    step.sort_by(f64::total_cmp);
                }
                (step_names(names, quantiles), rows)
            }
            (OutputSpec::Inputs, _) => {
                let (reference, from) = (self.anomaly.as_ref(), self.unusual_from);
                return finite(unusual::predictions(&numbers.values, batch, signature, reference, from));
            }
            _ => return Err(Error::CannotShow { task: signature.task }),
        };
        let width = names.len().max(1);
        let answered = numbers.classes.as_ref().map(|classes| &classes.answered);
        let predictions = batch.ids.iter().zip(rows.chunks(width)).enumerate().map(|(at, (id, row))| Prediction {
            id: id.to_string(),
            label: answered.and_then(|places| places.get(at)).and_then(|place| names.get(*place)).cloned(),
            scores: names.iter().cloned().zip(row.iter().copied()).collect(),
            unusual: Vec::new(),
        });
        finite(predictions.collect())
    }
}

/// A name for each number that is told: the step, and its quantile if there are some.
fn step_names(steps: &[String], quantiles: &[f64]) -> Vec<String> {
    if quantiles.is_empty() {
        return steps.to_vec();
    }
    steps.iter().flat_map(|step| quantiles.iter().map(move |quantile| format!("{step} at {quantile}"))).collect()
}

/// Refuses answers of which one is not a number.
fn finite(predictions: Vec<Prediction>) -> Result<Vec<Prediction>, Error> {
    let broken = predictions.iter().find(|one| one.scores.iter().any(|(_, score)| !score.is_finite()));
    match broken {
        Some(one) => Err(Error::NotFinite { id: one.id.clone() }),
        None => Ok(predictions),
    }
}
