//! How do the numbers of a column come to lie between two bounds?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::config::OrderedMap;
use crate::error::Error;
use crate::example::Record;
use crate::random::Random;
use crate::registry::Entry;
use crate::scale::{Scale, each_number, learn};
use crate::summary::Summary;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "min_max", summary: "bring columns between two bounds" };

/// `[data.transforms.min_max]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which columns; without it all numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// What the least and the greatest value of the training part become.
    pub range: [f64; 2],
    /// Whether new values beyond those of the training part are cut off at the bounds.
    pub clip: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { columns: None, range: [0.0, 1.0], clip: false }
    }
}

/// The scale of every column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MinMax {
    /// By column.
    pub scales: OrderedMap<Scale>,
    /// The bounds beyond which values are cut off, if they are.
    pub clip: Option<[f64; 2]>,
}

impl Transform for MinMax {
    type Config = Config;

    /// Finds the least and the greatest value of each column.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        let [low, high] = config.range;
        let is_bound = |bound: f64| bound.abs() <= f64::from(f32::MAX);
        if !(is_bound(low) && is_bound(high) && low < high) {
            return Err(Error::Setting {
                key: "data.transforms.min_max.range".into(),
                message: format!("is [{low}, {high}]"),
                hint: "Give two numbers that 32 bits can hold, the smaller one first: `range = [0.0, 1.0]`.".into(),
            });
        }
        let scale = |column: Summary| Scale::min_max(&column, low, high);
        let scales = learn(config.columns.as_deref(), training, ENTRY.name, scale)?;
        Ok(Self { scales, clip: config.clip.then_some(config.range) })
    }

    /// Scales the numbers of `record`.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        each_number(record, &self.scales, |scale, number| match self.clip {
            Some([low, high]) => scale.apply(number).max(low).min(high),
            None => scale.apply(number),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::Value;
    use crate::transforms::tests::{applied, fit};

    #[test]
    fn new_values_go_beyond_the_bounds_unless_they_are_cut_off() {
        let schema = "[features]\nx = \"number\"";
        let rows: &[&[Value]] = &[&[Value::Number(1.0)], &[Value::Number(3.0)], &[Value::Missing]];
        let found = applied("[min_max]\nrange = [-1, 1]", schema, rows);
        assert_eq!(found, [[Value::Number(-1.0)], [Value::Number(1.0)], [Value::Missing]]);
        for (clip, wanted) in [(false, 9.0), (true, 1.0)] {
            let (fitted, _) = fit(&format!("[min_max]\nclip = {clip}"), schema, &rows[..2]).unwrap();
            let mut record = Record::new("1".into(), vec![("x".into(), Value::Number(19.0))], None);
            fitted[0].apply(&mut record, None).unwrap();
            assert_eq!(record.field("x"), Some(&Value::Number(wanted)));
        }
        for range in ["[1, 1]", "[2, 1]", "[nan, 1]", "[0, inf]"] {
            let error = fit(&format!("[min_max]\nrange = {range}"), schema, rows).err().unwrap();
            assert!(error.to_string().contains("min_max.range"), "{error}");
        }
    }
}
