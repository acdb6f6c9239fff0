//! How does a category that has an order become a number? By its place in the order that the user gives.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::config::OrderedMap;
use crate::error::{Error, closest, quoted};
use crate::example::{Record, Value};
use crate::random::Random;
use crate::registry::Entry;
use crate::scale::columns;
use crate::schema::FeatureKind;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "ordinal", summary: "turn categories into numbers by an order that you give" };

/// What becomes of a category that stands in no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// It is an error with example and column, when training begins and for new data.
    #[default]
    Error,
    /// It counts as missing, so that `impute` behind this transform fills it in.
    Missing,
}

/// `[data.transforms.ordinal]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The order of the categories of each column: `columns = { size = ["small", "medium", "large"] }`; the first becomes 0.
    pub columns: BTreeMap<String, Vec<String>>,
    /// What becomes of a category that stands in no order: "error" or "missing".
    pub unknown: Unknown,
}

/// The order of the categories of every column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordinal {
    /// By column.
    pub orders: OrderedMap<Vec<String>>,
    /// What becomes of the others.
    pub unknown: Unknown,
}

impl Transform for Ordinal {
    type Config = Config;

    /// Checks that every category of the training part stands in its order.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        let asked: Vec<String> = config.columns.keys().cloned().collect();
        let names = columns(Some(&asked), &[FeatureKind::Category], training, ENTRY.name)?;
        let mut orders = OrderedMap::default();
        for name in names {
            let order = config.columns.get(&name).cloned().unwrap_or_default();
            let mut seen = HashSet::new();
            if order.is_empty() || !order.iter().all(|category| seen.insert(category)) {
                return Err(Error::Setting {
                    key: format!("data.transforms.ordinal.columns.{name}"),
                    message: "is empty, or names a category twice".into(),
                    hint: "List each category once, the least first.".into(),
                });
            }
            orders.0.push((name, order));
        }
        let fitted = Self { orders, unknown: config.unknown };
        if fitted.unknown == Unknown::Error && !fitted.orders.0.is_empty() {
            training.each(|record| fitted.apply(&mut record.clone(), None))?;
        }
        Ok(fitted)
    }

    /// Puts numbers in the place of the categories of `record`; a missing one stays missing.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        let mut next = 0;
        for (name, order) in &self.orders.0 {
            let Some(place) = record.place(name, next) else { continue };
            next = place + 1;
            let Value::Text(category) = &record.fields[place].1 else { continue };
            record.fields[place].1 = match order.iter().position(|known| known == category) {
                Some(number) => Value::Number(number as f64),
                None if self.unknown == Unknown::Missing => Value::Missing,
                None => {
                    return Err(Error::Field {
                        id: record.id.key.clone(),
                        kind: "category",
                        column: name.clone(),
                        found: format!("{}, which stands nowhere in its order", quoted(category)),
                        hint: match closest(category, order.iter().map(String::as_str)) {
                            Some(near) => {
                                format!("Did you mean `{near}`? Else name it in [data.transforms.ordinal.columns].")
                            }
                            None => {
                                "Name it in [data.transforms.ordinal.columns], or set `unknown = \"missing\"` there."
                                    .into()
                            }
                        },
                    });
                }
            };
        }
        Ok(())
    }

    fn reshape(&self, features: &mut OrderedMap<FeatureKind>) {
        for (name, kind) in &mut features.0 {
            if self.orders.get(name).is_some() {
                *kind = FeatureKind::Number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transforms::tests::{applied, fit};

    const SCHEMA: &str = "[features]\nc = \"category\"";
    const CONFIG: &str = "[ordinal.columns]\nc = [\"small\", \"medium\", \"large\"]";

    fn text(text: &str) -> [Value; 1] {
        [Value::Text(text.into())]
    }

    #[test]
    fn numbers_follow_the_order_that_was_given() {
        let found = applied(CONFIG, SCHEMA, &[&text("large"), &text("small"), &[Value::Missing], &text("medium")]);
        assert_eq!(found.concat(), [Value::Number(2.0), Value::Number(0.0), Value::Missing, Value::Number(1.0)]);
        let missing = format!("[ordinal]\nunknown = \"missing\"\n{CONFIG}\n[impute]\nnumbers = {{ constant = -1 }}");
        assert_eq!(applied(&missing, SCHEMA, &[&text("huge")]).concat(), [Value::Number(-1.0)]);
    }

    #[test]
    fn what_stands_in_no_order_is_refused_with_its_row() {
        let error = fit(CONFIG, SCHEMA, &[&text("small"), &text("smal")]).err().unwrap();
        assert!(error.to_string().contains("Example #1") && error.hint().unwrap().contains("`small`"), "{error}");
        for wrong in ["c = []", "c = [\"a\", \"a\"]", "d = [\"a\"]"] {
            assert!(fit(&format!("[ordinal.columns]\n{wrong}"), SCHEMA, &[&text("a")]).is_err(), "{wrong}");
        }
    }
}
