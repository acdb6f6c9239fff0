//! How does a CSV file become records? The first line names the columns; each further one is an example.

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{Purpose, Records, Use, check_columns, value_of};
use crate::card::SourceFile;
use crate::content::{Content, IN_MEMORY, PIECE};
use crate::csv_header::Header;
use crate::csv_rows::{Cut, Fields, Scanner, lines_in};
use crate::error::Error;
use crate::example::{Record, Value};
use crate::number;
use crate::registry::Entry;
use crate::row_index::{RowIndex, blocks_of, by_file, file_of, runs};
use crate::schema::{FeatureKind, Schema, TargetKind};
use crate::split::Part;

/// This format in the list of formats.
pub const ENTRY: Entry = Entry { name: "csv", summary: "lines of values separated by commas, with a header line" };

/// `[format.csv]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What separates two values: one ASCII character.
    pub delimiter: char,
    /// The names of the columns of files that have no header line; their first line is a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Vec<String>>,
}

impl Default for Config {
    fn default() -> Self {
        Self { delimiter: ',', header: None }
    }
}

/// The longest row that is read: 256 MiB.
const MAX_ROW: u64 = 256 << 20;

/// Rows with no more than so many bytes between them are read together, and up to so many bytes at a time.
const GAP: u64 = 16 << 10;
const RUN: u64 = 1 << 20;

/// One file, of which the places of the rows are known; a row is cut into fields when it is read.
struct Table {
    file: SourceFile,
    content: Content,
    delimiter: u8,
    columns: Vec<String>,
    /// The place of each column.
    places: HashMap<String, usize>,
    /// What each column is for.
    uses: Vec<Use>,
    /// The columns of the features in the order of the schema, then that of the target if it is there.
    read: Vec<usize>,
    /// The column that names the rows.
    key: Option<usize>,
    index: RowIndex,
    /// Whether a quote opens in the last row and never closes.
    is_open: bool,
}

/// The rows of one or more CSV files.
pub struct Csv {
    tables: Vec<Table>,
    /// The number of rows before each table, and at the end the number of all rows.
    starts: Vec<usize>,
    schema: Schema,
    purpose: Purpose,
    /// Whether a plain number may stand for a missing value.
    plain_markers: bool,
}

impl Csv {
    /// Opens `files`; all must have the columns that the schema names, in any order.
    pub fn open(files: &[SourceFile], config: &Config, schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        Self::open_within(IN_MEMORY, files, config, schema, purpose)
    }

    /// Opens `files`, of which `room` bytes may be held in memory.
    fn open_within(
        mut room: u64,
        files: &[SourceFile],
        config: &Config,
        schema: &Schema,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        if !config.delimiter.is_ascii() {
            return Err(Error::Setting {
                key: "format.csv.delimiter".into(),
                message: format!("is {:?}, which is not an ASCII character", config.delimiter),
                hint: "Use a comma, a semicolon, a tab or a bar.".into(),
            });
        }
        let mut tables = Vec::with_capacity(files.len());
        let mut starts = vec![0];
        for file in files {
            let table = Table::open(file, &mut room, config, schema, purpose)?;
            starts.push(starts[starts.len() - 1] + table.index.len());
            tables.push(table);
        }
        let plain_markers =
            schema.missing.iter().any(|marker| marker.starts_with(|c: char| "+-.0123456789".contains(c)));
        Ok(Self { tables, starts, schema: schema.clone(), purpose, plain_markers })
    }

