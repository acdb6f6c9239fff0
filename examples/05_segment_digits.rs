//! `cargo run --release --example 05_segment_digits`: which pixels belong to which digit? A U-Net on masks that are made here.
//!
//! Digits of MNIST are laid on noise, each at a place of its own; the mask of an image has the class of every pixel. Images, masks and card
//! lie under `digits/` afterwards, the run under `runs/`, and `firebox train` would do the same with the text below in a file.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use data_loader::random::Random;
use data_loader::{ArrayData, DataConfig, Dataset, Loader, Part, Target};
use image::GrayImage;
use model_zoo::device;
use trainer::train::{Request, train};
use trainer::{Experiment, RunDir};

const CARD: &str = r#"
name = "digits"
title = "Digits on noise"
summary = "digits 0, 1 and 2 on a noisy ground, and the class of every pixel"
source = "made from MNIST by examples/05_segment_digits.rs"
licence = "CC BY-SA 3.0, as MNIST"
citation = "none asked for"

[format.mask_folder]

[[files]]
path = "images"
role = "images"

[[files]]
path = "masks"
role = "labels"

[schema]
target = { name = "mask", kind = "mask", classes = ["ground", "zero", "one", "two"] }

[schema.features]
image = "image"

[split.random]
validation = 0.15
test = 0.15
"#;

const CONFIG: &str = r#"
[data]
card = "digits"

[model.unet]
depth = 3
width = 8

[train]
epochs = 14
batch_size = 16
watch = "iou"

[optimizer.adamw]
learning_rate = 1e-2

[schedule.one_cycle]

# Nineteen pixels of twenty are ground, and a one has fewest of its own: unweighted, ones are long taken for ground.
[loss.cross_entropy]
class_weights = [0.1, 1.0, 1.5, 1.0]
"#;

/// How many images.
const IMAGES: usize = 600;
/// Pixels on a side; a digit has 28.
const SIDE: usize = 40;
const DIGIT: usize = 28;

fn main() -> Result<(), Box<dyn Error>> {
    draw(Path::new("digits"))?;
    let here = Path::new("05_segment_digits.toml");
    let experiment = Experiment::parse(CONFIG, here, &[])?;
    let device = device::open("cpu")?;
    let run = RunDir::create_under(Path::new("runs"), here)?;

    let outcome = train(experiment, Request::new(here, run.clone(), &device))?;

    let result = outcome.result.ok_or("training was interrupted")?;
    println!("test iou {:.4} after {} steps", result.scores["iou"], result.step);
    println!("the report is {}", run.report().display());
    Ok(())
}

/// Lays digits on noise, and writes images, masks and card into `folder`.
fn draw(folder: &Path) -> Result<(), Box<dyn Error>> {
    for part in ["images", "masks"] {
        std::fs::create_dir_all(folder.join(part))?;
    }
    std::fs::write(folder.join("card.toml"), CARD)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mnist: DataConfig = toml::from_str("card = \"datasets/mnist\"")?;
    let mnist = Arc::new(Dataset::open(&mnist, root, None, 0)?);
    let mut random = Random::derive(&[5]);
    let mut drawn = 0;
    for batch in Loader::once(mnist, Part::Test, 256)? {
        let batch = batch?;
        let (Some(input), Target::Classes(classes)) = (batch.input("image"), &batch.target) else { break };
        let ArrayData::U8(pixels) = &input.array.data else { break };
        for (digit, &class) in pixels.chunks_exact(DIGIT * DIGIT).zip(classes).filter(|(_, class)| **class < 3) {
            let mut image: Vec<u8> = (0..SIDE * SIDE).map(|_| random.below(140) as u8).collect();
            let mut mask = vec![0_u8; SIDE * SIDE];
            let [top, left] = [0; 2].map(|_: usize| random.below((SIDE - DIGIT + 1) as u64) as usize);
            for (at, &ink) in digit.iter().enumerate() {
                let place = (top + at / DIGIT) * SIDE + left + at % DIGIT;
                image[place] = image[place].max(ink);
                if ink > 127 {
                    mask[place] = 1 + class as u8;
                }
            }
            for (part, pixels) in [("images", image), ("masks", mask)] {
                let picture = GrayImage::from_raw(SIDE as u32, SIDE as u32, pixels).ok_or("too few pixels")?;
                picture.save(folder.join(part).join(format!("{drawn:04}.png")))?;
            }
            drawn += 1;
            if drawn == IMAGES {
                return Ok(());
            }
        }
    }
    Err("MNIST has too few digits".into())
}
