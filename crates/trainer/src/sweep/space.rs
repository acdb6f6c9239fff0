//! What is varied in a sweep, and within which bounds? `[sweep.space]`, by the addresses of the config.
//!
//! ```toml
//! [sweep.space]
//! "optimizer.adamw.learning_rate" = { low = 1e-4, high = 1e-1, log = true }
//! "train.batch_size" = { choices = [16, 32, 64] }
//! "model.mlp.dropout" = { low = 0.0, high = 0.5, step = 0.1 }
//! "model.mlp.hidden" = { each = { low = 16, high = 256, log = true }, count = { low = 1, high = 3 } }
//! "model.tabular_resnet.blocks" = { low = 1, high = 4, when = { model = ["tabular_resnet"] } }
//! "train.epochs" = 20
//! ```
//!
//! Bounds belong to the range. Whole bounds make whole numbers.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Number, Value, json};

/// Parameters by their addresses.
pub type Space = BTreeMap<String, Parameter>;

/// What one value of the config may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The values.
    pub values: Values,
    /// Of other parameters, which are choices, the values with which this one counts; always if there are none.
    pub when: BTreeMap<String, Vec<Value>>,
}

/// The values of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers within bounds.
    Range(Range),
    /// One of these.
    Choices(Vec<Value>),
    /// As many equal numbers as there are layers, say.
    List {
        /// Each of them.
        each: Range,
        /// How many.
        count: Range,
    },
    /// This one.
    Fixed(Value),
}

/// Numbers within bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The least.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// Whether factors count rather than differences.
    pub log: bool,
    /// The distance between neighbours; any number if left out.
    pub step: Option<f64>,
    /// Whether there are whole numbers alone.
    pub whole: bool,
}

/// A list has no more numbers than these.
const LONGEST_LIST: f64 = 1000.0;
/// A range with steps has no more numbers than these.
const MOST_STEPS: f64 = 1e12;

impl Range {
    fn read(table: &Map<String, Value>) -> Result<Self, String> {
        let number = |key: &str| match table.get(key) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| format!("`{key}` is {value}, and must be a number")),
        };
        let (Some(low), Some(high)) = (number("low")?, number("high")?) else {
            return Err("a range has `low` and `high`".into());
        };
        let log = match table.get("log") {
            None => false,
            Some(value) => value.as_bool().ok_or_else(|| format!("`log` is {value}, and must be true or false"))?,
        };
        let step = number("step")?;
        let whole = ["low", "high", "step"].iter().all(|key| table.get(*key).is_none_or(|value| !value.is_f64()));
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(format!("nothing lies between {low} and {high}: `low` must be less than `high`"));
        }
        if !(high - low).is_finite() {
            return Err(format!("from {low} to {high} it is too far: the difference is no number any more"));
        }
        if log && low <= 0.0 {
            return Err(format!("`low` is {low}, and by factors (`log = true`) nothing is reached from there"));
        }
        if log && step.is_some() {
            return Err("either `log` or `step`: steps are differences, and `log` goes by factors".into());
        }
        if let Some(step) = step
            && !(step.is_finite() && step > 0.0 && step <= high - low)
        {
            return Err(format!("`step` is {step}, and must be between 0 and {}", high - low));
        }
        let least = (high - low) / MOST_STEPS;
        if let Some(step) = step.filter(|step| *step < least) {
            return Err(format!("`step` is {step}, which makes more than a million million numbers; leave it out"));
        }
        Ok(Self { low, high, log, step: step.or_else(|| (whole && !log).then_some(1.0)), whole })
    }

    /// As it is written.
    fn write(&self) -> Map<String, Value> {
        let mut table = Map::new();
        table.insert("low".into(), self.value(self.low));
        table.insert("high".into(), self.value(self.high));
        if self.log {
            table.insert("log".into(), true.into());
        }
        if let Some(step) = self.step.filter(|&step| !(self.whole && step == 1.0)) {
            table.insert("step".into(), self.value(step));
        }
        table
    }

    /// A number as the config has it.
    pub fn value(&self, number: f64) -> Value {
        match self.whole {
            true => Value::from(number.round() as i64),
            false => Number::from_f64(number).map_or(Value::Null, Value::Number),
        }
    }

    /// The bounds within which places go from 0 to 1: with steps, half a step more on either side, so that each has as much room; by factors,
    /// of the logarithm.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let (low, high) = match self.step {
            // The last step may fall short of `high`.
            Some(step) => (self.low - step / 2.0, self.low + (self.steps(step) as f64 + 0.5) * step),
            None if self.whole => (self.low - 0.5, self.high + 0.5),
            None => (self.low, self.high),
        };
        if self.log { (low.ln(), high.ln()) } else { (low, high) }
    }

    /// How many steps lead from `low` to the last number.
    fn steps(&self, step: f64) -> u64 {
        // What is missing to a whole step by rounding is no step less.
        ((self.high - self.low) / step + 1e-9).floor() as u64
    }

    /// How many numbers there are, if they can be counted.
    pub fn count(&self) -> Option<u64> {
        match self.step {
            Some(step) => Some(self.steps(step).saturating_add(1)),
            None => self.whole.then(|| ((self.high - self.low) as u64).saturating_add(1)),
        }
    }

    /// The number at a place from 0 to 1.
    pub fn at(&self, place: f64) -> f64 {
        let (low, high) = self.bounds();
        let scaled = low + (high - low) * place.clamp(0.0, 1.0);
        let number = if self.log { scaled.exp() } else { scaled };
        match self.step {
            Some(step) => {
                let steps = ((number - self.low) / step).round().clamp(0.0, self.steps(step) as f64);
                // The last step may lead beyond the end by a rounding.
                (self.low + steps * step).min(self.high)
            }
            None if self.whole => number.round().clamp(self.low, self.high),
            None => number.clamp(self.low, self.high),
        }
    }

    /// The place of a number, from 0 to 1; none if it is outside.
    pub fn place(&self, number: f64) -> Option<f64> {
        // Nor is what was written and read again outside by a rounding.
        let slack = 1e-9 * self.step.unwrap_or_default();
        if !(self.low - slack..=self.high + slack).contains(&number) {
            return None;
        }
        let (low, high) = self.bounds();
        let scaled = if self.log { number.ln() } else { number };
        Some(((scaled - low) / (high - low)).clamp(0.0, 1.0))
    }
}

