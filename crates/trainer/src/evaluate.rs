//! How does a network do on a split?

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use data_loader::{Array, ArrayData, Batch, Dataset, InputArray, Loader, OutputSpec, Part, Target};
use model_zoo::{Decoding, Inputs, Network};

use crate::Error;
use crate::losses::nt_xent;
use crate::metrics::confusion_matrix::Matrix;
use crate::metrics::{self, Answers, Expected, Metric};
use crate::plan::Plan;

/// What an evaluation found.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The loss and every metric of the task, by name.
    pub values: Vec<(String, f64)>,
    /// How often each class was taken for each; only where there are classes.
    pub confusion: Option<Matrix>,
    /// How many examples were judged.
    pub examples: usize,
}

impl Evaluation {
    /// The value called `name`.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// Judges `network`, which lies on the plain `device`, on every example of a split. Each batch is read back from the device.
///
/// # Errors
/// If the data cannot be read or the device fails.
pub fn evaluate<M: Network>(
    network: &M,
    dataset: &Arc<Dataset>,
    part: Part,
    plan: &Plan,
    device: &Device,
) -> Result<Evaluation, Error> {
    let mut answer = |batch: &Batch| Ok(network.forward(&Inputs::from_batch(batch, &plan.signature, device)?)?);
    let mut tally = Tally::new(plan);
    let mut examples = 0;
    each_batch(&mut answer, dataset, part, plan, &mut |judged| {
        examples += judged.examples;
        tally.observe(&judged.answers, &judged.weighted, &judged.weights);
    })?;
    let confusion = tally.metrics.iter().find_map(|metric| metric.matrix());
    Ok(Evaluation { values: tally.values(), confusion, examples })
}

/// What is counted over the rows of a split.
pub(crate) struct Tally {
    metrics: Vec<Box<dyn Metric>>,
    loss: f64,
    weight: f64,
}

impl Tally {
    /// Nothing is counted yet.
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { metrics: metrics::for_task(plan.task, &plan.labels()), loss: 0.0, weight: 0.0 }
    }

    /// Counts some answers, and the losses of their rows as [`RowLosses`](crate::losses::RowLosses) has them.
    pub(crate) fn observe(&mut self, answers: &Answers, weighted: &[f32], weights: &[f32]) {
        let sum = |rows: &[f32]| rows.iter().copied().map(f64::from).sum::<f64>();
        self.loss += sum(weighted);
        self.weight += sum(weights);
        for metric in &mut self.metrics {
            metric.observe(answers);
        }
    }

    /// The loss and every metric of the task, by name.
    pub(crate) fn values(&self) -> Vec<(String, f64)> {
        let mut values = vec![("loss".to_owned(), self.loss / self.weight)];
        values.extend(self.metrics.iter().flat_map(|metric| metric.values()));
        values
    }
}

/// A batch with what was answered to it, on the host.
pub(crate) struct JudgedBatch {
    /// How many examples there are.
    pub(crate) examples: usize,
    /// What was answered, and what was expected.
    pub(crate) answers: Answers,
    /// The loss of each row, multiplied by its weight.
    pub(crate) weighted: Vec<f32>,
    /// How much each row counts.
    pub(crate) weights: Vec<f32>,
}

/// Lets `answer` answer each batch of a split, be it a network or not, and shows what came of it.
///
/// # Errors
/// If the data cannot be read, or the answer's.
pub(crate) fn each_batch(
    answer: &mut dyn FnMut(&Batch) -> Result<model_zoo::Output, Error>,
    dataset: &Arc<Dataset>,
    part: Part,
    plan: &Plan,
    visit: &mut dyn FnMut(&JudgedBatch),
) -> Result<(), Error> {
    for batch in Loader::once(Arc::clone(dataset), part, plan.evaluation_batch_size)? {
        let batch = batch?;
        if batch.is_empty() {
            continue;
        }
        let output = answer(&batch)?;
        let rows = plan.loss.rows(output.clone(), &batch)?;
        visit(&JudgedBatch {
            examples: batch.len(),
            weighted: on_host(rows.weighted)?,
            weights: on_host(rows.weights)?,
            answers: answers(output, &batch, &plan.signature.output, plan.loss.decoding())?,
        });
    }
    Ok(())
}

fn on_host(rows: Tensor<1>) -> Result<Vec<f32>, Error> {
    rows.try_into_vec_as::<f32>().map_err(device_failed)
}

fn device_failed(error: impl std::fmt::Display) -> Error {
    Error::Model(model_zoo::Error::DeviceFailed { doing: "evaluating", reason: error.to_string() })
}

