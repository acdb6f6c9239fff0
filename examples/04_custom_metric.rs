//! `cargo run --release --example 04_custom_metric`: a number of one's own that judges a trained model.
//!
//! A model that may say "I do not know" is judged by two numbers: how many examples it dares to answer, and how many of
//! those it gets right (Chow, "On Optimum Recognition Error and Reject Tradeoff", 1970). The metric counts answers as they
//! come, batch by batch, and never sees the network.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use data_loader::{DataConfig, Dataset, Loader, Part};
use model_zoo::bundle::Bundle;
use model_zoo::{Decoding, Inputs, device};
use trainer::evaluate::answers;
use trainer::metrics::{Answers, Metric, best, surprise};
use trainer::train::{Request, train};
use trainer::{Experiment, RunDir};

/// `coverage` and `selective_accuracy`, from 0 to 1.
struct Selective {
    /// The probability from which on the model dares to answer.
    threshold: f64,
    seen: f64,
    answered: f64,
    right: f64,
}

impl Metric for Selective {
    fn observe(&mut self, answers: &Answers) {
        answers.each_class(|row| {
            let Some(chosen) = best(row.scores) else { return };
            self.seen += row.weight;
            // The negative logarithm of the probability is the surprise.
            if (-surprise(row.scores, chosen)).exp() >= self.threshold {
                self.answered += row.weight;
                self.right += if chosen == row.class { row.weight } else { 0.0 };
            }
        });
    }

    fn names(&self) -> Vec<String> {
        vec!["coverage".to_owned(), "selective_accuracy".to_owned()]
    }

    /// What is undefined is left out.
    fn values(&self) -> Vec<(String, f64)> {
        let shares = [self.answered / self.seen, self.right / self.answered];
        self.names().into_iter().zip(shares).filter(|(_, share)| share.is_finite()).collect()
    }
}

const CONFIG: &str = r#"
[data]
card = "datasets/penguins"

[model.mlp]

[train]
epochs = 10
batch_size = 32
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/04_custom_metric.rs"));
    let run = RunDir::create_under(Path::new("runs"), here)?;
    let device = device::open("cpu")?;
    train(Experiment::parse(CONFIG, here, &[])?, Request::new(here, run.clone(), &device))?;

    // From here on any bundle will do: it holds the network and the transforms that belong to it.
    let bundle = Bundle::read(&run.bundle())?;
    let network = bundle.network(&device.device)?;
    let signature = bundle.pipeline.signature();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = DataConfig::new("datasets/penguins");
    let dataset = Arc::new(Dataset::open_with(&config, root, bundle.pipeline.clone(), 0)?);

    let mut metric = Selective { threshold: 0.9, seen: 0.0, answered: 0.0, right: 0.0 };
    for batch in Loader::once(dataset, Part::Test, 256)? {
        let batch = batch?;
        let output = network.answer(&Inputs::from_batch(&batch, signature, &device.device)?)?;
        metric.observe(&answers(output, &batch, &signature.output, Decoding::Softmax)?);
    }
    for (name, value) in metric.values() {
        println!("test {name} {value:.4}");
    }
    Ok(())
}
