//! What is to be made good in a sweep?

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::metrics::{self, Direction};

/// What is known of a trial besides the metrics of its task; of both less is better.
pub const OF_TRIALS: &[&str] = &["parameters", "seconds"];

/// A metric of the validation split, or one of [`OF_TRIALS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    /// Its name.
    pub metric: String,
    /// Which way is better, if that is not the way in which the metric is meant.
    pub direction: Option<Direction>,
}

impl Objective {
    /// The metric in the direction in which it is meant.
    pub fn of(metric: &str) -> Self {
        Self { metric: metric.to_owned(), direction: None }
    }

    /// Which way is better.
    pub fn direction(&self) -> Direction {
        let known = || if OF_TRIALS.contains(&self.metric.as_str()) { None } else { metrics::direction(&self.metric) };
        self.direction.or_else(known).unwrap_or(Direction::Lower)
    }

    /// A value as a loss: less is better.
    pub fn loss(&self, value: f64) -> f64 {
        match self.direction() {
            Direction::Higher => -value,
            Direction::Lower => value,
        }
    }

    /// Whether a value is as good as another one, or better.
    pub fn reaches(&self, value: f64, target: f64) -> bool {
        self.loss(value) <= self.loss(target)
    }
}

/// The losses of scores, one for each objective; none unless all are numbers.
pub fn losses(objectives: &[Objective], scores: &BTreeMap<String, f64>) -> Option<Vec<f64>> {
    let loss = |objective: &Objective| {
        scores.get(&objective.metric).filter(|value| value.is_finite()).map(|&value| objective.loss(value))
    };
    objectives.iter().map(loss).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    Table(Table),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    metric: String,
    direction: Direction,
}

impl Serialize for Objective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match self.direction {
            None => Written::Word(self.metric.clone()),
            Some(direction) => Written::Table(Table { metric: self.metric.clone(), direction }),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Objective {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected =
            "an objective is the name of a metric, or a table with `metric` and `direction` (\"higher\" or \"lower\")";
        let written = Written::deserialize(deserializer).map_err(|_| serde::de::Error::custom(expected))?;
        Ok(match written {
            Written::Word(metric) => Self { metric, direction: None },
            Written::Table(Table { metric, direction }) => Self { metric, direction: Some(direction) },
        })
    }
}

impl JsonSchema for Objective {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Objective".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A metric of the validation split, or `parameters` or `seconds`.",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "metric": { "type": "string" }, "direction": { "enum": ["higher", "lower"] } },
                    "required": ["metric", "direction"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_or_a_table_names_an_objective() {
        let read = |text: &str| serde_json::from_str::<Objective>(text).map_err(|error| error.to_string());
        assert_eq!(read("\"accuracy\"").unwrap(), Objective::of("accuracy"));
        let other = read(r#"{"metric": "accuracy", "direction": "lower"}"#).unwrap();
        assert_eq!((Objective::of("accuracy").direction(), other.direction()), (Direction::Higher, Direction::Lower));
        assert_eq!(serde_json::from_str::<Objective>(&serde_json::to_string(&other).unwrap()).unwrap(), other);
        assert!(read("3").unwrap_err().contains("name of a metric"));
        assert_eq!(Objective::of("parameters").direction(), Direction::Lower);
    }

    #[test]
    fn losses_are_there_where_every_score_is() {
        let objectives = [Objective::of("accuracy"), Objective::of("seconds")];
        let scores = BTreeMap::from([("accuracy".to_owned(), 0.75), ("seconds".to_owned(), 2.0)]);
        assert_eq!(losses(&objectives, &scores), Some(vec![-0.75, 2.0]));
        assert_eq!(losses(&objectives, &BTreeMap::from([("accuracy".to_owned(), 0.75)])), None);
        let undefined = BTreeMap::from([("accuracy".to_owned(), f64::NAN), ("seconds".to_owned(), 2.0)]);
        assert_eq!(losses(&objectives, &undefined), None);
    }
}
