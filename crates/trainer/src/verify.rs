//! Does a run that was killed and resumed end as one that never was?

use std::path::Path;

use serde_json::{Value, json};

use crate::Error;
use crate::checkpoint;
use crate::recorders::jsonl;
use crate::run_dir::RunDir;

/// What was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equal {
    /// How many numbers were compared, weights and optimizer state together.
    pub numbers: usize,
    /// How many recorded losses were compared.
    pub losses: usize,
}

/// Compares two runs at a step: weights, average, optimizer state, what training remembers, and every recorded loss, all bit
/// for bit. Times are left out.
///
/// # Errors
/// [`Error::NotEqual`] with the first difference.
pub fn compare(straight: &RunDir, resumed: &RunDir, step: u64) -> Result<Equal, Error> {
    let name = format!("step-{step}");
    let a = checkpoint::choose(straight, Some(&name))?;
    let b = checkpoint::choose(resumed, Some(&name))?;
    let numbers = compare_tensors(&a.path, &b.path)?;
    compare_memory(&a.path, &b.path)?;
    let losses = compare_losses(straight, resumed)?;
    Ok(Equal { numbers, losses })
}

fn compare_tensors(a: &Path, b: &Path) -> Result<usize, Error> {
    let (files_a, files_b) = (checkpoint::tensors_of(a)?, checkpoint::tensors_of(b)?);
    if files_a.keys().ne(files_b.keys()) {
        return Err(Error::NotEqual("the two checkpoints do not hold the same files".into()));
    }
    let mut numbers = 0;
    for (file, weights_a) in &files_a {
        let weights_b = &files_b[file];
        if weights_a.keys().ne(weights_b.keys()) {
            return Err(Error::NotEqual(format!("{file} does not hold the same parameters in both runs")));
        }
        for (name, tensor) in weights_a {
            let other = &weights_b[name];
            let differing = tensor.values.iter().zip(&other.values).position(|(x, y)| x.to_bits() != y.to_bits());
            if tensor.shape != other.shape || differing.is_some() {
                let place = differing.unwrap_or(0);
                return Err(Error::NotEqual(format!(
                    "`{name}` in {file} differs from number {place} on: {} straight, {} resumed",
                    tensor.values.get(place).copied().unwrap_or(f32::NAN),
                    other.values.get(place).copied().unwrap_or(f32::NAN),
                )));
            }
            numbers += tensor.values.len();
        }
    }
    Ok(numbers)
}

fn compare_memory(a: &Path, b: &Path) -> Result<(), Error> {
    let read = |path: &Path| -> Result<Value, Error> {
        let mut value = json!(checkpoint::read_manifest(path)?.memory);
        value["seconds"] = Value::Null;
        value["interval"]["seconds"] = Value::Null;
        Ok(value)
    };
    let (a, b) = (read(a)?, read(b)?);
    if a == b {
        Ok(())
    } else {
        Err(Error::NotEqual(format!("what training remembers differs: {a} straight, {b} resumed")))
    }
}

/// The losses and scores as they stand in `metrics.jsonl`, as bits.
fn compare_losses(straight: &RunDir, resumed: &RunDir) -> Result<usize, Error> {
    let a = jsonl::read(&straight.metrics())?;
    let b = jsonl::read(&resumed.metrics())?;
    let losses = |history: &jsonl::History| -> Vec<(u64, u64)> {
        history.progress.iter().map(|record| (record.step, record.loss.to_bits())).collect()
    };
    let (losses_a, losses_b) = (losses(&a), losses(&b));
    if let Some(place) = (0..losses_a.len().max(losses_b.len())).find(|&k| losses_a.get(k) != losses_b.get(k)) {
        let show = |losses: &[(u64, u64)]| {
            losses.get(place).map_or("none".into(), |(step, bits)| format!("{} at step {step}", f64::from_bits(*bits)))
        };
        return Err(Error::NotEqual(format!(
            "the recorded losses differ: {} straight, {} resumed",
            show(&losses_a),
            show(&losses_b)
        )));
    }
    let scores = |history: &jsonl::History| -> Vec<(u64, Vec<(String, u64)>)> {
        let bits = |values: &[(String, f64)]| values.iter().map(|(name, v)| (name.clone(), v.to_bits())).collect();
        history.scores.iter().map(|scores| (scores.step, bits(&scores.values))).collect()
    };
    if scores(&a) != scores(&b) {
        return Err(Error::NotEqual("the recorded scores differ".into()));
    }
    Ok(losses_a.len())
}
