//! How does a table leave? As CSV, JSON lines, Parquet, or a table of a `SQLite` database; in whole or not at all.

mod parquet;
mod sqlite;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::atomic::{self, Failed};
use crate::error::Error;

/// What the table in a database is called.
pub const TABLE: &str = "predictions";

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines of values separated by commas, with a header line.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// A table by columns.
    Parquet,
    /// The table [`TABLE`] of a database, which may hold others.
    Sqlite,
}

impl Form {
    /// The form that a name asks for by its ending.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if it asks for none.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        match ending.as_str() {
            "csv" => Ok(Self::Csv),
            "jsonl" | "ndjson" => Ok(Self::Jsonl),
            "parquet" => Ok(Self::Parquet),
            "db" | "sqlite" | "sqlite3" => Ok(Self::Sqlite),
            _ => Err(Error::Mismatch {
                message: format!("In which form {} is to be written cannot be told from its name", path.display()),
                hint: "Known names end in .csv, .jsonl, .parquet, and .db for a SQLite database.".into(),
            }),
        }
    }
}

/// A column of a table that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// Whether it holds numbers; else texts.
    pub is_number: bool,
}

/// A value of a table that is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// None.
    Missing,
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// Gives rows one after the other; none once there are no more.
pub type Rows<'a> = &'a mut dyn FnMut() -> Result<Option<Vec<Cell>>, Error>;

/// Writes a table to `path`.
///
/// # Errors
/// If it cannot be written, or a database has such a table already; those of `rows`. What was there before is then untouched.
pub fn write(path: &Path, form: Form, columns: &[Column], rows: Rows<'_>) -> Result<(), Error> {
    match form {
        Form::Sqlite => sqlite::write(path, columns, rows),
        Form::Parquet => atomic::write_file_with(path, |file| parquet::write(path, file, columns, rows)),
        Form::Csv => atomic::write_file_with(path, |file| csv(path, file, columns, rows)),
        Form::Jsonl => atomic::write_file_with(path, |file| jsonl(path, file, columns, rows)),
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    |source| Failed { doing: "write", path: path.to_owned(), source }.into()
}

fn csv(path: &Path, file: &mut File, columns: &[Column], rows: Rows<'_>) -> Result<(), Error> {
    let failed = |error: ::csv::Error| self::failed(path)(std::io::Error::other(error));
    let mut writer = ::csv::Writer::from_writer(BufWriter::new(file));
    writer.write_record(columns.iter().map(|column| &column.name)).map_err(failed)?;
    while let Some(cells) = rows()? {
        let text = |cell: Cell| match cell {
            Cell::Missing => String::new(),
            Cell::Number(number) => number.to_string(),
            Cell::Text(text) => text,
        };
        writer.write_record(cells.into_iter().map(text)).map_err(failed)?;
    }
    writer.flush().map_err(self::failed(path))
}

fn jsonl(path: &Path, file: &mut File, columns: &[Column], rows: Rows<'_>) -> Result<(), Error> {
    let mut writer = BufWriter::new(file);
    while let Some(cells) = rows()? {
        let value = |cell: Cell| match cell {
            Cell::Missing => serde_json::Value::Null,
            Cell::Number(number) => number.into(),
            Cell::Text(text) => text.into(),
        };
        let names = columns.iter().map(|column| column.name.clone());
        let object: serde_json::Map<_, _> = names.zip(cells.into_iter().map(value)).collect();
        writeln!(writer, "{}", serde_json::Value::Object(object)).map_err(failed(path))?;
    }
    writer.flush().map_err(failed(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::open_for_prediction;
    use crate::schema::Schema;

    fn columns() -> Vec<Column> {
        let column = |name: &str, is_number| Column { name: name.into(), is_number };
        vec![column("id", false), column("label", false), column("p(a, \"b\")", true)]
    }

    fn rows(count: usize) -> Vec<Vec<Cell>> {
        let row = |k: usize| {
            let label = if k.is_multiple_of(3) { Cell::Missing } else { Cell::Text(format!("a,\"{k}\"\nb")) };
            let number = if k.is_multiple_of(5) { Cell::Missing } else { Cell::Number(k as f64 / 7.0) };
            vec![Cell::Text(format!("#{k}")), label, number]
        };
        (0..count).map(row).collect()
    }

    fn written(path: &Path, count: usize) -> Result<(), Error> {
        let mut rows = rows(count).into_iter();
        write(path, Form::of(path)?, &columns(), &mut || Ok(rows.next()))
    }

    /// What was written is read as what it was, by the readers of this crate.
    #[test]
    fn every_form_of_file_is_read_back() {
        let schema: Schema = toml::from_str(
            "key = \"id\"\nmissing = [\"\"]\n[features]\nlabel = \"category\"\n\"p(a, \\\"b\\\")\" = \"number\"",
        )
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        for name in ["out.csv", "out.jsonl", "out.parquet"] {
            let path = folder.path().join(name);
            written(&path, 20_000).unwrap();
            let read = open_for_prediction(&path, &schema).unwrap();
            assert_eq!(read.len(), 20_000);
            for (row, cells) in rows(20_000).into_iter().enumerate().step_by(997) {
                let record = read.read(row).unwrap();
                assert_eq!(Cell::Text(record.id.key.clone()), cells[0], "{name}");
                let back = |value: &crate::Value| match value {
                    crate::Value::Number(number) => Cell::Number(*number),
                    crate::Value::Text(text) => Cell::Text(text.clone()),
                    _ => Cell::Missing,
                };
                let found: Vec<Cell> = record.fields.iter().map(|(_, value)| back(value)).collect();
                assert_eq!(found, cells[1..], "{name}");
            }
        }
    }

    #[test]
    fn a_table_stands_beside_others_and_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.db");
        rusqlite::Connection::open(&path).unwrap().execute("CREATE TABLE other (x)", []).unwrap();
        let mut left = 5;
        let broken = write(&path, Form::Sqlite, &columns(), &mut || {
            left -= 1;
            match left {
                0 => Err(Error::Interrupted),
                _ => Ok(Some(rows(1).remove(0))),
            }
        });
        assert!(matches!(broken, Err(Error::Interrupted)));
        written(&path, 3000).unwrap();
        let database = rusqlite::Connection::open(&path).unwrap();
        let count = |what: &str| {
            let sql = format!("SELECT count({what}) FROM {TABLE}");
            database.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!((count("*"), count("label"), count("\"p(a, \"\"b\"\")\"")), (3000, 2000, 2400));
        let error = written(&path, 1).unwrap_err();
        assert!(error.to_string().contains(TABLE), "{error}");
        assert!(written(&folder.path().join("out.xml"), 1).unwrap_err().to_string().contains("out.xml"));
        assert!(written(&folder.path().join("no/out.csv"), 1).is_err());
    }
}