/// The answers to a batch on the host. Scores whose probabilities are sigmoids are turned into
/// scores whose softmax is these sigmoids divided by their sum.
///
/// # Errors
/// If the device fails or the batch has no target.
pub fn answers(
    output: model_zoo::Output,
    batch: &Batch,
    spec: &OutputSpec,
    decoding: Decoding,
) -> Result<Answers, Error> {
    if let (model_zoo::Output::Horizon(told), OutputSpec::Horizon { .. }) = (&output, spec) {
        return forecasts(told.clone(), batch, spec);
    }
    let rows = match output {
        model_zoo::Output::Embedding(directions) => nt_xent::similarities(directions),
        output => output.rows(),
    };
    let [count, width] = rows.dims();
    let mut scores = rows.try_into_vec_as::<f32>().map_err(device_failed)?;
    // A single score is the log-odds of the second class of two under either decoding.
    if decoding == Decoding::Sigmoid && width > 1 {
        // log sigmoid(x) = min(x, 0) - log(1 + exp(-|x|)), which cannot overflow.
        for x in &mut scores {
            *x = x.min(0.0) - (-x.abs()).exp().ln_1p();
        }
    }
    let expected = match &batch.target {
        Target::Classes(classes) | Target::Mask { classes, .. } => Expected::Classes(classes.clone()),
        Target::Tokens { ids, .. } => Expected::Classes(ids.clone()),
        Target::SoftLabels { values, .. } => Expected::SoftLabels(values.clone()),
        Target::Values { values, .. } => {
            let (mean, std) = match spec {
                OutputSpec::Values { mean, std, .. } => (mean.clone(), std.clone()),
                _ => (vec![0.0], vec![1.0]),
            };
            Expected::Values { values: values.clone(), mean, std }
        }
        Target::None => return Err(Error::WrongLoss { loss: "any", reason: "the data has no target".into() }),
    };
    let per_example = count / batch.len().max(1);
    let weights = batch
        .weights
        .as_ref()
        .map(|weights| weights.iter().flat_map(|&weight| std::iter::repeat_n(weight, per_example)).collect());
    Ok(Answers { scores, width, expected, weights })
}

/// The forecasts for a batch on the host. Quantiles that cross are put in order, which brings them no farther from the truth
/// (Chernozhukov, Fernandez-Val and Galichon, "Quantile and Probability Curves Without Crossing", 2010).
fn forecasts(told: Tensor<3>, batch: &Batch, spec: &OutputSpec) -> Result<Answers, Error> {
    let [_, horizon, each] = told.dims();
    let mut scores = told.try_into_vec_as::<f32>().map_err(device_failed)?;
    scores.chunks_mut(each.max(1)).for_each(|quantiles| quantiles.sort_by(f32::total_cmp));
    let (OutputSpec::Horizon { mean, std, quantiles, season, history, .. }, Target::Values { values, .. }) =
        (spec, &batch.target)
    else {
        return Err(Error::WrongLoss { loss: "any", reason: "the data has no target".into() });
    };
    let naive = if *history { seasonal_errors(batch, *season, std[0]) } else { Vec::new() };
    let expected = Expected::Horizon {
        values: values.clone(),
        mean: mean.clone(),
        std: std.clone(),
        quantiles: quantiles.clone(),
        naive,
    };
    Ok(Answers { scores, width: horizon * each, expected, weights: batch.weights.clone() })
}

/// By how much the last channel of each known window differs from itself a season before, on average, in the user's units.
fn seasonal_errors(batch: &Batch, season: usize, std: f64) -> Vec<f64> {
    let Some(InputArray { array: Array { shape, data: ArrayData::F32(values) }, .. }) = batch.input("series") else {
        return Vec::new();
    };
    let [_, time, channels] = shape[..] else { return Vec::new() };
    let window = |window: &[f32]| {
        let history: Vec<f64> = window.chunks(channels).map(|step| f64::from(step[channels - 1])).collect();
        let errors: Vec<f64> = history.iter().skip(season).zip(&history).map(|(a, b)| (a - b).abs() * std).collect();
        errors.iter().sum::<f64>() / errors.len() as f64
    };
    values.chunks((time * channels).max(1)).map(window).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use data_loader::ExampleId;

    use super::*;

    /// Scores such as a network gives that was trained with bce, and the probabilities that metrics take from them.
    #[test]
    fn metrics_see_sigmoids_that_sum_to_one() {
        let scores = [[2.0_f32, -1.0, 0.5], [-300.0, 300.0, 0.0]];
        let tensor = Tensor::<2>::from_data(TensorData::from(scores), &Device::flex());
        let ids = (0..2).map(|k| ExampleId { key: k.to_string() }).collect();
        let target = Target::Classes(vec![0, 1]);
        let batch = Batch { inputs: Vec::new(), target, ids, weights: None, epoch: 0, index: 0, skipped: 0 };
        let labels = ["a", "b", "c"].map(str::to_owned).to_vec();
        let output = model_zoo::Output::Classes(tensor);
        let found = answers(output, &batch, &OutputSpec::Classes { labels }, Decoding::Sigmoid).unwrap();
        for (row, scores) in scores.iter().enumerate() {
            let sigmoids = scores.map(|x| 1.0 / (1.0 + (-f64::from(x)).exp()));
            let sum: f64 = sigmoids.iter().sum();
            for (class, sigmoid) in sigmoids.iter().enumerate() {
                let probability = (-metrics::surprise(&found.scores[row * 3..][..3], class)).exp();
                assert!((probability - sigmoid / sum).abs() < 1e-6, "row {row}, class {class}: {probability}");
            }
        }
    }
}
