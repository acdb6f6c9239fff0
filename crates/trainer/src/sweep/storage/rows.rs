//! How do a study and its trials lie in tables?
//!
//! Every change of a study gives it a new revision, which the rows that changed carry: whoever knows one revision asks for what came after.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Cell, Statements, Trouble};
use crate::sweep::config::MOST_TRIALS;
use crate::sweep::trial::{Look, State, Trial};

/// The newest layout that this program writes and reads.
pub const FORMAT: i64 = 1;

/// More trials than these no study has, what was brought in included.
const MOST_ROWS: u64 = 4 * MOST_TRIALS;

const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS firebox_studies (
        name TEXT PRIMARY KEY, format BIGINT NOT NULL, config TEXT NOT NULL, written_at TEXT NOT NULL,
        stopped BIGINT NOT NULL, revision BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS firebox_trials (
        study TEXT NOT NULL, number BIGINT NOT NULL, state TEXT NOT NULL, origin TEXT NOT NULL, settings TEXT,
        worker TEXT, beat BIGINT NOT NULL, attempt BIGINT NOT NULL, crashes BIGINT NOT NULL, errors BIGINT NOT NULL,
        began DOUBLE PRECISION, ended DOUBLE PRECISION, seconds DOUBLE PRECISION NOT NULL, step BIGINT NOT NULL,
        planned BIGINT NOT NULL, history TEXT NOT NULL, scores TEXT NOT NULL, generations BIGINT NOT NULL, course TEXT NOT NULL, error TEXT, revision BIGINT NOT NULL,
        PRIMARY KEY (study, number))",
    "CREATE INDEX IF NOT EXISTS firebox_trials_by_revision ON firebox_trials (study, revision)",
];

const COLUMNS: &str = "number, state, origin, settings, worker, attempt, crashes, errors, began, ended, seconds, step, planned, \
                       history, scores, generations, course, error";

/// A study as it lies in its row.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyRow {
    /// Its name in the database.
    pub name: String,
    /// The experiment with the sweep, as TOML.
    pub config: String,
    /// The file in which that was written.
    pub written_at: String,
    /// Whether workers are asked to end.
    pub stopped: bool,
    /// How often it was changed.
    pub revision: i64,
}

/// Makes the tables, where there are none.
///
/// # Errors
/// [`Trouble`].
pub fn create_tables(on: &mut dyn Statements) -> Result<(), Trouble> {
    TABLES.iter().try_for_each(|table| on.execute(table, &[]).map(drop))
}

/// The names of all studies.
///
/// # Errors
/// [`Trouble`].
pub fn names(on: &mut dyn Statements) -> Result<Vec<String>, Trouble> {
    let rows = on.query("SELECT name FROM firebox_studies ORDER BY name", &[])?;
    rows.into_iter().map(|row| Row(row.into_iter()).text()).collect()
}

/// A study; nothing if there is none of the name.
///
/// # Errors
/// [`Trouble`], also if it was written by a newer program.
pub fn read_study(on: &mut dyn Statements, name: &str) -> Result<Option<StudyRow>, Trouble> {
    let asked = "SELECT name, format, config, written_at, stopped, revision FROM firebox_studies WHERE name = $1";
    let Some(row) = on.query(asked, &[Cell::Text(name.to_owned())])?.pop() else { return Ok(None) };
    let mut row = Row(row.into_iter());
    let (name, format) = (row.text()?, row.integer()?);
    if format > FORMAT {
        let reason = format!("it has format version {format}; this program reads versions up to {FORMAT}");
        return Err(Trouble::Refused(reason));
    }
    let (config, written_at, stopped, revision) = (row.text()?, row.text()?, row.integer()? != 0, row.integer()?);
    Ok(Some(StudyRow { name, config, written_at, stopped, revision }))
}

/// Writes a new study; false if there is one of the name.
///
/// # Errors
/// [`Trouble`].
pub fn insert_study(on: &mut dyn Statements, study: &StudyRow) -> Result<bool, Trouble> {
    let written = "INSERT INTO firebox_studies (name, format, config, written_at, stopped, revision)
        VALUES ($1, $2, $3, $4, 0, 0) ON CONFLICT (name) DO NOTHING";
    let cells = [
        Cell::Text(study.name.clone()),
        Cell::Integer(FORMAT),
        Cell::Text(study.config.clone()),
        Cell::Text(study.written_at.clone()),
    ];
    Ok(on.execute(written, &cells)? == 1)
}

