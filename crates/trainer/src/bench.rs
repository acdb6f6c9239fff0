//! How many steps of training does this machine do in a second?
//!
//! Four fixed workloads on random inputs: forward, cross-entropy, backward, `AdamW`. `tests/peers/bench_pytorch.py` runs the
//! same networks at the same sizes in PyTorch, to be measured beside these on the same machine, in the same minute.

use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use data_loader::random::Random;
use data_loader::{Batch, Dtype, Entry, ExampleId, InputKind, InputSpec, OutputSpec, Signature, Target, Task};
use model_zoo::architectures::{Architecture, WithNetwork, cnn, gpt, mlp, resnet};
use model_zoo::blocks::Activation;
use model_zoo::device::Found;
use model_zoo::inputs::Input;
use model_zoo::network::NetworkConfig;
use model_zoo::{Inputs, Network, summary};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::batch_size::peak_memory;
use crate::losses::Loss;
use crate::losses::cross_entropy::CrossEntropy;
use crate::optimizers::{Optimizer, adamw};
use crate::stepper::{Stepper, Update};

/// Steps before the clock starts: kernels are compiled and buffers allocated in them.
const WARM_UP: usize = 3;
/// A graphics card is waited for after this many steps. More would let the queue of work grow far beyond the time asked for.
const STEPS_BETWEEN_WAITS: u64 = 10;
/// So many single answers there are at least, and no more once so many seconds are over.
const LEAST_ANSWERS: usize = 20;
const MOST_ANSWERING: f64 = 2.0;
const LEARNING_RATE: f64 = 1e-3;
const CLASSES: usize = 10;
const VOCABULARY: usize = 65;
const CONTEXT: usize = 128;

/// A network with its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Convolutions 1-32-64 of 3 x 3, a pooling, 128 units and 10 classes; 64 grey images of 28 x 28.
    Cnn,
    /// 4 layers of 128 features and 4 heads; 16 texts of 128 tokens out of 65.
    Gpt,
    /// 784-512-512-10; 128 grey images of 28 x 28.
    Mlp,
    /// ResNet-20 of width 16; 64 colour images of 32 x 32.
    Resnet,
}

/// Every workload, alphabetically.
pub const WORKLOADS: &[(Workload, Entry)] = &[
    (Workload::Cnn, Entry { name: "cnn", summary: "two convolutions and two linear layers, 64 images of 28 x 28" }),
    (
        Workload::Gpt,
        Entry { name: "gpt", summary: "a transformer of 4 layers and 128 features, 16 texts of 128 tokens" },
    ),
    (Workload::Mlp, Entry { name: "mlp", summary: "784-512-512-10, 128 images of 28 x 28" }),
    (Workload::Resnet, Entry { name: "resnet", summary: "ResNet-20, 64 colour images of 32 x 32" }),
];

/// What a measurement found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The name of the workload.
    pub workload: String,
    /// The device as `--device` names it.
    pub device: String,
    /// How many numbers the network learns.
    pub parameters: usize,
    /// Examples in each step.
    pub batch_size: usize,
    /// How many steps were timed.
    pub steps: u64,
    /// How long they took.
    pub seconds: f64,
    /// Steps a second.
    pub steps_per_second: f64,
    /// Examples a second.
    pub examples_per_second: f64,
    /// How long an answer to a single example takes.
    pub latency: Latency,
    /// The most bytes that the process had resident until training ended, where the system says so.
    pub peak_memory: Option<u64>,
}

/// Milliseconds from an input on the device to an answer there, without gradients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the answers take less.
    pub median: f64,
    /// All but one of a hundred do.
    pub p99: f64,
}

impl Workload {
    /// The workload called `name`.
    pub fn named(name: &str) -> Option<Self> {
        WORKLOADS.iter().find(|(_, entry)| entry.name == name).map(|(workload, _)| *workload)
    }

