//! How does a category become numbers without an order? By a column of its own for each category, 1 where it is and 0 elsewhere.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::config::OrderedMap;
use crate::error::{Error, quoted};
use crate::example::{Record, Value};
use crate::random::Random;
use crate::registry::Entry;
use crate::scale::{columns, new_column, replace};
use crate::schema::FeatureKind;

/// This transform in the list of transforms.
pub const ENTRY: Entry =
    Entry { name: "one_hot", summary: "turn categories into a column of 0 and 1 for each of them" };

/// What becomes of a category that training never saw, and of a missing one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// All its columns are 0.
    #[default]
    Zeros,
    /// It has a column of its own, `<column>=`, which is 1.
    Column,
    /// It is an error with example and column.
    Error,
}

/// `[data.transforms.one_hot]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which columns; without it all categories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// A category that training saw less often than this counts as unknown.
    pub min_count: usize,
    /// What becomes of unknown and missing categories: "zeros", "column" (a column `<column>=` of their own) or "error".
    pub unknown: Unknown,
    /// A column with more categories than this is refused: each becomes a number of every example.
    pub most: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { columns: None, min_count: 1, unknown: Unknown::default(), most: 256 }
    }
}

/// The known categories of every column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneHot {
    /// By column, in ascending order.
    pub categories: OrderedMap<Vec<String>>,
    /// What becomes of the others.
    pub unknown: Unknown,
}

impl OneHot {
    /// The columns that come in the place of `column`.
    fn names(&self, column: &str, known: &[String]) -> Vec<String> {
        let unknown = (self.unknown == Unknown::Column).then_some("");
        known.iter().map(String::as_str).chain(unknown).map(|category| format!("{column}={category}")).collect()
    }
}

impl Transform for OneHot {
    type Config = Config;

    /// Lists the categories of each column.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        let names = columns(config.columns.as_deref(), &[FeatureKind::Category], training, ENTRY.name)?;
        let mut counts = vec![BTreeMap::<String, usize>::new(); names.len()];
        if !names.is_empty() {
            training.each(|record| {
                for (name, counts) in names.iter().zip(&mut counts) {
                    if let Some(Value::Text(category)) = record.field(name) {
                        *counts.entry(category.clone()).or_default() += 1;
                    }
                }
                Ok(())
            })?;
        }
        let mut taken = HashSet::new();
        let mut fitted = Self { categories: OrderedMap::default(), unknown: config.unknown };
        for (name, counts) in names.into_iter().zip(counts) {
            let known: Vec<String> =
                counts.into_iter().filter(|(_, count)| *count >= config.min_count).map(|(known, _)| known).collect();
            if known.len() > config.most {
                return Err(Error::Mismatch {
                    message: format!(
                        "The column `{name}` has {} categories, and `one_hot` makes a column of each",
                        known.len()
                    ),
                    hint: format!(
                        "Raise `min_count`, or `most` (which is {}), in [data.transforms.one_hot]; `encode` and `target_encode` suit many categories better.",
                        config.most
                    ),
                });
            }
            for column in fitted.names(&name, &known) {
                new_column(&column, &name, training.schema, !taken.insert(column.clone()), ENTRY.name)?;
            }
            fitted.categories.0.push((name, known));
        }
        Ok(fitted)
    }

    /// Puts a number for each known category in the place of the categories of `record`.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        let mut next = 0;
        for (name, known) in &self.categories.0 {
            let Some(place) = record.place(name, next) else { continue };
            let of = match &record.fields[place].1 {
                Value::Text(category) => known.binary_search(category).ok(),
                _ => None,
            };
            if of.is_none() && self.unknown == Unknown::Error {
                let found = match &record.fields[place].1 {
                    Value::Text(category) => format!("{}, which training never saw", quoted(category)),
                    _ => "missing".into(),
                };
                return Err(Error::Field {
                    id: record.id.key.clone(),
                    kind: "category",
                    column: name.clone(),
                    found,
                    hint: "Set `unknown = \"zeros\"` in [data.transforms.one_hot] to let such examples through.".into(),
                });
            }
            let one = of.unwrap_or(known.len());
            let columns = self.names(name, known).into_iter().enumerate();
            let columns: Vec<_> =
                columns.map(|(i, column)| (column, Value::Number(f64::from(u8::from(i == one))))).collect();
            next = place + columns.len();
            record.fields.splice(place..=place, columns);
        }
        Ok(())
    }

    fn reshape(&self, features: &mut OrderedMap<FeatureKind>) {
        for (name, known) in &self.categories.0 {
            replace(features, name, self.names(name, known));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transforms::tests::{applied, fit};

    const SCHEMA: &str = "[features]\nx = \"number\"\nc = \"category\"\nz = \"number\"";

    fn row(category: &str) -> [Value; 3] {
        let value = if category.is_empty() { Value::Missing } else { Value::Text(category.into()) };
        [Value::Number(7.0), value, Value::Number(8.0)]
    }

    fn numbers(row: &[Value]) -> Vec<f64> {
        row.iter().map(|value| if let Value::Number(number) = value { *number } else { panic!("{value:?}") }).collect()
    }

    #[test]
    fn every_category_has_a_column_in_the_place_of_the_old_one() {
        let found = applied("[one_hot]", SCHEMA, &[&row("b"), &row("a"), &row("")]);
        assert_eq!(
            found.iter().map(|row| numbers(row)).collect::<Vec<_>>(),
            [[7.0, 0.0, 1.0, 8.0], [7.0, 1.0, 0.0, 8.0], [7.0, 0.0, 0.0, 8.0]]
        );
        let (fitted, _) = fit("[one_hot]\nunknown = \"column\"", SCHEMA, &[&row("b"), &row("a")]).unwrap();
        let mut features = OrderedMap(vec![("c".to_owned(), FeatureKind::Category), ("z".into(), FeatureKind::Number)]);
        fitted[0].reshape(&mut features);
        let names: Vec<&str> = features.0.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["c=a", "c=b", "c=", "z"]);
        let rare =
            applied("[one_hot]\nmin_count = 2\nunknown = \"column\"", SCHEMA, &[&row("b"), &row("a"), &row("b")]);
        assert_eq!(numbers(&rare[1]), [7.0, 0.0, 1.0, 8.0]);
    }

    #[test]
    fn unknown_categories_are_refused_where_it_is_asked_for() {
        let rows: &[&[Value]] = &[&row("a"), &row("b")];
        let (fitted, _) = fit("[one_hot]\nunknown = \"error\"", SCHEMA, rows).unwrap();
        for (category, word) in [("new", "\"new\", which training never saw"), ("", "missing")] {
            let value = if category.is_empty() { Value::Missing } else { Value::Text(category.into()) };
            let mut record = Record::new("7".into(), vec![("c".into(), value)], None);
            let error = fitted[0].apply(&mut record, None).unwrap_err();
            assert!(error.to_string().contains("Example 7") && error.to_string().contains(word), "{error}");
            assert!(error.is_bad_example());
        }
        let error = fit("[one_hot]\nmost = 1", SCHEMA, rows).err().unwrap();
        assert!(error.to_string().contains("has 2 categories"), "{error}");
        let clash = "[features]\nx = \"number\"\nc = \"category\"\n\"c=a\" = \"number\"";
        let error = fit("[one_hot]", clash, rows).err().unwrap();
        assert!(error.to_string().contains("`c=a`"), "{error}");
    }
}
