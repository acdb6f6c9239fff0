//! How does a category with many values become a number? By the mean of the target where it stood, drawn towards the mean of all.
//!
//! A rare category whose mean contains the row's own target would give the answer away. So the training rows are dealt into
//! folds by a hash of their keys, and a training row gets the means of the other folds: in training, and where the transforms
//! behind this one are fitted. Everywhere else, and for new data, the means of all folds are taken.
//!
//! Daniele Micci-Barreca, "A Preprocessing Scheme for High-Cardinality Categorical Attributes in Classification and Prediction
//! Problems" (2001); values as scikit-learn's `TargetEncoder`.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Training, Transform};
use crate::config::OrderedMap;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::random::Random;
use crate::registry::Entry;
use crate::scale::{columns, new_column, replace};
use crate::schema::{FeatureKind, TargetKind};
use crate::statistics::Moments;
use crate::targets::in_order;

/// This transform in the list of transforms.
pub const ENTRY: Entry =
    Entry { name: "target_encode", summary: "turn categories into the mean of the target, fitted out of fold" };

/// How far the mean of a category is drawn towards the mean of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Smoothing {
    /// The more, the less the categories explain of the target's variance (empirical Bayes).
    #[default]
    Auto,
    /// As if so many more examples with the mean of all had been seen: `smoothing = { m = 10.0 }`.
    M(f64),
}

/// `[data.transforms.target_encode]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which columns; without it all categories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Into how many folds the training rows are dealt, at least 2.
    pub folds: usize,
    /// How far means are drawn towards the mean of all: "auto" or { m = 10.0 }.
    pub smoothing: Smoothing,
}

impl Default for Config {
    fn default() -> Self {
        Self { columns: None, folds: 5, smoothing: Smoothing::default() }
    }
}

/// The encodings of one column that some of the rows gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encodings {
    /// What a category that these rows do not have gets: the mean of all.
    pub unknown: Vec<f64>,
    /// What each category gets: one number, or one for each class.
    pub categories: BTreeMap<String, Vec<f64>>,
}

/// The encodings of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Of all training rows.
    pub all: Encodings,
    /// For each fold of the rows outside of it.
    pub without: Vec<Encodings>,
}

/// The encodings of every column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetEncode {
    /// The classes that have a column each, `<column>_<class>`; none where the target is a number or one of two classes, of
    /// which the second counts as 1 and the column keeps its name.
    pub classes: Vec<String>,
    /// By column.
    pub columns: OrderedMap<Column>,
}

/// The fold of the example called `key`.
fn fold(key: &str, folds: usize) -> usize {
    let digest = Sha256::digest(key);
    let bits = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    (bits % folds.max(1) as u64) as usize
}

/// What the numbers of one category, or of all, are in each fold: one for each number that the target becomes.
type Folds = Vec<Vec<Moments>>;

impl TargetEncode {
    /// The columns that come in the place of `column`.
    pub fn names(&self, column: &str) -> Vec<String> {
        if self.classes.is_empty() {
            return vec![column.to_owned()];
        }
        self.classes.iter().map(|class| format!("{column}_{class}")).collect()
    }

    /// Encodes `record`: with the means that did not see it if it is one of the training part, else with those of all.
    fn encode(&self, record: &mut Record, training: bool) {
        let mut next = 0;
        for (name, column) in &self.columns.0 {
            let Some(place) = record.place(name, next) else { continue };
            let encodings = match training {
                true => column.without.get(fold(&record.id.key, column.without.len())).unwrap_or(&column.all),
                false => &column.all,
            };
            let numbers = match &record.fields[place].1 {
                Value::Text(category) => encodings.categories.get(category).unwrap_or(&encodings.unknown),
                _ => &encodings.unknown,
            };
            let numbers = self.names(name).into_iter().zip(numbers.iter().copied().map(Value::Number));
            next = place + 1;
            record.fields.splice(place..=place, numbers);
        }
    }
}

impl Transform for TargetEncode {
    type Config = Config;