impl Parameter {
    fn read(value: &Value) -> Result<Self, String> {
        let fixed = |value: &Value| Self { values: Values::Fixed(value.clone()), when: BTreeMap::new() };
        let Some(table) = value.as_object() else { return Ok(fixed(value)) };
        let known: &[&str] = match () {
            () if table.contains_key("choices") => &["choices", "when"],
            () if table.contains_key("each") || table.contains_key("count") => &["each", "count", "when"],
            () => &["low", "high", "log", "step", "when"],
        };
        if let Some(odd) = table.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("`{odd}` has no place here; known are {}", known.join(", ")));
        }
        let range = |key: &str| match table.get(key).and_then(Value::as_object) {
            Some(inner) => Range::read(inner).map_err(|reason| format!("in `{key}` {reason}")),
            None => Err(format!("`{key}` is missing: a list has a range `each` and a range `count`")),
        };
        let values = if let Some(choices) = table.get("choices") {
            let choices = choices.as_array().filter(|choices| !choices.is_empty());
            let choices = choices.ok_or("`choices` must be a list of values")?;
            if let Some(twice) = choices.iter().enumerate().find(|(k, choice)| choices[..*k].contains(choice)) {
                return Err(format!("{} stands twice among the `choices`", twice.1));
            }
            Values::Choices(choices.clone())
        } else if table.contains_key("each") || table.contains_key("count") {
            let (each, count) = (range("each")?, range("count")?);
            if !(count.whole && count.low >= 0.0) {
                return Err("`count` must be a range of whole numbers that are not negative".into());
            }
            if count.high > LONGEST_LIST {
                return Err(format!(
                    "`count` goes up to {}, and a list has at most {LONGEST_LIST} numbers",
                    count.high
                ));
            }
            Values::List { each, count }
        } else {
            Values::Range(Range::read(table)?)
        };
        let mut when = BTreeMap::new();
        if let Some(conditions) = table.get("when") {
            let conditions = conditions.as_object().ok_or("`when` must be a table of addresses and values")?;
            for (address, values) in conditions {
                let values = values.as_array().cloned().unwrap_or_else(|| vec![values.clone()]);
                when.insert(address.clone(), values);
            }
        }
        Ok(Self { values, when })
    }

    fn write(&self) -> Value {
        let mut table = match &self.values {
            Values::Fixed(value) => return value.clone(),
            Values::Choices(choices) => Map::from_iter([("choices".to_owned(), json!(choices))]),
            Values::Range(range) => range.write(),
            Values::List { each, count } => Map::from_iter([
                ("each".to_owned(), Value::Object(each.write())),
                ("count".to_owned(), Value::Object(count.write())),
            ]),
        };
        if !self.when.is_empty() {
            table.insert("when".into(), json!(self.when));
        }
        Value::Object(table)
    }
}

