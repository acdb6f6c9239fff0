//! What is the middle of an image?

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
pub const ENTRY: Entry = Entry { name: "center_crop", summary: "keep the middle of images" };

/// `[data.transforms.center_crop]`; it learns nothing, so this is also what a bundle holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CenterCrop {
    /// `[height, width]` in pixels; what an image lacks is filled in black, half of it on each side.
    pub size: [usize; 2],
}

/// What a config may say of it.
pub type Config = CenterCrop;

impl Transform for CenterCrop {
    type Config = Self;

    fn fit(config: &Self, _training: &Training<'_>) -> Result<Self, Error> {
        check::size("center_crop.size", config.size)?;
        Ok(config.clone())
    }

    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        let [height, width] = self.size;
        move_all(record, |h, w| vec![Movement::centre([h, w], height, width, 0)])
    }

    fn brings_to_size(&self) -> bool {
        true
    }
}
