//! Where on an axis does a setting of a trial lie?

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::html::scale::Scale;
use super::super::html::text::{plain, shortened, tick};
use crate::sweep::dimensions::{Dimension, Dimensions, Part};
use crate::sweep::space::{Range, Space, Values};

/// More choices than this are not all named on an axis.
const NAMED: usize = 12;

/// The settings of a trial by their addresses.
pub(super) type Settings = BTreeMap<String, Value>;

/// One dimension of the space as an axis from 0 to 1.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Its whole name: the address, and which part of a list.
    pub(super) name: String,
    /// As much of the name as tells it from the others.
    pub(super) short: String,
    address: String,
    part: Part,
    values: Along,
}

#[derive(Clone, Debug)]
enum Along {
    Range(Range),
    Choices(Vec<Value>),
}

/// An axis for each dimension of a space, in the order of the dimensions.
pub(super) fn of(dimensions: &Dimensions, space: &Space) -> Vec<Axis> {
    let mut axes: Vec<Axis> = dimensions.all.iter().map(|dimension| axis(dimension, space)).collect();
    let mut addresses: Vec<String> = axes.iter().map(|axis| axis.address.clone()).collect();
    addresses.dedup();
    for axis in &mut axes {
        axis.short = shortest(&axis.address, &addresses).to_owned() + part(axis.part);
    }
    axes
}

fn axis(dimension: &Dimension, space: &Space) -> Axis {
    let values = match (space.get(&dimension.address).map(|parameter| &parameter.values), dimension.part) {
        (Some(Values::Range(range)), _) => Along::Range(*range),
        (Some(Values::List { each, .. }), Part::Each) => Along::Range(*each),
        (Some(Values::List { count, .. }), _) => Along::Range(*count),
        (Some(Values::Choices(choices)), _) => Along::Choices(choices.clone()),
        (Some(Values::Fixed(_)) | None, _) => Along::Choices(Vec::new()),
    };
    let name = dimension.address.clone() + part(dimension.part);
    Axis { short: name.clone(), name, address: dimension.address.clone(), part: dimension.part, values }
}

/// What is said of a part of a list.
fn part(part: Part) -> &'static str {
    match part {
        Part::Whole => "",
        Part::Each => " (each)",
        Part::Count => " (how many)",
    }
}

/// The fewest last words of an address that no other one ends with.
fn shortest<'a>(address: &'a str, all: &[String]) -> &'a str {
    let ends_with = |other: &String, end: &str| other == end || other.ends_with(&format!(".{end}"));
    let mut ends = address.rmatch_indices('.').map(|(dot, _)| &address[dot + 1..]);
    ends.find(|end| all.iter().filter(|other| ends_with(other, end)).count() == 1).unwrap_or(address)
}

impl Axis {
    /// The address of its parameter.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Where the setting of a trial lies, from 0 to 1; nothing if it has none, or one outside the space.
    pub(super) fn place(&self, settings: &Settings) -> Option<f64> {
        let value = settings.get(&self.address)?;
        match &self.values {
            Along::Choices(choices) => {
                let number = choices.iter().position(|choice| choice == value)?;
                Some((number as f64 + 0.5) / choices.len() as f64)
            }
            Along::Range(range) => range.place(match self.part {
                Part::Whole => value.as_f64()?,
                Part::Each => value.as_array()?.first()?.as_f64()?,
                Part::Count => value.as_array()?.len() as f64,
            }),
        }
    }

    /// How many values it has, if they are so few that each has room of its own.
    pub(super) fn values(&self) -> Option<usize> {
        match &self.values {
            Along::Choices(choices) => Some(choices.len().max(1)),
            Along::Range(range) => {
                range.step?;
                range.count().filter(|count| *count <= NAMED as u64).map(|count| count as usize)
            }
        }
    }

    /// Whether its values are choices, which lie in no order.
    pub(super) fn is_choice(&self) -> bool {
        matches!(self.values, Along::Choices(_))
    }

    /// Whether equal distances are equal ratios.
    pub(super) fn is_logarithmic(&self) -> bool {
        matches!(&self.values, Along::Range(range) if range.log)
    }

    /// About `count` places with what stands there.
    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        match &self.values {
            Along::Choices(choices) => {
                let every = choices.len().div_ceil(NAMED).max(1);
                let named = choices.iter().enumerate().step_by(every);
                let place = |number: usize| (number as f64 + 0.5) / choices.len() as f64;
                named.map(|(number, choice)| (place(number), shortened(&spell(choice), 14))).collect()
            }
            Along::Range(range) => {
                let mut ticks = Scale::between(range.low, range.high, range.log).ticks(count);
                if let Some(few) = self.values().filter(|values| *values <= count + 1) {
                    let step = range.step.unwrap_or(1.0);
                    ticks = (0..few).map(|number| (range.low + number as f64 * step, step)).collect();
                }
                let whole = |value: f64| !range.whole || value.fract() == 0.0;
                let ticks = ticks.into_iter().filter(|(value, _)| whole(*value));
                ticks.filter_map(|(value, step)| Some((range.place(value)?, tick(value, step)))).collect()
            }
        }
    }
}

/// A value of a config as a person reads it.
pub(super) fn spell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => plain(number.as_f64().unwrap_or(f64::NAN)),
        Value::Array(values) => format!("[{}]", values.iter().map(spell).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::made_up::space;
    use super::*;

    #[test]
    fn settings_lie_where_they_belong() {
        let space = space(
            r#"
            "optimizer.adamw.learning_rate" = { low = 1e-4, high = 1.0, log = true }
            "model.mlp.hidden" = { each = { low = 16, high = 64, log = true }, count = { low = 1, high = 3 } }
            "model.gru.hidden" = { low = 8, high = 32, step = 8 }
            "data.sampler" = { choices = ["shuffled", "balanced"] }
            "train.epochs" = 7
        "#,
        );
        let axes = of(&Dimensions::new(&space).unwrap(), &space);
        let by = |name: &str| axes.iter().find(|axis| axis.name.ends_with(name)).unwrap();
        let names: Vec<&str> = axes.iter().map(|axis| axis.short.as_str()).collect();
        assert_eq!(names, ["sampler", "gru.hidden", "mlp.hidden (each)", "mlp.hidden (how many)", "learning_rate"]);
        let settings = Settings::from([
            ("optimizer.adamw.learning_rate".to_owned(), json!(0.01)),
            ("model.mlp.hidden".to_owned(), json!([64, 64])),
            ("data.sampler".to_owned(), json!("balanced")),
            ("model.gru.hidden".to_owned(), json!(9000)),
        ]);
        assert!((by("learning_rate").place(&settings).unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(by("(how many)").place(&settings), Some(0.5));
        assert_eq!(by("sampler").place(&settings), Some(0.75));
        assert_eq!(by("gru.hidden").place(&settings), None, "outside the space");
        assert_eq!(by("learning_rate").place(&Settings::new()), None);
        let labels = |name: &str| by(name).ticks(4).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels("learning_rate"), ["1e-4", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels("gru.hidden"), ["8", "16", "24", "32"]);
        assert_eq!(labels("sampler"), ["shuffled", "balanced"]);
        assert_eq!(spell(&json!([0.5, "a", 3, null])), "[0.5, a, 3, null]");
    }
}
