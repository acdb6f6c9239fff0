//! How does a network learn that a thing is the same thing from near and from afar? By parts of random size and shape.
//!
//! "Going Deeper with Convolutions" (Szegedy et al., 2014), <https://arxiv.org/abs/1409.4842>, with the defaults of torchvision.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::error::Error;
use crate::example::Record;
use crate::random::Random;
use crate::raster::movement::{Filter, Movement, Rectangle};
use crate::raster::{check, move_all};
use crate::registry::Entry;

/// This transform in the list of transforms.
pub const ENTRY: Entry =
    Entry { name: "random_resized_crop", summary: "bring a part of random size and shape to one size" };

/// `[data.transforms.random_resized_crop]`; it learns nothing, so this is also what a bundle holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// `[height, width]` in pixels.
    pub size: [usize; 2],
    /// `[least, most]` of the area of the image that the part has.
    #[serde(default = "default_scale")]
    pub scale: [f64; 2],
    /// `[least, most]` of the width of the part divided by its height.
    #[serde(default = "default_ratio")]
    pub ratio: [f64; 2],
    /// "bilinear", "bicubic", "lanczos" or "nearest"; all but the last average when an image shrinks.
    #[serde(default)]
    pub filter: Filter,
    /// Without chance, so much of the largest middle part that has the proportions of `size`: 0.875 is what a crop of 224 from
    /// a shorter side of 256 leaves.
    #[serde(default = "default_center")]
    pub center: f64,
}

/// What a config may say of it.
pub type Config = RandomResizedCrop;

fn default_scale() -> [f64; 2] {
    [0.08, 1.0]
}

fn default_ratio() -> [f64; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

fn default_center() -> f64 {
    0.875
}

/// How often a part is drawn that turns out not to lie within the image, before its middle is taken.
const TRIES: usize = 10;

impl RandomResizedCrop {
    /// A part of an image of `height` and `width`.
    pub(super) fn draw(&self, height: usize, width: usize, random: &mut Random) -> Rectangle {
        let between = |range: [f64; 2], random: &mut Random| range[0] + (range[1] - range[0]) * random.unit();
        let logs = self.ratio.map(f64::ln);
        for _ in 0..TRIES {
            let area = (height as f64 * width as f64) * between(self.scale, random);
            let ratio = between(logs, random).exp();
            let part_width = (area * ratio).sqrt().round_ties_even() as usize;
            let part_height = (area / ratio).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&part_width) && (1..=height).contains(&part_height) {
                let top = random.below((height - part_height) as u64 + 1) as usize;
                let left = random.below((width - part_width) as u64 + 1) as usize;
                return Rectangle { top, left, height: part_height, width: part_width };
            }
        }
        let ratio = (width as f64 / height as f64).clamp(self.ratio[0], self.ratio[1]);
        middle(height, width, ratio, 1.0)
    }
}

/// The largest rectangle in the middle whose width is `ratio` times its height, shortened to `part`.
fn middle(height: usize, width: usize, ratio: f64, part: f64) -> Rectangle {
    let (h, w) = (height as f64, width as f64);
    let (whole_height, whole_width) = if w < h * ratio { (w / ratio, w) } else { (h, h * ratio) };
    let length = |whole: f64, most: usize| ((whole * part).round_ties_even() as usize).clamp(1, most.max(1));
    let (part_height, part_width) = (length(whole_height, height), length(whole_width, width));
    Rectangle {
        top: (height - part_height) / 2,
        left: (width - part_width) / 2,
        height: part_height,
        width: part_width,
    }
}

impl Transform for RandomResizedCrop {
    type Config = Self;

    fn fit(config: &Self, _training: &Training<'_>) -> Result<Self, Error> {
        check::size("random_resized_crop.size", config.size)?;
        check::range("random_resized_crop.scale", config.scale, 1e-6, 1.0)?;
        check::range("random_resized_crop.ratio", config.ratio, 1e-3, 1e3)?;
        check::number("random_resized_crop.center", config.center, 1e-3, 1.0)?;
        Ok(config.clone())
    }

    fn apply(&self, record: &mut Record, random: Option<&mut Random>) -> Result<(), Error> {
        let [height, width] = self.size;
        move_all(record, |h, w| {
            let of = match random {
                Some(random) => self.draw(h, w, random),
                None => middle(h, w, width as f64 / height as f64, self.center),
            };
            vec![Movement::Resize { of, height, width, filter: self.filter }]
        })
    }

    fn brings_to_size(&self) -> bool {
        true
    }
}
