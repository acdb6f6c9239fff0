//! What stands in for a value that is missing? A constant that the training part gave, and if asked a flag that says so.
//!
//! A missing category needs no stand-in, but may have one: `encode` gives it the code of the unknown category.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::config::OrderedMap;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::number_plan::Steps;
use crate::random::Random;
use crate::registry::Entry;
use crate::scale::columns;
use crate::schema::FeatureKind;
use crate::statistics::quantile;
use crate::summary::Summary;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "impute", summary: "fill missing numbers and categories in" };

/// What fills a gap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The mean of the column.
    Mean,
    /// The median of the column, which outliers do not move.
    #[default]
    Median,
    /// The most frequent value of the column; of several the least.
    Mode,
    /// This value, a number in the units of the column or a category: `numbers = { constant = 0.0 }`.
    Constant(Constant),
}

/// A value that the user chose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Constant {
    /// For a column of numbers.
    Number(f64),
    /// For a column of categories.
    Text(String),
}

/// `[data.transforms.impute]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What fills the gaps of numbers: "mean", "median", "mode" or { constant = 0.0 }.
    pub numbers: Strategy,
    /// What fills the gaps of categories: "mode" or { constant = "none" }. Without it they stay, and `encode` gives them the
    /// code of the unknown category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categories: Option<Strategy>,
    /// What fills the gaps of single columns, in the place of the two above: `columns = { age = "mean" }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, Strategy>,
    /// Whether each column that is filled and has gaps in the training part gets a second one, `<column>_missing`, which is
    /// 1 at a gap and 0 elsewhere.
    pub indicator: bool,
}

/// The stand-in of every number and of the categories that are filled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Impute {
    /// By column of numbers.
    pub values: OrderedMap<f64>,
    /// By column of categories.
    #[serde(default)]
    pub categories: OrderedMap<String>,
    /// The columns that have a second one which tells gaps.
    pub indicators: Vec<String>,
}

/// The name of the column that tells the gaps of `column`.
pub fn indicator_name(column: &str) -> String {
    format!("{column}_missing")
}

impl Transform for Impute {
    type Config = Config;

    /// Finds the stand-in of each column.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        check_columns(config, training)?;
        let names = training.schema.names(FeatureKind::Number);
        let mut values = Vec::new();
        let measured = training.summaries(&names)?;
        let mut gaps: Vec<bool> = measured.columns.iter().map(|column| column.count < measured.rows).collect();
        for (name, column) in names.iter().zip(measured.columns) {
            let strategy = config.columns.get(*name).unwrap_or(&config.numbers);
            values.push(((*name).to_owned(), number(name, strategy, column)?));
        }
        let strategy = |name: &str| config.columns.get(name).or(config.categories.as_ref());
        let mut filled = training.schema.names(FeatureKind::Category);
        filled.retain(|name| strategy(name).is_some());
        let counts = count(&filled, &mut gaps, training)?;
        let mut categories = Vec::new();
        for (name, counts) in filled.iter().zip(counts) {
            let Some(strategy) = strategy(name) else { continue };
            categories.push(((*name).to_owned(), category(name, strategy, &counts)?));
        }
        let mut indicators = Vec::new();
        for (name, gap) in names.iter().chain(&filled).zip(gaps) {
            if !config.indicator || !gap {
                continue;
            }
            let indicator = indicator_name(name);
            if training.schema.knows(&indicator) {
                return Err(Error::Mismatch {
                    message: format!(
                        "The indicator of `{name}` would be called `{indicator}`, and there is such a column already"
                    ),
                    hint: "Rename the column, or leave `indicator` out.".into(),
                });
            }
            indicators.push((*name).to_owned());
        }
        Ok(Self { values: OrderedMap(values), categories: OrderedMap(categories), indicators })
    }

    /// Fills the gaps of `record`.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        let mut next = 0;
        for name in &self.indicators {
            let place = record.place(name, next);
            next = place.map_or(next, |place| place + 1);
            let gap = place.is_some_and(|place| record.fields[place].1 == Value::Missing);
            record.fields.push((indicator_name(name), Value::Number(f64::from(u8::from(gap)))));
        }
        fill(record, &self.values, |stand_in| Value::Number(*stand_in));
        fill(record, &self.categories, |stand_in| Value::Text(stand_in.clone()));
        Ok(())
    }

    fn steps(&self, steps: &mut Steps) -> bool {
        for (name, stand_in) in &self.values.0 {
            steps.fill(name, *stand_in);
        }
        self.indicators.is_empty()
    }

    fn reshape(&self, features: &mut OrderedMap<FeatureKind>) {
        features.0.extend(self.indicators.iter().map(|name| (indicator_name(name), FeatureKind::Number)));
    }
}