/// Changes config and wish to stop of a study, whose revision was moved on before.
///
/// # Errors
/// [`Trouble`].
pub fn update_study(on: &mut dyn Statements, study: &StudyRow) -> Result<(), Trouble> {
    let written = "UPDATE firebox_studies SET config = $1, stopped = $2 WHERE name = $3";
    let cells = [Cell::Text(study.config.clone()), Cell::Integer(study.stopped.into()), Cell::Text(study.name.clone())];
    on.execute(written, &cells).map(drop)
}

/// Moves the revision of a study on, and keeps all others from changing it until the end of the transaction.
///
/// # Errors
/// [`Trouble`].
pub fn advance(on: &mut dyn Statements, study: &str) -> Result<i64, Trouble> {
    let name = [Cell::Text(study.to_owned())];
    if on.execute("UPDATE firebox_studies SET revision = revision + 1 WHERE name = $1", &name)? == 0 {
        return Err(Trouble::Refused(format!("there is no study `{study}` any more")));
    }
    let row = on.query("SELECT revision FROM firebox_studies WHERE name = $1", &name)?.pop();
    Row(row.unwrap_or_default().into_iter()).integer()
}

/// The trials that changed after a revision, by their numbers.
///
/// # Errors
/// [`Trouble`].
pub fn trials_since(on: &mut dyn Statements, study: &str, revision: i64) -> Result<Vec<Trial>, Trouble> {
    let asked = format!("SELECT {COLUMNS} FROM firebox_trials WHERE study = $1 AND revision > $2 ORDER BY number");
    let rows = on.query(&asked, &[Cell::Text(study.to_owned()), Cell::Integer(revision)])?;
    rows.into_iter().map(read_trial).collect()
}

/// How many trials there are of each state.
///
/// # Errors
/// [`Trouble`].
pub fn counts(on: &mut dyn Statements, study: &str) -> Result<BTreeMap<String, u64>, Trouble> {
    let asked = "SELECT state, count(*) FROM firebox_trials WHERE study = $1 GROUP BY state";
    let rows = on.query(asked, &[Cell::Text(study.to_owned())])?;
    rows.into_iter()
        .map(|row| {
            let mut row = Row(row.into_iter());
            Ok((row.text()?, row.count()?))
        })
        .collect()
}

/// Writes a trial that was not there.
///
/// # Errors
/// [`Trouble`].
pub fn insert_trial(on: &mut dyn Statements, study: &str, trial: &Trial, revision: i64) -> Result<(), Trouble> {
    let written = format!(
        "INSERT INTO firebox_trials ({COLUMNS}, study, beat, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 0, $20)"
    );
    let mut cells = trial_cells(trial);
    cells.extend([Cell::Text(study.to_owned()), Cell::Integer(revision)]);
    on.execute(&written, &cells).map(drop)
}

/// Changes a trial, if it is still in the hands of the worker and attempt that it had: false if another has taken it.
///
/// # Errors
/// [`Trouble`].
pub fn update_trial(
    on: &mut dyn Statements,
    study: &str,
    trial: &Trial,
    revision: i64,
    held: (&str, u64),
) -> Result<bool, Trouble> {
    let written = "UPDATE firebox_trials SET number = $1, state = $2, origin = $3, settings = $4, worker = $5, attempt = $6,
         crashes = $7, errors = $8, began = $9, ended = $10, seconds = $11, step = $12, planned = $13, history = $14,
         scores = $15, generations = $16, course = $17, error = $18, beat = beat + 1, revision = $19
         WHERE study = $20 AND number = $1 AND coalesce(worker, '') = $21 AND attempt = $22 AND state IN ('waiting', 'running')";
    let mut cells = trial_cells(trial);
    cells.extend([Cell::Integer(revision), Cell::Text(study.to_owned())]);
    cells.extend([Cell::Text(held.0.to_owned()), Cell::count(held.1)]);
    Ok(on.execute(written, &cells)? == 1)
}

/// Shows that a worker lives: false if it has lost the trial that it held.
///
/// # Errors
/// [`Trouble`].
pub fn beat(on: &mut dyn Statements, study: &str, number: u64, worker: &str, attempt: u64) -> Result<bool, Trouble> {
    let written = "UPDATE firebox_trials SET beat = beat + 1
        WHERE study = $1 AND number = $2 AND worker = $3 AND attempt = $4 AND state = 'running'";
    let held = [Cell::count(number), Cell::Text(worker.to_owned()), Cell::count(attempt)];
    let cells: Vec<Cell> = [Cell::Text(study.to_owned())].into_iter().chain(held).collect();
    Ok(on.execute(written, &cells)? == 1)
}

