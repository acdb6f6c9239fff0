//! Which columns has a CSV file, and what separates them? Its first line says both.

use std::collections::HashSet;
use std::path::Path;

use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files::content::{Content, PIECE};
use crate::schema::Schema;
use crate::tables::csv_rows::{AFTER_QUOTE, Fields};

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

impl Config {
    /// Refuses what cannot separate two values.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let why = match self.delimiter {
            delimiter if !delimiter.is_ascii() => "is not an ASCII character",
            '\n' | '\r' => "ends a line",
            '"' => "is the quote around values",
            _ => return Ok(()),
        };
        Err(Error::Setting {
            key: "format.csv.delimiter".into(),
            message: format!("is {:?}, which {why}", self.delimiter),
            hint: "Use a comma, a semicolon, a tab or a bar.".into(),
        })
    }
}

/// The longest header line that is read: 16 MiB, more than a million columns.
pub(crate) const MAX_HEADER: usize = 16 << 20;

/// The first line of a CSV file.
pub(crate) struct Header {
    /// Where it begins.
    pub(crate) begin: u64,
    /// What separates two values.
    pub(crate) delimiter: u8,
    /// The names of the columns.
    pub(crate) columns: Vec<String>,
}

impl Header {
    /// The header of a file that has none: a card names the columns.
    pub(crate) fn given(content: &Content, delimiter: u8, names: &[String]) -> Result<Self, Error> {
        let wrong = |message: String| {
            let hint = "Name every column once, in the order of the values in a line.".into();
            Err(Error::Setting { key: "format.csv.header".into(), message, hint })
        };
        let mut seen = HashSet::new();
        if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
            return wrong(format!("names the column `{name}` twice"));
        }
        if names.is_empty() {
            return wrong("is empty".into());
        }
        let begin = if content.bytes(0..3, &mut Vec::new())? == b"\xef\xbb\xbf" { 3 } else { 0 };
        Ok(Self { begin, delimiter, columns: names.to_vec() })
    }

    /// Reads the header of the file at `path`, whose values are separated by `given`, or, with `guess`, by the character that
    /// finds most of the features in it: a model does not know how the files of its card were written.
    pub(crate) fn read(content: &Content, given: u8, guess: bool, schema: &Schema, path: &Path) -> Result<Self, Error> {
        let mut buffer = Vec::new();
        // Excel begins UTF-8 files with a byte order mark, which is no part of the first column's name.
        let begin = if content.bytes(0..3, &mut buffer)? == b"\xef\xbb\xbf" { 3 } else { 0 };
        let start = content.bytes(begin..begin + MAX_HEADER as u64 + 1, &mut buffer)?;
        let found = |delimiter: &u8| {
            let columns: HashSet<String> = names(start, *delimiter, path).unwrap_or_default().into_iter().collect();
            schema.features.0.iter().filter(|(name, _)| columns.contains(name)).count()
        };
        let delimiter = if guess && found(&given) < schema.features.0.len() {
            // Of several that find as many the last one is taken, which is the given one.
            [b'|', b'\t', b';', b',', given].into_iter().max_by_key(found).unwrap_or(given)
        } else {
            given
        };
        match names(start, delimiter, path) {
            Ok(columns) => Ok(Self { begin, delimiter, columns }),
            Err(Error::TooLarge { path, what, limit, .. }) => {
                Err(Error::TooLarge { path, what, size: length(content, begin)?.max(limit + 1), limit })
            }
            Err(error) => Err(error),
        }
    }
}

/// The names in the header line of the file at `path`, of which `start` holds the beginning.
fn names(start: &[u8], delimiter: u8, path: &Path) -> Result<Vec<String>, Error> {
    let malformed = |message: String| Error::Malformed { path: path.to_path_buf(), message };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(start);
    let header = reader.byte_headers().map_err(|error| malformed(error.to_string()))?.clone();
    if reader.position().byte() > MAX_HEADER as u64 {
        return Err(Error::TooLarge {
            path: path.to_path_buf(),
            what: "the length of its header line in bytes",
            size: start.len() as u64,
            limit: MAX_HEADER as u64,
        });
    }
    let line = start.get(..reader.position().byte() as usize).unwrap_or(start).trim_ascii_start();
    if std::str::from_utf8(line).is_ok_and(|line| !Fields::default().cut(line, delimiter)) {
        return Err(malformed(format!("in its header line {AFTER_QUOTE}")));
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

/// How long the line is that begins at `begin`.
fn length(content: &Content, begin: u64) -> Result<u64, Error> {
    let (mut place, mut buffer) = (begin, Vec::new());
    while place < content.len() {
        let piece = content.bytes(place..place + PIECE as u64, &mut buffer)?;
        if let Some(end) = memchr(b'\n', piece) {
            return Ok(place + end as u64 - begin);
        }
        place += piece.len() as u64;
    }
    Ok(place - begin)
}
