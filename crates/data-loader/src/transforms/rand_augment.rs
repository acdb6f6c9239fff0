//! How is an image changed in many ways without a search for the best of them? By a few operations of one strength, at random.
//!
//! "`RandAugment`: Practical automated data augmentation with a reduced search space" (Cubuk et al., 2020),
//! <https://arxiv.org/abs/1909.13719>, with the operations, ranges and defaults of torchvision.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::error::Error;
use crate::example::{Record, Value};
use crate::random::Random;
use crate::raster::check;
use crate::raster::operation::Operation;
use crate::registry::Entry;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "rand_augment", summary: "a few random operations of one strength" };

/// `[data.transforms.rand_augment]`; it learns nothing, so this is also what a bundle holds. Without chance it does nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandAugment {
    /// How many operations are done one after the other.
    pub num_ops: usize,
    /// How strong they are, from 0 to one below `bins`.
    pub magnitude: usize,
    /// Into how many steps the range of strengths is divided.
    pub bins: usize,
    /// The byte that comes in from outside, 0 (black) to 255.
    pub fill: u8,
}

/// What a config may say of it.
pub type Config = RandAugment;

impl Default for RandAugment {
    fn default() -> Self {
        Self { num_ops: 2, magnitude: 9, bins: 31, fill: 0 }
    }
}

/// The operations of `RandAugment`, each equally likely.
pub(crate) const OPERATIONS: [Operation; 14] = [
    Operation::Identity,
    Operation::ShearX,
    Operation::ShearY,
    Operation::TranslateX,
    Operation::TranslateY,
    Operation::Rotate,
    Operation::Brightness,
    Operation::Color,
    Operation::Contrast,
    Operation::Sharpness,
    Operation::Posterize,
    Operation::Solarize,
    Operation::AutoContrast,
    Operation::Equalize,
];

impl Transform for RandAugment {
    type Config = Self;

    fn fit(config: &Self, _training: &Training<'_>) -> Result<Self, Error> {
        check::number("rand_augment.num_ops", config.num_ops as f64, 0.0, 100.0)?;
        check::number("rand_augment.bins", config.bins as f64, 2.0, 1000.0)?;
        check::number("rand_augment.magnitude", config.magnitude as f64, 0.0, (config.bins - 1) as f64)?;
        Ok(config.clone())
    }

    fn apply(&self, record: &mut Record, random: Option<&mut Random>) -> Result<(), Error> {
        let Some(random) = random else { return Ok(()) };
        for _ in 0..self.num_ops {
            let operation = OPERATIONS[random.below(OPERATIONS.len() as u64) as usize];
            let flipped = random.below(2) == 1;
            operate(record, operation, (self.magnitude, self.bins), flipped, self.fill)?;
        }
        Ok(())
    }
}

/// Does `operation` at one of so many levels, the other way round if it can be `flipped`.
pub(crate) fn operate(
    record: &mut Record,
    operation: Operation,
    (level, levels): (usize, usize),
    flipped: bool,
    fill: u8,
) -> Result<(), Error> {
    let size = record.fields.iter().find_map(|(_, value)| match value {
        Value::Image(image) => Some((image.height, image.width)),
        _ => None,
    });
    let Some((height, width)) = size else { return Ok(()) };
    let strength = operation.strength(level, levels, height, width);
    operation.apply(record, if flipped && operation.is_signed() { -strength } else { strength }, fill)
}