/// The beats of the trials that run, by their numbers.
///
/// # Errors
/// [`Trouble`].
pub fn beats(on: &mut dyn Statements, study: &str) -> Result<BTreeMap<u64, i64>, Trouble> {
    let asked = "SELECT number, beat FROM firebox_trials WHERE study = $1 AND state = 'running'";
    let rows = on.query(asked, &[Cell::Text(study.to_owned())])?;
    rows.into_iter()
        .map(|row| {
            let mut row = Row(row.into_iter());
            Ok((row.count()?, row.integer()?))
        })
        .collect()
}

/// Numbers that are none become `null`.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("our own types have text keys")
}

/// In the order of [`COLUMNS`].
fn trial_cells(trial: &Trial) -> Vec<Cell> {
    vec![
        Cell::count(trial.number),
        Cell::Text(trial.state.name().to_owned()),
        Cell::Text(trial.origin.clone()),
        Cell::text(trial.settings.as_ref().map(json)),
        Cell::text(trial.worker.clone()),
        Cell::count(trial.attempt),
        Cell::count(trial.crashes),
        Cell::count(trial.errors),
        Cell::real(trial.began),
        Cell::real(trial.ended),
        Cell::Real(trial.seconds),
        Cell::count(trial.step),
        Cell::count(trial.planned),
        Cell::Text(json(&trial.history)),
        Cell::Text(json(&trial.scores)),
        Cell::count(trial.generations),
        Cell::Text(json(&trial.course)),
        Cell::text(trial.error.clone()),
    ]
}

fn read_trial(row: Vec<Cell>) -> Result<Trial, Trouble> {
    let mut row = Row(row.into_iter());
    let number = row.count()?;
    if number >= MOST_ROWS {
        return Err(odd(format!("a row is that of trial {number}, and a study has less than {MOST_ROWS}")));
    }
    let word = row.text()?;
    let state = State::parse(&word).ok_or_else(|| odd(format!("trial {number} is `{word}`, which is no state")))?;
    let (origin, settings, worker) = (row.text()?, row.maybe_text()?, row.maybe_text()?);
    let (attempt, crashes, errors) = (row.count()?, row.count()?, row.count()?);
    let (began, ended, seconds) = (row.maybe_real()?, row.maybe_real()?, row.maybe_real()?.unwrap_or(0.0));
    let (step, planned) = (row.count()?, row.count()?);
    let (history, scores) = (row.text()?, row.text()?);
    let (generations, course, error) = (row.count()?, row.text()?, row.maybe_text()?);
    let settings: Option<BTreeMap<String, Value>> = settings.map(|text| parse(&text)).transpose()?;
    let history: Vec<Look> = parse(&history)?;
    let scores: BTreeMap<String, Option<f64>> = parse(&scores)?;
    let scores = scores.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect();
    Ok(Trial {
        number,
        state,
        origin,
        settings,
        worker,
        attempt,
        crashes,
        errors,
        began,
        ended,
        seconds,
        step,
        planned,
        history,
        scores,
        generations,
        course: parse(&course)?,
        error,
    })
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Trouble> {
    serde_json::from_str(text).map_err(|error| odd(format!("a row cannot be read: {error}")))
}

fn odd(reason: String) -> Trouble {
    Trouble::Refused(reason)
}

/// The cells of a row, one after the other.
struct Row(std::vec::IntoIter<Cell>);

impl Row {
    fn maybe_text(&mut self) -> Result<Option<String>, Trouble> {
        match self.0.next() {
            Some(Cell::Text(text)) => Ok(Some(text)),
            Some(Cell::Null) => Ok(None),
            other => Err(odd(format!("a row holds {other:?} where a text belongs"))),
        }
    }

    fn text(&mut self) -> Result<String, Trouble> {
        self.maybe_text()?.ok_or_else(|| odd("a row lacks a text".into()))
    }

    fn integer(&mut self) -> Result<i64, Trouble> {
        match self.0.next() {
            Some(Cell::Integer(number)) => Ok(number),
            other => Err(odd(format!("a row holds {other:?} where a whole number belongs"))),
        }
    }

    fn count(&mut self) -> Result<u64, Trouble> {
        let number = self.integer()?;
        u64::try_from(number).map_err(|_| odd(format!("a row holds {number} where a count belongs")))
    }

    fn maybe_real(&mut self) -> Result<Option<f64>, Trouble> {
        match self.0.next() {
            Some(Cell::Real(number)) => Ok(Some(number)),
            Some(Cell::Integer(number)) => Ok(Some(number as f64)),
            Some(Cell::Null) => Ok(None),
            other => Err(odd(format!("a row holds {other:?} where a number belongs"))),
        }
    }
}
