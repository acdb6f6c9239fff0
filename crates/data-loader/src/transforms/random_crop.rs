//! How does a network learn that a thing is the same thing a few pixels further? By windows at random places.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::error::Error;
use crate::example::Record;
use crate::random::Random;
use crate::raster::movement::Movement;
use crate::raster::{check, move_all};
use crate::registry::Entry;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "random_crop", summary: "cut a window out at a random place, with padding" };

/// `[data.transforms.random_crop]`; it learns nothing, so this is also what a bundle holds. Without chance the window is the
/// middle of the image as it is, without padding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomCrop {
    /// `[height, width]` in pixels.
    pub size: [usize; 2],
    /// How far a window may reach beyond each border, in pixels; 4 is usual for CIFAR.
    #[serde(default)]
    pub padding: usize,
    /// The byte beyond the border, 0 (black) to 255.
    #[serde(default)]
    pub fill: u8,
}

/// What a config may say of it.
pub type Config = RandomCrop;

/// Where along one axis a window of `size` begins: anywhere within the image and its padding, or where it is too small for
/// the window, so that it lies in the middle.
fn start(length: usize, size: usize, padding: usize, random: &mut Random) -> isize {
    match (length + 2 * padding).checked_sub(size) {
        Some(room) => random.below(room as u64 + 1) as isize - padding as isize,
        None => -(((size - length) / 2) as isize),
    }
}

impl Transform for RandomCrop {
    type Config = Self;

    fn fit(config: &Self, _training: &Training<'_>) -> Result<Self, Error> {
        check::size("random_crop.size", config.size)?;
        check::number("random_crop.padding", config.padding as f64, 0.0, 65_536.0)?;
        Ok(config.clone())
    }

    fn apply(&self, record: &mut Record, random: Option<&mut Random>) -> Result<(), Error> {
        let [height, width] = self.size;
        move_all(record, |h, w| {
            let Some(random) = random else { return vec![Movement::centre([h, w], height, width, self.fill)] };
            let top = start(h, height, self.padding, random);
            let left = start(w, width, self.padding, random);
            vec![Movement::Window { top, left, height, width, fill: self.fill }]
        })
    }

    fn brings_to_size(&self) -> bool {
        true
    }
}
