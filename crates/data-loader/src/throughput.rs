//! How many photographs a second become batches? The work that a network for photographs asks for, without the network.
//!
//! From a folder of images: decode, a random part brought to 224 x 224, left and right exchanged at random, and normalised
//! numbers of 32 bits, plane by plane, in batches of 64.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::batch::{ArrayData, Batch};
use crate::card::{Card, Role, SourceFile};
use crate::data_config::{DataConfig, LoaderConfig};
use crate::dataset::Dataset;
use crate::error::Error;
use crate::formats::image_folder::{Config, ImageFolder};
use crate::loader::Loader;
use crate::split::{Part, Share, SplitConfig, random};

/// Images a batch.
const BATCH: usize = 64;
/// The mean of each channel over the photographs of `ImageNet`, in units of 0 to 1, and its standard deviation.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// What the measured data set is; folder and files are filled in.
const CARD: &str = r#"
    name = "photographs"
    title = ""
    summary = ""
    source = ""
    licence = ""
    citation = ""
    files = []
    format = { image_folder = {} }
    [schema]
    target = { name = "class", kind = "class" }
    features = { image = "image" }
    [transforms]
    random_resized_crop = { size = [224, 224] }
    horizontal_flip = {}
"#;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Throughput {
    /// How many images the folder has.
    pub images: usize,
    /// How many threads prepared batches; one more normalised them.
    pub threads: usize,
    /// Images a second in each pass over the folder, the last of which may have been cut short.
    pub images_per_second: Vec<f64>,
    /// The mean of all numbers of the first batch, which is near 0 for photographs.
    pub first_mean: f64,
}

/// Reads the folder at `path`, which has a folder of images for each class, again and again until `seconds` have passed, once at
/// least. With 0 threads, as many as there are cores.
///
/// # Errors
/// Those of a folder that holds no images, or one class alone; of fewer than 64 images; of an image that cannot be read.
pub fn photographs(path: &Path, threads: usize, seconds: f64) -> Result<Throughput, Error> {
    let mut card = Card {
        config: toml::from_str(CARD).map_err(|error| Error::Malformed {
            path: path.to_path_buf(),
            message: format!("the card of this measurement is broken ({error})"),
        })?,
        folder: path.to_path_buf(),
        files: Vec::new(),
    };
    let file = SourceFile {
        name: "photographs".into(),
        path: path.to_path_buf(),
        sha256: String::new(),
        bytes: 0,
        role: Role::default(),
        part: None,
    };
    let records = ImageFolder::open(std::slice::from_ref(&file), &Config::default(), card.schema())?;
    card.files.push(file);
    let everything = SplitConfig::Random(random::Config { validation: Share(0.0), test: Share(0.0), seed: 0 });
    let config = DataConfig {
        split: Some(everything),
        loader: LoaderConfig { threads, ..LoaderConfig::default() },
        ..DataConfig::new(path)
    };
    let dataset = Arc::new(Dataset::from_records(&config, card, Box::new(records), None, None, 0)?);
    let images = dataset.part(Part::Train).len();
    let mut loader = Loader::train(dataset, BATCH, 0, threads, 0)?;

    let begin = Instant::now();
    let enough = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let mut measured = Throughput { images, threads: loader.threads(), images_per_second: Vec::new(), first_mean: 0.0 };
    let mut numbers = Vec::new();
    while measured.images_per_second.is_empty() || begin.elapsed() < enough {
        let (start, mut count) = (Instant::now(), 0);
        for _ in 0..loader.batches_per_epoch() {
            let Some(batch) = loader.next().transpose()? else { break };
            normalize(&batch, &mut numbers);
            if measured.first_mean == 0.0 {
                measured.first_mean = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / numbers.len().max(1) as f64;
            }
            count += batch.len();
            // A pass that is not the first may be cut short, but not so short that it measures noise.
            if !measured.images_per_second.is_empty() && begin.elapsed() > enough && count > images / 4 {
                break;
            }
        }
        measured.images_per_second.push(count as f64 / start.elapsed().as_secs_f64().max(1e-9));
    }
    Ok(measured)
}

/// `(pixel / 255 - mean) / std` of every pixel, `[batch, 3, height, width]`.
fn normalize(batch: &Batch, numbers: &mut Vec<f32>) {
    numbers.clear();
    for input in &batch.inputs {
        let (ArrayData::U8(pixels), [_, 3, height, width]) = (&input.array.data, &input.array.shape[..]) else {
            continue;
        };
        for (plane, pixels) in pixels.chunks_exact((height * width).max(1)).enumerate() {
            let (scale, shift) = (1.0 / (255.0 * STD[plane % 3]), -MEAN[plane % 3] / STD[plane % 3]);
            numbers.extend(pixels.iter().map(|&pixel| f32::from(pixel) * scale + shift));
        }
    }
    // Nobody reads the numbers here, and without this the compiler may not write them.
    std::hint::black_box(&*numbers);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photographs_are_counted_and_normalised() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..70_u8 {
            let class = folder.path().join(if number % 2 == 0 { "a" } else { "b" });
            std::fs::create_dir_all(&class).unwrap();
            let image = image::RgbImage::from_pixel(30, 20, image::Rgb([124, 116, 104]));
            image.save(class.join(format!("{number}.png"))).unwrap();
        }
        let found = photographs(folder.path(), 2, 0.0).unwrap();
        assert_eq!((found.images, found.threads, found.images_per_second.len()), (70, 2, 1));
        assert!(found.images_per_second[0] > 0.0);
        // The colour is the mean of ImageNet up to half of a level of 255, which is a hundredth of a standard deviation.
        assert!(found.first_mean.abs() < 0.01 && found.first_mean != 0.0, "{}", found.first_mean);
        std::fs::remove_dir_all(folder.path().join("b")).unwrap();
        assert!(photographs(folder.path(), 1, 0.0).is_err());
    }
}
