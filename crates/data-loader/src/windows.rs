//! How does a series become examples? By windows: so many steps that are known, and the next ones that are to be told.
//!
//! An example is a window and not a row, and a window needs rows beside each other. So windows are no transform of a record but a
//! view over records: splits, samplers and the loader deal with windows as they deal with rows, and transforms are fitted on the
//! rows of the windows of the training part and applied to every step of a window.
//!
//! - Rows go by a time column, or as they lie in the files. A time that stands twice in a group is an error.
//! - No window reaches from one group into another, nor from a file of one part into a file of another.
//! - No window reaches over a gap: the usual step is the median of all; a step that is more than `max_step` times longer or
//!   shorter than that is a gap.
//! - No row lies in windows of two parts: of those that would share one, the window of the earlier part is left out. At the border
//!   of a split by time these are `length + horizon - 1` windows, where each step begins one.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::{is_format, moment, seconds};
use crate::error::{Error, quoted};
use crate::example::{Record, Value, id_of};
use crate::formats::Records;
use crate::schema::{Schema, TargetKind};
use crate::signature::check_quantiles;
use crate::split::{Part, Parts};

/// The name of the field of a record, and of the input of a network, that holds a window.
pub const SERIES: &str = "series";

/// What happens at a gap in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gaps {
    /// Windows end before it and begin anew behind it.
    #[default]
    Break,
    /// It is an error that names the rows.
    Error,
}

/// `[data.windows]` in a config, `[schema.windows]` in a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many steps are known.
    pub length: usize,
    /// How many steps behind them are to be told.
    pub horizon: usize,
    /// How many steps lie between the beginnings of two windows.
    #[serde(default = "one")]
    pub stride: usize,
    /// The column that says when: a number, or an ISO 8601 date, which counts in days. Without it rows go as they lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// How the times are written, if not as ISO 8601 says: as in `%d.%m.%Y`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_format: Option<String>,
    /// The column whose values tell several series apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A step that is more than so many times longer or shorter than the usual one is a gap.
    #[serde(default = "one_and_a_half")]
    pub max_step: f64,
    /// What happens at a gap: "break" or "error".
    #[serde(default)]
    pub gaps: Gaps,
    /// Whether what is to be told is known of the steps before, as a channel of its own behind the features.
    #[serde(default = "yes")]
    pub target_history: bool,
    /// Which quantiles of each step are to be told, ascending: as in `[0.1, 0.5, 0.9]`. Left out, one number is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantiles: Vec<f64>,
    /// How many steps a season has, as 12 months: errors are measured against those of who repeats what was so long ago.
    #[serde(default = "one")]
    pub season: usize,
}

fn one() -> usize {
    1
}

fn one_and_a_half() -> f64 {
    1.5
}

fn yes() -> bool {
    true
}

impl Config {
    /// Checks what must hold of any windows; `schema` is the one they belong to.
    pub(crate) fn check(&self, schema: &Schema) -> Result<(), Error> {
        let wrong = |key: &str, message: String, hint: &str| {
            Err(Error::Setting { key: format!("data.windows.{key}"), message, hint: hint.into() })
        };
        for (key, steps) in [("length", self.length), ("horizon", self.horizon), ("stride", self.stride)] {
            if steps == 0 || steps > u32::MAX as usize {
                return wrong(key, format!("is {steps}"), "Use a number of steps from 1 on.");
            }
        }
        if let Err(message) = check_quantiles(&self.quantiles) {
            return wrong("quantiles", message, "Write them as in [0.1, 0.5, 0.9].");
        }
        if self.season == 0 || self.season > self.length {
            let message = format!("is {}, and {} steps are known", self.season, self.length);
            return wrong("season", message, "Use a number of steps from 1 to `length`; 1 is no season.");
        }
        if !(self.max_step.is_finite() && self.max_step > 1.0) {
            return wrong(
                "max_step",
                format!("is {}", self.max_step),
                "Use a number above 1; 1.5 finds every step that is left out.",
            );
        }
        if let Some(format) = self.time_format.as_deref().filter(|format| !is_format(format)) {
            return wrong("time_format", format!("is {format:?}"), "Write it as in \"%Y-%m-%d %H:%M:%S\".");
        }
        if schema.target.as_ref().is_none_or(|target| target.kind != TargetKind::Number) {
            return Err(Error::Mismatch {
                message: "Windows need a target that is a number, and the schema has none".into(),
                hint: "State it in [schema.target] of the card.".into(),
            });
        }
        Ok(())
    }
}

