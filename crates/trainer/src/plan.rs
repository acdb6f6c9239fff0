//! What does the experiment mean, for this data and this machine?
//!
//! Everything that follows from a config once the data is open is settled here, before the first step: sizes, intervals,
//! the loss, the metric that decides. The loop only asks questions of the plan.

use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::tensor::Device;
use data_loader::{Dataset, OutputSpec, Part, Signature, Task};
use model_zoo::pretrained::Pretrained;

use crate::Error;
use crate::batch_size::BatchSize;
use crate::experiment::{Experiment, Stopping};
use crate::losses::Loss;
use crate::metrics::{self, Direction};

/// Steps are counted in numbers that JSON and 32-bit floats keep exactly.
const MOST_STEPS: u64 = 1 << 24;

/// An epoch of small data takes milliseconds, and flushing a checkpoint to the disk takes longer than that.
pub const SAVE_PAUSE: Duration = Duration::from_secs(5);

/// An experiment, meant.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The experiment as written.
    pub experiment: Experiment,
    /// Where it was written; named in errors.
    pub config: PathBuf,
    /// What the model is for.
    pub task: Task,
    /// What goes in and comes out.
    pub signature: Signature,
    /// What is made small.
    pub loss: Loss,
    /// Examples in the training split.
    pub examples: usize,
    /// Batches in one pass over the training split.
    pub batches_per_epoch: u64,
    /// Steps in one pass, rounded down, at least 1.
    pub steps_per_epoch: u64,
    /// The step at which training ends.
    pub total_steps: u64,
    /// Steps between evaluations; 0 if there is no validation split.
    pub evaluate_every: u64,
    /// Steps between checkpoints; where the config names none, once an epoch but not more often than [`SAVE_PAUSE`].
    pub save_every: u64,
    /// The metric by which checkpoints are compared.
    pub watch: String,
    /// Which way of it is better.
    pub direction: Direction,
    /// Examples in a batch of training.
    pub batch_size: usize,
    /// Examples in a batch of an evaluation.
    pub evaluation_batch_size: usize,
}

