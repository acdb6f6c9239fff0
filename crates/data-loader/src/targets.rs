//! What is to be learnt of each row? Its target is read before anything else is, and rows without one are met at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::example::Value;
use crate::formats::Records;
use crate::schema::{Schema, TargetKind, TargetSpec};

/// What the target column says about the rows.
pub(crate) struct Targets {
    /// The rows that can be read and have a target.
    pub(crate) usable: Vec<u32>,
    /// The class of each usable row, by its place among `names`.
    pub(crate) classes: Option<Vec<u32>>,
    /// Ascending.
    pub(crate) names: Vec<String>,
}

/// Classes in the order of a network's scores.
pub(crate) fn in_order(classes: BTreeSet<String>) -> Vec<String> {
    let mut labels: Vec<String> = classes.into_iter().collect();
    // Labels that are all whole numbers go by size, so that the score of the digit 7 stands in place 7 and 10 after 9.
    if labels.iter().all(|label| label.parse::<i64>().is_ok()) {
        labels.sort_by_key(|label| label.parse::<i64>().unwrap_or_default());
    }
    labels
}

impl Targets {
    /// Reads the target of every row, so that rows without one are met before training begins. Where none is `needed` and a row
    /// has none, no row has a class.
    pub(crate) fn read(records: &dyn Records, schema: &Schema, skip: bool, needed: bool) -> Result<Self, Error> {
        let target = schema.target.as_ref();
        let is_class = target.is_some_and(|target| target.kind == TargetKind::Class);
        let mut usable = Vec::with_capacity(records.len());
        let mut met = Vec::with_capacity(if is_class { records.len() } else { 0 });
        let mut places = BTreeMap::<String, u32>::new();
        let (mut numbers, mut refused, mut unlabelled) = (Vec::new(), None, false);
        for first in (0..records.len()).step_by(ROWS) {
            let rows: Vec<u32> = (first as u32..(first + ROWS).min(records.len()) as u32).collect();
            if all_have_numbers(records, &rows, schema, &mut numbers) {
                usable.extend(rows);
                continue;
            }
            for (row, class) in rows.iter().zip(targets_of(records, &rows, schema)) {
                match class {
                    Ok(Some(class)) => met.push(match places.get(&class) {
                        Some(&place) => place,
                        None if places.len() == MOST_CLASSES => return Err(too_many_classes(target)),
                        None => {
                            let next = places.len() as u32;
                            *places.entry(class).or_insert(next)
                        }
                    }),
                    Ok(None) => {}
                    Err(Error::TargetMissing { .. }) if !needed => unlabelled = true,
                    // A file may well not have the column.
                    Err(Error::ColumnMissing { column, .. })
                        if !needed && target.is_some_and(|target| target.name == column) =>
                    {
                        unlabelled = true;
                    }
                    Err(error) if skip && error.is_bad_example() => {
                        refused.get_or_insert(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                usable.push(*row);
            }
        }
        // Where nothing is left, why says the first row, such as that shards have no labels at all.
        if let Some(error) = refused.filter(|_| usable.is_empty()) {
            return Err(error);
        }
        if !is_class || unlabelled {
            return Ok(Self { usable, classes: None, names: Vec::new() });
        }
        // Classes are numbered by name and not by first appearance, so that a split does not depend on the order of the rows.
        let mut by_name = vec![0; places.len()];
        for (place, first) in (0..).zip(places.values()) {
            by_name[*first as usize] = place;
        }
        for class in &mut met {
            *class = by_name[*class as usize];
        }
        Ok(Self { usable, classes: Some(met), names: places.into_keys().collect() })
    }

    /// The classes among `rows`, ascending, each of which can be used; none where the target is no class.
    pub(crate) fn of(&self, rows: &[u32]) -> Option<BTreeSet<String>> {
        let mut met = vec![false; self.names.len()];
        let mut place = 0;
        for &row in rows {
            place += self.usable[place..].iter().take_while(|&&usable| usable < row).count();
            met[*self.classes.as_ref()?.get(place)? as usize] = true;
        }
        Some(self.names.iter().zip(met).filter(|(_, met)| *met).map(|(name, _)| name.clone()).collect())
    }
}

/// How many rows are asked for their target at a time.
const ROWS: usize = 1 << 12;

/// How many classes are told apart at most: 2^20. A target with more of them is a key, a text or a number.
const MOST_CLASSES: usize = 1 << 20;

fn too_many_classes(target: Option<&TargetSpec>) -> Error {
    let column = target.map_or("", |target| &target.name);
    Error::Mismatch {
        message: format!("The target `{column}` has more than {MOST_CLASSES} different classes"),
        hint: "If it is a number, write `kind = \"number\"` in [schema.target] of the card.".into(),
    }
}

/// Whether each of `rows` has a number as its target, where many of them can be asked at once; `numbers` is memory to be used
/// again. A row that may have none is asked alone, and so says what is wrong with it.
fn all_have_numbers(records: &dyn Records, rows: &[u32], schema: &Schema, numbers: &mut Vec<f64>) -> bool {
    let Some(target) = schema.target.as_ref().filter(|target| target.kind == TargetKind::Number) else { return false };
    // With a key column a row may lack its id.
    schema.key.is_none()
        && records.numbers(rows, &[&target.name], numbers)
        && numbers.len() == rows.len()
        && !numbers.iter().any(|number| number.is_nan())
}

/// The class of each of `rows`, if the target is one. A row without id or target is an error.
fn targets_of(records: &dyn Records, rows: &[u32], schema: &Schema) -> Vec<Result<Option<String>, Error>> {
    // Masks are not read before they are needed: to decode all of them would take as long as an epoch.
    let Some(target) = schema.target.as_ref().filter(|target| target.kind != TargetKind::Mask) else {
        return rows.iter().map(|&row| records.key(row as usize).map(|_| None)).collect();
    };
    // Without a key column a row has an id whatever is in it.
    let mut keys = schema.key.is_some().then(|| records.keys(rows).into_iter());
    let class = |(&row, value): (&u32, Result<Value, Error>)| {
        let key = keys.as_mut().and_then(Iterator::next).transpose()?;
        let id = || key.map_or_else(|| records.key(row as usize), Ok);
        match (value?, target.kind) {
            (Value::Missing, _) => Err(Error::TargetMissing { id: id()?, column: target.name.clone() }),
            (Value::Text(class), TargetKind::Class) => Ok(Some(class)),
            (Value::Number(_), TargetKind::Number) => Ok(None),
            _ => Err(Error::Field {
                id: id()?,
                kind: "target",
                column: target.name.clone(),
                found: "of another kind than the schema states".into(),
                hint: "State the kind of the target in [schema.target] of the card.".into(),
            }),
        }
    };
    rows.iter().zip(records.fields(rows, &target.name)).map(class).collect()
}
