//! What stands in a file of Optuna? Read with care: the file may be damaged, or made by somebody who means no good.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, params};
use serde_json::Value;

use super::distribution::Distribution;
use super::tables;
use crate::Error;
use crate::sweep::interchange::refused_at;

/// The tables that are read.
const READ: &[&str] = &[
    "studies",
    "study_directions",
    "study_system_attributes",
    "study_user_attributes",
    "trial_intermediate_values",
    "trial_params",
    "trial_user_attributes",
    "trial_values",
    "trials",
];
/// A text in a cell may have so many letters.
const LONGEST: i64 = 1 << 20;
/// A study may have so many trials.
const MOST_TRIALS: i64 = 1_000_000;

/// A study as it stands in the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Foreign {
    pub name: String,
    /// Of each objective whether more is better.
    pub maximizes: Vec<bool>,
    /// What the objectives are called, if they have names.
    pub metric_names: Vec<String>,
    /// By their numbers.
    pub trials: BTreeMap<i64, ForeignTrial>,
    /// What could not be read, a sentence each.
    pub remarks: Vec<String>,
}

/// A trial as it stands in the file.
#[derive(Clone, Debug, Default)]
pub(super) struct ForeignTrial {
    pub state: String,
    pub began: Option<f64>,
    pub ended: Option<f64>,
    pub parameters: BTreeMap<String, Value>,
    pub values: BTreeMap<i64, f64>,
    pub evaluations: BTreeMap<i64, f64>,
    pub attributes: BTreeMap<String, Value>,
}

/// Reads a study; the only one if no name is given.
pub(super) fn read(path: &Path, name: Option<&str>) -> Result<Foreign, Error> {
    if !path.is_file() {
        return Err(refused_at(path, "there is no such file", "name the database file of an Optuna study"));
    }
    let connection = open(path).map_err(|error| unreadable(path, &error))?;
    let missing = missing_table(&connection).map_err(|error| unreadable(path, &error))?;
    if let Some(missing) = missing {
        let reason = format!("it is no database of Optuna 3 or later: it has no table `{missing}` such as that has");
        let way_out = "`optuna storage upgrade --storage sqlite:///FILE` brings an older file up to date";
        return Err(refused_at(path, reason, way_out));
    }
    let studies = studies(&connection).map_err(|error| unreadable(path, &error))?;
    let (id, found) = choose(path, &studies, name)?;
    study(&connection, id, found).map_err(|error| unreadable(path, &error))
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        let damaged = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(damaged, Some(found)));
    }
    Ok(connection)
}

/// A table that is not there, or is a view or a program in the guise of one: in columns that are computed stands whatever is asked for.
fn missing_table(on: &Connection) -> rusqlite::Result<Option<&'static str>> {
    let asked = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1 AND rootpage > 0";
    let made = "SELECT count(*) FROM pragma_table_xinfo(?1) WHERE hidden != 0";
    for name in READ {
        let found: i64 = on.query_row(asked, [name], |row| row.get(0))?;
        let made: i64 = on.query_row(made, [name], |row| row.get(0))?;
        if found != 1 || made != 0 {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn studies(on: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut prepared = on.prepare("SELECT study_id, study_name FROM studies ORDER BY study_id LIMIT 10000")?;
    let found = prepared.query_map([], |row| Ok((row.get(0)?, text(row, 1)?)))?;
    found.collect()
}

fn choose(path: &Path, studies: &[(i64, String)], name: Option<&str>) -> Result<(i64, String), Error> {
    let names = || studies.iter().take(20).map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
    let way_out = "name one of them by `--name NAME`";
    match (name, studies) {
        (_, []) => Err(refused_at(path, "it holds no study", "name another file")),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(refused_at(path, format!("it holds several studies: {}", names()), way_out)),
        (Some(name), _) => {
            let found = studies.iter().find(|(_, known)| known == name).cloned();
            found.ok_or_else(|| refused_at(path, format!("it holds no study `{name}`, but {}", names()), way_out))
        }
    }
}

fn study(on: &Connection, id: i64, name: String) -> rusqlite::Result<Foreign> {
    let mut found = Foreign { name, ..Foreign::default() };
    let mut prepared =
        on.prepare("SELECT direction FROM study_directions WHERE study_id = ?1 ORDER BY objective LIMIT 100")?;
    let directions = prepared.query_map([id], |row| text(row, 0))?;
    found.maximizes = directions.map(|word| word.map(|word| word == "MAXIMIZE")).collect::<rusqlite::Result<_>>()?;
    let names =
        "SELECT value_json FROM study_system_attributes WHERE study_id = ?1 AND \"key\" = 'study:metric_names' LIMIT 1";
    let names = on.prepare(names)?.query_map([id], |row| text(row, 0))?.next().transpose()?;
    found.metric_names = names.and_then(|names| serde_json::from_str(&names).ok()).unwrap_or_default();
    let ids = trials(on, id, &mut found)?;
    parameters(on, id, &ids, &mut found)?;
    numbers(on, id, &ids, &mut found)?;
    attributes(on, id, &ids, &mut found)?;
    Ok(found)
}

/// The numbers of the trials, by their rows.
fn trials(on: &Connection, id: i64, found: &mut Foreign) -> rusqlite::Result<BTreeMap<i64, i64>> {
    let asked = "SELECT trial_id, number, state,
            unixepoch(datetime_start, 'utc', 'subsec'), unixepoch(datetime_complete, 'utc', 'subsec')
        FROM trials WHERE study_id = ?1 ORDER BY number LIMIT ?2";
    let mut prepared = on.prepare(asked)?;
    let mut rows = prepared.query(params![id, MOST_TRIALS])?;
    let mut ids = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let Some(number) = row.get::<_, Option<i64>>(1)? else { continue };
        ids.insert(row.get(0)?, number);
        let (began, ended) = (real(row, 3)?, real(row, 4)?);
        found.trials.insert(number, ForeignTrial { state: text(row, 2)?, began, ended, ..ForeignTrial::default() });
    }
    Ok(ids)
}

fn parameters(on: &Connection, id: i64, ids: &BTreeMap<i64, i64>, found: &mut Foreign) -> rusqlite::Result<()> {
    let asked = "SELECT p.trial_id, p.param_name, p.param_value, p.distribution_json FROM trial_params p
        JOIN trials t ON t.trial_id = p.trial_id WHERE t.study_id = ?1 ORDER BY p.param_id";
    let mut prepared = on.prepare(asked)?;
    let mut rows = prepared.query([id])?;
    // Most trials have the same ones.
    let mut known: BTreeMap<String, Result<Distribution, String>> = BTreeMap::new();
    let mut odd: BTreeMap<String, String> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let trial = ids.get(&row.get(0)?).and_then(|number| found.trials.get_mut(number));
        let (Some(trial), name, written) = (trial, text(row, 1)?, text(row, 3)?) else { continue };
        let parsed = known.entry(written.clone()).or_insert_with(|| Distribution::parse(&written));
        let value = match parsed {
            Ok(distribution) => {
                let cell = real(row, 2)?.and_then(|cell| distribution.value(cell));
                cell.ok_or_else(|| "has a value that is none of those it may have".to_owned())
            }
            Err(reason) => Err(format!("has a distribution that {reason}")),
        };
        match value {
            Ok(value) => drop(trial.parameters.insert(name, value)),
            Err(reason) => drop(odd.entry(name).or_insert(reason)),
        }
    }
    found.remarks.extend(odd.into_iter().take(20).map(|(name, reason)| format!("The parameter `{name}` {reason}.")));
    Ok(())
}

