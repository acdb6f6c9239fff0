//! `cargo run --release --example 02_custom_architecture`: a network that is not in the zoo.
//!
//! Wide and deep (Cheng et al., "Wide & Deep Learning for Recommender Systems", 2016): a linear map and a small perceptron
//! read the same numbers, and their scores are added. Three things make it a citizen of the house: settings that know how to
//! build it, a module whose fields are its parameters, and a way forward. It is trained, checkpointed and bundled as any
//! other.
//!
//! Shapes: B batch, F features, K classes.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::path::Path;

use burn::module::Module;
use data_loader::{OutputSpec, Signature};
use model_zoo::blocks::{Init, Linear};
use model_zoo::bundle::Bundle;
use model_zoo::network::NetworkConfig;
use model_zoo::{Error, Inputs, Network, Output, device, ops};
use trainer::train::{Request, train_network};
use trainer::{Experiment, RunDir};

/// Settings of [`WideAndDeep`].
struct WideAndDeepConfig {
    /// Units of the deep side.
    hidden: usize,
}

/// The network.
#[derive(Module, Debug)]
struct WideAndDeep {
    wide: Linear,
    deep: Linear,
    head: Linear,
}

impl NetworkConfig for WideAndDeepConfig {
    type Network = WideAndDeep;

    /// Sizes come from the data: the signature knows them.
    fn init(&self, signature: &Signature, init: &mut Init) -> Result<WideAndDeep, Error> {
        let unfit = |reason: &str| Error::Unfit { architecture: "wide_and_deep", reason: reason.to_owned() };
        let numbers = signature.input("numbers").and_then(|spec| spec.shape[0]);
        let features = numbers.ok_or_else(|| unfit("the data has no numbers"))?;
        let OutputSpec::Classes { labels } = &signature.output else { return Err(unfit("it only classifies")) };
        Ok(WideAndDeep {
            wide: Linear::new(features, labels.len(), init),
            deep: Linear::new(features, self.hidden, init),
            head: Linear::new(self.hidden, labels.len(), init),
        })
    }
}

impl Network for WideAndDeep {
    /// # Shapes
    /// - numbers: `[B, F]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let x = inputs.numbers()?;
        let deep = self.head.forward(ops::relu(self.deep.forward(x.clone())));
        Ok(Output::Classes(self.wide.forward(x) + deep))
    }
}

const CONFIG: &str = r#"
[data]
card = "datasets/penguins"

[train]
epochs = 20
batch_size = 32

[optimizer.adamw]
learning_rate = 1e-2
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/02_custom_architecture.rs"));
    let experiment = Experiment::parse(CONFIG, here, &[])?;
    let device = device::open("cpu")?;
    let run = RunDir::create_under(Path::new("runs"), here)?;

    let config = WideAndDeepConfig { hidden: 32 };
    let outcome = train_network(&config, "wide_and_deep", experiment, Request::new(here, run.clone(), &device))?;
    let result = outcome.result.ok_or("training was interrupted")?;
    println!("{} parameters, test accuracy {:.4}", result.parameters, result.scores["accuracy"]);

    // The bundle holds weights, transforms and golden samples; the network itself has to be brought.
    let bundle = Bundle::read(&run.bundle())?;
    let network = bundle.network_of(&config, &device.device)?;
    println!("{} golden samples were answered as in training", bundle.replay_golden(&network, &device.device)?);
    Ok(())
}