/// Windows over the rows of other records.
pub(crate) struct Windows {
    records: Box<dyn Records>,
    config: Config,
    target: String,
    /// The rows of the records in the order of groups and times.
    rows: Vec<u32>,
    /// Where in `rows` each window begins.
    starts: Vec<u32>,
    /// How many rows a window has: those to be told are left out where nobody knows them.
    span: usize,
}

/// A row with what orders it.
struct Step {
    row: u32,
    group: u32,
    part: Option<Part>,
    time: Option<f64>,
}

impl Windows {
    /// Lays windows over `records`; `told` is whether the steps behind are there to be learnt from.
    pub(crate) fn new(records: Box<dyn Records>, config: &Config, schema: &Schema, told: bool) -> Result<Self, Error> {
        config.check(schema)?;
        let mut steps = steps(records.as_ref(), config)?;
        let order = |a: &Step, b: &Step| {
            let time = a.time.zip(b.time).map_or(Ordering::Equal, |(a, b)| a.total_cmp(&b));
            a.group.cmp(&b.group).then(time).then(a.row.cmp(&b.row))
        };
        steps.sort_by(order);
        let span = config.length + if told { config.horizon } else { 0 };
        let gap = gap(records.as_ref(), config, &steps)?;
        let together = |a: &Step, b: &Step| a.group == b.group && a.part == b.part && !gap(a, b);
        let (mut starts, mut first) = (Vec::new(), 0);
        for run in steps.chunk_by(together) {
            if config.gaps == Gaps::Error
                && let Some(next) = steps.get(first + run.len())
                && let Some(last) = run.last().filter(|last| last.group == next.group && gap(last, next))
            {
                return Err(gap_error(records.as_ref(), last, next));
            }
            if let Some(room) = run.len().checked_sub(span) {
                // What was told begins with the first row; a forecast for new data goes on behind the last one.
                let offset = if told { 0 } else { room % config.stride };
                starts.extend((offset..=room).step_by(config.stride).map(|start| (first + start) as u32));
            }
            first += run.len();
        }
        if starts.is_empty() {
            return Err(Error::NoExamples {
                place: format!("in windows of {span} rows without a gap over {} rows", steps.len()),
                hint: "Make `length` and `horizon` in [data.windows] smaller, or `max_step` larger.",
            });
        }
        let rows = steps.into_iter().map(|step| step.row).collect();
        let target = schema.target.as_ref().map(|target| target.name.clone()).unwrap_or_default();
        Ok(Self { records, config: config.clone(), target, rows, starts, span })
    }

    /// The rows of the window `row`.
    fn window(&self, row: usize) -> &[u32] {
        let start = self.starts[row] as usize;
        &self.rows[start..start + self.span]
    }

    /// The last row that is known, at which a forecast is made.
    fn now(&self, row: usize) -> usize {
        self.rows[self.starts[row] as usize + self.config.length - 1] as usize
    }
}

impl Records for Windows {
    fn len(&self) -> usize {
        self.starts.len()
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let steps = self.window(row).iter().map(|&row| self.records.read(row as usize)).collect::<Result<_, _>>()?;
        Ok(Record::new(self.key(row)?, vec![(SERIES.to_owned(), Value::Series(steps))], None))
    }

    /// Of the target the first value that is to be told, missing if any of the window is that must be there; of any other
    /// column what it is when the forecast is made.
    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        if name != self.target {
            return self.records.field(self.now(row), name);
        }
        let mut first = None;
        for (place, &step) in self.window(row).iter().enumerate() {
            if place >= self.config.length || self.config.target_history {
                match self.records.field(step as usize, name)? {
                    Value::Missing => return Ok(Value::Missing),
                    value if place >= self.config.length => drop(first.get_or_insert(value)),
                    _ => {}
                }
            }
        }
        Ok(first.unwrap_or(Value::Missing))
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        self.records.key(self.now(row))
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.records.part(self.now(row))
    }

    fn steps(&self, windows: &[u32]) -> Option<(&dyn Records, Vec<u32>)> {
        let mut rows: Vec<u32> = windows.iter().flat_map(|&row| self.window(row as usize)).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        Some((self.records.as_ref(), rows))
    }
}

