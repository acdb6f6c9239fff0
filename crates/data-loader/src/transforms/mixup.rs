//! How does a network learn to be less sure between two examples? From blends of both, with both answers.
//!
//! "mixup: Beyond Empirical Risk Minimization" (Zhang et al., 2017), <https://arxiv.org/abs/1710.09412>. As in torchvision the
//! whole batch has one share, and the partner of an example is the one before it in the (shuffled) batch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::batch::{ArrayData, Batch, Target};
use crate::beta::beta;
use crate::error::Error;
use crate::example::Record;
use crate::random::Random;
use crate::raster::check;
use crate::registry::Entry;
use crate::schema::{FeatureKind, TargetKind};
use crate::signature::{OutputSpec, Signature};
use crate::task::Task;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "mixup", summary: "blend the examples of a batch, and their answers" };

/// `[data.transforms.mixup]`; it learns nothing, so this is also what a bundle holds. It blends batches of training alone. With
/// `cutmix` beside it, give each a `p` of 0.5 or less, or batches go through both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mixup {
    /// The share of an example is drawn from Beta(alpha, alpha): near 0 or 1 where alpha is small, any where it is 1.
    pub alpha: f64,
    /// How often a batch is blended, from 0 to 1.
    pub p: f64,
}

/// What a config may say of it.
pub type Config = Mixup;

impl Default for Mixup {
    fn default() -> Self {
        Self { alpha: 1.0, p: 1.0 }
    }
}

impl Transform for Mixup {
    type Config = Self;

    fn fit(config: &Self, training: &Training<'_>) -> Result<Self, Error> {
        check::number("mixup.alpha", config.alpha, 1e-6, 1e6)?;
        check::probability("mixup.p", config.p)?;
        only_pixels_and_numbers("mixup", training)?;
        Ok(config.clone())
    }

    fn apply(&self, _record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        Ok(())
    }

    fn mix(&self, batch: &mut Batch, signature: &Signature, random: &mut Random) -> Result<(), Error> {
        if random.unit() < self.p {
            let share = beta(self.alpha, random);
            for input in &mut batch.inputs {
                blend_rows(&mut input.array.data, input.array.shape[0], share as f32);
            }
            blend_targets(&mut batch.target, signature, share as f32);
        }
        Ok(())
    }
}

/// Refuses features of which there is nothing between two values.
pub(crate) fn only_pixels_and_numbers(name: &str, training: &Training<'_>) -> Result<(), Error> {
    if training.task == Task::Contrast {
        let message = "mixes images, whose views are to be told apart".to_owned();
        return Err(check::wrong(
            name,
            message,
            "Remove the transform; views differ by those that change one image alone.",
        ));
    }
    if training.schema.target.as_ref().is_some_and(|target| target.kind == TargetKind::Mask) {
        let message = "cannot blend masks".to_owned();
        return Err(check::wrong(name, message, "Segmentation has one class a pixel; remove the transform."));
    }
    let words = [FeatureKind::Category, FeatureKind::Text];
    let met = training.schema.features.0.iter().find(|(_, kind)| words.contains(kind));
    met.map_or(Ok(()), |(feature, kind)| {
        let message = format!("cannot blend the {} `{feature}`", kind.name());
        Err(check::wrong(name, message, "Blending is for images and numbers; remove the transform, or the feature."))
    })
}

/// Blends every example with the one before it, the first with the last.
pub(crate) fn blend_rows(data: &mut ArrayData, rows: usize, share: f32) {
    match data {
        ArrayData::U8(bytes) => {
            // Rounded to whole bytes: at most half of a level from the blend of real numbers.
            each_with_before(bytes, rows, |a, b| (share * f32::from(a) + (1.0 - share) * f32::from(b)).round() as u8);
        }
        ArrayData::F32(numbers) => each_with_before(numbers, rows, |a, b| share * a + (1.0 - share) * b),
        // Refused when the transform was fitted.
        ArrayData::I64(_) => {}
    }
}

/// Puts `of(value, the value in the row before)` in the place of every value.
pub(crate) fn each_with_before<N: Copy>(values: &mut [N], rows: usize, of: impl Fn(N, N) -> N) {
    let width = values.len() / rows.max(1);
    let mut before = values[values.len() - width..].to_vec();
    for row in values.chunks_exact_mut(width.max(1)) {
        for (value, before) in row.iter_mut().zip(&mut before) {
            let own = *value;
            *value = of(own, *before);
            *before = own;
        }
    }
}

/// Blends the answers as the examples were: classes become distributions.
pub(crate) fn blend_targets(target: &mut Target, signature: &Signature, share: f32) {
    if let (Target::Classes(classes), OutputSpec::Classes { labels }) = (&*target, &signature.output) {
        let mut values = vec![0.0; classes.len() * labels.len()];
        for (row, &class) in values.chunks_exact_mut(labels.len().max(1)).zip(classes) {
            if let Some(place) = usize::try_from(class).ok().and_then(|class| row.get_mut(class)) {
                *place = 1.0;
            }
        }
        *target = Target::SoftLabels { classes: labels.len(), values };
    }
    let blend = |a: f32, b: f32| share * a + (1.0 - share) * b;
    match target {
        Target::SoftLabels { classes, values } => {
            let rows = values.len() / (*classes).max(1);
            each_with_before(values, rows, blend);
        }
        Target::Values { shape, values } => each_with_before(values, shape.first().copied().unwrap_or(1), blend),
        Target::Classes(_) | Target::Mask { .. } | Target::Tokens { .. } | Target::None => {}
    }
}
