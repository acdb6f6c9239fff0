//! How does a column of any distribution come to a known one? Each number goes by how many of the training part lie below it.
//!
//! What lies between two fitted quantiles is interpolated; what lies beyond the outermost ones gets their place. Where many
//! training values are equal, a value gets the middle of the places that they share. This is scikit-learn's `QuantileTransformer`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::config::OrderedMap;
use crate::error::Error;
use crate::example::Record;
use crate::random::Random;
use crate::registry::Entry;
use crate::scale::{each_number, learn};
use crate::statistics::{normal_quantile, quantile};
use crate::summary::Summary;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "quantile", summary: "bring columns to a uniform or normal distribution" };

/// The distribution to which a column comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Evenly from 0 to 1.
    #[default]
    Uniform,
    /// The standard normal distribution, cut off at ±5.2.
    Normal,
}

/// `[data.transforms.quantile]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which columns; without it all numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// How many quantiles are fitted, at least 2; never more than there are training values.
    pub quantiles: usize,
    /// The distribution to which the columns come: "uniform" or "normal".
    pub output: Output,
}

impl Default for Config {
    fn default() -> Self {
        Self { columns: None, quantiles: 1000, output: Output::default() }
    }
}

/// The quantiles of every column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// By column the quantiles at even distances from 0 to 1, ascending; none of a column without values.
    pub quantiles: OrderedMap<Vec<f64>>,
    /// The distribution to which the columns come.
    pub output: Output,
}

/// How near to 0 and 1 a place may come before it is turned into a normal quantile; this far from an end counts as the end.
pub const EDGE: f64 = 1e-7;

impl Transform for Quantile {
    type Config = Config;

    /// Measures the quantiles of each column.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        if config.quantiles < 2 {
            return Err(Error::Setting {
                key: "data.transforms.quantile.quantiles".into(),
                message: format!("is {}", config.quantiles),
                hint: "Use at least 2; 1000 are usual.".into(),
            });
        }
        let measure = |column: Summary| {
            let mut values = column.values;
            values.sort_by(f64::total_cmp);
            if values.len() <= config.quantiles {
                return values;
            }
            let count = config.quantiles;
            let last = (count - 1) as f64;
            let mut quantiles: Vec<f64> = (0..count).map(|i| quantile(&values, i as f64 / last)).collect();
            // Interpolating between equal values may round one below the one before.
            for i in 1..quantiles.len() {
                quantiles[i] = quantiles[i].max(quantiles[i - 1]);
            }
            quantiles
        };
        Ok(Self { quantiles: learn(config.columns.as_deref(), training, ENTRY.name, measure)?, output: config.output })
    }

    /// Puts the place of each number among the training values in its place.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        each_number(record, &self.quantiles, |quantiles, number| match self.output {
            Output::Uniform => place(quantiles, number, 0.0),
            Output::Normal => {
                let bound = EDGE - f64::EPSILON;
                normal_quantile(place(quantiles, number, EDGE).clamp(bound, 1.0 - bound))
            }
        });
        Ok(())
    }
}

/// The fraction of the training values that lies below `number`. A number within `edge` of an end has the place of the end.
fn place(quantiles: &[f64], number: f64, edge: f64) -> f64 {
    let (Some(first), Some(last)) = (quantiles.first(), quantiles.last()) else { return 0.5 };
    let steps = (quantiles.len() - 1).max(1) as f64;
    let at = |place: usize| place as f64 / steps;
    if number - edge < *first || number == *first {
        return 0.0;
    }
    if number + edge > *last || number == *last {
        return 1.0;
    }
    // Between two quantiles both counts lead to the same gap; on equal ones they are the ends of the run.
    let (below, up_to) = (quantiles.partition_point(|q| *q < number), quantiles.partition_point(|q| *q <= number));
    if below < up_to {
        return f64::midpoint(at(below), at(up_to - 1));
    }
    let (low, high) = (quantiles[below - 1], quantiles[below]);
    at(below - 1) + (at(below) - at(below - 1)) * ((number - low) / (high - low))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::example::Value;
    use crate::transforms::tests::{applied, fit};

    fn scaled(config: &str, values: &[f64]) -> Vec<f64> {
        let rows: Vec<[Value; 1]> = values.iter().map(|&value| [Value::Number(value)]).collect();
        let rows: Vec<&[Value]> = rows.iter().map(|row| &row[..]).collect();
        let number = |row: &Vec<Value>| match row[0] {
            Value::Number(number) => number,
            _ => panic!("no number"),
        };
        applied(config, "[features]\nx = \"number\"", &rows).iter().map(number).collect()
    }

    proptest! {
        #[test]
        fn the_order_is_kept_and_the_ends_are_met(values in proptest::collection::vec(-1e6..1e6_f64, 2..80)) {
            let found = scaled("[quantile]", &values);
            for (a, x) in values.iter().zip(&found) {
                prop_assert!((0.0..=1.0).contains(x));
                for (b, y) in values.iter().zip(&found) {
                    prop_assert!(a.total_cmp(b) == std::cmp::Ordering::Equal || (a < b) == (x < y), "{a} {b} {x} {y}");
                }
            }
            // Of n different values the i-th least lies at i / (n - 1).
            let mut sorted = found.clone();
            sorted.sort_by(f64::total_cmp);
            let distinct = values.iter().map(|v| v.to_bits()).collect::<std::collections::HashSet<_>>().len();
            if distinct == values.len() {
                for (i, place) in sorted.iter().enumerate() {
                    prop_assert!((place - i as f64 / (values.len() - 1) as f64).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn equal_values_share_the_middle_of_their_places() {
        assert_eq!(scaled("[quantile]", &[0.0, 1.0, 1.0, 1.0, 2.0]), [0.0, 0.5, 0.5, 0.5, 1.0]);
        assert_eq!(scaled("[quantile]", &[7.0; 4]), [0.0; 4]);
        assert!(scaled("[quantile]\noutput = \"normal\"", &[1.0, 2.0, 3.0])[1].abs() < 1e-15);
        assert!(fit("[quantile]\nquantiles = 1", "[features]\nx = \"number\"", &[]).is_err());
    }

    #[test]
    fn what_lies_beyond_gets_the_place_of_the_end() {
        let rows: &[&[Value]] = &[&[Value::Number(1.0)], &[Value::Number(2.0)]];
        let (fitted, _) = fit("[quantile]\noutput = \"normal\"", "[features]\nx = \"number\"", rows).unwrap();
        let mut record = Record::new("1".into(), vec![("x".into(), Value::Number(1e30))], None);
        fitted[0].apply(&mut record, None).unwrap();
        let Some(Value::Number(far)) = record.field("x") else { panic!("no number") };
        // The quantile of 1 - 1e-7 of the normal distribution.
        assert!((far - 5.199_337_582_7).abs() < 1e-6, "{far}");
    }
}
