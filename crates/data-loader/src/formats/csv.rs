//! How does a CSV file become records? The first line names the columns; each further one is an example.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::{Purpose, Records, VisitKey, is_number, value_of};
use crate::card::SourceFile;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::files::content::{Content, IN_MEMORY, PIECE, Room};
use crate::registry::Entry;
use crate::schema::Schema;
use crate::split::Part;
use crate::tables::csv_rows::{Cut, Fields};
use crate::tables::csv_table::Table;
use crate::tables::number;
use crate::tables::row_index::{blocks_of, by_file, file_of, runs, visit_counted};

pub use crate::tables::csv_header::Config;

/// This format in the list of formats.
pub const ENTRY: Entry = Entry { name: "csv", summary: "lines of values separated by commas, with a header line" };

/// Rows with no more than so many bytes between them are read together, and up to so many bytes at a time.
const GAP: u64 = 16 << 10;
const RUN: u64 = 1 << 20;

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
        room: u64,
        files: &[SourceFile],
        config: &Config,
        schema: &Schema,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        config.check()?;
        let mut room = Room::of(room);
        let mut tables = Vec::with_capacity(files.len());
        let mut starts = vec![0];
        for file in files {
            let table = Table::open(file, &mut room, config, schema, purpose)?;
            starts.push(starts[starts.len() - 1] + table.index.len());
            tables.push(table);
        }
        Ok(Self::of(tables, starts, schema, purpose))
    }

    /// Opens text that is there already, called `name`, for a model whose schema is known. The target may be absent.
    pub fn of_text(text: Vec<u8>, name: &str, schema: &Schema) -> Result<Self, Error> {
        let file = SourceFile::called(name);
        let content = Content::Memory(text);
        let table = Table::of(content, &file, &Config::default(), schema, Purpose::Prediction)?;
        let starts = vec![0, table.index.len()];
        Ok(Self::of(vec![table], starts, schema, Purpose::Prediction))
    }

    fn of(tables: Vec<Table>, starts: Vec<usize>, schema: &Schema, purpose: Purpose) -> Self {
        let plain_markers =
            schema.missing.iter().any(|marker| marker.starts_with(|c: char| "+-.0123456789".contains(c)));
        Self { tables, starts, schema: schema.clone(), purpose, plain_markers }
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
            && is_number(used)
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

    fn numbers(&self, rows: &[u32], names: &[&str], numbers: &mut Vec<f64>) -> bool {
        let (mut known, mut columns) = (std::ptr::null(), Vec::new());
        let mut complete = true;
        numbers.clear();
        numbers.reserve(rows.len() * names.len());
        // Of a single column nothing behind it is read.
        let only = if let [name] = names { Some(*name) } else { None };
        self.each(rows, only, |table, row, cut| {
            if !std::ptr::eq(known, table) {
                known = table;
                columns = names.iter().filter_map(|name| table.places.get(*name).copied()).collect();
            }
            let read = cut.and_then(|cut| {
                for &column in &columns {
                    numbers.push(match self.value(table, row, column, cut)? {
                        Value::Number(number) => number,
                        Value::Missing => f64::NAN,
                        _ => return Ok(false),
                    });
                }
                Ok(columns.len() == names.len())
            });
            complete &= matches!(read, Ok(true));
            if complete { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        complete
    }

    fn visit_keys(&self, rows: &[u32], visit: VisitKey<'_>) {
        if self.tables.iter().all(|table| table.key.is_none()) {
            return visit_counted(rows, &self.starts, |file| &self.tables[file].file.name, visit);
        }
        self.each(rows, None, |table, row, cut| {
            visit(cut.and_then(|cut| table.key(row, cut, self.purpose)).map(Cow::Owned));
            ControlFlow::Continue(())
        });
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
