//! How does a network learn not to depend on one part of a thing? By images of which a rectangle is gone.
//!
//! "Random Erasing Data Augmentation" (Zhong et al., 2017), <https://arxiv.org/abs/1708.04896>, with the defaults of
//! torchvision. torchvision erases behind normalisation, where its 0 is the mean of all pixels; bytes come before it, and 0 is black.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::error::Error;
use crate::example::Record;
use crate::random::Random;
use crate::raster::movement::{Erased, Movement, Rectangle};
use crate::raster::{check, move_all};
use crate::registry::Entry;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "random_erasing", summary: "erase a random rectangle of an image" };

/// `[data.transforms.random_erasing]`; it learns nothing, so this is also what a bundle holds. Without chance it does nothing, and
/// a mask keeps what the image loses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandomErasing {
    /// How often a rectangle is erased, from 0 to 1.
    pub p: f64,
    /// `[least, most]` of the area of the image that is erased.
    pub scale: [f64; 2],
    /// `[least, most]` of the height of the rectangle divided by its width.
    pub ratio: [f64; 2],
    /// The byte that is left, 0 (black) to 255.
    pub fill: u8,
    /// Whether random bytes are left in place of `fill`.
    pub noise: bool,
}

/// What a config may say of it.
pub type Config = RandomErasing;

impl Default for RandomErasing {
    fn default() -> Self {
        Self { p: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], fill: 0, noise: false }
    }
}

/// How often a rectangle is drawn that turns out to be as large as the image, before nothing is erased.
const TRIES: usize = 10;

impl RandomErasing {
    fn draw(&self, height: usize, width: usize, random: &mut Random) -> Option<Rectangle> {
        let between = |range: [f64; 2], random: &mut Random| range[0] + (range[1] - range[0]) * random.unit();
        let logs = self.ratio.map(f64::ln);
        for _ in 0..TRIES {
            let area = (height as f64 * width as f64) * between(self.scale, random);
            let ratio = between(logs, random).exp();
            let part_height = (area * ratio).sqrt().round_ties_even() as usize;
            let part_width = (area / ratio).sqrt().round_ties_even() as usize;
            if part_height < height && part_width < width {
                let top = random.below((height - part_height) as u64 + 1) as usize;
                let left = random.below((width - part_width) as u64 + 1) as usize;
                return Some(Rectangle { top, left, height: part_height, width: part_width });
            }
        }
        None
    }
}

impl Transform for RandomErasing {
    type Config = Self;

    fn fit(config: &Self, _training: &Training<'_>) -> Result<Self, Error> {
        check::probability("random_erasing.p", config.p)?;
        check::range("random_erasing.scale", config.scale, 0.0, 1.0)?;
        check::range("random_erasing.ratio", config.ratio, 1e-3, 1e3)?;
        Ok(config.clone())
    }

    fn apply(&self, record: &mut Record, random: Option<&mut Random>) -> Result<(), Error> {
        let Some(random) = random else { return Ok(()) };
        if random.unit() >= self.p {
            return Ok(());
        }
        move_all(record, |height, width| {
            let Some(of) = self.draw(height, width, random) else { return Vec::new() };
            let fill = match self.noise {
                // Enough for three channels; a grey image takes a third of it.
                true => Erased::Noise((0..of.height * of.width * 3).map(|_| random.below(256) as u8).collect()),
                false => Erased::Constant(self.fill),
            };
            vec![Movement::Erase { of, fill }]
        })
    }
}
