//! What happens in one step?

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use data_loader::{Batch, ExampleId};
use model_zoo::{Inputs, Network};

use crate::Error;
use crate::average;
use crate::gradients;
use crate::losses;
use crate::plan::Plan;
use crate::state::{Pending, State};
use crate::stopwatch::Phase;

/// Learns from `plan.train.accumulate` batches: forward, backward, clip, update. Nothing is read back from the device.
///
/// # Errors
/// If the data cannot be read or does not suit the network.
pub fn step<M: Network>(mut state: State<M>, plan: &Plan) -> Result<State<M>, Error> {
    let train = &plan.experiment.train;
    // Randomness is derived from (seed, step), never carried along: so a resumed run draws the same.
    let training_device = plan.training_device(&state.device);
    training_device.seed(step_seed(plan.experiment.seed, state.memory.step));

    if let Some(fine_tune) = &plan.experiment.fine_tune {
        state.network = fine_tune.unfreeze(state.network, state.memory.step);
    }
    state.stopwatch.start();
    let mut sum: Option<GradientsParams> = None;
    let mut loss_sum: Option<Tensor<1>> = None;
    let mut weight_sum: Option<Tensor<1>> = None;
    let mut examples: Vec<ExampleId> = Vec::new();
    for _ in 0..train.accumulate {
        let mut batch = next_batch(&mut state, plan)?; // Waits here if reading is slower than learning.
        let inputs = Inputs::from_batch(&batch, &plan.signature, &training_device)?;
        state.stopwatch.lap(Phase::Copy)?;
        let output = state.network.forward(&inputs)?;
        let rows = plan.loss.rows(output, &batch)?;
        let weight = rows.weights.clone().sum();
        let loss = rows.weighted.sum();
        // Sums, not means, are added up over several batches and divided at the end: the mean over all their examples is
        // what one large batch gives. Of a single batch the mean itself is differentiated, which spares a pass over gradients.
        let objective = match train.accumulate {
            1 => loss.clone() * losses::inverse(weight.clone()),
            _ => loss.clone(),
        };
        state.stopwatch.lap(Phase::Forward)?;
        let batch_gradients = GradientsParams::from_grads(objective.backward(), &state.network);
        examples.append(&mut batch.ids);
        sum = Some(gradients::add(&state.network, sum, batch_gradients));
        loss_sum = Some(plus(loss_sum, loss.inner()));
        weight_sum = Some(plus(weight_sum, weight.inner()));
        state.stopwatch.lap(Phase::Backward)?;
    }
    let (Some(sum), Some(loss_sum), Some(weight_sum)) = (sum, loss_sum, weight_sum) else {
        unreachable!("the plan refuses to accumulate no batches");
    };
    let mean = match train.accumulate {
        1 => sum,
        _ => gradients::scale(&state.network, sum, &losses::inverse(weight_sum.clone())),
    };
    let (clipped, norm) = match train.clip_norm {
        Some(max_norm) => gradients::clip(&state.network, mean, max_norm),
        None => (mean, None),
    };
    let rate = plan.learning_rate(state.memory.step);
    state.network = state.optimizer.step(rate, state.network, clipped);
    if let (Some(average), Some(decay)) = (state.average.take(), train.ema_decay) {
        let decay = average::decay_after(state.memory.step, decay);
        state.average = Some(average::update(average, &state.network, decay));
    }
    state.stopwatch.lap(Phase::Update)?;
    state.memory.step += 1;
    let mut numbers = vec![loss_sum, weight_sum];
    numbers.extend(norm);
    state.pending.push(Pending { step: state.memory.step, numbers: Tensor::cat(numbers, 0), examples });
    Ok(state)
}

fn plus(sum: Option<Tensor<1>>, more: Tensor<1>) -> Tensor<1> {
    match sum {
        Some(sum) => sum + more,
        None => more,
    }
}

/// The seed of one step's random numbers.
pub fn step_seed(seed: u64, step: u64) -> u64 {
    data_loader::random::Random::derive(&[seed, step]).next_u64()
}

/// Waits for the next batch that has an example, and counts it and those that had none.
fn next_batch<M: Network>(state: &mut State<M>, plan: &Plan) -> Result<Batch, Error> {
    for _ in 0..plan.batches_per_epoch {
        let Some(batch) = state.batches.next() else {
            unreachable!("training goes through its examples without end");
        };
        state.memory.interval.waiting += state.stopwatch.lap(Phase::Wait)?;
        let batch = batch?;
        state.memory.batches += 1;
        state.memory.skipped += batch.skipped as u64;
        state.memory.interval.examples += batch.len() as u64;
        if !batch.is_empty() {
            return Ok(batch);
        }
    }
    Err(data_loader::Error::NoExamples {
        place: "in the training split that can be used".into(),
        hint: "Set `bad_examples = \"error\"` in [data.loader] to see what is wrong with them.",
    }
    .into())
}

/// Reads the losses of all steps since the last time back from the device, and adds them to the interval. This is the only
/// synchronisation in plain training.
///
/// # Errors
/// [`Error::NotFinite`] with the first step whose loss is not a number, and the examples it learnt from.
pub fn read_back<M: Network>(state: &mut State<M>) -> Result<(), Error> {
    let pending = std::mem::take(&mut state.pending);
    for one in pending {
        let numbers = one
            .numbers
            .try_into_vec_as::<f32>()
            .map_err(|error| model_zoo::Error::DeviceFailed { doing: "training", reason: error.to_string() })?;
        let (loss, weight) = (f64::from(numbers[0]), f64::from(numbers[1]));
        if !loss.is_finite() {
            let examples = one.examples.iter().map(ToString::to_string).collect();
            return Err(Error::NotFinite { step: one.step, loss, examples, checkpoint: state.last_saved_text() });
        }
        let interval = &mut state.memory.interval;
        interval.loss += loss;
        interval.weight += weight;
        interval.gradient_norm = numbers.get(2).map(|&norm| f64::from(norm));
    }
    Ok(())
}
