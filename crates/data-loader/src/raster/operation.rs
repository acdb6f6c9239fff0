//! What can an augmentation policy do to an image? The operations of `AutoAugment` and
//! `RandAugment`, and how strong each is.
//!
//! The set and the ranges are those of torchvision: "`AutoAugment`: Learning Augmentation Policies from Data" (Cubuk et
//! al., 2019), <https://arxiv.org/abs/1805.09501>, and "`RandAugment`" (Cubuk et al., 2020), <https://arxiv.org/abs/1909.13719>.

use super::movement::Movement;
use super::{colour, colour_all, move_all};
use crate::error::Error;
use crate::example::Record;

/// One operation of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
    Invert,
}

impl Operation {
    /// Whether it can go both ways, so that chance decides on the sign of its strength.
    pub(crate) fn is_signed(self) -> bool {
        matches!(
            self,
            Self::ShearX
                | Self::ShearY
                | Self::TranslateX
                | Self::TranslateY
                | Self::Rotate
                | Self::Brightness
                | Self::Color
                | Self::Contrast
                | Self::Sharpness
        )
    }

    /// The strength at `level` of `levels`, from the weakest at 0: slopes, pixels, degrees, parts of 1, bits or a threshold.
    pub(crate) fn strength(self, level: usize, levels: usize, height: usize, width: usize) -> f64 {
        let part = level as f64 / (levels.max(2) - 1) as f64;
        match self {
            Self::ShearX | Self::ShearY => 0.3 * part,
            Self::TranslateX => 150.0 / 331.0 * width as f64 * part,
            Self::TranslateY => 150.0 / 331.0 * height as f64 * part,
            Self::Rotate => 30.0 * part,
            Self::Brightness | Self::Color | Self::Contrast | Self::Sharpness => 0.9 * part,
            Self::Posterize => 8.0 - (4.0 * part).round_ties_even(),
            Self::Solarize => 255.0 * (1.0 - part),
            Self::Identity | Self::AutoContrast | Self::Equalize | Self::Invert => 0.0,
        }
    }

    /// Does it to `record`, with `strength` as [`strength`](Self::strength) gives it, or its opposite; what comes in from
    /// outside is `fill`.
    pub(crate) fn apply(self, record: &mut Record, strength: f64, fill: u8) -> Result<(), Error> {
        let factor = (1.0 + strength) as f32;
        let pixels = strength.trunc();
        // Where each pixel comes from: the inverse of what is done.
        let look_up = |matrix| vec![Movement::Affine { matrix, fill }];
        match self {
            Self::Identity => {}
            Self::ShearX => move_all(record, |_, _| look_up([1.0, strength, 0.0, 0.0, 1.0, 0.0]))?,
            Self::ShearY => move_all(record, |_, _| look_up([1.0, 0.0, 0.0, strength, 1.0, 0.0]))?,
            Self::TranslateX => move_all(record, |_, _| look_up([1.0, 0.0, -pixels, 0.0, 1.0, 0.0]))?,
            Self::TranslateY => move_all(record, |_, _| look_up([1.0, 0.0, 0.0, 0.0, 1.0, -pixels]))?,
            Self::Rotate => move_all(record, |height, width| {
                // Counterclockwise about the middle; downwards is positive.
                let (sin, cos) = strength.to_radians().sin_cos();
                let (x, y) = (width as f64 / 2.0, height as f64 / 2.0);
                look_up([cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y])
            })?,
            Self::Brightness => colour_all(record, |image| colour::brightness(image, factor)),
            Self::Color => colour_all(record, |image| colour::saturation(image, factor)),
            Self::Contrast => colour_all(record, |image| colour::contrast(image, factor)),
            Self::Sharpness => colour_all(record, |image| colour::sharpness(image, factor)),
            Self::Posterize => colour_all(record, |image| colour::posterize(image, strength.max(0.0) as u32)),
            Self::Solarize => colour_all(record, |image| colour::solarize(image, strength)),
            Self::AutoContrast => colour_all(record, colour::autocontrast),
            Self::Equalize => colour_all(record, colour::equalize),
            Self::Invert => colour_all(record, colour::invert),
        }
        Ok(())
    }
}