    /// Reads `rows`, neighbours with one read, until `visit` breaks off. It gets the table, the row within it, and the row's
    /// text cut into fields, of which with `only` a name this one matters.
    fn each(
        &self,
        rows: &[u32],
        only: Option<&str>,
        mut visit: impl FnMut(&Table, usize, Result<Cut<'_>, Error>) -> ControlFlow<()>,
    ) {
        let (mut buffer, mut fields) = (Vec::new(), Fields::default());
        for (file, rows) in by_file(rows, &self.starts) {
            let (table, first) = (&self.tables[file], self.starts[file]);
            let range = |row: u32| table.range(row as usize - first);
            let only = only.filter(|_| table.key.is_none()).and_then(|name| table.places.get(name).copied());
            for (run, whole) in runs(rows, GAP, RUN, range) {
                let bytes = table.content.bytes(whole.clone(), &mut buffer);
                for &row in run {
                    let inside = range(row);
                    let row = row as usize - first;
                    let cut = match &bytes {
                        Ok(bytes) => {
                            let inside = (inside.start - whole.start) as usize..(inside.end - whole.start) as usize;
                            table.cut(row, bytes.get(inside).unwrap_or_default(), only, &mut fields)
                        }
                        // Asked for again, because an error cannot be had twice.
                        Err(_) => table
                            .content
                            .bytes(inside, &mut Vec::new())
                            .and_then(|_| table.refuse(row, "it could not be read")),
                    };
                    let cut = cut.map(|text| Cut { text, fields: &fields });
                    if visit(table, row, cut).is_break() {
                        return;
                    }
                }
            }
        }
    }

    /// What `visit` makes of one row.
    fn one<T>(&self, row: usize, visit: impl FnOnce(&Table, usize, Cut<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let mut visit = Some(visit);
        let mut found = None;
        self.each(&[row as u32], None, |table, row, cut| {
            found = visit.take().map(|visit| cut.and_then(|cut| visit(table, row, cut)));
            ControlFlow::Break(())
        });
        // `each` calls once for every row that it is given.
        found.unwrap_or_else(|| Err(Error::NoExamples { place: format!("at row {row}"), hint: "Rows count from 0." }))
    }

    fn value(&self, table: &Table, row: usize, column: usize, cut: Cut<'_>) -> Result<Value, Error> {
        let text = cut.get(column);
        let used = table.uses[column];
        if !self.plain_markers
            && matches!(used, Use::Feature(FeatureKind::Number) | Use::Target(TargetKind::Number))
            && let Some(number) = number::plain(text.as_bytes())
        {
            return Ok(Value::Number(number));
        }
        value_of(text, &table.columns[column], used, &self.schema, &|| table.id(row, Some(cut)))
    }

    /// Puts a row into `record`, whose memory is used again.
    fn fill(&self, table: &Table, row: usize, cut: Cut<'_>, record: &mut Record) -> Result<(), Error> {
        record.id.key = table.key(row, cut, self.purpose)?;
        for (place, &column) in table.read.iter().enumerate() {
            let value = self.value(table, row, column, cut)?;
            record.set(place, &table.columns[column], value);
        }
        record.fields.truncate(table.read.len());
        Ok(())
    }
}

impl Table {
    fn open(
        file: &SourceFile,
        room: &mut u64,
        config: &Config,
        schema: &Schema,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        let content = Content::open(&file.path, room)?;
        let guess = purpose == Purpose::Prediction;
        let header = match &config.header {
            Some(names) => Header::given(&content, config.delimiter as u8, names)?,
            None => Header::read(&content, config.delimiter as u8, guess, schema, &file.path)?,
        };
        let Header { begin, delimiter, columns } = header;
        check_columns(&file.path, &columns, schema, purpose)?;

        let (mut index, mut is_header, mut buffer) = (RowIndex::default(), config.header.is_none(), Vec::new());
        let mut scanner = Scanner::new(delimiter, begin);
        let mut place = begin;
        while place < content.len() {
            let end = (place + PIECE as u64).min(content.len());
            scanner.feed(content.bytes(place..end, &mut buffer)?, |start, line| {
                if !std::mem::take(&mut is_header) {
                    index.push(start, line);
                }
            });
            if place == begin {
                index.expect(end - begin, content.len());
            }
            place = end;
        }
        index.finish(content.len());
        let is_open = scanner.is_quoted() && index.len() > 0;
        Ok(Self::new(file, content, delimiter, columns, schema, purpose, (index, is_open)))
    }

    /// What is asked of every field of every row is looked up here, once.
    fn new(
        file: &SourceFile,
        content: Content,
        delimiter: u8,
        columns: Vec<String>,
        schema: &Schema,
        purpose: Purpose,
        (index, is_open): (RowIndex, bool),
    ) -> Self {
        let places: HashMap<String, usize> = columns.iter().cloned().zip(0..).collect();
        let place = |name: &String| places.get(name).copied();
        let mut uses = vec![Use::Other; columns.len()];
        let mut read = Vec::with_capacity(schema.features.0.len() + 1);
        for (name, kind) in &schema.features.0 {
            if let Some(column) = place(name) {
                uses[column] = Use::Feature(*kind);
                read.push(column);
            }
        }
        // What stands there in new data is what the model is asked for, whatever someone wrote.
        if let Some(target) = schema.target.as_ref().filter(|_| purpose == Purpose::Training)
            && let Some(column) = place(&target.name)
        {
            uses[column] = Use::Target(target.kind);
            read.push(column);
        }
        let key = schema.key.as_ref().and_then(place);
        Self { file: file.clone(), content, delimiter, columns, places, uses, read, key, index, is_open }
    }

    /// Where a row lies; of one that is too long to be read, only the beginning.
    fn range(&self, row: usize) -> std::ops::Range<u64> {
        let range = self.index.range(row);
        range.start..range.end.min(range.start + MAX_ROW + 1)
    }

    /// The text of a row, which lies in `bytes`, and its fields, of which there is one for each column.
    fn cut<'a>(&self, row: usize, bytes: &'a [u8], only: Option<usize>, fields: &mut Fields) -> Result<&'a str, Error> {
        if self.is_open && row + 1 == self.index.len() {
            return self
                .refuse(row, "a quote opens in it and never closes: everything that follows became a part of it");
        }
        let text = match std::str::from_utf8(bytes) {
            _ if bytes.len() as u64 > MAX_ROW => {
                return self.refuse(row, &format!("it is longer than {MAX_ROW} bytes"));
            }
            Ok(text) => text,
            Err(_) => return self.refuse(row, "it is not UTF-8 text"),
        };
        if only.is_some_and(|column| fields.cut_one(text, self.delimiter, column, self.columns.len())) {
            return Ok(text);
        }
        fields.cut(text, self.delimiter);
        if fields.len() != self.columns.len() {
            let message = format!("it has {} values and the header has {} columns", fields.len(), self.columns.len());
            return self.refuse(row, &message);
        }
        Ok(text)
    }

