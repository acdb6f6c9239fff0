//! What does a searcher see of a space? Dimensions, those on which others depend first, and points in them.

use std::collections::{BTreeMap, BTreeSet};

use data_loader::random::Random;
use serde_json::Value;

use super::space::{Parameter, Range, Space, Values};
use super::trial::Trial;
use crate::{Experiment, setting};

/// One number or choice that a searcher settles.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    /// The address of the parameter.
    pub address: String,
    /// Which part of it.
    pub part: Part,
    /// What may be chosen.
    pub kind: Kind,
    /// The dimensions before this one that must have one of these choices for it to count.
    pub when: Vec<(usize, Vec<usize>)>,
}

/// Which part of a parameter a dimension is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// What each number of a list is.
    Each,
    /// How many numbers a list has.
    Count,
}

/// What may be chosen along a dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A number, by its place from 0 to 1.
    Range(Range),
    /// One of so many choices, by its number.
    Choice(usize),
}

/// Of each dimension the place or the number of the choice; nothing where it does not count.
pub type Point = Vec<Option<f64>>;

/// Values by their addresses, in the order in which they are to be set.
pub type Settings = Vec<(String, Value)>;

/// A space, as searchers see it.
#[derive(Clone, Debug)]
pub struct Dimensions {
    /// Each of them.
    pub all: Vec<Dimension>,
    /// The parameters, those on which others depend first.
    parameters: Vec<(String, Parameter)>,
    /// What the config says of them.
    defaults: BTreeMap<String, Value>,
}

impl Dimensions {
    /// The dimensions of a space.
    ///
    /// # Errors
    /// The address of a parameter and a sentence, if what it depends on is no choice, or depends on itself.
    pub fn new(space: &Space) -> Result<Self, (String, String)> {
        let mut parameters: Vec<(String, Parameter)> = Vec::new();
        let mut left: Vec<(&String, &Parameter)> = space.iter().collect();
        while !left.is_empty() {
            let settled = |address: &String| parameters.iter().any(|(known, _)| known == address);
            let (next, later): (Vec<_>, Vec<_>) = left.iter().partition(|(_, p)| p.when.keys().all(settled));
            if next.is_empty() {
                return Err(unsettled(&later, space));
            }
            for (address, parameter) in next {
                check(address, parameter, space)?;
                parameters.push((address.clone(), parameter.clone()));
            }
            left = later;
        }
        let mut all: Vec<Dimension> = Vec::new();
        for (address, parameter) in &parameters {
            let when = parameter.when.iter().filter_map(|(on, values)| {
                let Values::Choices(choices) = &space.get(on)?.values else { return None };
                let place = all.iter().position(|dimension| dimension.address == *on)?;
                let numbers = choices.iter().enumerate().filter(|(_, choice)| values.contains(choice));
                Some((place, numbers.map(|(number, _)| number).collect()))
            });
            let when: Vec<(usize, Vec<usize>)> = when.collect();
            let mut push =
                |part, kind| all.push(Dimension { address: address.clone(), part, kind, when: when.clone() });
            match &parameter.values {
                Values::Range(range) => push(Part::Whole, Kind::Range(*range)),
                Values::Choices(choices) => push(Part::Whole, Kind::Choice(choices.len())),
                Values::List { each, count } => {
                    push(Part::Each, Kind::Range(*each));
                    push(Part::Count, Kind::Range(*count));
                }
                Values::Fixed(_) => {}
            }
        }
        Ok(Self { all, parameters, defaults: BTreeMap::new() })
    }

    /// Whether the dimension `index` counts at a point that is settled up to there.
    pub fn counts(&self, index: usize, point: &[Option<f64>]) -> bool {
        self.all[index].when.iter().all(|(on, numbers)| {
            point.get(*on).copied().flatten().is_some_and(|choice| numbers.contains(&(choice as usize)))
        })
    }

    /// A point that is settled dimension by dimension, those that do not count being left out.
    pub fn settle(&self, mut choose: impl FnMut(usize, &Dimension) -> f64) -> Point {
        let mut point = Point::with_capacity(self.all.len());
        for (index, dimension) in self.all.iter().enumerate() {
            let value = self.counts(index, &point).then(|| choose(index, dimension));
            point.push(value);
        }
        point
    }

    /// A point by chance, every place and choice being as likely.
    pub fn random(&self, random: &mut Random) -> Point {
        // As much chance is used where a dimension does not count, so that those behind it do not depend on that.
        let drawn: Vec<f64> = self.all.iter().map(|_| random.unit()).collect();
        self.settle(|index, dimension| dimension.kind.spread(drawn[index]))
    }

