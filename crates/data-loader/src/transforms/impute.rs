//! What stands in for a number that is missing? A constant that the training part gave, and if asked a flag that says so.
//!
//! A missing category needs no stand-in: `encode` gives it the code of the unknown category.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::config::OrderedMap;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::number_plan::Steps;
use crate::random::Random;
use crate::registry::Entry;
use crate::schema::FeatureKind;
use crate::statistics::quantile;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "impute", summary: "fill missing numbers in" };

/// What fills a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The mean of the column.
    Mean,
    /// The median of the column, which outliers do not move.
    #[default]
    Median,
    /// This number, in the units of the column: `numbers = { constant = 0.0 }`.
    Constant(f64),
}

/// `[data.transforms.impute]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What fills a gap: "mean", "median" or { constant = 0.0 }.
    pub numbers: Strategy,
    /// Whether each column with gaps in the training part gets a second one, `<column>_missing`, which is 1 at a gap and 0
    /// elsewhere.
    pub indicator: bool,
}

/// The stand-in of every number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Impute {
    /// By column.
    pub values: OrderedMap<f64>,
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
        let names = training.schema.names(FeatureKind::Number);
        let mut values = Vec::new();
        let mut indicators = Vec::new();
        let measured = training.summaries(&names)?;
        for (name, mut column) in names.into_iter().zip(measured.columns) {
            let gaps = column.count < measured.rows;
            let value = match config.numbers {
                Strategy::Constant(value) if value.is_finite() => value,
                Strategy::Constant(value) => {
                    return Err(Error::Setting {
                        key: "data.transforms.impute.numbers".into(),
                        message: format!("is the constant {value}"),
                        hint: "Use a finite number.".into(),
                    });
                }
                _ if column.count == 0 => {
                    return Err(Error::Mismatch {
                        message: format!(
                            "The column `{name}` has no value at all in the training part, so its gaps cannot be filled"
                        ),
                        hint: format!(
                            "List `{name}` under `ignore` in the card, or set `numbers = {{ constant = 0.0 }}` in [data.transforms.impute]."
                        ),
                    });
                }
                Strategy::Mean => column.mean_and_std().0,
                Strategy::Median => {
                    column.values.sort_by(f64::total_cmp);
                    quantile(&column.values, 0.5)
                }
            };
            values.push((name.to_owned(), value));
            if config.indicator && gaps {
                let indicator = indicator_name(name);
                if training.schema.knows(&indicator) {
                    return Err(Error::Mismatch {
                        message: format!(
                            "The indicator of `{name}` would be called `{indicator}`, and there is such a column already"
                        ),
                        hint: "Rename the column, or leave `indicator` out.".into(),
                    });
                }
                indicators.push(name.to_owned());
            }
        }
        Ok(Self { values: OrderedMap(values), indicators })
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
        next = 0;
        for (name, stand_in) in &self.values.0 {
            let Some(place) = record.place(name, next) else { continue };
            next = place + 1;
            if record.fields[place].1 == Value::Missing {
                record.fields[place].1 = Value::Number(*stand_in);
            }
        }
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
