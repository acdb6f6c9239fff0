//! How do the rows of a database become a file that is read as they were?
//!
//! Numbers keep all their digits. `NULL` becomes what the card reads as a missing value, and a text that the card would read so
//! although it is none is an error: what is in the database and what is learnt from must not differ in silence.

use std::io::{BufWriter, Write};

use super::{Context, Event, Target};
use crate::card::{CardConfig, CardFile};
use crate::error::{Error, quoted};
use crate::example::Value;
use crate::formats::{FormatConfig, Use, value_of};
use crate::schema::{FeatureKind, Schema};

/// A value of a database.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    /// There is none.
    Null,
    /// True or false.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite has no such type"))]
    Bool(bool),
    /// A number, as its digits.
    Number(&'a str),
    /// Any other value as a text.
    Text(&'a str),
}

/// How the file is written.
enum Layout<'a> {
    Csv(Box<csv::Writer<BufWriter<&'a mut Target>>>),
    Jsonl(BufWriter<&'a mut Target>),
}

/// Writes rows to a file, as the format of its card reads them.
pub(crate) struct RowWriter<'a> {
    layout: Layout<'a>,
    columns: Vec<(String, Use)>,
    schema: &'a Schema,
    file: String,
    rows: u64,
    /// How often rows were told of.
    told: std::time::Instant,
}

impl<'a> RowWriter<'a> {
    /// Begins the file of an entry of a card; `columns` are the names of the columns.
    pub(crate) fn new(
        target: &'a mut Target,
        card: &'a CardConfig,
        entry: &CardFile,
        columns: &[String],
    ) -> Result<Self, Error> {
        let file = entry.path.display().to_string();
        let wrong = |message: String, hint: &str| {
            Err(Error::Mismatch { message: format!("{file} {message}"), hint: hint.to_owned() })
        };
        for (place, column) in columns.iter().enumerate() {
            if columns[..place].contains(column) {
                return wrong(
                    format!("would have two columns called `{column}`"),
                    "Give one of them another name with AS in the query.",
                );
            }
        }
        let columns: Vec<_> = columns.iter().map(|name| (name.clone(), Use::of(name, &card.schema))).collect();
        let (schema, told) = (&card.schema, std::time::Instant::now());
        let layout = match &card.format {
            // The line with the names of the columns would be read as a row.
            FormatConfig::Csv(config) if config.header.is_some() => {
                return wrong("is written with a header line".into(), "Leave `header` out of [format.csv].");
            }
            FormatConfig::Csv(config) => {
                let Ok(delimiter) = u8::try_from(config.delimiter) else {
                    return wrong(
                        "cannot be written".into(),
                        "The delimiter of [format.csv] must be one ASCII character.",
                    );
                };
                let mut writer = csv::WriterBuilder::new()
                    .delimiter(delimiter)
                    .from_writer(BufWriter::with_capacity(1 << 17, target));
                let header = writer.write_record(columns.iter().map(|(name, _)| name));
                header.map_err(|error| failed(&file, error))?;
                Layout::Csv(Box::new(writer))
            }
            FormatConfig::Jsonl(_) => Layout::Jsonl(BufWriter::with_capacity(1 << 17, target)),
            _ => {
                return wrong(
                    "is to hold rows, and its card has another format than `csv` and `jsonl`".into(),
                    "State [format.csv] or [format.jsonl] in the card.",
                );
            }
        };
        Ok(Self { layout, columns, schema, file, rows: 0, told })
    }

    /// Writes one row, which has a cell for every column.
    pub(crate) fn write(&mut self, cells: &[Cell], context: &mut Context) -> Result<(), Error> {
        const OFTEN: std::time::Duration = std::time::Duration::from_millis(100);
        context.go_on()?;
        for ((name, used), cell) in self.columns.iter().zip(cells) {
            self.check(name, *used, *cell)?;
        }
        let written = match &mut self.layout {
            Layout::Csv(writer) => {
                let null = |used| null_in_csv(self.schema, used).unwrap_or_default();
                writer
                    .write_record(self.columns.iter().zip(cells).map(|((_, used), cell)| match *cell {
                        Cell::Null => null(*used),
                        Cell::Bool(truth) => {
                            if truth {
                                "true"
                            } else {
                                "false"
                            }
                        }
                        Cell::Number(text) | Cell::Text(text) => text,
                    }))
                    .map_err(|error| failed(&self.file, error))
            }
            Layout::Jsonl(writer) => {
                writer.write_all(json(&self.columns, cells).as_bytes()).map_err(|error| failed(&self.file, error))
            }
        };
        written?;
        self.rows += 1;
        if self.told.elapsed() >= OFTEN {
            self.told = std::time::Instant::now();
            let rows = self.rows;
            context.tell(|file| Event::Rows { file, rows });
        }
        Ok(())
    }

    /// Refuses a cell that would be read as another one.
    fn check(&self, name: &str, used: Use, cell: Cell) -> Result<(), Error> {
        let wrong = |found: String, hint: String| {
            let id = format!("{}#{}", self.file, self.rows);
            Err(Error::Field { id, kind: "value", column: name.to_owned(), found, hint })
        };
        let (csv, text) = match (&self.layout, cell) {
            (Layout::Csv(_), Cell::Null) if null_in_csv(self.schema, used).is_none() => {
                return wrong(
                    "NULL, and the card has no text that stands for a missing value".into(),
                    "Give the list `missing` in [schema] of the card at least one text, such as \"\".".into(),
                );
            }
            (Layout::Csv(_), Cell::Text(text)) => (true, text),
            (Layout::Jsonl(_), Cell::Text(text)) => (false, text),
            _ => return Ok(()),
        };
        // Columns that are not read can hold anything.
        let read = used != Use::Other || self.schema.key.as_deref() == Some(name);
        if !read {
            return Ok(());
        }
        let value = value_of(text, name, used, self.schema, &String::new);
        if let Ok(Value::Text(found)) = &value
            && found != text
        {
            return wrong(
                format!("the text {}, which the card would read as {}", quoted(text), quoted(found)),
                format!(
                    "Blanks around a text are not read: write `TRIM({name}) AS {name}` in the query if they mean nothing, or make {name} a `text` in [schema.features] of the card."
                ),
            );
        }
        if matches!(value, Ok(Value::Missing)) {
            let other = if csv && text.is_empty() { " (an empty text, and not NULL)" } else { "" };
            return wrong(
                format!("the text {}{other}, which the card would read as a missing value", quoted(text)),
                format!(
                    "If it means that the value is missing, write `NULLIF({name}, ...)` in the query; else take the text out of the list `missing` in [schema] of the card, or write another one in its place in the query."
                ),
            );
        }
        Ok(())
    }

    /// Ends the file; gives the number of rows.
    pub(crate) fn end(self, context: &mut Context) -> Result<u64, Error> {
        let (rows, file) = (self.rows, self.file);
        match self.layout {
            Layout::Csv(mut writer) => writer.flush().map_err(|error| failed(&file, error))?,
            Layout::Jsonl(mut writer) => writer.flush().map_err(|error| failed(&file, error))?,
        }
        context.count(rows, None);
        Ok(rows)
    }
}

/// What is written for `NULL` in a CSV file: nothing, or a text that the card reads as missing.
fn null_in_csv(schema: &Schema, used: Use) -> Option<&str> {
    if used == Use::Feature(FeatureKind::Text) || used == Use::Other || schema.is_missing("") {
        return Some("");
    }
    schema.missing.first().map(String::as_str)
}

/// A row as a line of JSON.
fn json(columns: &[(String, Use)], cells: &[Cell]) -> String {
    let string = |text: &str| serde_json::Value::from(text).to_string();
    let mut line = String::from("{");
    for (place, ((name, _), cell)) in columns.iter().zip(cells).enumerate() {
        let value = match *cell {
            Cell::Null => "null".to_owned(),
            Cell::Bool(truth) => truth.to_string(),
            // Numbers that JSON does not know, such as an infinity, are told apart by whoever reads them.
            Cell::Number(text) if serde_json::from_str::<serde_json::Number>(text).is_ok() => text.to_owned(),
            Cell::Number(text) | Cell::Text(text) => string(text),
        };
        if place > 0 {
            line.push(',');
        }
        line += &string(name);
        line.push(':');
        line += &value;
    }
    line + "}\n"
}

fn failed(file: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::write(std::path::Path::new(file), std::io::Error::other(error))
}
