//! How are the numbers of a column scaled so that a few outliers do not decide? By the median and two quantiles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::config::OrderedMap;
use crate::error::Error;
use crate::example::Record;
use crate::random::Random;
use crate::registry::Entry;
use crate::scale::{Scale, each_number, learn};

/// This transform in the list of transforms.
pub const ENTRY: Entry =
    Entry { name: "robust", summary: "scale columns by median and quantiles, which outliers do not move" };

/// `[data.transforms.robust]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which columns; without it all numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The two quantiles, as fractions, whose distance becomes 1.
    pub quantiles: [f64; 2],
}

impl Default for Config {
    fn default() -> Self {
        Self { columns: None, quantiles: [0.25, 0.75] }
    }
}

/// The median of every column and the distance of its quantiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Robust {
    /// By column.
    pub scales: OrderedMap<Scale>,
}

impl Transform for Robust {
    type Config = Config;

    /// Measures the columns.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        let [low, high] = config.quantiles;
        if !(0.0 <= low && low < high && high <= 1.0) {
            return Err(Error::Setting {
                key: "data.transforms.robust.quantiles".into(),
                message: format!("is [{low}, {high}]"),
                hint: "Give two fractions from 0 to 1, the smaller one first: `quantiles = [0.25, 0.75]`.".into(),
            });
        }
        let scale = |column| Scale::robust(column, low, high);
        Ok(Self { scales: learn(config.columns.as_deref(), training, ENTRY.name, scale)? })
    }

    /// Scales the numbers of `record`.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        each_number(record, &self.scales, |scale, number| scale.apply(number));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::example::Value;
    use crate::transforms::tests::{applied, fit};

    #[test]
    fn an_outlier_moves_nothing() {
        let schema = "[features]\nx = \"number\"";
        let scaled = |last: f64| {
            let rows: Vec<[Value; 1]> = [1.0, 2.0, 3.0, 4.0, last].map(|value| [Value::Number(value)]).to_vec();
            let rows: Vec<&[Value]> = rows.iter().map(|row| &row[..]).collect();
            applied("[robust]", schema, &rows)[..4].to_vec()
        };
        assert_eq!(scaled(5.0), scaled(5e30));
        assert_eq!(scaled(5.0)[0], [Value::Number(-1.0)]);
        assert!(fit("[robust]\nquantiles = [0.7, 0.3]", schema, &[]).is_err());
        assert!(fit("[robust]\nquantiles = [0.0, 75.0]", schema, &[]).is_err());
    }
}
