//! How is an image changed in ways that a search found to help? By a policy: pairs of operations, of which one is drawn.
//!
//! "`AutoAugment`: Learning Augmentation Policies from Data" (Cubuk et al., 2019), <https://arxiv.org/abs/1805.09501>; the
//! policy is the one that the paper found for CIFAR-10, with strengths in ten steps over the ranges of torchvision.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rand_augment::operate;
use super::{Training, Transform};
use crate::error::Error;
use crate::example::Record;
use crate::random::Random;
use crate::raster::operation::Operation::{
    self, AutoContrast, Brightness, Color, Contrast, Equalize, Invert, Posterize, Rotate, Sharpness, ShearY, Solarize,
    TranslateX, TranslateY,
};
use crate::registry::Entry;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "auto_augment", summary: "random operations of a policy found by search" };

/// A published policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Found on CIFAR-10; the paper uses it for CIFAR-100 as well.
    #[default]
    Cifar10,
}

/// `[data.transforms.auto_augment]`; it learns nothing, so this is also what a bundle holds. Without chance it does nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AutoAugment {
    /// Which policy: "cifar10".
    pub policy: Policy,
    /// The byte that comes in from outside, 0 (black) to 255.
    pub fill: u8,
}

/// What a config may say of it.
pub type Config = AutoAugment;

/// An operation, how often it is done, and at which of the ten levels.
type Step = (Operation, f64, usize);

/// The levels of a policy.
pub(crate) const LEVELS: usize = 10;

/// Pairs of operations that are done one after the other.
pub(crate) const CIFAR10: [[Step; 2]; 25] = [
    [(Invert, 0.1, 0), (Contrast, 0.2, 6)],
    [(Rotate, 0.7, 2), (TranslateX, 0.3, 9)],
    [(Sharpness, 0.8, 1), (Sharpness, 0.9, 3)],
    [(ShearY, 0.5, 8), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.5, 0), (Equalize, 0.9, 0)],
    [(ShearY, 0.2, 7), (Posterize, 0.3, 7)],
    [(Color, 0.4, 3), (Brightness, 0.6, 7)],
    [(Sharpness, 0.3, 9), (Brightness, 0.7, 9)],
    [(Equalize, 0.6, 0), (Equalize, 0.5, 0)],
    [(Contrast, 0.6, 7), (Sharpness, 0.6, 5)],
    [(Color, 0.7, 7), (TranslateX, 0.5, 8)],
    [(Equalize, 0.3, 0), (AutoContrast, 0.4, 0)],
    [(TranslateY, 0.4, 3), (Sharpness, 0.2, 6)],
    [(Brightness, 0.9, 6), (Color, 0.2, 8)],
    [(Solarize, 0.5, 2), (Invert, 0.0, 0)],
    [(Equalize, 0.2, 0), (AutoContrast, 0.6, 0)],
    [(Equalize, 0.2, 0), (Equalize, 0.6, 0)],
    [(Color, 0.9, 9), (Equalize, 0.6, 0)],
    [(AutoContrast, 0.8, 0), (Solarize, 0.2, 8)],
    [(Brightness, 0.1, 3), (Color, 0.7, 0)],
    [(Solarize, 0.4, 5), (AutoContrast, 0.9, 0)],
    [(TranslateY, 0.9, 9), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.9, 0), (Solarize, 0.8, 3)],
    [(Equalize, 0.8, 0), (Invert, 0.1, 0)],
    [(TranslateY, 0.7, 9), (AutoContrast, 0.9, 0)],
];

impl Transform for AutoAugment {
    type Config = Self;

    fn fit(config: &Self, _training: &Training<'_>) -> Result<Self, Error> {
        Ok(config.clone())
    }

    fn apply(&self, record: &mut Record, random: Option<&mut Random>) -> Result<(), Error> {
        let Some(random) = random else { return Ok(()) };
        let policy = match self.policy {
            Policy::Cifar10 => &CIFAR10,
        };
        for (operation, often, level) in policy[random.below(policy.len() as u64) as usize] {
            let (chance, flipped) = (random.unit(), random.below(2) == 1);
            if chance < often {
                operate(record, operation, (level, LEVELS), flipped, self.fill)?;
            }
        }
        Ok(())
    }
}