impl Plan {
    /// Settles everything; `config` is where the experiment was written.
    ///
    /// # Errors
    /// [`Error::Config`] with the dotted address of a value that cannot be used.
    pub fn new(mut experiment: Experiment, config: &Path, dataset: &Dataset) -> Result<Self, Error> {
        let error = |key: &str, reason: String| Error::Config { path: config.to_owned(), key: key.to_owned(), reason };
        let train = &experiment.train;
        let signature = dataset.signature().clone();
        let task = signature.task;
        let positive = |key: &str, value: u64| match value {
            0 => Err(error(key, "is 0; it must be at least 1".into())),
            _ => Ok(value),
        };
        positive("train.epochs", train.epochs)?;
        let BatchSize::Examples(batch_size) = train.batch_size else {
            return Err(error("train.batch_size", "is \"auto\", which `firebox train` settles by measuring".into()));
        };
        positive("train.batch_size", batch_size as u64)?;
        if task == Task::Contrast && (batch_size < 2 || train.evaluation_batch_size == Some(1)) {
            let key = if batch_size < 2 { "train.batch_size" } else { "train.evaluation_batch_size" };
            return Err(error(
                key,
                "is 1; views are told from those of other images in their batch, so use many".into(),
            ));
        }
        let accumulate = positive("train.accumulate", train.accumulate as u64)?;
        positive("train.record_every", train.record_every)?;
        positive("checkpoints.keep_last", experiment.checkpoints.keep_last as u64)?;
        for (key, value) in [
            ("train.steps", train.steps),
            ("train.evaluate_every", train.evaluate_every),
            ("checkpoints.every_steps", experiment.checkpoints.every_steps),
            ("train.evaluation_batch_size", train.evaluation_batch_size.map(|size| size as u64)),
            ("stopping.patience", experiment.stopping.as_ref().map(|stopping| stopping.patience)),
        ] {
            value.map_or(Ok(1), |value| positive(key, value))?;
        }
        if i64::try_from(experiment.seed).is_err() {
            return Err(error("seed", format!("is {}; TOML knows whole numbers up to {}", experiment.seed, i64::MAX)));
        }
        if let Some(norm) = train.clip_norm
            && !(norm.is_finite() && norm > 0.0)
        {
            return Err(error("train.clip_norm", format!("is {norm}; it must be above 0")));
        }
        if let Some(decay) = train.ema_decay
            && !(0.0..1.0).contains(&decay)
        {
            return Err(error("train.ema_decay", format!("is {decay}; it must be from 0 to below 1")));
        }
        if let Some(minutes) = experiment.checkpoints.every_minutes
            && !(minutes.is_finite() && minutes > 0.0)
        {
            return Err(error("checkpoints.every_minutes", format!("is {minutes}; it must be above 0")));
        }
        if let Some(Stopping { min_delta, .. }) = experiment.stopping
            && !(min_delta.is_finite() && min_delta >= 0.0)
        {
            return Err(error("stopping.min_delta", format!("is {min_delta}; it must be at least 0")));
        }
        experiment
            .optimizer
            .check()
            .map_err(|reason| error(&format!("optimizer.{}", experiment.optimizer.name()), reason))?;
        experiment
            .schedule
            .check()
            .map_err(|reason| error(&format!("schedule.{}", experiment.schedule.name()), reason))?;
        if let Some(Err((key, reason))) = experiment.pretrained.as_ref().map(Pretrained::check) {
            return Err(error(&format!("pretrained.{key}"), reason));
        }
        let loss = experiment.loss.clone().unwrap_or_else(|| Loss::for_output(task, &signature.output));
        let labels = labels(&signature);
        if !loss.suits(&signature.output) {
            let reason = match &signature.output {
                OutputSpec::Horizon { quantiles, .. } if quantiles.is_empty() => {
                    "cannot judge a forecast; without `quantiles` in [data.windows] use `huber` or `mse`".into()
                }
                OutputSpec::Horizon { .. } => "cannot judge quantiles; use `quantile`, or leave [loss] out".into(),
                _ => format!("cannot judge the task `{task}`"),
            };
            return Err(error(&format!("loss.{}", loss.name()), reason));
        }
        loss.check((!labels.is_empty()).then_some(labels.len()))
            .map_err(|reason| error(&format!("loss.{}", loss.name()), reason))?;

        let known = metric_names(task, &labels);
        let watch = match &train.watch {
            Some(name) => name.clone(),
            None if task != Task::Contrast && known.iter().any(|name| name == "accuracy") => "accuracy".into(),
            None => "loss".into(),
        };
        let direction = |key: &str, name: &str| match metrics::direction(name) {
            Some(direction) if known.iter().any(|known| known == name) => Ok(direction),
            _ => Err(error(key, format!("is `{name}`; the metrics of this task are {}", known.join(", ")))),
        };
        let watched = direction("train.watch", &watch)?;
        if let Some(goal) = &experiment.goal {
            direction("goal.metric", &goal.metric)?;
            if !goal.minimum.is_finite() {
                return Err(error("goal.minimum", format!("is {}; it must be a number", goal.minimum)));
            }
        }

        let examples = dataset.part(Part::Train).len();
        let batches_per_epoch = batches_per_epoch(examples, batch_size, dataset)?;
        let by_epochs = train.epochs.saturating_mul(batches_per_epoch).div_ceil(accumulate);
        let total_steps = train.steps.unwrap_or(by_epochs);
        if total_steps > MOST_STEPS {
            let key = if train.steps.is_some() { "train.steps" } else { "train.epochs" };
            return Err(error(key, format!("means {total_steps} steps; at most {MOST_STEPS} can be counted exactly")));
        }
        if accumulate > batches_per_epoch {
            let reason = format!("is {accumulate}; one pass has {batches_per_epoch} batches");
            return Err(error("train.accumulate", reason));
        }
        let steps_per_epoch = (batches_per_epoch / accumulate).max(1);
        let evaluate_every = match dataset.part(Part::Validation).len() {
            0 => 0,
            _ => train.evaluate_every.unwrap_or(steps_per_epoch),
        };
        let evaluation_batch_size = train.evaluation_batch_size.unwrap_or(match task {
            // Each view is told from all others of its batch: in a larger one the loss is another.
            Task::Contrast => batch_size,
            _ => batch_size.max(256),
        });
        let save_every = experiment.checkpoints.every_steps.unwrap_or(steps_per_epoch);
        // What was left out and decides what is learnt is filled in, so that the config saved with the run says it.
        experiment.task = Some(task);
        experiment.data = dataset.config().clone();
        experiment.loss = Some(loss.clone());
        experiment.train.watch = Some(watch.clone());
        Ok(Self {
            config: config.to_owned(),
            task,
            loss: loss.of_output(&signature.output),
            examples,
            batches_per_epoch,
            steps_per_epoch,
            total_steps,
            evaluate_every,
            save_every,
            watch,
            direction: watched,
            batch_size,
            evaluation_batch_size,
            signature,
            experiment,
        })
    }

