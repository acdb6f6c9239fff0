//! How fast does the network of a config learn, and what does it spend its time on? Nothing of what it learns is kept.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use data_loader::Loader;
use model_zoo::architectures::WithNetwork;
use model_zoo::device::Found;
use model_zoo::network::NetworkConfig;
use serde::Serialize;

use crate::batch_size::peak_memory;
use crate::state::State;
use crate::step::{read_back, step};
use crate::stopwatch::{Phase, Stopwatch};
use crate::{Error, Experiment, Plan, beginning, origin};

/// Steps before the clock runs: buffers are made, and kernels chosen.
const WARM_UP: u64 = 2;
/// Steps that a measurement has at least.
const LEAST_STEPS: u64 = 3;

/// What was measured of some steps of training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breakdown {
    /// Examples in a batch.
    pub batch_size: usize,
    /// Steps that were measured.
    pub steps: u64,
    /// Seconds that they took.
    pub seconds: f64,
    /// Examples that were learnt from in a second.
    pub examples_per_second: f64,
    /// The most bytes that the process had resident, where the system says so.
    pub peak_memory: Option<u64>,
    /// Milliseconds of a step on average, phase by phase; what is missing to the whole is reading the loss back.
    pub phases: Vec<(Phase, f64)>,
}

/// For how long is learnt, and how exactly the phases are told apart.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Seconds, after some steps that are not counted.
    pub seconds: f64,
    /// Whether each phase waits for the device, so that it gets its own time and no other.
    pub exact: bool,
}

/// Learns for some seconds as the experiment says, and keeps nothing.
///
/// # Errors
/// As training.
pub fn measure(experiment: Experiment, config: &Path, device: &Found, measure: Measure) -> Result<Breakdown, Error> {
    struct Job<'a> {
        experiment: Experiment,
        config: &'a Path,
        device: &'a Found,
        measure: Measure,
    }
    impl WithNetwork for Job<'_> {
        type Out = Result<Breakdown, Error>;
        fn run<C: NetworkConfig>(self, architecture: &C) -> Self::Out {
            let dataset = Arc::new(origin::open(&self.experiment, self.config)?);
            let plan = Plan::new(self.experiment, self.config, &dataset)?;
            let (device, seed) = (&self.device.device, plan.experiment.seed);
            let network = architecture.build(&plan.signature, seed, &plan.training_device(device))?;
            let pipeline = dataset.pipeline();
            let network = beginning::prepare(network, &plan, pipeline, 0, false, None)?.network;
            let batches = Loader::train(dataset, plan.batch_size, seed, 0, 0)?;
            let mut state = State::new(network, &plan, batches, device);
            for _ in 0..WARM_UP {
                state = step(state, &plan)?;
            }
            read_back(&mut state)?;
            state.stopwatch = if self.measure.exact { Stopwatch::exact(device) } else { Stopwatch::new() };
            let seen = state.memory.interval.examples;
            let begun = Instant::now();
            let mut steps = 0;
            while steps < LEAST_STEPS || begun.elapsed().as_secs_f64() < self.measure.seconds {
                state = step(state, &plan)?;
                read_back(&mut state)?;
                steps += 1;
            }
            let seconds = begun.elapsed().as_secs_f64();
            // The last batch of an epoch may be smaller than the others.
            let examples = state.memory.interval.examples - seen;
            let each = state.stopwatch.seconds().map(|seconds| 1e3 * seconds / steps as f64);
            Ok(Breakdown {
                batch_size: plan.batch_size,
                steps,
                seconds,
                examples_per_second: examples as f64 / seconds,
                peak_memory: peak_memory("self"),
                phases: Phase::ALL.into_iter().zip(each).collect(),
            })
        }
    }
    let architecture = experiment.architecture(config)?.clone();
    architecture.with(Job { experiment, config, device, measure })
}
