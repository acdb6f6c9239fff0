//! Which cells of which rows do the decisions change? Every id, column and value is checked before anything is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value as Json;

use super::decisions::{Action, Decision, Decisions};
use crate::card::Card;
use crate::error::{Error, closest, quoted};
use crate::example::Value;
use crate::formats::{Records, Use};
use crate::schema::{FeatureKind, TargetKind};

/// A new value of a cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    /// The decision that asks for it.
    pub line: usize,
    /// What shall be read there.
    pub value: Json,
    /// Whether it is the class of an example.
    pub action: Action,
}

impl Cell {
    /// As it stands in a file of texts.
    pub(super) fn text(&self) -> String {
        match &self.value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// All that is to be changed.
#[derive(Debug, Default)]
pub(super) struct Edits {
    /// Rows that are left out, with the line of the decision.
    pub dropped: BTreeMap<u32, usize>,
    /// New values by row and column.
    pub cells: BTreeMap<u32, BTreeMap<String, Cell>>,
    /// Columns that are left out, with the line of the decision.
    pub columns: BTreeMap<String, usize>,
}

impl Edits {
    /// How often an action changes an example, cell or column.
    pub(super) fn count(&self, action: Action) -> usize {
        let kept = |row: &&u32| !self.dropped.contains_key(row);
        if action == Action::Drop {
            return self.dropped.len();
        }
        let cells = self.cells.iter().filter(|(row, _)| kept(row)).flat_map(|(_, cells)| cells.values());
        cells.filter(|cell| cell.action == action).count()
    }
}

/// What decisions are checked against.
struct Context<'a> {
    card: &'a Card,
    records: &'a dyn Records,
    decisions: &'a Decisions,
    /// The rows of each id; several where the key column repeats itself.
    rows: HashMap<String, Vec<u32>>,
    /// By file and row in it, as `card/file#row`, for ids that are not unique.
    places: &'a HashMap<String, u32>,
    classes: BTreeSet<String>,
}

/// Checks all decisions. `places` are the rows by their places in files.
pub(super) fn resolve(
    card: &Card,
    records: &dyn Records,
    decisions: &Decisions,
    places: &HashMap<String, u32>,
) -> Result<Edits, Error> {
    let mut rows = HashMap::<String, Vec<u32>>::new();
    let mut classes = BTreeSet::new();
    let target = card.schema().target.as_ref().filter(|target| target.kind == TargetKind::Class);
    for row in 0..records.len() {
        // A row that cannot be read has no id, but it has a place.
        if let Ok(key) = records.key(row) {
            rows.entry(key).or_default().push(row as u32);
        }
        if let Some(target) = target
            && let Ok(Value::Text(class)) = records.field(row, &target.name)
            && !classes.contains(&class)
        {
            classes.insert(class);
        }
    }
    let context = Context { card, records, decisions, rows, places, classes };
    let mut edits = Edits::default();
    // Columns first: what is decided of an example goes before what is decided of its column.
    let (columns, examples): (Vec<_>, Vec<_>) =
        decisions.list.iter().partition(|(_, decision)| decision.example.is_none());
    let mut fills = BTreeMap::<&str, Cell>::new();
    for (line, decision) in columns {
        context.column(*line, decision, &mut edits, &mut fills)?;
    }
    for (line, decision) in examples {
        context.example(*line, decision, &mut edits)?;
    }
    for (column, cell) in fills {
        context.fill(column, &cell, &mut edits)?;
    }
    if edits.dropped.len() == records.len() {
        return Err(Error::NoExamples {
            place: "left: every one is dropped".into(),
            hint: "Keep some examples to learn from.",
        });
    }
    Ok(edits)
}

/// Whether settings name a column, as a key or as a text.
fn names(settings: &Json, column: &str) -> bool {
    match settings {
        Json::String(text) => text == column,
        Json::Array(list) => list.iter().any(|one| names(one, column)),
        Json::Object(map) => map.iter().any(|(key, value)| key == column || names(value, column)),
        _ => false,
    }
}

impl<'a> Context<'a> {
    fn wrong(&self, line: usize, message: String) -> Error {
        self.decisions.wrong(line, message, None)
    }

