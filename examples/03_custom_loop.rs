//! `cargo run --release --example 03_custom_loop`: a loop of one's own, for what the loop of the trainer does not do.
//!
//! Here each step learns only from the half of its batch that the network gets most wrong, as in Shrivastava et al.,
//! "Training Region-based Object Detectors with Online Hard Example Mining", 2016. Data, network, loss, schedule and
//! optimizer are those of the house; the order in which they are called is yours.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use data_loader::{DataConfig, Dataset, Loader, Part};
use model_zoo::architectures::mlp::{Mlp, MlpConfig};
use model_zoo::network::NetworkConfig;
use model_zoo::{Decoding, Inputs, Network, device};
use trainer::evaluate::answers;
use trainer::losses::{Loss, RowLosses, cross_entropy::CrossEntropy};
use trainer::metrics::Metric;
use trainer::metrics::accuracy::Accuracy;
use trainer::optimizers::{Optimizer, adamw::Adamw};
use trainer::schedules::{Cosine, Schedule};
use trainer::step::step_seed;
use trainer::stepper::{Stepper, Update};

const SEED: u64 = 7;
const STEPS: u64 = 300;
const BATCH_SIZE: usize = 32;

/// The mean over the worse half of the rows, `[1]`.
fn worse_half(losses: RowLosses) -> Tensor<1> {
    let rows = losses.weighted.dims()[0];
    losses.weighted.topk(rows.div_ceil(2), 0).mean()
}

fn main() -> Result<(), Box<dyn Error>> {
    // The data, split and prepared as its card says; sizes for the network come from its signature.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dataset = Arc::new(Dataset::open(&DataConfig::new("datasets/penguins"), root, None, SEED)?);
    let signature = dataset.signature().clone();
    let mut batches = Loader::train(Arc::clone(&dataset), BATCH_SIZE, SEED, 0, 0)?;

    // A network on a device that records gradients.
    let device = device::open("cpu")?.device;
    let recording = device.clone().autodiff();
    let config = MlpConfig { hidden: vec![32], dropout: 0.1, ..MlpConfig::default() };
    let mut network = config.build(&signature, SEED, &recording)?;

    let loss = Loss::CrossEntropy(CrossEntropy::default());
    let optimizer = Optimizer::Adamw(Adamw { learning_rate: 1e-2, ..Adamw::default() });
    let schedule = Schedule::Cosine(Cosine::default());
    let mut stepper = Stepper::new(&optimizer);

    for step in 0..STEPS {
        let batch = batches.next().ok_or("a training loader never ends")??;
        // Dropout draws from a seed of the step, so the same program gives the same network.
        recording.seed(step_seed(SEED, step));
        let output = network.forward(&Inputs::from_batch(&batch, &signature, &recording)?)?;
        let loss = worse_half(loss.rows(output, &batch)?);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        let steps_per_epoch = batches.batches_per_epoch() as f64;
        let rate = schedule.learning_rate(optimizer.learning_rate(), step, STEPS, steps_per_epoch);
        network = stepper.step(rate, network, gradients);
        if (step + 1).is_multiple_of(50) {
            println!("step {:3}, loss on the worse half {:.4}", step + 1, loss.into_scalar::<f32>());
        }
    }

    let accuracy = judge(&network.valid(), &dataset, &device)?;
    println!("test accuracy {accuracy:.4}");
    Ok(())
}

/// The share of test examples whose class is named by `network`, which lies on the plain device.
fn judge(network: &Mlp, dataset: &Arc<Dataset>, device: &Device) -> Result<f64, Box<dyn Error>> {
    let signature = dataset.signature();
    let mut accuracy = Accuracy::default();
    for batch in Loader::once(Arc::clone(dataset), Part::Test, 256)? {
        let batch = batch?;
        let output = network.forward(&Inputs::from_batch(&batch, signature, device)?)?;
        accuracy.observe(&answers(output, &batch, &signature.output, Decoding::Softmax)?);
    }
    Ok(accuracy.values()[0].1)
}