    /// Its name in the list.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cnn => "cnn",
            Self::Gpt => "gpt",
            Self::Mlp => "mlp",
            Self::Resnet => "resnet",
        }
    }

    fn batch_size(self) -> usize {
        match self {
            Self::Cnn | Self::Resnet => 64,
            Self::Gpt => 16,
            Self::Mlp => 128,
        }
    }

    /// Spelt out, so that a change of a default does not change what is measured.
    fn architecture(self) -> Architecture {
        match self {
            Self::Cnn => Architecture::Cnn(cnn::CnnConfig { channels: vec![vec![32, 64]], hidden: 128, dropout: 0.0 }),
            Self::Gpt => {
                // The head with weights of its own and the exact GELU are those of the peer, and not GPT-2's.
                Architecture::Gpt(gpt::GptConfig {
                    size: gpt::Size::Nano,
                    layers: Some(4),
                    features: Some(128),
                    heads: Some(4),
                    context: Some(CONTEXT),
                    dropout: 0.0,
                    activation: Activation::Gelu,
                    tied: false,
                })
            }
            Self::Mlp => Architecture::Mlp(mlp::MlpConfig { hidden: vec![512, 512], ..Default::default() }),
            Self::Resnet => Architecture::Resnet(resnet::ResnetConfig { depth: 20, width: 16 }),
        }
    }

    /// The shape of an image; none for the texts of gpt.
    fn image(self) -> Option<[usize; 3]> {
        match self {
            Self::Cnn | Self::Mlp => Some([1, 28, 28]),
            Self::Gpt => None,
            Self::Resnet => Some([3, 32, 32]),
        }
    }

    fn signature(self) -> Signature {
        let Some([channels, height, width]) = self.image() else {
            let kind = InputKind::Tokens { vocabulary: VOCABULARY, max_length: CONTEXT };
            let tokens = InputSpec { name: "tokens".into(), dtype: Dtype::I64, shape: vec![None], kind };
            let output = OutputSpec::Tokens { vocabulary: VOCABULARY };
            return Signature { task: Task::Generate, inputs: vec![tokens], output };
        };
        let kind = InputKind::Image { mean: vec![0.0; channels], std: vec![1.0; channels] };
        let shape = [channels, height, width].map(Some).to_vec();
        let image = InputSpec { name: "image".into(), dtype: Dtype::U8, shape, kind };
        let labels = (0..CLASSES).map(|class| class.to_string()).collect();
        Signature { task: Task::Classify, inputs: vec![image], output: OutputSpec::Classes { labels } }
    }

    /// So many random inputs on `device`, and what is expected of them.
    fn data(self, examples: usize, device: &Device) -> (Inputs, Batch) {
        let mut random = Random::derive(&[0]);
        let mut whole = |count: usize, below: usize| -> Vec<i64> {
            (0..count).map(|_| random.below(below as u64) as i64).collect()
        };
        let (input, target) = if let Some([channels, height, width]) = self.image() {
            let target = Target::Classes(whole(examples, CLASSES));
            let shape = [examples, channels, height, width];
            // Uniform with mean 0 and variance 1.
            let values = (0..shape.iter().product()).map(|_| (random.unit() as f32 * 2.0 - 1.0) * 3.0_f32.sqrt());
            let pixels = TensorData::new(values.collect::<Vec<f32>>(), shape);
            (("image".to_owned(), Input::Image(Tensor::from_data(pixels, device))), target)
        } else {
            let shape = [examples, CONTEXT];
            let ids = TensorData::new(whole(examples * CONTEXT, VOCABULARY), shape);
            let target = Target::Tokens { shape, ids: whole(examples * CONTEXT, VOCABULARY) };
            let ids = Tensor::<2, Int>::from_data(ids, device);
            (("tokens".to_owned(), Input::Tokens { ids, mask: Tensor::ones(shape, device) }), target)
        };
        let ids = (0..examples).map(|k| ExampleId { key: format!("random#{k}") }).collect();
        let batch = Batch { inputs: Vec::new(), target, ids, weights: None, epoch: 0, index: 0, skipped: 0 };
        (Inputs::new(vec![input]), batch)
    }
}

/// Trains `workload` for about `seconds`, and at least for one step.
///
/// # Errors
/// If the device fails.
pub fn run(workload: Workload, device: &Found, seconds: f64) -> Result<Measured, Error> {
    workload.architecture().with(Job { workload, device, seconds })
}

struct Job<'a> {
    workload: Workload,
    device: &'a Found,
    seconds: f64,
}

impl WithNetwork for Job<'_> {
    type Out = Result<Measured, Error>;

    fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
        let Self { workload, device: found, seconds } = self;
        let device = found.device.clone().autodiff();
        let mut network = config.build(&workload.signature(), 0, &device)?;
        let parameters = summary::parameters(&network);
        let mut optimizer = Stepper::new(&Optimizer::Adamw(adamw::Adamw::default()));
        let (inputs, batch) = workload.data(workload.batch_size(), &device);

        for _ in 0..WARM_UP {
            network = step(network, &mut optimizer, &inputs, &batch)?;
        }
        wait(&found.device)?;
        let begun = Instant::now();
        let mut steps = 0;
        loop {
            network = step(network, &mut optimizer, &inputs, &batch)?;
            steps += 1;
            if steps % STEPS_BETWEEN_WAITS == 0 {
                wait(&found.device)?;
            }
            let taken = begun.elapsed().as_secs_f64();
            if taken >= seconds || seconds.is_nan() {
                break;
            }
        }
        wait(&found.device)?; // The clock stops only when the last step is done.
        let seconds = begun.elapsed().as_secs_f64();
        let steps_per_second = steps as f64 / seconds;
        Ok(Measured {
            workload: workload.name().to_owned(),
            device: found.name.clone(),
            parameters,
            batch_size: batch.len(),
            steps,
            seconds,
            steps_per_second,
            examples_per_second: steps_per_second * batch.len() as f64,
            peak_memory: peak_memory("self"),
            latency: latency(&network.valid(), workload, &found.device, seconds)?,
        })
    }
}

/// Answers single examples for about as long as was trained, or somewhat less.
fn latency<M: Network>(network: &M, workload: Workload, device: &Device, seconds: f64) -> Result<Latency, Error> {
    let (inputs, _) = workload.data(1, device);
    let begun = Instant::now();
    let mut milliseconds = Vec::new();
    while milliseconds.len() < LEAST_ANSWERS || begun.elapsed().as_secs_f64() < seconds.min(MOST_ANSWERING) {
        let asked = Instant::now();
        network.forward(&inputs)?;
        wait(device)?;
        milliseconds.push(1e3 * asked.elapsed().as_secs_f64());
    }
    // The first ones are slower: memory comes, and kernels are chosen.
    milliseconds.drain(..WARM_UP);
    milliseconds.sort_by(f64::total_cmp);
    let at = |share: f64| milliseconds[((milliseconds.len() - 1) as f64 * share).round() as usize];
    Ok(Latency { median: at(0.5), p99: at(0.99) })
}

fn step<M: Network>(network: M, optimizer: &mut Stepper, inputs: &Inputs, batch: &Batch) -> Result<M, Error> {
    let output = network.forward(inputs)?;
    let loss = Loss::CrossEntropy(CrossEntropy::default()).rows(output, batch)?.mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    Ok(optimizer.step(LEARNING_RATE, network, gradients))
}

fn wait(device: &Device) -> Result<(), Error> {
    device
        .sync()
        .map_err(|error| model_zoo::Error::DeviceFailed { doing: "measuring", reason: error.to_string() }.into())
}