    /// The column that a decision names, if it may be changed.
    fn known_column(&self, line: usize, decision: &'a Decision) -> Result<&'a str, Error> {
        let column = decision.column.as_deref().unwrap_or_default();
        let schema = self.card.schema();
        if !schema.knows(column) {
            let near = closest(column, schema.known().into_iter());
            return Err(self.decisions.wrong(line, format!("the data has no column `{column}`"), near));
        }
        if schema.key.as_deref() == Some(column) {
            return Err(self.wrong(line, format!("`{column}` is the key, by which examples are known; it stays")));
        }
        Ok(column)
    }

    /// A decision about a whole column.
    fn column(
        &self,
        line: usize,
        decision: &'a Decision,
        edits: &mut Edits,
        fills: &mut BTreeMap<&'a str, Cell>,
    ) -> Result<(), Error> {
        let column = self.known_column(line, decision)?;
        let other = edits.columns.get(column).copied().or_else(|| fills.get(column).map(|cell| cell.line));
        if let Some(other) = other {
            return Err(self.wrong(line, format!("line {other} decides otherwise about the column `{column}`")));
        }
        if decision.action == Action::Drop {
            let schema = self.card.schema();
            if schema.target.as_ref().is_some_and(|target| target.name == column) {
                return Err(
                    self.wrong(line, format!("`{column}` is the target, without which nothing is to be learnt"))
                );
            }
            let left = schema.features.0.iter().filter(|(name, _)| !edits.columns.contains_key(name) && name != column);
            if left.count() == 0 {
                return Err(self.wrong(line, "no feature would be left".into()));
            }
            let config = &self.card.config;
            let used = [serde_json::to_value(&config.split), serde_json::to_value(&config.transforms)];
            if used.iter().flatten().any(|settings| names(settings, column)) {
                return Err(self.wrong(line, format!("the split or a transform of the card needs `{column}`")));
            }
            edits.columns.insert(column.to_owned(), line);
            return Ok(());
        }
        let value = self.checked(line, column, decision)?;
        fills.insert(column, Cell { line, value, action: Action::Impute });
        Ok(())
    }

    /// The row of the example that a decision names.
    fn row(&self, line: usize, id: &str) -> Result<u32, Error> {
        match self.rows.get(id).map(Vec::as_slice) {
            Some([row]) => Ok(*row),
            Some(several) => {
                let message = format!(
                    "{} examples have the id `{id}`; name one by its place, as in `{}/FILE#ROW`",
                    several.len(),
                    self.card.name()
                );
                Err(self.wrong(line, message))
            }
            None => self.places.get(id).copied().ok_or_else(|| {
                let near = closest(id, self.rows.keys().map(String::as_str).take(100_000));
                self.decisions.wrong(line, format!("no example has the id `{id}`"), near)
            }),
        }
    }

    /// A decision about one example.
    fn example(&self, line: usize, decision: &'a Decision, edits: &mut Edits) -> Result<(), Error> {
        let id = decision.example.as_deref().unwrap_or_default();
        let row = self.row(line, id)?;
        let contradicts = |other: usize| self.wrong(line, format!("line {other} decides otherwise about `{id}`"));
        if decision.action == Action::Drop {
            if let Some(cell) = edits.cells.get(&row).and_then(|cells| cells.values().next()) {
                return Err(contradicts(cell.line));
            }
            edits.dropped.entry(row).or_insert(line);
            return Ok(());
        }
        if let Some(&other) = edits.dropped.get(&row) {
            return Err(contradicts(other));
        }
        let (column, value) = if decision.action == Action::Relabel {
            (self.target(line)?, Json::String(self.class(line, decision.label.as_deref().unwrap_or_default())?))
        } else {
            let column = self.known_column(line, decision)?;
            (column, self.checked(line, column, decision)?)
        };
        if let Some(other) = edits.columns.get(column) {
            return Err(self.wrong(line, format!("line {other} drops the column `{column}`")));
        }
        if decision.action == Action::Impute && !self.is_missing(row, column) {
            return Err(self.wrong(line, format!("`{column}` of `{id}` is not missing; `fix` replaces a value")));
        }
        let cell = Cell { line, value, action: decision.action };
        let cells = edits.cells.entry(row).or_default();
        match cells.get(column) {
            Some(other) if other.value != cell.value => Err(contradicts(other.line)),
            Some(_) => Ok(()),
            None => {
                cells.insert(column.to_owned(), cell);
                Ok(())
            }
        }
    }

    fn is_missing(&self, row: u32, column: &str) -> bool {
        matches!(self.records.field(row as usize, column), Ok(Value::Missing))
    }

    /// Fills the gaps of a column.
    fn fill(&self, column: &str, cell: &Cell, edits: &mut Edits) -> Result<(), Error> {
        let mut met = false;
        for row in 0..self.records.len() as u32 {
            if !self.is_missing(row, column) {
                continue;
            }
            met = true;
            if !edits.dropped.contains_key(&row) {
                edits.cells.entry(row).or_default().entry(column.to_owned()).or_insert_with(|| cell.clone());
            }
        }
        if met { Ok(()) } else { Err(self.wrong(cell.line, format!("no value of `{column}` is missing"))) }
    }

    /// The name of the target, which must be a class.
    fn target(&self, line: usize) -> Result<&'a str, Error> {
        match &self.card.schema().target {
            Some(target) if target.kind == TargetKind::Class => Ok(&target.name),
            _ => Err(self.wrong(line, "the data has no classes; `fix` changes a number".into())),
        }
    }

