//! How is a record changed before it is an array? One file for each transform.
//!
//! A transform is fitted on the training part alone, after the ones before it, and then applied to every record: of
//! training, of test, and of a request to a server. It sees the whole record, so that fields which belong together, such
//! as an image and its mask, move together.

pub mod auto_augment;
pub mod center_crop;
pub mod color_jitter;
pub mod cutmix;
pub mod dates;
pub mod encode;
pub mod horizontal_flip;
pub mod impute;
pub mod log;
pub mod min_max;
pub mod mixup;
pub mod normalize;
pub mod one_hot;
pub mod ordinal;
pub mod quantile;
pub mod rand_augment;
pub mod random_crop;
pub mod random_erasing;
pub mod random_resized_crop;
pub mod resize;
pub mod robust;
pub mod standardize;
pub mod target_encode;
pub mod tokenize;
pub mod vertical_flip;

use std::path::Path;

use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::batch::Batch;
use crate::config::OrderedMap;
use crate::error::Error;
use crate::example::Record;
use crate::number_plan::Steps;
use crate::random::Random;
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema, TargetKind};
use crate::signature::Signature;

pub use crate::training::Training;

/// What every transform can do.
pub(crate) trait Transform: Sized {
    /// What a config may say of it.
    type Config;

    /// Learns from the training part what it needs to know.
    fn fit(config: &Self::Config, training: &Training<'_>) -> Result<Self, Error>;

    /// Changes `record`. `random` is there in training alone; it belongs to (seed, epoch, row), and a transform without
    /// chance leaves it untouched.
    fn apply(&self, record: &mut Record, random: Option<&mut Random>) -> Result<(), Error>;

    /// Changes `record` of the training part as the transforms behind this one meet it when they are fitted; without chance.
    fn apply_in_fit(&self, record: &mut Record) -> Result<(), Error> {
        self.apply(record, None)
    }

    /// Changes the list of features to what it is behind this transform, where columns come, go, or change their kind.
    fn reshape(&self, _features: &mut OrderedMap<FeatureKind>) {}

    /// Says what the transform does to single columns of numbers; false if it does anything else to them, or anything by chance.
    fn steps(&self, _steps: &mut Steps) -> bool {
        false
    }

    /// Changes a whole batch of training, for transforms that mix examples. `random` belongs to (seed, epoch, batch).
    fn mix(&self, _batch: &mut Batch, _signature: &Signature, _random: &mut Random) -> Result<(), Error> {
        Ok(())
    }

    /// Whether it brings images of any size to one, so that new images are read as they are.
    fn brings_to_size(&self) -> bool {
        false
    }
}

/// From one visible list of members all that has an arm for each of them.
macro_rules! members {
    ($($(#[$doc:meta])* $variant:ident($file:ident),)*) => {
        /// Every transform, alphabetically.
        pub const MEMBERS: &[Entry] = &[$($file::ENTRY),*];

        /// A transform as it is written: `[data.transforms.impute]` in a config is the address of `transforms/impute.rs`.
        #[derive(Clone, Debug, PartialEq)]
        pub enum TransformConfig {
            $($(#[$doc])* $variant($file::Config),)*
        }

        /// `[data.transforms]` as an editor sees it; the order in the file is the order of work.
        #[derive(JsonSchema)]
        #[schemars(rename = "Transforms", deny_unknown_fields)]
        #[expect(dead_code, reason = "Only its JSON Schema is used.")]
        struct Shape {
            $($(#[$doc])* $file: Option<$file::Config>,)*
        }

        impl TransformConfig {
            /// Writes the member as an entry of a table.
            fn serialize_into<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                match self {
                    $(Self::$variant(config) => map.serialize_entry($file::ENTRY.name, config),)*
                }
            }

            /// Reads the member called `name`, whose settings come next in `map`.
            fn deserialize_from<'de, M: MapAccess<'de>>(name: &str, map: &mut M) -> Result<Self, M::Error> {
                const NAMES: &[&str] = &[$($file::ENTRY.name),*];
                $(if name == $file::ENTRY.name {
                    return Ok(Self::$variant(map.next_value()?));
                })*
                Err(serde::de::Error::unknown_variant(name, NAMES))
            }

            fn fit(&self, training: &Training<'_>) -> Result<FittedTransform, Error> {
                Ok(match self {
                    $(Self::$variant(config) => FittedTransform::$variant(Transform::fit(config, training)?),)*
                })
            }
        }

        /// A transform with all that it learnt from the training part; it lies in the bundle as JSON.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FittedTransform {
            $($(#[$doc])* $variant($file::$variant),)*
            /// Adds noise to every number: the tests' stand-in for random augmentation.
            #[cfg(test)]
            Jitter,
        }

        impl FittedTransform {
            /// Changes `record`. `random` is there in training alone; it belongs to (seed, epoch, row), and a transform
            /// without chance leaves it untouched.
            pub fn apply(&self, record: &mut Record, random: Option<&mut Random>) -> Result<(), Error> {
                match self {
                    $(Self::$variant(fitted) => fitted.apply(record, random),)*
                    #[cfg(test)]
                    Self::Jitter => {
                        if let Some(random) = random {
                            for (_, value) in &mut record.fields {
                                if let crate::example::Value::Number(number) = value {
                                    *number += random.unit();
                                }
                            }
                        }
                        Ok(())
                    }
                }
            }

            /// Changes `record` of the training part as the transforms behind this one meet it when they are fitted.
            pub(crate) fn apply_in_fit(&self, record: &mut Record) -> Result<(), Error> {
                match self {
                    $(Self::$variant(fitted) => fitted.apply_in_fit(record),)*
                    #[cfg(test)]
                    Self::Jitter => Ok(()),
                }
            }

            /// Changes the list of features to what it is behind this transform.
            pub fn reshape(&self, features: &mut OrderedMap<FeatureKind>) {
                match self {
                    $(Self::$variant(fitted) => fitted.reshape(features),)*
                    #[cfg(test)]
                    Self::Jitter => {}
                }
            }

            /// Says what the transform does to single columns of numbers; false if it does anything else.
            pub(crate) fn steps(&self, steps: &mut Steps) -> bool {
                match self {
                    $(Self::$variant(fitted) => fitted.steps(steps),)*
                    #[cfg(test)]
                    Self::Jitter => false,
                }
            }

            /// Changes a whole batch of training. `random` belongs to (seed, epoch, batch).
            pub fn mix(&self, batch: &mut Batch, signature: &Signature, random: &mut Random) -> Result<(), Error> {
                match self {
                    $(Self::$variant(fitted) => fitted.mix(batch, signature, random),)*
                    #[cfg(test)]
                    Self::Jitter => Ok(()),
                }
            }

            /// Whether it brings images of any size to one.
            pub fn brings_to_size(&self) -> bool {
                match self {
                    $(Self::$variant(fitted) => fitted.brings_to_size(),)*
                    #[cfg(test)]
                    Self::Jitter => false,
                }
            }
        }
    };
}

members! {
    /// Random operations of a policy that was found by search.
    AutoAugment(auto_augment),
    /// The middle of images is kept.
    CenterCrop(center_crop),
    /// Brightness, contrast, saturation and hue change at random.
    ColorJitter(color_jitter),
    /// A part of another image is put in each image of a batch.
    Cutmix(cutmix),
    /// Dates become parts of the calendar.
    Dates(dates),
    /// Categories become codes.
    Encode(encode),
    /// Left and right are exchanged at random.
    HorizontalFlip(horizontal_flip),
    /// Missing values are filled in.
    Impute(impute),
    /// Numbers become their logarithms.
    Log(log),
    /// Numbers are brought between two bounds.
    MinMax(min_max),
    /// The examples of a batch are blended, and their answers.
    Mixup(mixup),
    /// Numbers, targets and pixels are brought to one scale.
    Normalize(normalize),
    /// Categories become columns of 0 and 1.
    OneHot(one_hot),
    /// Categories become numbers by an order.
    Ordinal(ordinal),
    /// Numbers are brought to a uniform or normal distribution.
    Quantile(quantile),
    /// A few random operations of one strength.
    RandAugment(rand_augment),
    /// A window is cut out at a random place.
    RandomCrop(random_crop),
    /// A random rectangle of an image is erased.
    RandomErasing(random_erasing),
    /// A part of random size and shape is brought to one size.
    RandomResizedCrop(random_resized_crop),
    /// Images are brought to a size.
    Resize(resize),
    /// Numbers are scaled by median and quantiles.
    Robust(robust),
    /// Numbers are brought to mean 0 and standard deviation 1.
    Standardize(standardize),
    /// Categories become means of the target.
    TargetEncode(target_encode),
    /// Texts become token ids.
    Tokenize(tokenize),
    /// Up and down are exchanged at random.
    VerticalFlip(vertical_flip),
}

/// The transforms of a data set, in the order in which they are applied.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema)]
#[schemars(with = "Shape")]
pub struct Transforms(pub Vec<TransformConfig>);

impl Serialize for Transforms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|config| config.serialize_into(&mut map))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Transforms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tables;
        impl<'de> Visitor<'de> for Tables {
            type Value = Transforms;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table for each transform")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Transforms, A::Error> {
                let mut list = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    list.push(TransformConfig::deserialize_from(&name, &mut map)?);
                }
                Ok(Transforms(list))
            }
        }
        deserializer.deserialize_map(Tables)
    }
}

impl Transforms {
    /// What follows from the schema when neither card nor config state transforms.
    pub fn default_for(schema: &Schema) -> Self {
        let has = |kind| !schema.names(kind).is_empty();
        let number_target = schema.target.as_ref().is_some_and(|target| target.kind == TargetKind::Number);
        let mut list = Vec::new();
        if has(FeatureKind::Date) {
            list.push(TransformConfig::Dates(dates::Config::default()));
        }
        let numbers = has(FeatureKind::Number) || has(FeatureKind::Date);
        if numbers {
            list.push(TransformConfig::Impute(impute::Config::default()));
        }
        if numbers || has(FeatureKind::Image) || number_target {
            list.push(TransformConfig::Normalize(normalize::Config::default()));
        }
        if has(FeatureKind::Category) {
            list.push(TransformConfig::Encode(encode::Config::default()));
        }
        if has(FeatureKind::Text) {
            list.push(TransformConfig::Tokenize(tokenize::Config::default()));
        }
        Self(list)
    }

    /// From now on the files that transforms name are looked for from `folder`.
    pub(crate) fn look_in(&mut self, folder: &Path) {
        for transform in &mut self.0 {
            if let TransformConfig::Tokenize(config) = transform {
                config.look_in(folder);
            }
        }
    }

    /// Fits each transform on what the ones before it make of the training part.
    pub(crate) fn fit(&self, training: &Training<'_>) -> Result<Vec<FittedTransform>, Error> {
        let mut fitted = Vec::with_capacity(self.0.len());
        let mut schema = training.schema.clone();
        for config in &self.0 {
            let next = config.fit(&Training { schema: &schema, before: &fitted, ..*training })?;
            next.reshape(&mut schema.features);
            fitted.push(next);
        }
        Ok(fitted)
    }
}

#[cfg(test)]
mod peer_tests;
#[cfg(test)]
#[path = "mod_tests.rs"]
pub(crate) mod tests;

#[cfg(test)]
#[path = "chance_tests.rs"]
mod chance_tests;