/// Every row with its group, part and time.
fn steps(records: &dyn Records, config: &Config) -> Result<Vec<Step>, Error> {
    let mut groups = HashMap::<String, u32>::new();
    let mut steps = Vec::with_capacity(records.len());
    let wrong = |row: usize, column: &str, found: String| {
        Error::Field {
        id: id_of(records, row as u32),
        kind: "time or group",
        column: column.to_owned(),
        found,
        hint: "Every row of a series needs a time, a number or a date as `time_format` in [data.windows] says, and a group if there are groups.".into(),
    }
    };
    for row in 0..records.len() {
        let group = match &config.group {
            None => 0,
            Some(column) => {
                let text = match records.field(row, column)? {
                    Value::Text(text) => text,
                    Value::Number(number) => number.to_string(),
                    _ => return Err(wrong(row, column, "missing".into())),
                };
                let next = groups.len() as u32;
                *groups.entry(text).or_insert(next)
            }
        };
        let time = match &config.time {
            None => None,
            Some(column) => Some(match records.field(row, column)? {
                Value::Number(number) => number,
                Value::Text(text) => time(&text, config.time_format.as_deref())
                    .ok_or_else(|| wrong(row, column, format!("{}, which is no time", quoted(&text))))?,
                _ => return Err(wrong(row, column, "missing".into())),
            }),
        };
        steps.push(Step { row: row as u32, group, part: records.part(row), time });
    }
    Ok(steps)
}

/// A number, or a date in days.
fn time(text: &str, format: Option<&str>) -> Option<f64> {
    let number = || text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    let days = || moment(text, format).map(|moment| seconds(moment) / 86_400.0);
    if format.is_some() { days() } else { number().or_else(days) }
}

/// Whether there is a gap between two neighbours of a group. A time that stands twice is an error.
fn gap(records: &dyn Records, config: &Config, steps: &[Step]) -> Result<impl Fn(&Step, &Step) -> bool + use<>, Error> {
    let mut widths = Vec::new();
    for pair in steps.windows(2).filter(|pair| pair[0].group == pair[1].group) {
        let Some((before, after)) = pair[0].time.zip(pair[1].time) else { continue };
        if before == after {
            return Err(Error::Mismatch {
                message: format!(
                    "The rows {} and {} have the same time in one series",
                    records.key(pair[0].row as usize)?,
                    records.key(pair[1].row as usize)?
                ),
                hint: "Name the column that tells the series apart as `group` in [data.windows], or remove one of the rows.".into(),
            });
        }
        widths.push(after - before);
    }
    widths.sort_by(f64::total_cmp);
    let usual = crate::statistics::quantile(&widths, 0.5);
    let most = config.max_step;
    Ok(move |a: &Step, b: &Step| {
        a.time.zip(b.time).is_some_and(|(a, b)| b - a > usual * most || (b - a) * most < usual)
    })
}

fn gap_error(records: &dyn Records, last: &Step, next: &Step) -> Error {
    let name = |step: &Step| id_of(records, step.row);
    Error::Mismatch {
        message: format!("There is a gap in time between the rows {} and {}", name(last), name(next)),
        hint: "Fill the rows in, raise `max_step`, or set `gaps = \"break\"` in [data.windows].".into(),
    }
}

/// What `rows` are made of: under windows the rows of what they look at, each once; rows that stand for themselves as they are.
pub(crate) fn beneath<'r>(records: &'r dyn Records, rows: &'r [u32]) -> (&'r dyn Records, Cow<'r, [u32]>) {
    match records.steps(rows) {
        Some((steps, rows)) => (steps, Cow::Owned(rows)),
        None => (records, Cow::Borrowed(rows)),
    }
}

/// Leaves out of the earlier of two parts what shares a row with the later one, and says how many windows that were. Rows that
/// stand for themselves share nothing.
pub(crate) fn embargo(records: &dyn Records, parts: &mut Parts) -> Result<usize, Error> {
    let Some((base, _)) = records.steps(&[]) else { return Ok(0) };
    let mut taken = vec![false; base.len()];
    let of = |window: u32| records.steps(&[window]).map(|(_, rows)| rows).unwrap_or_default();
    let mut left_out = 0;
    for part in [Part::Test, Part::Validation, Part::Train] {
        let asked = parts.part(part).to_vec();
        let kept: Vec<u32> =
            asked.iter().copied().filter(|&window| of(window).iter().all(|&row| !taken[row as usize])).collect();
        // What is left out still parts the parts: its rows are those of its own part.
        asked.iter().flat_map(|&window| of(window)).for_each(|row| taken[row as usize] = true);
        if kept.is_empty() && !asked.is_empty() {
            return Err(Error::Mismatch {
                message: format!("Every window of the part `{part}` shares rows with one of a later part"),
                hint: "Windows overlap, so split them by age with [data.split.time], by `group` with [data.split.hash], or by file.".into(),
            });
        }
        left_out += asked.len() - kept.len();
        *parts.part_mut(part) = kept;
    }
    Ok(left_out)
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