    /// The same point with the places of the numbers that it stands for, by which equal ones are found.
    pub fn exact(&self, point: &[Option<f64>]) -> Point {
        let each = self.all.iter().zip(point);
        each.map(|(dimension, place)| place.map(|place| dimension.kind.exact(place))).collect()
    }

    /// The values that a point stands for; parameters that do not count are left out.
    pub fn settings(&self, point: &[Option<f64>]) -> Settings {
        let at = |address: &str, part: Part| {
            let index = self.all.iter().position(|dimension| dimension.address == address && dimension.part == part)?;
            point.get(index).copied().flatten()
        };
        let value = |address: &str, parameter: &Parameter| {
            Some(match &parameter.values {
                Values::Fixed(value) => value.clone(),
                Values::Choices(choices) => choices[at(address, Part::Whole)? as usize].clone(),
                Values::Range(range) => range.value(range.at(at(address, Part::Whole)?)),
                Values::List { each, count } => {
                    let number = each.value(each.at(at(address, Part::Each)?));
                    vec![number; count.at(at(address, Part::Count)?) as usize].into()
                }
            })
        };
        // What does not count has no place at the point.
        let all = self.parameters.iter();
        all.filter_map(|(address, parameter)| Some((address.clone(), value(address, parameter)?))).collect()
    }

    /// The same dimensions of this experiment, whose values stand for what settings leave out.
    #[must_use]
    pub fn of(mut self, experiment: &Experiment) -> Self {
        let table: toml::Table = experiment.to_toml().parse().unwrap_or_default();
        for (address, _) in &self.parameters {
            if let Some(value) = setting::find(&table, address) {
                self.defaults.insert(address.clone(), serde_json::to_value(value).unwrap_or_default());
            }
        }
        self
    }

    /// The same settings with what the config says of parameters that are left out and count, so that searchers know where that is. They stay
    /// as they are where it is outside the space.
    pub fn filled(&self, settings: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        let mut filled = settings.clone();
        let left_out = self.defaults.iter().filter(|(address, _)| !settings.contains_key(*address));
        filled.extend(left_out.map(|(address, value)| (address.clone(), value.clone())));
        let Some(point) = self.point(&filled) else { return settings.clone() };
        let counts: BTreeSet<String> = self.settings(&point).into_iter().map(|(address, _)| address).collect();
        filled.retain(|address, _| settings.contains_key(address) || counts.contains(address));
        filled
    }

    /// The point of a trial. Of parameters that came later, what was tried here had what the config says; of what was brought in nobody knows.
    pub fn point_of(&self, trial: &Trial, settings: &BTreeMap<String, Value>) -> Option<Point> {
        let point = self.point(settings);
        if point.is_some() || trial.is_brought() { point } else { self.point(&self.filled(settings)) }
    }

    /// The point that has these values; nothing if one of them lies outside the space.
    pub fn point(&self, settings: &BTreeMap<String, Value>) -> Option<Point> {
        let mut point = Point::with_capacity(self.all.len());
        for (index, dimension) in self.all.iter().enumerate() {
            if !self.counts(index, &point) {
                point.push(None);
                continue;
            }
            let value = settings.get(&dimension.address)?;
            let (_, parameter) = self.parameters.iter().find(|(address, _)| *address == dimension.address)?;
            let place = match (&parameter.values, dimension.part) {
                (Values::Choices(choices), _) => choices.iter().position(|choice| choice == value)? as f64,
                (Values::Range(range), _) => range.place(value.as_f64()?)?,
                (Values::List { each, .. }, Part::Each) => match value.as_array()?.first() {
                    Some(first) => each.place(first.as_f64()?)?,
                    // Of no numbers nobody knows what each would have been.
                    None => 0.5,
                },
                (Values::List { count, .. }, _) => count.place(value.as_array()?.len() as f64)?,
                (Values::Fixed(_), _) => return None,
            };
            point.push(Some(place));
        }
        Some(point)
    }
}

impl Kind {
    /// The place, or the number of the choice, at a number from 0 to 1.
    pub fn spread(&self, unit: f64) -> f64 {
        match self {
            Self::Range(_) => unit,
            Self::Choice(count) => (unit * *count as f64).floor().min(*count as f64 - 1.0),
        }
    }

