//! How does a CSV file become records? The first line names the columns; each further one is an example.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{MAX_BYTES, Purpose, Records, Use, check_columns, value_of};
use crate::card::SourceFile;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::registry::Entry;
use crate::schema::Schema;
use crate::split::Part;
use crate::unpack::read_bytes;

/// This format in the list of formats.
pub const ENTRY: Entry = Entry { name: "csv", summary: "lines of values separated by commas, with a header line" };

/// `[format.csv]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What separates two values: one ASCII character.
    pub delimiter: char,
}

impl Default for Config {
    fn default() -> Self {
        Self { delimiter: ',' }
    }
}

/// The longest header line that is read: 16 MiB, more than a million columns.
const MAX_HEADER: usize = 16 << 20;

/// A row that cannot be used; it is reported when it is read, so that `bad_examples = "skip"` can leave it out.
struct BadRow {
    row: usize,
    message: String,
}

/// Where a row is.
struct Row {
    /// The line on which it begins, counted from 1.
    line: u32,
    /// The place of its first field among the ends of all fields. A row that cannot be used has no fields.
    first: usize,
}

/// One file, unpacked: the text of all fields in one piece, cut by their ends.
struct Table {
    file: SourceFile,
    columns: Vec<String>,
    /// The place of each column.
    places: HashMap<String, usize>,
    /// What each column is for.
    uses: Vec<Use>,
    /// The columns of the features in the order of the schema, then that of the target if it is there.
    read: Vec<usize>,
    /// How many of these are features.
    features: usize,
    /// The column that names the rows.
    key: Option<usize>,
    text: String,
    /// The end in `text` of each field, row by row.
    ends: Vec<usize>,
    rows: Vec<Row>,
    bad: Vec<BadRow>,
}

/// Counts lines as an editor does: `\n`, `\r\n` and a lone `\r` end one.
struct Lines<'a> {
    bytes: &'a [u8],
    /// Up to where was counted.
    place: usize,
    line: u32,
}

impl Lines<'_> {
    /// Where the row lies that the reader begins at `start`, and on which line: empty lines before it are no part of it,
    /// nor is the second half of a `\r\n` whose first half ended the row before.
    fn begin(&mut self, start: usize) -> (usize, u32) {
        let rest = self.bytes.get(start..).unwrap_or_default();
        let start = start + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        while self.place < start {
            let byte = self.bytes[self.place];
            self.place += 1;
            if byte == b'\n' || byte == b'\r' && self.bytes.get(self.place) != Some(&b'\n') {
                self.line += 1;
            }
        }
        (start, self.line)
    }
}

/// The names in the header line of `bytes`, the content of the file at `path`.
fn header(bytes: &[u8], delimiter: u8, path: &Path) -> Result<Vec<String>, Error> {
    let malformed = |message: String| Error::Malformed { path: path.to_path_buf(), message };
    let start = &bytes[..bytes.len().min(MAX_HEADER + 1)];
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(start);
    let header = reader.byte_headers().map_err(|error| malformed(error.to_string()))?.clone();
    if reader.position().byte() > MAX_HEADER as u64 {
        let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
        return Err(Error::TooLarge {
            path: path.to_path_buf(),
            what: "the length of its header line in bytes",
            size: end.max(MAX_HEADER + 1) as u64,
            limit: MAX_HEADER as u64,
        });
    }
    let mut columns = Vec::new();
    let mut seen = HashSet::new();
    for name in &header {
        let name = std::str::from_utf8(name).map_err(|_| malformed("its header line is not UTF-8 text".into()))?.trim();
        if !seen.insert(name) {
            return Err(malformed(format!("the column `{name}` stands twice in its header")));
        }
        columns.push(name.to_owned());
    }
    if columns.is_empty() {
        return Err(malformed("it has no header line".into()));
    }
    Ok(columns)
}

