//! A table of a `SQLite` database, in one transaction.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::{Cell, Column, Rows, TABLE};
use crate::error::Error;

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn write(path: &Path, columns: &[Column], rows: Rows<'_>) -> Result<(), Error> {
    let failed = |error: rusqlite::Error| super::failed(path)(std::io::Error::other(error));
    let mut database = Connection::open(path).map_err(failed)?;
    if database.table_exists(None, TABLE).map_err(failed)? {
        return Err(Error::Mismatch {
            message: format!("{} has a table `{TABLE}` already", path.display()),
            hint: "Choose another database, or drop that table.".into(),
        });
    }
    let kind = |column: &Column| if column.is_number { "REAL" } else { "TEXT" };
    let described: Vec<String> =
        columns.iter().map(|column| format!("{} {}", quoted(&column.name), kind(column))).collect();
    let transaction = database.transaction().map_err(failed)?;
    transaction.execute(&format!("CREATE TABLE {TABLE} ({})", described.join(", ")), []).map_err(failed)?;
    {
        let places = vec!["?"; columns.len()].join(", ");
        let mut insert = transaction.prepare(&format!("INSERT INTO {TABLE} VALUES ({places})")).map_err(failed)?;
        while let Some(cells) = rows()? {
            let value = |cell: Cell| match cell {
                Cell::Missing => Value::Null,
                Cell::Number(number) => Value::Real(number),
                Cell::Text(text) => Value::Text(text),
            };
            insert.execute(params_from_iter(cells.into_iter().map(value))).map_err(failed)?;
        }
    }
    transaction.commit().map_err(failed)
}
