//! How does a network learn to look at all of a thing? From images in which a rectangle shows another, with both answers.
//!
//! "`CutMix`: Regularization Strategy to Train Strong Classifiers with Localizable Features" (Yun et al., 2019),
//! <https://arxiv.org/abs/1905.04899>. As in torchvision the whole batch has one rectangle, and the partner of an example is the
//! one before it in the (shuffled) batch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixup::{blend_targets, each_with_before, only_pixels_and_numbers};
use super::{Training, Transform};
use crate::batch::{ArrayData, Batch};
use crate::beta::beta;
use crate::error::Error;
use crate::example::Record;
use crate::random::Random;
use crate::raster::check;
use crate::registry::Entry;
use crate::schema::FeatureKind;
use crate::signature::Signature;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "cutmix", summary: "put a part of another image in each image of a batch" };

/// `[data.transforms.cutmix]`; it learns nothing, so this is also what a bundle holds. It changes batches of training alone. With
/// `mixup` beside it, give each a `p` of 0.5 or less, or batches go through both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cutmix {
    /// The part of the area that stays is drawn from Beta(alpha, alpha), before the rectangle is cut off at the border.
    pub alpha: f64,
    /// How often a batch is changed, from 0 to 1.
    pub p: f64,
}

/// What a config may say of it.
pub type Config = Cutmix;

impl Default for Cutmix {
    fn default() -> Self {
        Self { alpha: 1.0, p: 1.0 }
    }
}

/// Rows `top..bottom` and columns `left..right`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) top: usize,
    pub(crate) bottom: usize,
    pub(crate) left: usize,
    pub(crate) right: usize,
}

impl Hole {
    /// A rectangle about (`x`, `y`) of the proportions of the image and `1 - share` of its area, cut off at its border.
    pub(crate) fn about(x: usize, y: usize, share: f64, height: usize, width: usize) -> Self {
        let half = 0.5 * (1.0 - share).max(0.0).sqrt();
        let (across, along) = ((half * width as f64) as usize, (half * height as f64) as usize);
        Self {
            top: y.saturating_sub(along),
            bottom: (y + along).min(height),
            left: x.saturating_sub(across),
            right: (x + across).min(width),
        }
    }

    /// The part of the area that stays.
    pub(crate) fn kept(self, height: usize, width: usize) -> f64 {
        1.0 - ((self.bottom - self.top) * (self.right - self.left)) as f64 / ((height * width) as f64).max(1.0)
    }
}

impl Transform for Cutmix {
    type Config = Self;

    fn fit(config: &Self, training: &Training<'_>) -> Result<Self, Error> {
        check::number("cutmix.alpha", config.alpha, 1e-6, 1e6)?;
        check::probability("cutmix.p", config.p)?;
        only_pixels_and_numbers("cutmix", training)?;
        let others = training.schema.features.0.iter().find(|(_, kind)| *kind != FeatureKind::Image);
        if let Some((name, kind)) = others {
            let message = format!("cannot cut a hole in the {} `{name}`", kind.name());
            return Err(check::wrong("cutmix", message, "It is for images alone; `mixup` blends numbers, too."));
        }
        Ok(config.clone())
    }

    fn apply(&self, _record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        Ok(())
    }

    fn mix(&self, batch: &mut Batch, signature: &Signature, random: &mut Random) -> Result<(), Error> {
        if random.unit() >= self.p {
            return Ok(());
        }
        let share = beta(self.alpha, random);
        for input in &mut batch.inputs {
            let [rows, _, height, width] = input.array.shape[..] else { continue };
            let (x, y) = (random.below(width as u64) as usize, random.below(height as u64) as usize);
            let hole = Hole::about(x, y, share, height, width);
            if let ArrayData::U8(pixels) = &mut input.array.data {
                cut(pixels, rows, height, width, hole);
            }
            blend_targets(&mut batch.target, signature, hole.kept(height, width) as f32);
        }
        Ok(())
    }
}

/// Fills the hole of every image with what is there in the image before it; pixels lie plane by plane.
pub(crate) fn cut(pixels: &mut [u8], rows: usize, height: usize, width: usize, hole: Hole) {
    let planes = pixels.len() / rows.max(1) / (height * width).max(1);
    let mut inside = Vec::new();
    let lines = |row: usize| {
        let first = move |plane: usize, y: usize| ((row * planes + plane) * height + y) * width;
        (0..planes).flat_map(move |plane| {
            (hole.top..hole.bottom).map(move |y| first(plane, y) + hole.left..first(plane, y) + hole.right)
        })
    };
    for row in 0..rows {
        lines(row).for_each(|line| inside.extend_from_slice(&pixels[line]));
    }
    each_with_before(&mut inside, rows, |_, before| before);
    let mut next = 0;
    for row in 0..rows {
        for line in lines(row) {
            let length = line.len();
            pixels[line].copy_from_slice(&inside[next..next + length]);
            next += length;
        }
    }
}