    /// The place of the number that a place stands for: another one where numbers can be counted.
    pub fn exact(&self, place: f64) -> f64 {
        match self {
            Self::Range(range) if range.count().is_some() => range.place(range.at(place)).unwrap_or(place),
            Self::Range(_) | Self::Choice(_) => place,
        }
    }
}

fn check(address: &str, parameter: &Parameter, space: &Space) -> Result<(), (String, String)> {
    for (on, values) in &parameter.when {
        let Some(Parameter { values: Values::Choices(choices), .. }) = space.get(on) else {
            let reason = format!("counts by `{on}`, which is no choice");
            return Err((address.to_owned(), reason));
        };
        if let Some(odd) = values.iter().find(|value| !choices.contains(value)) {
            return Err((address.to_owned(), format!("counts where `{on}` is {odd}, which is not among its choices")));
        }
    }
    Ok(())
}

/// Why nothing is left that could be settled next.
fn unsettled(left: &[(&String, &Parameter)], space: &Space) -> (String, String) {
    let lost = left.iter().find_map(|(address, parameter)| {
        let on = parameter.when.keys().find(|on| !space.contains_key(*on))?;
        Some(((*address).clone(), format!("counts by `{on}`, which is not varied")))
    });
    lost.unwrap_or_else(|| {
        let names: Vec<&str> = left.iter().map(|(address, _)| address.as_str()).collect();
        (names[0].to_owned(), format!("depends on itself, by way of {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    pub(super) fn space(text: &str) -> Space {
        #[derive(Deserialize)]
        struct Holder {
            space: Space,
        }
        toml::from_str::<Holder>(&format!("[space]\n{text}")).unwrap().space
    }

    const CONDITIONAL: &str = r#"
        model = { choices = ["mlp", "gru", "bag"] }
        "model.mlp.hidden" = { each = { low = 16, high = 64, log = true }, count = { low = 0, high = 3 }, when = { model = "mlp" } }
        "model.gru.hidden" = { low = 8, high = 32, step = 8, when = { model = ["gru"] } }
        "a.rate" = { low = 1e-3, high = 1.0, log = true }
        "train.epochs" = 7
    "#;

    #[test]
    fn settings_lead_to_points_and_back() {
        let dimensions = Dimensions::new(&space(CONDITIONAL)).unwrap();
        assert_eq!(dimensions.all.len(), 5);
        let mut random = Random::derive(&[1]);
        let mut models = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let point = dimensions.random(&mut random);
            let settings = dimensions.settings(&point);
            let model = settings.iter().find(|(address, _)| address == "model").unwrap().1.as_str().unwrap().to_owned();
            let has = |address: &str| settings.iter().any(|(known, _)| known == address);
            assert_eq!((has("model.mlp.hidden"), has("model.gru.hidden")), (model == "mlp", model == "gru"));
            assert!(has("a.rate") && has("train.epochs"));
            let by_address: BTreeMap<String, Value> = settings.iter().cloned().collect();
            let again = dimensions.settings(&dimensions.point(&by_address).unwrap());
            for ((address, value), (same, other)) in settings.iter().zip(&again) {
                let close = match (value.as_f64(), other.as_f64()) {
                    (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs(),
                    _ => value == other,
                };
                assert!(address == same && close, "{address}: {value}, {other}");
            }
            // What others depend on is set first.
            let place = |address: &str| settings.iter().position(|(known, _)| known == address);
            assert!(place("model.mlp.hidden").is_none_or(|inner| place("model").unwrap() < inner));
            models.insert(model);
        }
        assert_eq!(models.len(), 3);
        let outside = BTreeMap::from([("model".to_owned(), json!("bag")), ("a.rate".to_owned(), json!(2.0))]);
        assert_eq!(dimensions.point(&outside), None);
    }

    #[test]
    fn what_hangs_in_the_air_is_refused() {
        for (text, address, word) in [
            ("a = { low = 0, high = 1, when = { b = 1 } }", "a", "is not varied"),
            ("a = { low = 0, high = 1, when = { b = 1 } }\nb = 1", "a", "no choice"),
            ("a = { low = 0, high = 1, when = { b = 3 } }\nb = { choices = [1, 2] }", "a", "not among its choices"),
            (
                "a = { choices = [1, 2], when = { b = 1 } }\nb = { choices = [1, 2], when = { a = 1 } }",
                "a",
                "depends on itself",
            ),
        ] {
            let (found, reason) = Dimensions::new(&space(text)).unwrap_err();
            assert!(found == address && reason.contains(word), "{text}: {found} {reason}");
        }
    }
}