    /// Measures the target where each category stands, within each fold.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        check(config)?;
        let names = columns(config.columns.as_deref(), &[FeatureKind::Category], training, ENTRY.name)?;
        if names.is_empty() {
            return Ok(Self { classes: Vec::new(), columns: OrderedMap::default() });
        }
        let Some(target) = &training.schema.target else {
            return Err(Error::Mismatch {
                message: "`target_encode` learns from the target, and the schema has none".into(),
                hint: "Use `encode` or `one_hot` for categories without a target.".into(),
            });
        };
        let classes = match target.kind {
            TargetKind::Class => in_order(training.classes(&target.name)?),
            TargetKind::Number => Vec::new(),
            TargetKind::Mask => {
                return Err(Error::Mismatch {
                    message: "`target_encode` learns from one class or number an example, and the target is a mask"
                        .into(),
                    hint: "Use `encode` or `one_hot`.".into(),
                });
            }
        };
        let numbers = |value: &Value| match value {
            Value::Number(number) => Some(vec![*number]),
            Value::Text(class) if classes.len() == 2 => Some(vec![f64::from(u8::from(*class == classes[1]))]),
            Value::Text(class) => Some(classes.iter().map(|known| f64::from(u8::from(class == known))).collect()),
            _ => None,
        };
        let width = if classes.len() > 2 { classes.len() } else { 1 };
        let empty = || vec![vec![Moments::default(); width]; config.folds];
        let mut all = empty();
        let mut of_categories = vec![BTreeMap::<String, Folds>::new(); names.len()];
        training.each(|record| {
            let Some(numbers) = record.field(&target.name).and_then(numbers) else { return Ok(()) };
            let fold = fold(&record.id.key, config.folds);
            let add = |folds: &mut Folds| folds[fold].iter_mut().zip(&numbers).for_each(|(of, number)| of.add(*number));
            add(&mut all);
            for (name, of_categories) in names.iter().zip(&mut of_categories) {
                if let Some(Value::Text(category)) = record.field(name) {
                    match of_categories.get_mut(category) {
                        Some(folds) => add(folds),
                        None => add(of_categories.entry(category.clone()).or_insert_with(empty)),
                    }
                }
            }
            Ok(())
        })?;
        let seen = |fold: &Vec<Moments>| fold[0].count;
        let (rows, most) = (all.iter().map(seen).sum::<u64>(), all.iter().map(seen).max().unwrap_or(0));
        if rows == most {
            return Err(Error::Mismatch {
                message: format!("All {rows} training examples with a target lie in one fold of `target_encode`"),
                hint: "It needs examples of different keys, so that each can be encoded by others; use `encode` or `one_hot`.".into(),
            });
        }
        let mut fitted = Self { classes: if width > 1 { classes } else { Vec::new() }, columns: OrderedMap::default() };
        let mut taken = HashSet::new();
        for (name, of_categories) in names.into_iter().zip(of_categories) {
            for column in fitted.names(&name).iter().filter(|column| **column != name) {
                new_column(column, &name, training.schema, !taken.insert(column.clone()), ENTRY.name)?;
            }
            let encodings = |skip: Option<usize>| encodings(&all, &of_categories, skip, config.smoothing);
            let without = (0..config.folds).map(|fold| encodings(Some(fold))).collect();
            fitted.columns.0.push((name, Column { all: encodings(None), without }));
        }
        Ok(fitted)
    }

    /// Puts means of the target in the place of the categories of `record`.
    fn apply(&self, record: &mut Record, random: Option<&mut Random>) -> Result<(), Error> {
        self.encode(record, random.is_some());
        Ok(())
    }

    fn apply_in_fit(&self, record: &mut Record) -> Result<(), Error> {
        self.encode(record, true);
        Ok(())
    }

    fn reshape(&self, features: &mut OrderedMap<FeatureKind>) {
        for (name, _) in &self.columns.0 {
            replace(features, name, self.names(name));
        }
    }
}

fn check(config: &Config) -> Result<(), Error> {
    let wrong = |key: &str, message: String, hint: &str| {
        Err(Error::Setting { key: format!("data.transforms.target_encode.{key}"), message, hint: hint.into() })
    };
    if !(2..=1000).contains(&config.folds) {
        return wrong("folds", format!("is {}", config.folds), "Use from 2 to 1000; 5 are usual.");
    }
    match config.smoothing {
        Smoothing::M(m) if !(0.0..=1e12).contains(&m) => {
            wrong("smoothing", format!("has m = {m}"), "Use \"auto\", or m from 0 to 1e12, counted in examples.")
        }
        _ => Ok(()),
    }
}

/// The encodings that all folds but `skip` give.
fn encodings(all: &Folds, of: &BTreeMap<String, Folds>, skip: Option<usize>, smoothing: Smoothing) -> Encodings {
    let merged = |folds: &Folds| {
        let mut sum = vec![Moments::default(); all[0].len()];
        for (_, fold) in folds.iter().enumerate().filter(|(fold, _)| Some(*fold) != skip) {
            sum.iter_mut().zip(fold).for_each(|(sum, of)| sum.merge(*of));
        }
        sum
    };
    let all = merged(all);
    let category = |folds: &Folds| {
        let of = merged(folds);
        let smoothed = of.iter().zip(&all).map(|(of, all)| smooth(*of, *all, smoothing)).collect();
        (of[0].count > 0).then_some(smoothed)
    };
    let categories = of.iter().filter_map(|(name, folds)| Some((name.clone(), category(folds)?))).collect();
    Encodings { unknown: all.iter().map(|all| all.mean).collect(), categories }
}

/// The mean of a category, drawn towards that of all.
fn smooth(of: Moments, all: Moments, smoothing: Smoothing) -> f64 {
    let count = of.count as f64;
    match smoothing {
        Smoothing::M(m) => (of.mean * count + m * all.mean) / (count + m),
        Smoothing::Auto => {
            let explained = all.variance() * count;
            let weight = explained / (explained + of.variance());
            // Where nothing varies there is nothing to tell apart.
            if weight.is_finite() { weight * of.mean + (1.0 - weight) * all.mean } else { all.mean }
        }
    }
}

#[cfg(test)]
#[path = "target_encode_tests.rs"]
mod tests;