    /// Whether loss and learning rate are recorded after `step` steps.
    pub fn records(&self, step: u64) -> bool {
        step == 1 || step.is_multiple_of(self.experiment.train.record_every) || self.ends(step)
    }

    /// Whether the validation split is evaluated after `step` steps.
    pub fn evaluates(&self, step: u64) -> bool {
        self.evaluate_every > 0 && (step.is_multiple_of(self.evaluate_every) || self.ends(step))
    }

    /// Whether a checkpoint is due after `step` steps, `since` the last one.
    pub fn saves(&self, step: u64, since: Duration) -> bool {
        let checkpoints = &self.experiment.checkpoints;
        let rested = checkpoints.every_steps.is_some() || since >= SAVE_PAUSE;
        (step.is_multiple_of(self.save_every) && rested)
            || self.ends(step)
            || checkpoints.every_minutes.is_some_and(|every| since.as_secs_f64() / 60.0 >= every)
    }

    /// The step after which the next evaluation comes, `step` steps being done.
    pub fn next_evaluation(&self, step: u64) -> u64 {
        let every = self.evaluate_every.max(1);
        (step / every).saturating_add(1).saturating_mul(every).min(self.total_steps)
    }

    /// How many evaluations there are in the first `step` steps.
    pub fn evaluations(&self, step: u64) -> u64 {
        let every = self.evaluate_every.max(1);
        step / every + u64::from(self.ends(step) && !step.is_multiple_of(every))
    }

    fn ends(&self, step: u64) -> bool {
        step >= self.total_steps
    }

    /// The learning rate of the step that follows `step` steps.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let base = self.experiment.optimizer.learning_rate();
        // Not rounded: over many epochs a part of a step in each adds up.
        let steps_per_epoch = self.batches_per_epoch as f64 / self.experiment.train.accumulate as f64;
        self.experiment.schedule.learning_rate(base, step, self.total_steps, steps_per_epoch)
    }

    /// Passes over the training split after `step` steps.
    pub fn epoch(&self, step: u64) -> f64 {
        step.saturating_mul(self.experiment.train.accumulate as u64) as f64 / self.batches_per_epoch as f64
    }

    /// The device with gradients, which keeps what the backward pass needs, or computes some of it again.
    pub fn training_device(&self, device: &Device) -> Device {
        let recording = device.clone().autodiff();
        if self.experiment.train.gradient_checkpointing { recording.gradient_checkpointing() } else { recording }
    }

    /// The names of the values that an evaluation gives.
    pub fn metrics(&self) -> Vec<String> {
        metric_names(self.task, &self.labels())
    }

    /// The names of the classes; empty where there are none.
    pub fn labels(&self) -> Vec<String> {
        labels(&self.signature)
    }
}

/// How many batches one pass has.
fn batches_per_epoch(examples: usize, batch_size: usize, dataset: &Dataset) -> Result<u64, Error> {
    if batch_size > examples {
        return Err(data_loader::Error::BatchTooLarge { batch_size, examples }.into());
    }
    let batches = match dataset.config().loader.drop_last {
        true => examples / batch_size,
        false => examples.div_ceil(batch_size),
    };
    Ok(batches as u64)
}

fn labels(signature: &Signature) -> Vec<String> {
    match &signature.output {
        OutputSpec::Classes { labels } | OutputSpec::Mask { labels } => labels.clone(),
        _ => Vec::new(),
    }
}

/// The names of the values that an evaluation gives.
fn metric_names(task: Task, labels: &[String]) -> Vec<String> {
    let mut names = vec!["loss".to_owned()];
    names.extend(metrics::names(task, labels));
    names
}
