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

use crate::error::Error;
use crate::example::{Record, Value};
use crate::formats::Records;
use crate::random::Random;
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema, TargetKind};

/// Every transform, alphabetically.
pub const MEMBERS: &[Entry] = &[encode::ENTRY, impute::ENTRY, normalize::ENTRY, tokenize::ENTRY];

/// A transform as it is written: `[data.transforms.impute]` in a config is the address of `transforms/impute.rs`.
#[derive(Clone, Debug, PartialEq)]
pub enum TransformConfig {
    /// Categories become codes.
    Encode(encode::Config),
    /// Missing numbers are filled in.
    Impute(impute::Config),
    /// Numbers, targets and pixels are brought to one scale.
    Normalize(normalize::Config),
    /// Texts become token ids.
    Tokenize(tokenize::Config),
}

/// The transforms of a data set, in the order in which they are applied.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema)]
#[schemars(with = "Shape")]
pub struct Transforms(pub Vec<TransformConfig>);

/// `[data.transforms]` as an editor sees it; the order in the file is the order of work.
#[derive(JsonSchema)]
#[schemars(rename = "Transforms", deny_unknown_fields)]
#[expect(dead_code, reason = "Only its JSON Schema is used.")]
struct Shape {
    /// Categories become codes.
    encode: Option<encode::Config>,
    /// Missing numbers are filled in.
    impute: Option<impute::Config>,
    /// Numbers, targets and pixels are brought to one scale.
    normalize: Option<normalize::Config>,
    /// Texts become token ids.
    tokenize: Option<tokenize::Config>,
}

impl Serialize for Transforms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for config in &self.0 {
            match config {
                TransformConfig::Encode(config) => map.serialize_entry(encode::ENTRY.name, config)?,
                TransformConfig::Impute(config) => map.serialize_entry(impute::ENTRY.name, config)?,
                TransformConfig::Normalize(config) => map.serialize_entry(normalize::ENTRY.name, config)?,
                TransformConfig::Tokenize(config) => map.serialize_entry(tokenize::ENTRY.name, config)?,
            }
        }
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
                const NAMES: &[&str] =
                    &[encode::ENTRY.name, impute::ENTRY.name, normalize::ENTRY.name, tokenize::ENTRY.name];
                let mut list = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    list.push(match name.as_str() {
                        "encode" => TransformConfig::Encode(map.next_value()?),
                        "impute" => TransformConfig::Impute(map.next_value()?),
                        "normalize" => TransformConfig::Normalize(map.next_value()?),
                        "tokenize" => TransformConfig::Tokenize(map.next_value()?),
                        unknown => return Err(serde::de::Error::unknown_variant(unknown, NAMES)),
                    });
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
        for config in &self.0 {
            let training = Training { before: &fitted, ..*training };
            let next = match config {
                TransformConfig::Encode(config) => FittedTransform::Encode(encode::Encode::fit(config, &training)?),
                TransformConfig::Impute(config) => FittedTransform::Impute(impute::Impute::fit(config, &training)?),
                TransformConfig::Normalize(config) => {
                    FittedTransform::Normalize(normalize::Normalize::fit(config, &training)?)
                }
                TransformConfig::Tokenize(config) => {
                    FittedTransform::Tokenize(tokenize::Tokenize::fit(config, &training)?)
                }
            };
            fitted.push(next);
        }
        Ok(fitted)
    }
}

/// A transform with all that it learnt from the training part; it lies in the bundle as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FittedTransform {
    /// Categories become codes.
    Encode(encode::Encode),
    /// Missing numbers are filled in.
    Impute(impute::Impute),
    /// Numbers, targets and pixels are brought to one scale.
    Normalize(normalize::Normalize),
    /// Texts become token ids.
    Tokenize(tokenize::Tokenize),
    /// Adds noise to every number: the tests' stand-in for random augmentation.
    #[cfg(test)]
    Jitter,
}

impl FittedTransform {
    /// Changes `record`. `random` is there in training alone; it belongs to (seed, epoch, row), and a transform without
    /// chance leaves it untouched.
    pub fn apply(&self, record: &mut Record, random: Option<&mut Random>) -> Result<(), Error> {
        match self {
            Self::Encode(encode) => encode.apply(record),
            Self::Impute(impute) => impute.apply(record),
            Self::Normalize(normalize) => normalize.apply(record),
            Self::Tokenize(tokenize) => tokenize.apply(record),
            #[cfg(test)]
            Self::Jitter => {
                let Some(random) = random else { return Ok(()) };
                for (_, value) in &mut record.fields {
                    if let Value::Number(number) = value {
                        *number += random.unit();
                    }
                }
            }
        }
        #[cfg(not(test))]
        let _ = random;
        Ok(())
    }
}

/// The training part, as a transform meets it when it is fitted.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// What the columns mean.
    pub schema: &'a Schema,
    /// Where the rows are read.
    pub records: &'a dyn Records,
    /// The rows of the training part.
    pub rows: &'a [u32],
    /// The transforms that come first.
    pub before: &'a [FittedTransform],
    /// Whether examples that cannot be read are left out.
    pub skip_bad: bool,
}

impl Training<'_> {
    /// Calls `visit` with every record that can be read.
    pub fn each(&self, mut visit: impl FnMut(&Record) -> Result<(), Error>) -> Result<(), Error> {
        for &row in self.rows {
            match self.record(row).and_then(|record| visit(&record)) {
                Err(error) if self.skip_bad && error.is_bad_example() => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// The record at `row`, as the transforms before leave it.
    pub fn record(&self, row: u32) -> Result<Record, Error> {
        let mut record = self.records.read(row as usize)?;
        for transform in self.before {
            transform.apply(&mut record, None)?;
        }
        Ok(record)
    }

    /// The numbers of each of these columns, without the missing ones.
    pub fn numbers(&self, names: &[&str]) -> Result<Vec<Vec<f64>>, Error> {
        let mut columns = vec![Vec::new(); names.len()];
        if !names.is_empty() {
            self.each(|record| {
                let mut next = 0;
                for (name, column) in names.iter().zip(&mut columns) {
                    let Some(place) = record.place(name, next) else { continue };
                    next = place + 1;
                    if let Value::Number(number) = record.fields[place].1 {
                        column.push(number);
                    }
                }
                Ok(())
            })?;
        }
        Ok(columns)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

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
