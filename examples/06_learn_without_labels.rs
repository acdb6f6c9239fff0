//! `cargo run --release --example 06_learn_without_labels`: what are images worth that nobody labelled? A network tells views of digits
//! apart (SimCLR), and goes on to name digits of which a hundred are labelled; another begins with those hundred alone.
//!
//! Each of the three runs lies under `runs/` afterwards, and `firebox train` would do the same with the texts below in files.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::error::Error;
use std::path::{Path, PathBuf};

use model_zoo::device;
use trainer::train::{Request, train};
use trainer::{Experiment, RunDir};

const MODEL: &str = r"
[data.transforms.normalize]

[model.lenet]
channels = [16, 32]
";

/// Two views of each of ten thousand digits.
const WITHOUT_LABELS: &str = r"

[data.transforms.random_resized_crop]
size = [28, 28]
scale = [0.4, 1.0]

[data.transforms.rand_augment]

[loss.nt_xent]
temperature = 0.2

[train]
epochs = 6
batch_size = 250
evaluate_every = 240

[optimizer.adamw]
learning_rate = 3e-3

[schedule.cosine]
";

/// A hundred digits to learn from; all others of the training images are left aside.
const A_HUNDRED_LABELS: &str = r"
[data.split.file]
validation = 59900

[train]
steps = 200
batch_size = 50
evaluate_every = 200

[optimizer.adamw]
learning_rate = 1e-3

[schedule.cosine]
";

fn main() -> Result<(), Box<dyn Error>> {
    let views = learn("views", "task = \"contrast\"\n[data]\nlimit = 10000\n", WITHOUT_LABELS)?;
    println!("views of one digit are told from 498 others in a share of {:.4}", views.1);
    let weights = views.0.bundle().canonicalize()?;
    let begun = format!("{A_HUNDRED_LABELS}\n[pretrained]\nweights = {:?}\n", weights.to_string_lossy());
    let scratch = learn("scratch", "[data]\n", A_HUNDRED_LABELS)?.1;
    let taught = learn("taught", "[data]\n", &begun)?.1;
    println!("from scratch accuracy {scratch:.4}");
    println!("after views accuracy {taught:.4}");
    Ok(())
}

/// Trains one experiment, and gives its run and its accuracy on the test images.
fn learn(name: &str, data: &str, settings: &str) -> Result<(RunDir, f64), Box<dyn Error>> {
    let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/mnist");
    let text = format!("{data}card = {:?}\n{MODEL}{settings}", card.to_string_lossy());
    let config = PathBuf::from(name).with_extension("toml");
    let experiment = Experiment::parse(&text, &config, &[])?;
    let device = device::open("cpu")?;
    let run = RunDir::create_under(Path::new("runs"), &config)?;
    let outcome = train(experiment, Request::new(&config, run.clone(), &device))?;
    let result = outcome.result.ok_or("training was interrupted")?;
    Ok((run, result.scores["accuracy"]))
}
