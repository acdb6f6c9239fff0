//! How does a network learn that a thing is the same thing when up and down are exchanged?

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
pub const ENTRY: Entry = Entry { name: "vertical_flip", summary: "exchange up and down at random" };

/// `[data.transforms.vertical_flip]`; it learns nothing, so this is also what a bundle holds. Without chance it does nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VerticalFlip {
    /// How often an image is flipped, from 0 to 1.
    pub p: f64,
}

/// What a config may say of it.
pub type Config = VerticalFlip;

impl Default for VerticalFlip {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl Transform for VerticalFlip {
    type Config = Self;

    fn fit(config: &Self, _training: &Training<'_>) -> Result<Self, Error> {
        check::probability("vertical_flip.p", config.p)?;
        Ok(config.clone())
    }

    fn apply(&self, record: &mut Record, random: Option<&mut Random>) -> Result<(), Error> {
        match random.is_some_and(|random| random.unit() < self.p) {
            true => move_all(record, |_, _| vec![Movement::FlipVertical]),
            false => Ok(()),
        }
    }
}