    fn refuse<T>(&self, row: usize, message: &str) -> Result<T, Error> {
        let line = self.line(row)?;
        Err(Error::Row { path: self.file.path.clone(), row, line, message: message.to_owned() })
    }

    /// The line on which a row begins: those behind the nearest place whose line is known are counted.
    fn line(&self, row: usize) -> Result<u64, Error> {
        let (mut place, mut line) = self.index.landmark(row);
        let (mut buffer, mut before) = (Vec::new(), 0);
        while place < self.index.start(row) {
            let end = (place + PIECE as u64).min(self.index.start(row));
            line += lines_in(self.content.bytes(place..end, &mut buffer)?, &mut before);
            place = end;
        }
        Ok(line)
    }

    /// What the key column says, if there is one and it says anything; else file and row.
    fn id(&self, row: usize, cut: Option<Cut<'_>>) -> String {
        match self.key.zip(cut).map(|(column, cut)| cut.get(column).trim()) {
            Some(key) if !key.is_empty() => key.to_owned(),
            _ => format!("{}#{row}", self.file.name),
        }
    }

    fn key(&self, row: usize, cut: Cut<'_>, purpose: Purpose) -> Result<String, Error> {
        match self.key {
            Some(column) if purpose == Purpose::Training && cut.get(column).trim().is_empty() => {
                self.refuse(row, &format!("the key column `{}` is empty", self.columns[column]))
            }
            _ => Ok(self.id(row, Some(cut))),
        }
    }

    fn column(&self, name: &str) -> Result<usize, Error> {
        self.places.get(name).copied().ok_or_else(|| Error::ColumnMissing {
            place: self.file.path.display().to_string(),
            column: name.to_owned(),
            found: self.columns.clone(),
        })
    }
}

impl Records for Csv {
    fn len(&self) -> usize {
        self.starts[self.tables.len()]
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let mut record = Record::new(String::new(), Vec::new(), None);
        self.one(row, |table, row, cut| self.fill(table, row, cut, &mut record))?;
        Ok(record)
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        self.one(row, |table, row, cut| self.value(table, row, table.column(name)?, cut))
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        self.one(row, |table, row, cut| table.key(row, cut, self.purpose))
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.tables[file_of(row, &self.starts)].file.part
    }

    fn blocks(&self) -> Vec<usize> {
        blocks_of(&self.starts, |file| {
            let table = &self.tables[file];
            (!table.content.is_memory()).then(|| table.index.blocks(PIECE as u64))
        })
    }

    fn visit(&self, rows: &[u32], visit: &mut dyn FnMut(Result<&mut Record, Error>) -> ControlFlow<()>) {
        let mut record = Record::new(String::new(), Vec::new(), None);
        self.each(rows, None, |table, row, cut| {
            let filled = cut.and_then(|cut| self.fill(table, row, cut, &mut record));
            visit(filled.map(|()| &mut record))
        });
    }

    fn fields(&self, rows: &[u32], name: &str) -> Vec<Result<Value, Error>> {
        let mut values = Vec::with_capacity(rows.len());
        self.each(rows, Some(name), |table, row, cut| {
            values.push(cut.and_then(|cut| self.value(table, row, table.column(name)?, cut)));
            ControlFlow::Continue(())
        });
        values
    }

    fn keys(&self, rows: &[u32]) -> Vec<Result<String, Error>> {
        let mut keys = Vec::with_capacity(rows.len());
        if self.tables.iter().all(|table| table.key.is_none()) {
            let id = |&row: &u32| {
                let file = file_of(row as usize, &self.starts);
                Ok(self.tables[file].id(row as usize - self.starts[file], None))
            };
            return rows.iter().map(id).collect();
        }
        self.each(rows, None, |table, row, cut| {
            keys.push(cut.and_then(|cut| table.key(row, cut, self.purpose)));
            ControlFlow::Continue(())
        });
        keys
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
