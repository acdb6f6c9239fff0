//! Which setting of ours does a parameter of others mean? The one of the same name, or the only one whose last words are its
//! words.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::sweep::dimensions::{Dimension, Part};
use crate::sweep::interchange::{View, as_text, name_of};
use crate::sweep::space::{Range, Values};

/// Which dimension each name stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// The numbers of the dimensions by the names.
    pub dimensions: BTreeMap<String, usize>,
    /// What has no counterpart, a sentence each.
    pub remarks: Vec<String>,
}

/// The words of a name.
fn words(name: &str) -> Vec<&str> {
    name.split(['.', '/']).filter(|word| !word.is_empty()).collect()
}

/// Finds the dimensions that names of others stand for.
pub fn find(names: &BTreeSet<String>, all: &[Dimension]) -> Matched {
    let ours: Vec<String> = all.iter().map(name_of).collect();
    let mut matched = Matched::default();
    let mut taken: BTreeMap<usize, &String> = BTreeMap::new();
    let same = |name: &String| ours.iter().position(|known| known == name);
    // Equal names first: what they take is no longer open to others.
    for name in names {
        if let Some(index) = same(name) {
            taken.insert(index, name);
            matched.dimensions.insert(name.clone(), index);
        }
    }
    for name in names.iter().filter(|name| same(name).is_none()) {
        let wanted = words(name);
        let fits = |known: &String| !wanted.is_empty() && words(known).ends_with(&wanted);
        let found: Vec<usize> =
            ours.iter().enumerate().filter(|(_, known)| fits(known)).map(|(index, _)| index).collect();
        let [index] = found[..] else {
            let several: Vec<String> = found.iter().take(10).map(|index| format!("`{}`", ours[*index])).collect();
            matched.remarks.push(match found.len() {
                0 => format!("The parameter `{name}` has no counterpart in the space."),
                _ => format!("The parameter `{name}` may be {}, and is left out.", several.join(" or ")),
            });
            continue;
        };
        if let Some(other) = taken.get(&index) {
            let taken = &ours[index];
            matched
                .remarks
                .push(format!("The parameter `{name}` is left out: `{other}` stands for `{taken}` already."));
            continue;
        }
        taken.insert(index, name);
        matched.dimensions.insert(name.clone(), index);
        matched.remarks.push(format!("The parameter `{name}` is taken for `{}`.", ours[index]));
    }
    matched
}

/// The settings of a trial, from the values of its parameters.
///
/// # Errors
/// Why it has no place in the space, half a sentence.
pub fn settings(
    parameters: &BTreeMap<String, Value>,
    matched: &BTreeMap<String, usize>,
    view: View<'_>,
) -> Result<BTreeMap<String, Value>, String> {
    let given: BTreeMap<usize, (&String, &Value)> =
        parameters.iter().filter_map(|(name, value)| Some((*matched.get(name)?, (name, value)))).collect();
    let mut settings: BTreeMap<String, Value> = BTreeMap::new();
    let all = &view.dimensions.all;
    for (index, dimension) in all.iter().enumerate() {
        let Some((name, value)) = given.get(&index).copied() else { continue };
        let outside = || format!("`{name}` lies outside the space of `{}`", dimension.address);
        let Some(parameter) = view.sweep.space.get(&dimension.address) else { continue };
        match (&parameter.values, dimension.part) {
            (Values::Choices(choices), _) => {
                let choice = choices.iter().find(|choice| is_same(choice, value)).ok_or_else(outside)?;
                settings.insert(dimension.address.clone(), choice.clone());
            }
            (Values::Range(range), _) => {
                settings.insert(dimension.address.clone(), number(range, value).ok_or_else(outside)?);
            }
            (Values::List { each, count }, Part::Count) => {
                let length = number(count, value).and_then(|count| count.as_u64()).ok_or_else(outside)?;
                let of = all.iter().position(|other| other.address == dimension.address && other.part == Part::Each);
                let item = match of.and_then(|index| given.get(&index)) {
                    Some((_, item)) => number(each, item).ok_or_else(outside)?,
                    None if length == 0 => Value::Null,
                    None => return Err(format!("nothing says what each number of `{}` is", dimension.address)),
                };
                // A range of counts may be written wide, and what stands in a file be any of it.
                if length > 10_000 {
                    return Err(outside());
                }
                settings.insert(dimension.address.clone(), vec![item; length as usize].into());
            }
            (Values::List { .. } | Values::Fixed(_), _) => {}
        }
    }
    if view.dimensions.point(&settings).is_some() {
        return Ok(settings);
    }
    Err(missing(&settings, view))
}

/// Which setting is missing for a place in the space.
fn missing(settings: &BTreeMap<String, Value>, view: View<'_>) -> String {
    let mut point = Vec::new();
    for (index, dimension) in view.dimensions.all.iter().enumerate() {
        if view.dimensions.counts(index, &point) && !settings.contains_key(&dimension.address) {
            return format!("nothing says what `{}` is", dimension.address);
        }
        let choices = view.sweep.space.get(&dimension.address).map(|parameter| &parameter.values);
        let place = match (choices, settings.get(&dimension.address)) {
            (Some(Values::Choices(choices)), Some(value)) => choices.iter().position(|choice| choice == value),
            _ => None,
        };
        point.push(place.map(|place| place as f64));
    }
    "its settings have no place in the space".into()
}

/// A number within a range, as the config has it.
fn number(range: &Range, value: &Value) -> Option<Value> {
    let number = value.as_f64()?;
    range.place(number)?;
    (!range.whole || number.fract() == 0.0).then(|| range.value(number))
}

/// Whether a value of others is a choice of ours: 16 and 16.0 are one number, and a list may stand there as its text.
fn is_same(ours: &Value, theirs: &Value) -> bool {
    match (ours.as_f64(), theirs.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => ours == theirs || (!ours.is_number() && theirs.as_str().is_some_and(|text| text == as_text(ours))),
    }
}
