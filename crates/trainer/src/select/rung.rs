//! What does one process of a selection do? It measures a speed, trains a candidate on to the end of a rung, or judges a baseline.
//!
//! Each in a process of its own, so that the peak of its memory is its own, and what breaks takes nothing with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use data_loader::{Batch, Dataset, Loader, Part};
use model_zoo::architectures::WithNetwork;
use model_zoo::device::Found;
use model_zoo::network::NetworkConfig;
use model_zoo::weights::{self, Weights};
use model_zoo::{Inputs, Output, summary};
use serde::{Deserialize, Serialize};

use super::jackknife::{self, Score};
use crate::batch_size::{self, Probe};
use crate::fit::Ending;
use crate::train::{self, Request};
use crate::{Error, Experiment, Plan, RunDir, baselines, checkpoint, origin};

/// Answers that are not timed: buffers are made, and kernels chosen.
const WARM_UP: usize = 3;
/// Answers that are timed at most, and for how many seconds.
const TIMED: usize = 100;
const SECONDS: f64 = 1.0;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Learn for a second and say how fast that is.
    Probe {
        /// The config of the candidate.
        experiment: PathBuf,
    },
    /// Begin to train, or go on, until so many steps are done in all.
    Rung {
        /// The config of the candidate.
        experiment: PathBuf,
        /// The folder of its run.
        run: PathBuf,
        /// After how many steps to pause.
        until: u64,
    },
    /// Let a baseline learn, and judge it.
    Baseline {
        /// A config on the data.
        experiment: PathBuf,
        /// Which baseline.
        name: String,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// How fast a candidate learns.
    Probe(Probe),
    /// How a candidate or a baseline did on the validation split.
    Measured(Measured),
    /// It was stopped from outside, and everything is saved.
    Interrupted,
}

/// How a candidate or a baseline did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// How many steps were done; 0 of a baseline.
    pub step: u64,
    /// After how many of them its weights were the best, which are judged; 0 of a baseline.
    pub judged_step: u64,
    /// The watched metric on the validation split.
    pub score: Score,
    /// How many numbers were learnt, where that can be said.
    pub parameters: Option<usize>,
    /// Seconds of learning, over all rungs.
    pub seconds: f64,
    /// The most bytes that its process had resident, where the system says so.
    pub peak_memory: Option<u64>,
    /// Seconds from an example to its answer, alone in its batch; the median.
    pub latency: f64,
}

/// Does it; `config` is where the experiment of the selection was written.
///
/// # Errors
/// As training.
pub fn perform(task: &Task, config: &Path, device: &Found, interrupt: &AtomicBool) -> Result<Told, Error> {
    match task {
        Task::Probe { experiment } => {
            Ok(Told::Probe(batch_size::measure(Experiment::read(experiment, &[])?, config, device)?))
        }
        Task::Rung { experiment, run, until } => {
            let experiment = Experiment::read(experiment, &[])?;
            let run = RunDir::open(run).or_else(|_| RunDir::create(run))?;
            if train_on(experiment, config, &run, *until, device, interrupt)? == Ending::Interrupted {
                return Ok(Told::Interrupted);
            }
            measure(&run, device).map(Told::Measured)
        }
        Task::Baseline { experiment, name } => {
            baseline(Experiment::read(experiment, &[])?, config, name, device).map(Told::Measured)
        }
    }
}

fn train_on(
    experiment: Experiment,
    config: &Path,
    run: &RunDir,
    until: u64,
    device: &Found,
    interrupt: &AtomicBool,
) -> Result<Ending, Error> {
    let from = match checkpoint::steps(run).is_empty() {
        true => None,
        false => Some(checkpoint::choose(run, Some("last"))?),
    };
    if from.as_ref().is_some_and(|from| from.step >= until) {
        return Ok(Ending::Paused);
    }
    let request = |config| Request { interrupt, until: Some(until), ..Request::new(config, run.clone(), device) };
    let outcome = if run.config().exists() {
        let begun = run.config();
        train::resume(Experiment::read(&begun, &[])?, request(&begun), from)?
    } else {
        train::train(experiment, request(config))?
    };
    Ok(outcome.ending)
}

