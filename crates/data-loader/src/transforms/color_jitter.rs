//! How does a network learn that a thing is the same thing in another light? By colours that change at random.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::error::Error;
use crate::example::Record;
use crate::random::Random;
use crate::raster::{check, colour, colour_all};
use crate::registry::Entry;

/// This transform in the list of transforms.
pub const ENTRY: Entry =
    Entry { name: "color_jitter", summary: "change brightness, contrast, saturation and hue at random" };

/// `[data.transforms.color_jitter]`; it learns nothing, so this is also what a bundle holds. The four changes are done in random
/// order, as in torchvision. Without chance it does nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColorJitter {
    /// The factor lies between 1 minus this, at least 0, and 1 plus this.
    pub brightness: f64,
    /// The factor lies between 1 minus this, at least 0, and 1 plus this.
    pub contrast: f64,
    /// The factor lies between 1 minus this, at least 0, and 1 plus this.
    pub saturation: f64,
    /// Hues turn by at most this part of their circle, to either side; 0 to 0.5.
    pub hue: f64,
}

/// What a config may say of it.
pub type Config = ColorJitter;

impl Transform for ColorJitter {
    type Config = Self;

    fn fit(config: &Self, _training: &Training<'_>) -> Result<Self, Error> {
        for (name, value, most) in [
            ("brightness", config.brightness, 100.0),
            ("contrast", config.contrast, 100.0),
            ("saturation", config.saturation, 100.0),
            ("hue", config.hue, 0.5),
        ] {
            check::number(&format!("color_jitter.{name}"), value, 0.0, most)?;
        }
        Ok(config.clone())
    }

    fn apply(&self, record: &mut Record, random: Option<&mut Random>) -> Result<(), Error> {
        let Some(random) = random else { return Ok(()) };
        let mut order = [0, 1, 2, 3];
        random.shuffle(&mut order);
        let mut factor = |spread: f64| {
            let least = (1.0 - spread).max(0.0);
            (least + (1.0 + spread - least) * random.unit()) as f32
        };
        let factors = [self.brightness, self.contrast, self.saturation].map(&mut factor);
        let turns = (self.hue * (2.0 * random.unit() - 1.0)) as f32;
        colour_all(record, |image| {
            for change in order {
                match change {
                    0 if self.brightness > 0.0 => colour::brightness(image, factors[0]),
                    1 if self.contrast > 0.0 => colour::contrast(image, factors[1]),
                    2 if self.saturation > 0.0 => colour::saturation(image, factors[2]),
                    3 if self.hue > 0.0 => colour::hue(image, turns),
                    _ => {}
                }
            }
        });
        Ok(())
    }
}