impl Serialize for Parameter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Parameter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Parameter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let range = json!({
            "type": "object",
            "properties": {
                "low": { "type": "number" },
                "high": { "type": "number" },
                "log": { "type": "boolean" },
                "step": { "type": "number" },
                "when": { "type": "object" }
            },
            "required": ["low", "high"],
            "additionalProperties": false
        });
        json_schema!({
            "description": "A range, choices, a list of equal numbers, or a fixed value.",
            "anyOf": [
                range,
                {
                    "type": "object",
                    "properties": { "choices": { "type": "array", "minItems": 1 }, "when": { "type": "object" } },
                    "required": ["choices"],
                    "additionalProperties": false
                },
                {
                    "type": "object",
                    "properties": { "each": range, "count": range, "when": { "type": "object" } },
                    "required": ["each", "count"],
                    "additionalProperties": false
                },
                { "type": ["number", "string", "boolean", "array"] }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Parameter, String> {
        #[derive(Deserialize)]
        struct Holder {
            p: Parameter,
        }
        toml::from_str::<Holder>(text).map(|holder| holder.p).map_err(|error| error.message().to_owned())
    }

    fn range(text: &str) -> Range {
        match read(&format!("p = {text}")).unwrap().values {
            Values::Range(range) => range,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn places_lead_to_numbers_and_back() {
        for (text, count) in [
            ("{ low = 1e-4, high = 1e-1, log = true }", None),
            ("{ low = -2.5, high = 4 }", None),
            ("{ low = 0.0, high = 0.5, step = 0.1 }", Some(6)),
            ("{ low = 0.0, high = 1.0, step = 0.3 }", Some(4)),
            ("{ low = 0.0, high = 0.3, step = 0.1 }", Some(4)),
            ("{ low = 0.1, high = 0.7, step = 0.2 }", Some(4)),
            ("{ low = 3, high = 11 }", Some(9)),
            ("{ low = 3, high = 11, step = 4 }", Some(3)),
            ("{ low = 16, high = 256, log = true }", Some(241)),
        ] {
            let range = range(text);
            assert_eq!(range.count(), count, "{text}");
            for k in 0..=1000 {
                let number = range.at(f64::from(k) / 1000.0);
                assert!((range.low..=range.high).contains(&number), "{text}: {number}");
                let again = range.at(range.place(number).unwrap());
                assert!((again - number).abs() <= 1e-12 * number.abs().max(1.0), "{text}: {number}, {again}");
                assert!(!range.whole || number.fract() == 0.0, "{text}: {number}");
            }
            assert_eq!(range.place(range.high + 1.0), None);
        }
        let met: std::collections::BTreeSet<i64> =
            (0..1000).map(|k| range("{ low = 3, high = 11 }").at(f64::from(k) / 1000.0) as i64).collect();
        assert_eq!(met.len(), 9, "every number has its room");
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "p = 20",
            "p = \"sgd\"",
            "p = { choices = [16, 32, \"auto\"] }",
            "p = { low = 0.0, high = 0.5, step = 0.1 }",
            "p = { low = 1, high = 4, when = { model = [\"mlp\"], \"data.sampler\" = [\"balanced\", \"shuffled\"] } }",
            "p = { each = { low = 16, high = 256, log = true }, count = { low = 1, high = 3 } }",
        ] {
            let parameter = read(text).unwrap();
            let again: Parameter = serde_json::from_value(serde_json::to_value(&parameter).unwrap()).unwrap();
            assert_eq!(again, parameter, "{text}");
        }
        assert_eq!(read("p = { choices = [1], when = { model = \"mlp\" } }").unwrap().when["model"], [json!("mlp")]);
    }

    #[test]
    fn what_makes_no_range_is_refused_in_a_sentence() {
        for (text, word) in [
            ("{ low = 1, high = 1 }", "nothing lies between 1 and 1"),
            ("{ low = 2.0, high = 1.0 }", "must be less"),
            ("{ low = 0, high = 1, log = true }", "by factors"),
            ("{ low = 1, high = 9, log = true, step = 2 }", "either"),
            ("{ low = 1, high = 9, step = 0 }", "`step` is 0"),
            ("{ low = 1, high = nan }", "must be a number"),
            ("{ low = 1 }", "has `low` and `high`"),
            ("{ low = 1, hihg = 2 }", "`hihg` has no place here"),
            ("{ low = \"a\", high = 2 }", "must be a number"),
            ("{ choices = [] }", "list of values"),
            ("{ choices = [1, 2, 1] }", "stands twice"),
            ("{ each = { low = 1, high = 2 } }", "`count` is missing"),
            ("{ each = { low = 1, high = 2 }, count = { low = 0.5, high = 2.0 } }", "whole numbers"),
            ("{ low = 1, high = 2, when = 3 }", "table of addresses"),
        ] {
            let refused = read(&format!("p = {text}")).unwrap_err();
            assert!(refused.contains(word), "{text}: {refused}");
        }
    }
}