/// Judges the best weights of a run so far.
fn measure(run: &RunDir, device: &Found) -> Result<Measured, Error> {
    struct Job<'a> {
        run: &'a RunDir,
        plan: &'a Plan,
        dataset: &'a Arc<Dataset>,
        weights: &'a Weights,
        device: &'a Found,
    }
    impl WithNetwork for Job<'_> {
        type Out = Result<(Score, usize, f64), Error>;
        fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
            use burn::module::Module;
            use model_zoo::Network;
            let (plan, device) = (self.plan, &self.device.device);
            let network = config.build(&plan.signature, 0, device)?;
            let network = weights::apply(network.no_grad(), self.weights, self.run.path())?;
            let mut answer = |batch: &Batch| -> Result<Output, Error> {
                Ok(network.forward(&Inputs::from_batch(batch, &plan.signature, device)?)?)
            };
            let score = jackknife::judge(&mut answer, self.dataset, Part::Validation, plan)?;
            let latency = latency(&mut answer, self.dataset)?;
            Ok((score, summary::parameters(&network), latency))
        }
    }
    let config = run.config();
    let experiment = Experiment::read(&config, &[])?;
    let dataset = Arc::new(origin::reopen(&experiment, run)?);
    let plan = Plan::new(experiment, &config, &dataset)?;
    let last = checkpoint::read_manifest(&checkpoint::choose(run, Some("last"))?.path)?.memory;
    let chosen = checkpoint::choose(run, None)?;
    let weights = checkpoint::weights_of(&chosen.path, false)?;
    let architecture = plan.experiment.architecture(&config)?.clone();
    let job = Job { run, plan: &plan, dataset: &dataset, weights: &weights, device };
    let (score, parameters, latency) = architecture.with(job)?;
    Ok(Measured {
        step: last.step,
        judged_step: chosen.step,
        score: defined(score, &plan)?,
        parameters: Some(parameters),
        seconds: last.seconds,
        peak_memory: batch_size::peak_memory("self"),
        latency,
    })
}

fn baseline(experiment: Experiment, config: &Path, name: &str, device: &Found) -> Result<Measured, Error> {
    let dataset = Arc::new(origin::open(&experiment, config)?);
    let plan = Plan::new(experiment, config, &dataset)?;
    let begun = Instant::now();
    let mut learnt = baselines::learn(name, &plan, &dataset, &device.device)?;
    let seconds = begun.elapsed().as_secs_f64();
    let score = jackknife::judge(&mut learnt.answer, &dataset, Part::Validation, &plan)?;
    let latency = latency(&mut learnt.answer, &dataset)?;
    Ok(Measured {
        step: 0,
        judged_step: 0,
        score: defined(score, &plan)?,
        parameters: learnt.parameters,
        seconds,
        peak_memory: batch_size::peak_memory("self"),
        latency,
    })
}

/// A score that can be compared.
fn defined(score: Score, plan: &Plan) -> Result<Score, Error> {
    if !score.value.is_finite() {
        let reason = format!("`{}` is no number on the {} validation examples", plan.watch, score.examples);
        return Err(Error::NoChoice(reason));
    }
    Ok(score)
}

/// The median of the seconds that an answer to one example takes, read back from the device.
fn latency(answer: &mut dyn FnMut(&Batch) -> Result<Output, Error>, dataset: &Arc<Dataset>) -> Result<f64, Error> {
    let mut batches = Loader::once(Arc::clone(dataset), Part::Validation, 1)?;
    let found = batches.find(|batch| batch.as_ref().is_ok_and(|batch| !batch.is_empty()));
    let Some(batch) = found.transpose()? else { return Ok(f64::MAX) };
    let mut times = Vec::new();
    let begun = Instant::now();
    while times.len() < WARM_UP + TIMED && (times.len() <= 2 * WARM_UP || begun.elapsed().as_secs_f64() < SECONDS) {
        let asked = Instant::now();
        answer(&batch)?
            .rows()
            .try_into_vec_as::<f32>()
            .map_err(|error| model_zoo::Error::DeviceFailed { doing: "answering", reason: error.to_string() })?;
        times.push(asked.elapsed().as_secs_f64());
    }
    let mut timed = times.split_off(WARM_UP);
    timed.sort_by(f64::total_cmp);
    Ok(timed[timed.len() / 2])
}
