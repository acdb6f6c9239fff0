//! The rows of a query to a `SQLite` database. The database is opened to be read only; its engine is built in.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, InterruptHandle, OpenFlags};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::fetch::{Cell, Context, RowWriter, Target};
use crate::registry::Entry;
use crate::sources::Wanted;

/// The entry of the list.
pub const ENTRY: Entry = Entry { name: "sqlite", summary: "the rows of a query to a SQLite database" };

/// `[files.from.sqlite]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file of the database; relative to the card's folder unless absolute.
    pub database: PathBuf,
    /// One SELECT. Without an ORDER BY the rows may come in another order the next time.
    pub query: String,
}

impl Config {
    pub(super) fn check(&self) -> Result<(), Error> {
        super::check_query("files.from.sqlite.query", &self.query)
    }

    pub(super) fn fetch(&self, wanted: &Wanted, target: &mut Target, context: &mut Context) -> Result<(), Error> {
        let path = wanted.folder.join(&self.database);
        if !path.is_file() {
            return Err(Error::NotFound { what: "database", path });
        }
        let stop = context.stop();
        let failed = |error: rusqlite::Error| {
            if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) && stop.load(Ordering::Relaxed) {
                return Error::Interrupted;
            }
            Error::Fetch {
            address: path.display().to_string(),
            message: said(&error),
            hint: "Try the query with the program `sqlite3`; a query is one SELECT over tables and columns that are there.".into(),
            usage: true,
        }
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(&path, flags).map_err(failed)?;
        let handle = database.get_interrupt_handle();
        std::thread::scope(|scope| {
            // The watcher ends when the work drops its end, however that comes about.
            let (_working, end) = channel();
            scope.spawn(move || interrupt_when(stop, &handle, &end));
            self.read(&database, &failed, wanted, target, context)
        })
    }

    fn read(
        &self,
        database: &Connection,
        failed: &dyn Fn(rusqlite::Error) -> Error,
        wanted: &Wanted,
        target: &mut Target,
        context: &mut Context,
    ) -> Result<(), Error> {
        let mut query = database.prepare(&self.query).map_err(failed)?;
        if query.column_count() == 0 || !query.readonly() {
            return Err(super::no_select("files.from.sqlite.query"));
        }
        let columns: Vec<String> = query.column_names().map(str::to_owned).collect();
        let mut writer = RowWriter::new(target, wanted.table()?, wanted.entry, &columns)?;
        let mut rows = query.query([]).map_err(failed)?;
        let mut number = 0_u64;
        while let Some(row) = rows.next().map_err(failed)? {
            let mut digits: Vec<String> = vec![String::new(); columns.len()];
            for (place, text) in digits.iter_mut().enumerate() {
                match row.get_ref(place).map_err(failed)? {
                    ValueRef::Integer(value) => *text = value.to_string(),
                    // The fewest digits that lead back to the same number.
                    ValueRef::Real(value) => *text = format!("{value:?}"),
                    _ => {}
                }
            }
            let mut cells = Vec::with_capacity(columns.len());
            for (place, text) in digits.iter().enumerate() {
                cells.push(match row.get_ref(place).map_err(failed)? {
                    ValueRef::Null => Cell::Null,
                    ValueRef::Integer(_) | ValueRef::Real(_) => Cell::Number(text),
                    ValueRef::Text(bytes) => Cell::Text(
                        std::str::from_utf8(bytes)
                            .map_err(|_| super::unfit(wanted, number, &columns[place], "a text that is not UTF-8"))?,
                    ),
                    ValueRef::Blob(_) => return Err(super::unfit(wanted, number, &columns[place], "a blob")),
                });
            }
            writer.write(&cells, context)?;
            number += 1;
        }
        writer.end(context).map(drop)
    }
}

/// Ends a query of any length once the work is told to stop, until it is done.
fn interrupt_when(stop: &AtomicBool, handle: &InterruptHandle, end: &Receiver<()>) {
    while end.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout) {
        if stop.load(Ordering::Relaxed) {
            handle.interrupt();
        }
    }
}

/// What the engine says, without the query around it.
fn said(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(code, None) => code.to_string(),
        rusqlite::Error::SqlInputError { msg, .. } | rusqlite::Error::SqliteFailure(_, Some(msg)) => msg.clone(),
        error => error.to_string(),
    }
}
