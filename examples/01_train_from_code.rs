//! `cargo run --release --example 01_train_from_code`: an experiment without a config file.
//!
//! The text below is what a config would say, and everything that `firebox train` does happens here too: the run with its
//! checkpoints, its bundle and its report lies under `runs/` afterwards.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::error::Error;
use std::path::Path;

use model_zoo::device;
use trainer::train::{Request, train};
use trainer::{Experiment, RunDir};

const CONFIG: &str = r#"
[data]
card = "datasets/penguins"

[model.mlp]
hidden = [32]

[train]
epochs = 20
batch_size = 32

[optimizer.adamw]
learning_rate = 1e-2

[schedule.cosine]
"#;

fn main() -> Result<(), Box<dyn Error>> {
    // Relative paths start from this file, errors name it, and the run is called after it.
    let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/01_train_from_code.rs"));
    let experiment = Experiment::parse(CONFIG, here, &[])?;
    let device = device::open("cpu")?;
    let run = RunDir::create_under(Path::new("runs"), here)?;

    let outcome = train(experiment, Request::new(here, run.clone(), &device))?;

    let result = outcome.result.ok_or("training was interrupted")?;
    println!("test accuracy {:.4} after {} steps", result.scores["accuracy"], result.step);
    println!("the report is {}", run.report().display());
    Ok(())
}
