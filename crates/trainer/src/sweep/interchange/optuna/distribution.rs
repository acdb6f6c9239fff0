//! What may a parameter of Optuna be? Numbers within bounds or choices, written in JSON.

use serde_json::{Map, Value, json};

use crate::sweep::space::{Parameter, Range, Values};

/// What a parameter may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Numbers, whole ones or any.
    Numbers {
        /// The least.
        low: f64,
        /// The largest.
        high: f64,
        /// Whether factors count rather than differences.
        log: bool,
        /// The distance between neighbours.
        step: Option<f64>,
        /// Whether there are whole numbers alone.
        whole: bool,
    },
    /// One of these.
    Choices(Vec<Value>),
}

impl Distribution {
    /// That of a range.
    pub fn of(range: &Range) -> Self {
        // Optuna moves the upper bound to the last step, and warns; here it is moved before.
        let high = match (range.step, range.count()) {
            (Some(step), Some(count)) => (range.low + count.saturating_sub(1) as f64 * step).min(range.high),
            _ => range.high,
        };
        Self::Numbers { low: range.low, high, log: range.log, step: range.step, whole: range.whole }
    }

    /// That of choices.
    pub fn of_choices(parameter: &Parameter) -> Option<Self> {
        match &parameter.values {
            Values::Choices(choices) => Some(Self::Choices(choices.clone())),
            _ => None,
        }
    }

    /// As it stands in its cell.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Choices(choices) => {
                let choices: Vec<Value> = choices.iter().map(plain).collect();
                json!({ "name": "CategoricalDistribution", "attributes": { "choices": choices } })
            }
            Self::Numbers { low, high, log, step, whole: false } => {
                let attributes = json!({ "step": step, "low": low, "high": high, "log": log });
                json!({ "name": "FloatDistribution", "attributes": attributes })
            }
            Self::Numbers { low, high, log, step, whole: true } => {
                let step = step.unwrap_or(1.0) as i64;
                let attributes = json!({ "log": log, "step": step, "low": *low as i64, "high": *high as i64 });
                json!({ "name": "IntDistribution", "attributes": attributes })
            }
        }
    }

    /// Reads a cell.
    ///
    /// # Errors
    /// What is odd about it, half a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        let name = written.get("name").and_then(Value::as_str).ok_or("has no name")?;
        let empty = Map::new();
        let attributes = written.get("attributes").and_then(Value::as_object).unwrap_or(&empty);
        let bound = |key: &str| {
            let found = attributes.get(key).and_then(Value::as_f64).filter(|number| number.is_finite());
            found.ok_or_else(|| format!("has no number as `{key}`"))
        };
        let log = || attributes.get("log").and_then(Value::as_bool).unwrap_or(false);
        match name {
            "CategoricalDistribution" => {
                let choices = attributes.get("choices").and_then(Value::as_array);
                Ok(Self::Choices(choices.ok_or("has no list of choices")?.clone()))
            }
            "FloatDistribution" | "IntDistribution" => Ok(Self::Numbers {
                low: bound("low")?,
                high: bound("high")?,
                log: log(),
                step: attributes.get("step").and_then(Value::as_f64),
                whole: name == "IntDistribution",
            }),
            other => Err(format!("is of the kind `{other}`, which Optuna had before version 3")),
        }
    }

    /// The number that stands in the cell of a value; nothing if the value is none of these.
    pub fn cell(&self, value: &Value) -> Option<f64> {
        match self {
            Self::Choices(choices) => choices.iter().position(|choice| choice == value).map(|place| place as f64),
            Self::Numbers { low, high, .. } => {
                // The ends of the range are within it, also where the last step was rounded.
                let slack = 1e-12 * low.abs().max(high.abs());
                let number = value.as_f64()?;
                (low - slack..=high + slack).contains(&number).then_some(number.clamp(*low, *high))
            }
        }
    }

    /// The value that the number of a cell stands for.
    pub fn value(&self, cell: f64) -> Option<Value> {
        match self {
            Self::Choices(choices) => {
                let place = (cell >= 0.0 && cell.fract() == 0.0).then_some(cell as usize)?;
                choices.get(place).cloned()
            }
            Self::Numbers { whole: true, .. } if cell.fract() == 0.0 && cell.abs() < 9e15 => {
                Some(Value::from(cell as i64))
            }
            Self::Numbers { .. } => serde_json::Number::from_f64(cell).map(Value::Number),
        }
    }
}

/// A value as Optuna has it: lists and tables are there as their JSON.
pub fn plain(value: &Value) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) => Value::String(value.to_string()),
        plain => plain.clone(),
    }
}
