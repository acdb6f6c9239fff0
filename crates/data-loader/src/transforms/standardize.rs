//! How do the numbers of a column come to mean 0 and standard deviation 1?

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
pub const ENTRY: Entry = Entry { name: "standardize", summary: "bring columns to mean 0 and standard deviation 1" };

/// `[data.transforms.standardize]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which columns; without it all numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
}

/// The mean and the population standard deviation of every column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standardize {
    /// By column.
    pub scales: OrderedMap<Scale>,
}

impl Transform for Standardize {
    type Config = Config;

    /// Measures the columns.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        let scales = learn(config.columns.as_deref(), training, ENTRY.name, |column| Scale::standard(&column))?;
        Ok(Self { scales })
    }

    /// Scales the numbers of `record`.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        each_number(record, &self.scales, |scale, number| scale.apply(number));
        Ok(())
    }
}