/// Puts stand-ins in the place of missing values.
fn fill<T>(record: &mut Record, stand_ins: &OrderedMap<T>, value: impl Fn(&T) -> Value) {
    let mut next = 0;
    for (name, stand_in) in &stand_ins.0 {
        let Some(place) = record.place(name, next) else { continue };
        next = place + 1;
        if record.fields[place].1 == Value::Missing {
            record.fields[place].1 = value(stand_in);
        }
    }
}

/// Refuses strategies for columns that are not there, or that are neither numbers nor categories.
fn check_columns(config: &Config, training: &Training<'_>) -> Result<(), Error> {
    let names: Vec<String> = config.columns.keys().cloned().collect();
    columns(Some(&names), &[FeatureKind::Number, FeatureKind::Category], training, ENTRY.name).map(drop)
}

/// The error for a strategy that does not suit its column.
fn unsuited(name: &str, is: &str, hint: &str) -> Error {
    Error::Setting {
        key: "data.transforms.impute".into(),
        message: format!("fills `{name}` with {is}"),
        hint: hint.into(),
    }
}

/// The error for a column from which nothing can be learnt.
fn no_value(name: &str, constant: &str) -> Error {
    Error::Mismatch {
        message: format!("The column `{name}` has no value at all in the training part, so its gaps cannot be filled"),
        hint: format!(
            "List `{name}` under `ignore` in the card, or set `columns = {{ {name} = {{ constant = {constant} }} }}` in [data.transforms.impute]."
        ),
    }
}

/// The stand-in of a column of numbers.
fn number(name: &str, strategy: &Strategy, mut column: Summary) -> Result<f64, Error> {
    column.values.sort_by(f64::total_cmp);
    match strategy {
        Strategy::Constant(Constant::Number(value)) if value.is_finite() => Ok(*value),
        Strategy::Constant(Constant::Number(value)) => {
            Err(unsuited(name, &format!("the constant {value}"), "Use a finite number."))
        }
        Strategy::Constant(Constant::Text(_)) => {
            Err(unsuited(name, "a text, and it is a column of numbers", "Use a number: `{ constant = 0.0 }`."))
        }
        _ if column.count == 0 => Err(no_value(name, "0.0")),
        Strategy::Mean => Ok(column.mean_and_std().0),
        Strategy::Median => Ok(quantile(&column.values, 0.5)),
        Strategy::Mode => {
            let runs = column.values.chunk_by(|a, b| a == b);
            // Of several runs of one length the last one is taken, so the least value is put last.
            Ok(runs.rev().max_by_key(|run| run.len()).map_or(0.0, |run| run[0]))
        }
    }
}

/// The stand-in of a column of categories.
fn category(name: &str, strategy: &Strategy, counts: &BTreeMap<String, usize>) -> Result<String, Error> {
    match strategy {
        Strategy::Constant(Constant::Text(text)) => Ok(text.clone()),
        Strategy::Mode => {
            let most = counts.iter().rev().max_by_key(|(_, count)| **count);
            most.map(|(category, _)| category.clone()).ok_or_else(|| no_value(name, "\"none\""))
        }
        _ => Err(unsuited(
            name,
            "a number, and it is a column of categories",
            "Use \"mode\", or a text: `{ constant = \"none\" }`.",
        )),
    }
}