/// What separates the values of `bytes`. A model does not know how the files of its card were written, so for a prediction it
/// is the character that finds most of the features in the header line, in doubt the one that was given.
fn delimiter(bytes: &[u8], given: u8, schema: &Schema, purpose: Purpose, path: &Path) -> u8 {
    let found = |delimiter: &u8| {
        let columns: HashSet<String> = header(bytes, *delimiter, path).unwrap_or_default().into_iter().collect();
        schema.features.0.iter().filter(|(name, _)| columns.contains(name)).count()
    };
    if purpose == Purpose::Training || found(&given) == schema.features.0.len() {
        return given;
    }
    // Of several that find as many the last one is taken, which is the given one.
    [b'|', b'\t', b';', b',', given].into_iter().max_by_key(found).unwrap_or(given)
}

/// Whether a record, as its bytes stand in the file, ends before its last quoted field does. As RFC 4180 has it, a quote opens
/// a field only where the field begins, and two quotes in a row stand for one.
fn ends_inside_quotes(record: &[u8], delimiter: u8) -> bool {
    let (mut quoted, mut begins) = (false, true);
    let mut bytes = record.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' if quoted && bytes.peek() == Some(&&b'"') => {
                bytes.next();
            }
            b'"' if quoted || begins => quoted = !quoted,
            _ => {}
        }
        begins = !quoted && (byte == delimiter || byte == b'\n' || byte == b'\r');
    }
    quoted
}

/// The rows of one or more CSV files.
pub struct Csv {
    tables: Vec<Table>,
    /// The number of rows before each table, and at the end the number of all rows.
    starts: Vec<usize>,
    schema: Schema,
    purpose: Purpose,
}

impl Csv {
    /// Reads `files`; all must have the columns that the schema names, in any order.
    pub fn open(files: &[SourceFile], config: &Config, schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
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
            let table = Table::read(file, config, schema, purpose)?;
            starts.push(starts[starts.len() - 1] + table.rows.len());
            tables.push(table);
        }
        Ok(Self { tables, starts, schema: schema.clone(), purpose })
    }

    /// The table that holds `row`, and the row within it.
    fn locate(&self, row: usize) -> (&Table, usize) {
        let table = self.starts.partition_point(|&start| start <= row) - 1;
        (&self.tables[table], row - self.starts[table])
    }
}

impl Table {
    fn read(file: &SourceFile, config: &Config, schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        let bytes = read_bytes(&file.path, MAX_BYTES)?;
        // Excel begins UTF-8 files with a byte order mark, which is no part of the first column's name.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let delimiter = delimiter(bytes, config.delimiter as u8, schema, purpose, &file.path);
        let columns = header(bytes, delimiter, &file.path)?;
        check_columns(&file.path, &columns, schema, purpose)?;
        let mut table = Self::new(file, columns, schema, purpose);

        let malformed = |message: String| Error::Malformed { path: file.path.clone(), message };
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(bytes);
        reader.byte_headers().map_err(|error| malformed(error.to_string()))?;
        let mut lines = Lines { bytes, place: 0, line: 1 };
        let mut record = csv::ByteRecord::new();
        let mut last = 0;
        while reader.read_byte_record(&mut record).map_err(|error| malformed(error.to_string()))? {
            let (start, line) = lines.begin(record.position().map_or(0, |position| position.byte() as usize));
            last = start;
            table.push(&record, line);
        }
        // A quote that never closes swallows the rest of the file, so it is the last row that holds it.
        if !table.rows.is_empty() && ends_inside_quotes(&bytes[last..], delimiter) {
            table.refuse_last("a quote opens in it and never closes: everything that follows became a part of it");
        }
        Ok(table)
    }

