//! How are images of different sizes brought to one?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::error::Error;
use crate::example::Record;
use crate::random::Random;
pub use crate::raster::movement::Filter;
use crate::raster::movement::{Movement, Rectangle};
use crate::raster::{check, move_all};
use crate::registry::Entry;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "resize", summary: "bring images to a size, or their shorter side to a length" };

/// `[data.transforms.resize]`; it learns nothing, so this is also what a bundle holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resize {
    /// `[height, width]` in pixels, whatever becomes of the proportions. Either this or `shorter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// The length of the shorter side in pixels; the other keeps the proportions. A crop must follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shorter: Option<usize>,
    /// "bilinear", "bicubic", "lanczos" or "nearest"; all but the last average when an image shrinks.
    pub filter: Filter,
}

/// What a config may say of it.
pub type Config = Resize;

impl Resize {
    /// The height and width that an image of `height` and `width` is brought to.
    fn goal(&self, height: usize, width: usize) -> [usize; 2] {
        let Some(shorter) = self.shorter else { return self.size.unwrap_or([height, width]) };
        // As in torchvision the longer side is rounded down. In 64 bits nothing overflows; what is too long is refused below.
        let longer = |long: usize, short: usize| (shorter as u64 * long as u64 / (short as u64).max(1)) as usize;
        match height <= width {
            true => [shorter, longer(width, height)],
            false => [longer(height, width), shorter],
        }
    }
}

impl Transform for Resize {
    type Config = Self;

    fn fit(config: &Self, _training: &Training<'_>) -> Result<Self, Error> {
        match (config.size, config.shorter) {
            (Some(size), None) => check::size("resize.size", size)?,
            (None, Some(shorter)) => check::size("resize.shorter", [shorter, shorter])?,
            _ => {
                let message = "needs either `size` or `shorter`".to_owned();
                return Err(check::wrong("resize", message, "Write `size = [height, width]`, or `shorter = 256`."));
            }
        }
        Ok(config.clone())
    }

    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        let mut refused = None;
        move_all(record, |height, width| {
            let [to_height, to_width] = self.goal(height, width);
            if let Err(error) = check::size("resize.shorter", [to_height, to_width]) {
                refused = Some(error);
                return Vec::new();
            }
            let of = Rectangle { top: 0, left: 0, height, width };
            vec![Movement::Resize { of, height: to_height, width: to_width, filter: self.filter }]
        })?;
        refused.map_or(Ok(()), Err)
    }

    fn brings_to_size(&self) -> bool {
        self.size.is_some()
    }
}
