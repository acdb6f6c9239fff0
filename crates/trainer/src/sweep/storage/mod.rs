//! Where does a study lie? In a file of `SQLite`, or in a database of `PostgreSQL`; both are asked in the same words.
//!
//! A statement names its cells `$1`, `$2` ... in the order in which they first appear. A transaction is there in whole or not at all, and no
//! two of them run beside each other on one study.

use std::time::{Duration, Instant};

use crate::Error;

#[cfg(feature = "postgres")]
pub mod postgres;
pub mod rows;
pub mod sqlite;

/// So long a database may be gone before whoever waits for it gives up.
const PATIENCE: Duration = Duration::from_mins(10);
/// The pauses between attempts grow up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What stands in one place of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(String),
}

/// Why a database did not do what was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// It does not answer, or is busy; it may do it later.
    Gone(String),
    /// It cannot do it.
    Refused(String),
}

/// Statements within a transaction.
pub trait Statements {
    /// Changes rows, and says how many.
    ///
    /// # Errors
    /// [`Trouble`].
    fn execute(&mut self, statement: &str, cells: &[Cell]) -> Result<u64, Trouble>;

    /// Reads rows.
    ///
    /// # Errors
    /// [`Trouble`].
    fn query(&mut self, statement: &str, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, Trouble>;
}

/// What is done in a transaction.
pub type Work<'a> = dyn FnMut(&mut dyn Statements) -> Result<(), Trouble> + 'a;

/// A database with studies.
pub trait Database: Send {
    /// Does something in one transaction; what is done is undone if it fails.
    ///
    /// # Errors
    /// [`Trouble`].
    fn transaction(&mut self, work: &mut Work<'_>) -> Result<(), Trouble>;

    /// A second connection to the same database.
    ///
    /// # Errors
    /// [`Trouble`].
    fn reopen(&self) -> Result<Box<dyn Database>, Trouble>;

    /// Where it is, without a password.
    fn place(&self) -> &str;
}

/// Does something in one transaction, again and again while the database is gone; `waits` is told when it begins to wait.
///
/// # Errors
/// [`Error::Study`].
pub fn transact<T>(
    database: &mut dyn Database,
    mut waits: impl FnMut(&str),
    mut work: impl FnMut(&mut dyn Statements) -> Result<T, Trouble>,
) -> Result<T, Error> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        let mut result = None;
        let done = database.transaction(&mut |statements| {
            result = Some(work(statements)?);
            Ok(())
        });
        match (done, result) {
            (Ok(()), Some(result)) => return Ok(result),
            (Ok(()), None) => return Err(failed(database, "nothing was done".into())),
            (Err(Trouble::Gone(reason)), _) if begun.elapsed() < PATIENCE => {
                waits(&reason);
                std::thread::sleep(pause);
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            (Err(Trouble::Gone(reason) | Trouble::Refused(reason)), _) => return Err(failed(database, reason)),
        }
    }
}

fn failed(database: &dyn Database, reason: String) -> Error {
    let way_out = "see that it can be reached and written to, and give the command again: what was finished is kept";
    Error::Study { study: database.place().to_owned(), reason, way_out: Some(way_out.into()) }
}

impl Cell {
    /// A text, or nothing.
    pub fn text(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.into()))
    }

    /// A number, or nothing.
    pub fn real(number: Option<f64>) -> Self {
        number.filter(|number| number.is_finite()).map_or(Self::Null, Self::Real)
    }

    /// A count.
    pub fn count(count: u64) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }
}
