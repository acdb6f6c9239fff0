//! A study in a file of `SQLite`, whose engine is built in. Readers and one writer go on beside each other (the write-ahead log), and a process
//! that is killed at any moment leaves a file that is whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, TransactionBehavior, params_from_iter};

use super::{Cell, Database, Statements, Trouble, Work};

/// Tells a study from other files of `SQLite`: "fbst".
const APPLICATION: i32 = 0x6662_7374;
/// So long a writer waits for the one before it.
const BUSY: Duration = Duration::from_secs(30);

/// An open file.
pub struct Sqlite {
    connection: Connection,
    path: PathBuf,
    place: String,
    /// Whether it can be read and no more.
    frozen: bool,
}

impl Sqlite {
    /// Creates the file of a study, or opens the one that is there.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn create(path: &Path) -> Result<Self, Trouble> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// Opens a file that is there; one that may not be written to can be read.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        let opened = Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE);
        let (Err(Trouble::Refused(_)), Some(still)) = (&opened, still(path)) else { return opened };
        // In a folder where nothing can be written readers find no place for what they share; but nobody writes there.
        Self::open_with(&still, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
            .map(|opened| Self { path: path.to_owned(), place: path.display().to_string(), ..opened })
            .or(opened)
    }

    fn open_with(path: &Path, flags: OpenFlags) -> Result<Self, Trouble> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(trouble)?;
        connection.busy_timeout(BUSY).map_err(trouble)?;
        // In one statement: between two another process could make the file a study.
        let asked = "SELECT application_id, schema_version FROM pragma_application_id, pragma_schema_version";
        let (application, tables): (i32, i32) =
            connection.query_row(asked, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(trouble)?;
        let frozen = connection.is_readonly(rusqlite::MAIN_DB).map_err(trouble)?;
        match (application, tables) {
            (APPLICATION, _) => {}
            // An empty file is nobody's yet.
            (0, 0) => connection.pragma_update(None, "application_id", APPLICATION).map_err(trouble)?,
            _ => return Err(Trouble::Refused("it is a database, and not that of a study".into())),
        }
        if !frozen {
            connection.pragma_update(None, "journal_mode", "wal").map_err(trouble)?;
            // A crash of the machine may take the last moments with it, never the file.
            connection.pragma_update(None, "synchronous", "normal").map_err(trouble)?;
        }
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, path: path.to_owned(), place: path.display().to_string(), frozen })
    }

    /// Looks through the whole file for damage.
    ///
    /// # Errors
    /// [`Trouble`] with what was found.
    pub fn check(&self) -> Result<(), Trouble> {
        let found: String =
            self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(trouble)?;
        if found == "ok" { Ok(()) } else { Err(Trouble::Refused(format!("the file is damaged: {found}"))) }
    }
}

impl Database for Sqlite {
    fn transaction(&mut self, work: &mut Work<'_>) -> Result<(), Trouble> {
        let behavior = if self.frozen { TransactionBehavior::Deferred } else { TransactionBehavior::Immediate };
        let begun = self.connection.transaction_with_behavior(behavior);
        let mut transaction = Transaction(begun.map_err(trouble)?);
        work(&mut transaction)?;
        transaction.0.commit().map_err(trouble)
    }

    fn reopen(&self) -> Result<Box<dyn Database>, Trouble> {
        Ok(Box::new(Self::open(&self.path)?))
    }

    fn place(&self) -> &str {
        &self.place
    }
}

/// How `SQLite` is told that a file does not change while it is read, if there is nothing beside it that belongs into it.
fn still(path: &Path) -> Option<PathBuf> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let all_is_in_it = std::fs::metadata(log).map_or(true, |found| found.len() == 0);
    let path = path.to_str().filter(|_| all_is_in_it && path.is_file())?;
    Some(format!("file:{}?immutable=1", path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")).into())
}

struct Transaction<'a>(rusqlite::Transaction<'a>);

impl Statements for Transaction<'_> {
    fn execute(&mut self, statement: &str, cells: &[Cell]) -> Result<u64, Trouble> {
        let mut prepared = self.0.prepare_cached(statement).map_err(trouble)?;
        prepared.execute(params_from_iter(cells)).map(|rows| rows as u64).map_err(trouble)
    }

    fn query(&mut self, statement: &str, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, Trouble> {
        let mut prepared = self.0.prepare_cached(statement).map_err(trouble)?;
        let columns = prepared.column_count();
        let mut found = prepared.query(params_from_iter(cells)).map_err(trouble)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(trouble)? {
            let cell = |column| row.get_ref(column).map(read);
            rows.push((0..columns).map(cell).collect::<Result<_, _>>().map_err(trouble)?);
        }
        Ok(rows)
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn read(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(text) | ValueRef::Blob(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
    }
}

fn trouble(error: rusqlite::Error) -> Trouble {
    let reason = match &error {
        rusqlite::Error::SqliteFailure(failure, said) => match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                return Trouble::Gone("another process has been writing for long".into());
            }
            ErrorCode::ReadOnly => "it may not be written to".into(),
            ErrorCode::NotADatabase => "it is no database of SQLite, or what stood in it is destroyed".into(),
            ErrorCode::DatabaseCorrupt => "the file is damaged".into(),
            ErrorCode::CannotOpen => "it cannot be opened".into(),
            ErrorCode::DiskFull => "the disk is full".into(),
            _ => said.clone().unwrap_or_else(|| error.to_string()),
        },
        _ => error.to_string(),
    };
    Trouble::Refused(reason)
}