    /// A table without rows. What is asked of every field of every row is looked up here, once.
    fn new(file: &SourceFile, columns: Vec<String>, schema: &Schema, purpose: Purpose) -> Self {
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
        let features = read.len();
        // What stands there in new data is what the model is asked for, whatever someone wrote.
        if let Some(target) = schema.target.as_ref().filter(|_| purpose == Purpose::Training)
            && let Some(column) = place(&target.name)
        {
            uses[column] = Use::Target(target.kind);
            read.push(column);
        }
        let key = schema.key.as_ref().and_then(place);
        let (text, ends, rows, bad) = (String::new(), Vec::new(), Vec::new(), Vec::new());
        Self { file: file.clone(), columns, places, uses, read, features, key, text, ends, rows, bad }
    }

    /// Makes the last row one that cannot be used.
    fn refuse_last(&mut self, message: &str) {
        let row = self.rows.len() - 1;
        self.bad.retain(|bad| bad.row != row);
        self.bad.push(BadRow { row, message: message.to_owned() });
    }

    fn push(&mut self, record: &csv::ByteRecord, line: u32) {
        let row = self.rows.len();
        self.rows.push(Row { line, first: self.ends.len() });
        let fields: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        let message = match fields {
            Ok(fields) if fields.len() == self.columns.len() => {
                for field in fields {
                    self.text += field;
                    self.ends.push(self.text.len());
                }
                return;
            }
            Ok(fields) => format!("it has {} values and the header has {} columns", fields.len(), self.columns.len()),
            Err(_) => "it is not UTF-8 text".to_owned(),
        };
        self.bad.push(BadRow { row, message });
    }

    fn refuse(&self, row: usize, message: String) -> Error {
        Error::Row { path: self.file.path.clone(), row, line: self.rows[row].line.into(), message }
    }

    fn check(&self, row: usize) -> Result<(), Error> {
        match self.bad.binary_search_by_key(&row, |bad| bad.row) {
            Ok(found) => Err(self.refuse(row, self.bad[found].message.clone())),
            Err(_) => Ok(()),
        }
    }

    fn text(&self, row: usize, column: usize) -> &str {
        let field = self.rows[row].first + column;
        let start = if field == 0 { 0 } else { self.ends[field - 1] };
        &self.text[start..self.ends[field]]
    }

    fn value(&self, row: usize, column: usize, schema: &Schema) -> Result<Value, Error> {
        let id = || self.id(row);
        value_of(self.text(row, column), &self.columns[column], self.uses[column], schema, &id)
    }

    /// What the key column says, if there is one and it says anything; else file and row.
    fn id(&self, row: usize) -> String {
        match self.key.map(|column| self.text(row, column).trim()) {
            Some(key) if !key.is_empty() => key.to_owned(),
            _ => format!("{}#{row}", self.file.name),
        }
    }

    fn key(&self, row: usize, purpose: Purpose) -> Result<String, Error> {
        self.check(row)?;
        match self.key {
            Some(column) if purpose == Purpose::Training && self.text(row, column).trim().is_empty() => {
                Err(self.refuse(row, format!("the key column `{}` is empty", self.columns[column])))
            }
            _ => Ok(self.id(row)),
        }
    }
}

impl Records for Csv {
    fn len(&self) -> usize {
        self.starts[self.tables.len()]
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let (table, row) = self.locate(row);
        let key = table.key(row, self.purpose)?;
        let field = |&column: &usize| {
            let value = table.value(row, column, &self.schema)?;
            Ok::<_, Error>((table.columns[column].clone(), value))
        };
        let (features, target) = table.read.split_at(table.features);
        let features = features.iter().map(field).collect::<Result<_, _>>()?;
        Ok(Record::new(key, features, target.first().map(field).transpose()?))
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        let (table, row) = self.locate(row);
        table.check(row)?;
        let column = table.places.get(name).ok_or_else(|| Error::ColumnMissing {
            place: table.file.path.display().to_string(),
            column: name.to_owned(),
            found: table.columns.clone(),
        })?;
        table.value(row, *column, &self.schema)
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        let (table, row) = self.locate(row);
        table.key(row, self.purpose)
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.locate(row).0.file.part
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
