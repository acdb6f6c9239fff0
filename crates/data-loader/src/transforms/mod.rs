//! How is a record changed before it is an array? One file for each transform.
//!
//! A transform is fitted on the training part alone, after the ones before it, and then applied to every record: of
//! training, of test, and of a request to a server. It sees the whole record, so that fields which belong together, such
//! as an image and its mask, move together.

pub mod encode;
pub mod impute;
pub mod normalize;
pub mod tokenize;

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

    /// Changes the list of features to what it is behind this transform, where columns come, go, or change their kind.
    fn reshape(&self, _features: &mut OrderedMap<FeatureKind>) {}

    /// Says what the transform does to single columns of numbers; false if it does anything else to them, or anything by chance.
    fn steps(&self, _steps: &mut Steps) -> bool {
        false
    }

    /// Changes a whole batch of training, for transforms that mix examples. `random` belongs to (seed, epoch, batch).
    fn mix(&self, _batch: &mut Batch, _random: &mut Random) -> Result<(), Error> {
        Ok(())
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
            pub fn mix(&self, batch: &mut Batch, random: &mut Random) -> Result<(), Error> {
                match self {
                    $(Self::$variant(fitted) => fitted.mix(batch, random),)*
                    #[cfg(test)]
                    Self::Jitter => Ok(()),
                }
            }
        }
    };
}

members! {
    /// Categories become codes.
    Encode(encode),
    /// Missing numbers are filled in.
    Impute(impute),
    /// Numbers, targets and pixels are brought to one scale.
    Normalize(normalize),
    /// Texts become token ids.
    Tokenize(tokenize),
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
        if has(FeatureKind::Number) {
            list.push(TransformConfig::Impute(impute::Config::default()));
        }
        if has(FeatureKind::Number) || has(FeatureKind::Image) || number_target {
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
pub(crate) mod tests {
    use super::*;
    use crate::example::Value;
    use crate::formats::Records;

    /// Records held in memory, every field known.
    #[derive(Debug)]
    pub(crate) struct Memory(pub(crate) Vec<Record>);

    impl Memory {
        /// One row for each list of values, in the order of the schema.
        pub(crate) fn new(schema: &Schema, rows: &[&[Value]]) -> Self {
            let names: Vec<&String> =
                schema.features.0.iter().map(|(name, _)| name).chain(schema.target.iter().map(|t| &t.name)).collect();
            let record = |(i, row): (usize, &&[Value])| {
                let fields = names.iter().zip(*row).map(|(name, value)| ((*name).clone(), value.clone())).collect();
                Record::new(format!("#{i}"), fields, None)
            };
            Self(rows.iter().enumerate().map(record).collect())
        }
    }

    impl Records for Memory {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn read(&self, row: usize) -> Result<Record, Error> {
            Ok(self.0[row].clone())
        }
        fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
            Ok(self.0[row].field(name).cloned().unwrap_or(Value::Missing))
        }
        fn key(&self, row: usize) -> Result<String, Error> {
            Ok(self.0[row].id.key.clone())
        }
        fn part(&self, _: usize) -> Option<crate::split::Part> {
            None
        }
    }

    /// Fits `config` (the inside of `[data.transforms]`) on all rows.
    pub(crate) fn fit(config: &str, schema: &str, rows: &[&[Value]]) -> Result<(Vec<FittedTransform>, Memory), Error> {
        let schema: Schema = toml::from_str(schema).unwrap();
        let transforms: Transforms = toml::from_str(config).unwrap();
        let memory = Memory::new(&schema, rows);
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        let training = Training { schema: &schema, records: &memory, rows: &all, before: &[], skip_bad: false };
        let fitted = transforms.fit(&training)?;
        let again: Vec<FittedTransform> = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
        assert_eq!(again, fitted, "a fitted transform does not survive JSON");
        Ok((fitted, memory))
    }

    /// The fields of each row after the transforms.
    pub(crate) fn applied(config: &str, schema: &str, rows: &[&[Value]]) -> Vec<Vec<Value>> {
        let (fitted, memory) = fit(config, schema, rows).unwrap();
        let mut records = memory.0;
        for record in &mut records {
            for transform in &fitted {
                transform.apply(record, None).unwrap();
            }
        }
        records.into_iter().map(|record| record.fields.into_iter().map(|(_, value)| value).collect()).collect()
    }

    #[test]
    fn transforms_keep_the_order_in_which_they_are_written() {
        let text = "[normalize]\nnumbers = \"minmax\"\n\n[impute]\nnumbers = \"mean\"\n";
        let transforms: Transforms = toml::from_str(text).unwrap();
        assert!(matches!(transforms.0[..], [TransformConfig::Normalize(_), TransformConfig::Impute(_)]));
        let written = toml::to_string(&transforms).unwrap();
        assert!(written.find("normalize") < written.find("impute"));
        assert_eq!(toml::from_str::<Transforms>(&written).unwrap(), transforms);
        let error = crate::config::parse_toml::<Transforms>("[imput]", std::path::Path::new("c")).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("Did you mean `impute`?"));
    }

    #[test]
    fn defaults_follow_from_the_schema() {
        let names = |schema: &str| {
            let json = serde_json::to_value(Transforms::default_for(&toml::from_str(schema).unwrap())).unwrap();
            json.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("[features]\na = \"number\"\nb = \"category\""), "impute normalize encode");
        assert_eq!(names("[features]\na = \"image\""), "normalize");
        assert_eq!(names("[features]\na = \"text\""), "tokenize");
        assert_eq!(
            names("target = { name = \"y\", kind = \"number\" }\n[features]\na = \"category\""),
            "normalize encode"
        );
    }

    #[test]
    fn a_transform_is_fitted_on_what_the_one_before_leaves() {
        let schema = "[features]\nx = \"number\"";
        let rows: &[&[Value]] = &[&[Value::Number(1.0)], &[Value::Missing], &[Value::Number(3.0)]];
        // The mean 2 fills the gap, so that the values are 1, 2, 3 with a standard deviation of sqrt(2/3).
        let found = applied("[impute]\nnumbers = \"mean\"\n[normalize]\n", schema, rows);
        let Value::Number(first) = found[0][0] else { panic!("no number") };
        assert!((first + 1.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(found[1], [Value::Number(0.0)]);
    }
}
