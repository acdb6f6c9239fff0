//! What if the row is not looked at? Always the shares of the classes, or the mean.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use data_loader::{Dataset, OutputSpec, Target};
use model_zoo::Output;

use super::{Learnt, each_training_batch, failed, score};
use crate::{Error, Plan};

/// One line for lists.
pub const SUMMARY: &str = "always the shares of the classes, or the mean: what can be said without looking";

/// Counts classes, pixels or tokens of the training split, each once more than it is there (Laplace), or takes the mean of its numbers.
pub(super) fn learn(plan: &Plan, dataset: &Arc<Dataset>, device: &Device) -> Result<Learnt, Error> {
    let width = match &plan.signature.output {
        OutputSpec::Classes { labels } | OutputSpec::Mask { labels } => labels.len(),
        OutputSpec::Tokens { vocabulary } => *vocabulary,
        OutputSpec::Values { names, .. } => names.len(),
        OutputSpec::Horizon { .. } | OutputSpec::Inputs | OutputSpec::Embedding { .. } => {
            return Err(failed("constant", "it knows no such task"));
        }
    };
    let mut sums = vec![0.0; width];
    let mut rows = 0_u64;
    each_training_batch(plan, dataset, |batch| {
        rows += batch.len() as u64;
        match &batch.target {
            Target::Classes(all) | Target::Mask { classes: all, .. } | Target::Tokens { ids: all, .. } => {
                let known = all.iter().filter_map(|&class| usize::try_from(class).ok());
                known.filter(|&class| class < width).for_each(|class| sums[class] += 1.0);
            }
            Target::SoftLabels { values, .. } | Target::Values { values, .. } => {
                values.iter().enumerate().for_each(|(place, &value)| sums[place % width] += f64::from(value));
            }
            Target::None => {}
        }
        Ok(())
    })?;
    let numbers: Vec<f32> = if matches!(plan.signature.output, OutputSpec::Values { .. }) {
        sums.iter().map(|sum| (sum / rows.max(1) as f64) as f32).collect()
    } else {
        let all: f64 = sums.iter().map(|sum| sum + 1.0).sum();
        sums.iter().map(|sum| score((sum + 1.0) / all, plan.loss.decoding())).collect()
    };
    let device = device.clone();
    let answer = move |batch: &data_loader::Batch| {
        let row = Tensor::<1>::from_data(TensorData::new(numbers.clone(), [width]), &device);
        Ok(match &batch.target {
            Target::Values { .. } => Output::Values(row.reshape([1, width]).expand([batch.len(), width])),
            Target::Mask { shape: [count, height, used], .. } => {
                Output::Mask(row.reshape([1, width, 1, 1]).expand([*count, width, *height, *used]))
            }
            Target::Tokens { shape: [count, length], .. } => {
                Output::Tokens(row.reshape([1, 1, width]).expand([*count, *length, width]))
            }
            _ => Output::Classes(row.reshape([1, width]).expand([batch.len(), width])),
        })
    };
    Ok(Learnt { answer: Box::new(answer), parameters: Some(width) })
}