/// How often each category of `columns` occurs in the training part; behind `gaps` comes whether some are missing.
fn count(
    columns: &[&str],
    gaps: &mut Vec<bool>,
    training: &Training<'_>,
) -> Result<Vec<BTreeMap<String, usize>>, Error> {
    let mut counts = vec![BTreeMap::<String, usize>::new(); columns.len()];
    let mut missing = vec![false; columns.len()];
    if !columns.is_empty() {
        training.each(|record| {
            for ((name, counts), missing) in columns.iter().zip(&mut counts).zip(&mut missing) {
                match record.field(name) {
                    Some(Value::Text(category)) => *counts.entry(category.clone()).or_default() += 1,
                    Some(Value::Missing) => *missing = true,
                    _ => {}
                }
            }
            Ok(())
        })?;
    }
    gaps.extend(missing);
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transforms::FittedTransform;
    use crate::transforms::tests::{applied, fit};

    const SCHEMA: &str = "[features]\nx = \"number\"\nz = \"number\"";

    fn stand_in(config: &str, values: &[f64]) -> f64 {
        let rows: Vec<[Value; 2]> = values.iter().map(|&value| [Value::Number(value), Value::Number(0.0)]).collect();
        let rows: Vec<&[Value]> = rows.iter().map(|row| &row[..]).collect();
        let (fitted, _) = fit(config, SCHEMA, &rows).unwrap();
        let [FittedTransform::Impute(impute)] = &fitted[..] else { panic!("no impute") };
        *impute.values.get("x").unwrap()
    }

    proptest! {
        #[test]
        fn strategies_agree_with_their_closed_forms(mut values in proptest::collection::vec(-1e6..1e6_f64, 1..60)) {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            prop_assert!((stand_in("[impute]\nnumbers = \"mean\"", &values) - mean).abs() < 1e-6);
            let found = stand_in("[impute]", &values);
            values.sort_by(f64::total_cmp);
            let half = values.len() / 2;
            let median = if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
            prop_assert!((found - median).abs() < 1e-9);
            prop_assert_eq!(stand_in("[impute]\nnumbers = { constant = -1.5 }", &values), -1.5);
            let rounded: Vec<f64> = values.iter().map(|value| (value / 3e5).round()).collect();
            let mode = stand_in("[impute]\nnumbers = \"mode\"", &rounded);
            let count = |value: f64| rounded.iter().filter(|&&other| other == value).count();
            prop_assert!(rounded.iter().all(|&v| count(v) < count(mode) || (count(v) == count(mode) && v >= mode)));
        }
    }

    #[test]
    fn gaps_are_filled_and_told() {
        use Value::{Missing, Number};
        let rows: &[&[Value]] = &[&[Number(1.0), Number(5.0)], &[Missing, Number(6.0)], &[Number(3.0), Number(7.0)]];
        assert_eq!(applied("[impute]", SCHEMA, rows)[1], [Number(2.0), Number(6.0)]);
        let told = applied("[impute]\nindicator = true", SCHEMA, rows);
        assert_eq!(told[0], [Number(1.0), Number(5.0), Number(0.0)]);
        assert_eq!(told[1], [Number(2.0), Number(6.0), Number(1.0)]);
    }

    #[test]
    fn categories_are_filled_where_it_is_asked_for() {
        let schema = "[features]\nx = \"number\"\nc = \"category\"\nd = \"category\"";
        let text = |text: &str| Value::Text(text.into());
        let rows: &[&[Value]] = &[
            &[Value::Number(1.0), text("b"), text("u")],
            &[Value::Missing, Value::Missing, Value::Missing],
            &[Value::Number(4.0), text("a"), text("v")],
            &[Value::Number(4.0), text("a"), text("v")],
        ];
        assert_eq!(applied("[impute]", schema, rows)[1], [Value::Number(4.0), Value::Missing, Value::Missing]);
        let mode = "[impute]\ncategories = \"mode\"\nindicator = true";
        let one = Value::Number(1.0);
        let filled = [Value::Number(4.0), text("a"), text("v"), one.clone(), one.clone(), one.clone()];
        assert_eq!(applied(mode, schema, rows)[1], filled);
        let single = "[impute]\ncolumns = { x = \"mean\", d = { constant = \"none\" } }";
        assert_eq!(applied(single, schema, rows)[1], [Value::Number(3.0), Value::Missing, text("none")]);
        for (wrong, word) in [
            ("categories = \"mean\"", "column of categories"),
            ("categories = { constant = 0 }", "column of categories"),
            ("numbers = { constant = \"a\" }", "column of numbers"),
            ("columns = { y = \"mode\" }", "no feature"),
        ] {
            let error = fit(&format!("[impute]\n{wrong}"), schema, rows).err().unwrap();
            assert!(error.to_string().contains(word) && error.hint().is_some(), "{error}");
        }
    }

    #[test]
    fn a_bundle_of_before_categories_is_read() {
        let old = r#"{"values": {"x": 2.0}, "indicators": ["x"]}"#;
        let impute: Impute = serde_json::from_str(old).unwrap();
        assert_eq!(impute.values.get("x"), Some(&2.0));
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        let rows: &[&[Value]] = &[&[Value::Missing, Value::Number(1.0)]];
        let error = fit("[impute]", SCHEMA, rows).err().unwrap();
        assert!(error.to_string().contains("`x`") && error.hint().unwrap().contains("ignore"), "{error}");
        assert!(fit("[impute]\nnumbers = { constant = 0.0 }", SCHEMA, rows).is_ok());
        assert!(fit("[impute]\nnumbers = { constant = nan }", SCHEMA, rows).is_err());
        let clash = "[features]\nx = \"number\"\nx_missing = \"number\"";
        assert!(fit("[impute]\nindicator = true\nnumbers = { constant = 0 }", clash, rows).is_err());
    }
}