fn numbers(on: &Connection, id: i64, ids: &BTreeMap<i64, i64>, found: &mut Foreign) -> rusqlite::Result<()> {
    let values = "SELECT v.trial_id, v.objective, v.value, v.value_type FROM trial_values v
        JOIN trials t ON t.trial_id = v.trial_id WHERE t.study_id = ?1";
    let evaluations = "SELECT v.trial_id, v.step, v.intermediate_value, v.intermediate_value_type
        FROM trial_intermediate_values v JOIN trials t ON t.trial_id = v.trial_id WHERE t.study_id = ?1";
    for (asked, is_final) in [(values, true), (evaluations, false)] {
        let mut prepared = on.prepare(asked)?;
        let mut rows = prepared.query([id])?;
        while let Some(row) = rows.next()? {
            let trial = ids.get(&row.get(0)?).and_then(|number| found.trials.get_mut(number));
            let number = tables::number(real(row, 2)?, &text(row, 3)?);
            if let (Some(trial), Some(number)) = (trial, number) {
                let into = if is_final { &mut trial.values } else { &mut trial.evaluations };
                into.insert(row.get(1)?, number);
            }
        }
    }
    Ok(())
}

fn attributes(on: &Connection, id: i64, ids: &BTreeMap<i64, i64>, found: &mut Foreign) -> rusqlite::Result<()> {
    let asked = "SELECT a.trial_id, a.\"key\", a.value_json FROM trial_user_attributes a
        JOIN trials t ON t.trial_id = a.trial_id WHERE t.study_id = ?1";
    let mut prepared = on.prepare(asked)?;
    let mut rows = prepared.query([id])?;
    while let Some(row) = rows.next()? {
        let trial = ids.get(&row.get(0)?).and_then(|number| found.trials.get_mut(number));
        let value = serde_json::from_str(&text(row, 2)?);
        if let (Some(trial), Ok(value)) = (trial, value) {
            trial.attributes.insert(text(row, 1)?, value);
        }
    }
    Ok(())
}

/// The text of a cell: empty if there is none, and cut off where it is endless.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    match row.get_ref(column)? {
        ValueRef::Text(bytes) if bytes.len() as i64 <= LONGEST => Ok(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Null => Ok(String::new()),
        other => Err(rusqlite::Error::InvalidColumnType(column, "text".into(), other.data_type())),
    }
}

fn real(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<f64>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(number) => Ok(Some(number as f64)),
        ValueRef::Real(number) => Ok(Some(number)),
        other => Err(rusqlite::Error::InvalidColumnType(column, "number".into(), other.data_type())),
    }
}

fn unreadable(path: &Path, error: &rusqlite::Error) -> Error {
    let reason = match error {
        rusqlite::Error::SqliteFailure(failure, said) => match failure.code {
            ErrorCode::NotADatabase => "it is no database of SQLite".to_owned(),
            ErrorCode::DatabaseCorrupt => "the file is damaged".to_owned(),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => "another program is writing it".to_owned(),
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied => "it cannot be opened".to_owned(),
            _ => said.clone().unwrap_or_else(|| error.to_string()),
        },
        rusqlite::Error::InvalidColumnType(_, wanted, found) => {
            let found = match found {
                Type::Text => "a long text",
                Type::Blob => "bytes",
                Type::Integer | Type::Real => "a number",
                Type::Null => "nothing",
            };
            format!("a {wanted} is missing in one of its rows, where there is {found}")
        }
        other => other.to_string(),
    };
    refused_at(
        path,
        reason,
        "`optuna.load_study` says whether Optuna itself can read it; of a damaged file `sqlite3 FILE .recover` may save what is left",
    )
}