    fn class(&self, line: usize, label: &str) -> Result<String, Error> {
        if self.classes.contains(label) {
            return Ok(label.to_owned());
        }
        let near = closest(label, self.classes.iter().map(String::as_str));
        Err(self.decisions.wrong(line, format!("{} is no class of the data", quoted(label)), near))
    }

    /// The value of a decision, if the column can hold it.
    fn checked(&self, line: usize, column: &str, decision: &Decision) -> Result<Json, Error> {
        let value = decision.value.clone().unwrap_or_default();
        let schema = self.card.schema();
        let used = Use::of(column, schema);
        let refuse = |what: &str| {
            Err(self.wrong(line, format!("`{column}` takes {what}, and the value is {}", quoted(&value.to_string()))))
        };
        match (used, &value) {
            (Use::Feature(FeatureKind::Number) | Use::Target(TargetKind::Number), Json::Number(number)) => {
                let fits = number.as_f64().is_some_and(|number| number.abs() <= f64::from(f32::MAX));
                let marks = |number: &serde_json::Number| number.as_f64().is_some_and(|n| schema.is_missing_number(n));
                if schema.is_missing(&number.to_string()) || marks(number) {
                    return refuse("no number that stands for a missing value");
                }
                if fits { Ok(value) } else { refuse("numbers up to 3.4e38") }
            }
            (Use::Feature(FeatureKind::Number) | Use::Target(TargetKind::Number), _) => {
                refuse("a number without quotes")
            }
            (Use::Target(TargetKind::Class), Json::String(label)) => Ok(Json::String(self.class(line, label)?)),
            (Use::Feature(FeatureKind::Text), Json::String(text)) if !text.is_empty() => Ok(value),
            (Use::Feature(FeatureKind::Category) | Use::Other, Json::String(text)) => {
                if schema.is_missing(text.trim()) {
                    return refuse("no text that stands for a missing value");
                }
                if text.trim() == text { Ok(value) } else { refuse("a text without blanks around it") }
            }
            (Use::Feature(FeatureKind::Image), _) => refuse("no new value: an image can be dropped or relabelled"),
            _ => refuse("a text in quotes"),
        }
    }
}
