//! What does training consist of between two steps?

use burn::tensor::{Device, Tensor};
use data_loader::{ExampleId, Loader};
use model_zoo::Network;
use serde::{Deserialize, Serialize};

use crate::fine_tune::FineTune;
use crate::plan::Plan;
use crate::stepper::{Stepper, Update};
use crate::stopping::Best;
use crate::stopwatch::Stopwatch;

/// Everything that training remembers besides tensors. Written into every checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// How many steps were done.
    pub step: u64,
    /// How many batches were used, over all epochs.
    pub batches: u64,
    /// The best value so far of the watched metric.
    pub best: Best,
    /// What was learnt from since the last record.
    pub interval: Interval,
    /// Seconds of training, over all resumptions.
    pub seconds: f64,
    /// How often an example that could not be read was left out, counted anew in each epoch.
    pub skipped: u64,
}

/// What was learnt from since the last record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The sum of the losses of its examples, each counted by its weight.
    pub loss: f64,
    /// The sum of those weights.
    pub weight: f64,
    /// How many examples there were.
    pub examples: u64,
    /// Seconds since the last record.
    pub seconds: f64,
    /// How many of them went by waiting for the loader.
    #[serde(default)]
    pub waiting: f64,
    /// The norm of all gradients of the latest step, before clipping.
    pub gradient_norm: Option<f64>,
}

/// A step whose loss has not been read back from the device yet.
pub struct Pending {
    /// Which step, from 1.
    pub step: u64,
    /// The sum of the losses, the sum of their weights and, where it is computed, the norm of the gradients; `[2]` or `[3]`.
    pub numbers: Tensor<1>,
    /// The examples, to be named should the loss not be a number.
    pub examples: Vec<ExampleId>,
}

/// Training between two steps.
pub struct State<M: Network> {
    /// The network, on a device that records gradients.
    pub network: M,
    /// The average of its weights over time, on the plain device, where one is kept.
    pub average: Option<M>,
    /// What changes the weights.
    pub optimizer: Box<dyn Update<M>>,
    /// Where the next batch comes from.
    pub batches: Loader,
    /// Everything else that is remembered.
    pub memory: Memory,
    /// Steps whose loss is still on the device.
    pub pending: Vec<Pending>,
    /// After how many steps the last checkpoint of this process was written.
    pub last_saved: Option<u64>,
    /// Tells what the time of a step is spent on.
    pub stopwatch: Stopwatch,
    /// The device without gradients.
    pub device: Device,
}

impl<M: Network> State<M> {
    /// Before the first step.
    pub fn new(network: M, plan: &Plan, batches: Loader, device: &Device) -> Self {
        let rates = plan.experiment.fine_tune.as_ref().map(FineTune::rates).unwrap_or_default();
        Self {
            average: plan.experiment.train.ema_decay.map(|_| network.valid()),
            optimizer: Box::new(Stepper::with_rates(&plan.experiment.optimizer, rates).sparing(network.spared())),
            network,
            batches,
            memory: Memory { best: Best { metric: plan.watch.clone(), ..Best::default() }, ..Memory::default() },
            pending: Vec::new(),
            last_saved: None,
            stopwatch: Stopwatch::new(),
            device: device.clone(),
        }
    }

    /// The network to be judged and shipped, without gradients: the average where one is kept.
    pub fn judged(&self) -> M {
        self.average.clone().unwrap_or_else(|| self.network.valid())
    }

    /// Which checkpoint an error should name.
    pub fn last_saved_text(&self) -> String {
        self.last_saved.map_or_else(|| "none".to_owned(), |step| format!("step-{step}"))
    }
}
