//! How is a study told to Optuna? In a new database file, which is there in whole or not at all.
//!
//! Of each trial stand there its state, the settings that lie in the space (of lists the number and how many of them), the
//! objectives, every evaluation, its times as a clock on the wall of this machine shows them, and as attributes all settings
//! and scores, its origin and its error.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use data_loader::atomic;
use rusqlite::{Connection, OpenFlags, params};
use serde_json::{Map, Value, json};

use super::distribution::{self, Distribution};
use super::{states, tables};
use crate::Error;
use crate::metrics::Direction;
use crate::sweep::dimensions::{Dimension, Part};
use crate::sweep::interchange::{Told, View, counted, name_of, refused_at};
use crate::sweep::pruners::Pruner;
use crate::sweep::space::Values;
use crate::sweep::trial::{State, Trial};

/// Writes a study into the file `out`; one that is there is replaced only if `replace` is true.
///
/// # Errors
/// [`Error::Interchange`] if the file is there, [`Error::Io`] if it cannot be written.
pub fn export(view: View<'_>, out: &Path, replace: bool) -> Result<Told, Error> {
    if out.exists() && !replace {
        return Err(refused_at(out, "the file is there already", "name another file, or say that it may be replaced"));
    }
    for behind in ["-journal", "-wal"] {
        let mut name = out.as_os_str().to_owned();
        name.push(behind);
        // What lies there belongs to the old file, and would be read into the new one.
        if PathBuf::from(name).exists() {
            let reason =
                format!("another program has the file open, or was killed while it wrote: there is a {behind}");
            return Err(refused_at(out, reason, "close Optuna and its dashboard, or name another file"));
        }
    }
    let temporary = atomic::temporary(out);
    let _ = fs::remove_file(&temporary);
    let written = write(view, &temporary).map_err(|error| {
        refused_at(out, format!("it cannot be written: {error}"), "check the folder, and the room on the disk")
    });
    let placed = written.and_then(|told| {
        fs::File::open(&temporary).and_then(|file| file.sync_all()).map_err(Error::io("flush", out))?;
        fs::rename(&temporary, out).map_err(Error::io("write", out))?;
        Ok(told)
    });
    if placed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    let _ = atomic::sync_parent(out);
    placed
}

fn write(view: View<'_>, path: &Path) -> rusqlite::Result<Told> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // Nobody sees the file before it is whole.
    connection.pragma_update(None, "journal_mode", "memory")?;
    let transaction = connection.transaction()?;
    tables::create(&transaction)?;
    let mut writer = Writer { on: &transaction, view, now: now(), without_times: 0, without_scores: 0, outside: 0 };
    writer.study()?;
    for (place, trial) in view.trials.iter().enumerate() {
        writer.trial(place as i64 + 1, trial)?;
    }
    let remarks = writer.remarks();
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(Told { trials: view.trials.len(), remarks })
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The study has this number in its file, being the only one.
const STUDY: i64 = 1;

struct Writer<'a> {
    on: &'a Connection,
    view: View<'a>,
    now: f64,
    /// Finished trials of which nobody knows when they were trained.
    without_times: usize,
    /// Complete trials of which a score is no number.
    without_scores: usize,
    /// Settings that lie outside the space.
    outside: usize,
}

