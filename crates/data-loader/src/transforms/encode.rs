//! How does a category become a whole number? By its place in the alphabetical list of those that training saw.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::config::OrderedMap;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::random::Random;
use crate::registry::Entry;
use crate::schema::FeatureKind;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "encode", summary: "turn categories into codes, 0 being the unknown category" };

/// `[data.transforms.encode]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A category that training saw less often than this counts as unknown, so that the unknown code is learnt too.
    pub min_count: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { min_count: 1 }
    }
}

/// The known categories of every column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encode {
    /// By column, in ascending order; the code of a category is its place plus 1.
    pub categories: OrderedMap<Vec<String>>,
}

/// How many categories of a column are told apart at most: 2^20. A column with more of them is a key or a text.
const MOST: usize = 1 << 20;

fn too_many(column: &str) -> Error {
    Error::Mismatch {
        message: format!("The category `{column}` has more than {MOST} different values in the training part"),
        hint: format!(
            "If `{column}` names the examples, make it the `key` in [schema] of the card; else list it under `ignore`, or read it as a text or a number."
        ),
    }
}

impl Transform for Encode {
    type Config = Config;

    /// Lists the categories of each column.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        let names = training.schema.names(FeatureKind::Category);
        let mut counts = vec![BTreeMap::<String, usize>::new(); names.len()];
        if !names.is_empty() {
            training.each(|record| {
                let mut next = 0;
                for (name, counts) in names.iter().zip(&mut counts) {
                    let Some(place) = record.place(name, next) else { continue };
                    next = place + 1;
                    if let Value::Text(category) = &record.fields[place].1 {
                        let known = counts.len();
                        match counts.get_mut(category) {
                            Some(count) => *count += 1,
                            None if known == MOST => return Err(too_many(name)),
                            None => drop(counts.insert(category.clone(), 1)),
                        }
                    }
                }
                Ok(())
            })?;
        }
        let known = |counts: BTreeMap<String, usize>| {
            counts.into_iter().filter(|(_, count)| *count >= config.min_count).map(|(category, _)| category).collect()
        };
        let categories = names.iter().zip(counts).map(|(name, counts)| ((*name).to_owned(), known(counts))).collect();
        Ok(Self { categories: OrderedMap(categories) })
    }

    /// Puts codes in the place of the categories of `record`; a missing or unknown one gets 0.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        let mut next = 0;
        for (name, known) in &self.categories.0 {
            let Some(place) = record.place(name, next) else { continue };
            next = place + 1;
            let code = match &record.fields[place].1 {
                Value::Text(category) => known.binary_search(category).map_or(0, |code| code as i64 + 1),
                _ => 0,
            };
            record.fields[place].1 = Value::Code(code);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transforms::tests::applied;

    const SCHEMA: &str = "[features]\na = \"category\"";

    fn codes(config: &str, values: &[Option<&str>]) -> Vec<Value> {
        let rows: Vec<[Value; 1]> =
            values.iter().map(|value| [value.map_or(Value::Missing, |text| Value::Text(text.into()))]).collect();
        let rows: Vec<&[Value]> = rows.iter().map(|row| &row[..]).collect();
        applied(config, SCHEMA, &rows).into_iter().flatten().collect()
    }

    #[test]
    fn codes_follow_the_alphabet_and_gaps_are_unknown() {
        let found = codes("[encode]", &[Some("red"), Some("blue"), None, Some("red")]);
        assert_eq!(found, [2, 1, 0, 2].map(Value::Code));
        let found = codes("[encode]\nmin_count = 2", &[Some("red"), Some("blue"), None, Some("red")]);
        assert_eq!(found, [1, 0, 0, 1].map(Value::Code));
    }

    #[test]
    fn a_category_that_training_never_saw_is_unknown() {
        let encode = Encode { categories: OrderedMap(vec![("a".into(), vec!["blue".into()])]) };
        let mut record = Record::new("1".into(), vec![("a".into(), Value::Text("green".into()))], None);
        encode.apply(&mut record, None).unwrap();
        assert_eq!(record.field("a"), Some(&Value::Code(0)));
    }
}