impl Writer<'_> {
    fn study(&self) -> rusqlite::Result<()> {
        self.on.execute("INSERT INTO studies VALUES (?1, ?2)", params![STUDY, self.view.name])?;
        for (place, objective) in self.view.sweep.objectives.iter().enumerate() {
            let word = match objective.direction() {
                Direction::Higher => "MAXIMIZE",
                Direction::Lower => "MINIMIZE",
            };
            let statement = "INSERT INTO study_directions (direction, study_id, objective) VALUES (?1, ?2, ?3)";
            self.on.execute(statement, params![word, STUDY, place as i64])?;
        }
        let names: Vec<&str> = self.view.sweep.objectives.iter().map(|objective| objective.metric.as_str()).collect();
        self.attribute("study_system", STUDY, "study:metric_names", &json!(names))?;
        let mut attributes = Map::new();
        attributes.insert(tables::MADE_BY.into(), json!(concat!("firebox ", env!("CARGO_PKG_VERSION"))));
        attributes.insert("searcher".into(), json!(self.view.sweep.searcher.name()));
        attributes.insert("pruner".into(), json!(self.view.sweep.pruner.as_ref().map(Pruner::name)));
        attributes.insert("space".into(), json!(self.view.sweep.space));
        attributes.iter().try_for_each(|(key, value)| self.attribute("study_user", STUDY, key, value))
    }

    /// `of` is the table without its last word.
    fn attribute(&self, of: &str, id: i64, key: &str, value: &Value) -> rusqlite::Result<()> {
        let owner = of.split('_').next().unwrap_or(of);
        let statement = format!("INSERT INTO {of}_attributes ({owner}_id, \"key\", value_json) VALUES (?1, ?2, ?3)");
        self.on.prepare_cached(&statement)?.execute(params![id, key, value.to_string()]).map(drop)
    }

    fn trial(&mut self, id: i64, trial: &Trial) -> rusqlite::Result<()> {
        let values = self.values(trial);
        let state = match trial.state {
            State::Waiting => states::WAITING,
            State::Running => states::RUNNING,
            State::Pruned => states::PRUNED,
            State::Failed => states::FAIL,
            State::Complete if values.is_some() => states::COMPLETE,
            State::Complete => {
                self.without_scores += 1;
                states::FAIL
            }
        };
        let (began, ended) = self.times(trial);
        let statement = "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete)
            VALUES (?1, ?2, ?3, ?4,
                strftime('%Y-%m-%d %H:%M:%S', ?5, 'unixepoch', 'localtime') || printf('.%06d', ?6),
                strftime('%Y-%m-%d %H:%M:%S', ?7, 'unixepoch', 'localtime') || printf('.%06d', ?8))";
        let (began, ended) = (began.map(parts), ended.map(parts));
        self.on.prepare_cached(statement)?.execute(params![
            id,
            trial.number as i64,
            STUDY,
            state,
            began.map(|time| time.0),
            began.map(|time| time.1),
            ended.map(|time| time.0),
            ended.map(|time| time.1),
        ])?;
        if trial.state == State::Waiting {
            // Whoever takes it on in Optuna tries these.
            let named = self.named(trial).into_iter();
            let wanted = named.map(|(dimension, _, value)| (name_of(dimension), distribution::plain(&value)));
            let wanted: Map<String, Value> = wanted.collect();
            if !wanted.is_empty() {
                self.attribute("trial_system", id, "fixed_params", &Value::Object(wanted))?;
            }
        } else {
            self.parameters(id, trial)?;
            self.evaluations(id, trial)?;
            if let Some(values) = values {
                for (place, value) in values.into_iter().enumerate() {
                    let (cell, word) = tables::cells(value);
                    let statement =
                        "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?1, ?2, ?3, ?4)";
                    self.on.prepare_cached(statement)?.execute(params![id, place as i64, cell, word])?;
                }
            }
        }
        self.attributes(id, trial)
    }

    /// What the trial came to, if it did.
    fn values(&self, trial: &Trial) -> Option<Vec<f64>> {
        let objectives = &self.view.sweep.objectives;
        match trial.state {
            State::Complete => {
                let values = objectives.iter().map(|o| trial.scores.get(&o.metric).copied().filter(|v| v.is_finite()));
                values.collect()
            }
            // What was ended early has the value that it had then.
            State::Pruned if objectives.len() == 1 => {
                trial.history.last().and_then(|look| look.1).map(|value| vec![value])
            }
            _ => None,
        }
    }

    /// When it began and ended. Optuna asks for both of what is finished.
    fn times(&mut self, trial: &Trial) -> (Option<f64>, Option<f64>) {
        match trial.state {
            State::Waiting => (None, None),
            State::Running => (Some(trial.began.unwrap_or(self.now)), None),
            State::Complete | State::Pruned | State::Failed => {
                if trial.began.is_none() && trial.ended.is_none() {
                    self.without_times += 1;
                }
                let ended = trial.ended.or(trial.began).unwrap_or(self.now);
                (Some(trial.began.unwrap_or(ended)), Some(ended))
            }
        }
    }

    /// The dimensions of which the trial has a value, with their distributions.
    fn named(&self, trial: &Trial) -> Vec<(&Dimension, Distribution, Value)> {
        let Some(settings) = &trial.settings else { return Vec::new() };
        let of = |dimension: &'_ Dimension| -> Option<(Distribution, Value)> {
            let value = settings.get(&dimension.address)?;
            let parameter = self.view.sweep.space.get(&dimension.address)?;
            match (&parameter.values, dimension.part) {
                (Values::Choices(_), _) => Some((Distribution::of_choices(parameter)?, value.clone())),
                (Values::Range(range), _) => Some((Distribution::of(range), value.clone())),
                // Of no numbers nobody knows what each would have been.
                (Values::List { each, .. }, Part::Each) => {
                    Some((Distribution::of(each), value.as_array()?.first()?.clone()))
                }
                (Values::List { count, .. }, _) => {
                    Some((Distribution::of(count), Value::from(value.as_array()?.len())))
                }
                (Values::Fixed(_), _) => None,
            }
        };
        let all = self.view.dimensions.all.iter();
        all.filter_map(|dimension| of(dimension).map(|(distribution, value)| (dimension, distribution, value)))
            .collect()
    }

    fn parameters(&mut self, id: i64, trial: &Trial) -> rusqlite::Result<()> {
        let mut outside = 0;
        for (dimension, distribution, value) in self.named(trial) {
            let Some(cell) = distribution.cell(&value) else {
                outside += 1;
                continue;
            };
            let statement = "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?1, ?2, ?3, ?4)";
            let json = distribution.to_json().to_string();
            self.on.prepare_cached(statement)?.execute(params![id, name_of(dimension), cell, json])?;
        }
        self.outside += outside;
        Ok(())
    }

    fn evaluations(&self, id: i64, trial: &Trial) -> rusqlite::Result<()> {
        // Of two evaluations after as many steps the later one counts.
        let looks: BTreeMap<u64, Option<f64>> = trial.history.iter().map(|look| (look.0, look.1)).collect();
        for (step, value) in looks {
            let (cell, word) = tables::cells(value.unwrap_or(f64::NAN));
            let statement = "INSERT INTO trial_intermediate_values
                (trial_id, step, intermediate_value, intermediate_value_type) VALUES (?1, ?2, ?3, ?4)";
            let step = i64::try_from(step).unwrap_or(i64::MAX);
            self.on.prepare_cached(statement)?.execute(params![id, step, cell, word])?;
        }
        Ok(())
    }

    fn attributes(&self, id: i64, trial: &Trial) -> rusqlite::Result<()> {
        let mut attributes = Map::new();
        attributes.insert("origin".into(), json!(trial.origin));
        if let Some(settings) = &trial.settings {
            attributes.insert("settings".into(), json!(settings));
        }
        if !trial.course.is_empty() {
            attributes.insert("course".into(), json!(trial.course));
        }
        if let Some(error) = &trial.error {
            attributes.insert("error".into(), json!(error));
        }
        if trial.began.is_some() || trial.step > 0 {
            attributes.insert("step".into(), json!(trial.step));
            attributes.insert("seconds".into(), json!(trial.seconds));
        }
        let scores = trial.scores.iter().filter(|(_, value)| value.is_finite());
        attributes.extend(scores.map(|(name, value)| (format!("scores.{name}"), json!(value))));
        attributes.iter().try_for_each(|(key, value)| self.attribute("trial_user", id, key, value))
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.without_times > 0 {
            let trials = counted(self.without_times, "trial");
            remarks.push(format!("Nobody knows when {trials} ended; the time of this export stands there instead."));
        }
        if self.without_scores > 0 {
            let trials = counted(self.without_scores, "complete trial");
            remarks.push(format!("Of {trials} an objective is no number; for Optuna such trials failed."));
        }
        if self.outside > 0 {
            let settings = counted(self.outside, "setting");
            let reason = "outside the space as it is now";
            remarks.push(format!("{settings} {reason}: to be found under the attribute `settings` of their trials."));
        }
        if self.view.sweep.population.is_some() {
            let last = "Settings of a population change while its trials go on: the last ones stand there";
            remarks.push(format!("{last}, and all of them under the attribute `course`."));
        }
        remarks
    }
}

/// Whole seconds since 1970 and the millionths behind them.
fn parts(seconds: f64) -> (i64, i64) {
    let whole = seconds.floor();
    (whole as i64, (((seconds - whole) * 1e6) as i64).clamp(0, 999_999))
}
