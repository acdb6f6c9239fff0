//! What is known of one CSV file, so that any row of it can be read? Its columns, and where its rows lie.

use std::collections::HashMap;

use crate::card::SourceFile;
use crate::error::Error;
use crate::files::content::{Content, PIECE, Room};
use crate::formats::csv::Config;
use crate::formats::{Purpose, Use, check_columns};
use crate::schema::Schema;
use crate::tables::csv_header::Header;
use crate::tables::csv_rows::{AFTER_QUOTE, Cut, Fields, Scanner, lines_in};
use crate::tables::row_index::RowIndex;

/// The longest row that is read: 256 MiB.
const MAX_ROW: u64 = 256 << 20;

/// One file, of which the places of the rows are known; a row is cut into fields when it is read.
pub(crate) struct Table {
    /// The file.
    pub(crate) file: SourceFile,
    /// Its bytes.
    pub(crate) content: Content,
    /// What separates two values.
    pub(crate) delimiter: u8,
    /// The names of the columns.
    pub(crate) columns: Vec<String>,
    /// The place of each column.
    pub(crate) places: HashMap<String, usize>,
    /// What each column is for.
    pub(crate) uses: Vec<Use>,
    /// The columns of the features in the order of the schema, then that of the target if it is there.
    pub(crate) read: Vec<usize>,
    /// The column that names the rows.
    pub(crate) key: Option<usize>,
    /// Where its rows lie.
    pub(crate) index: RowIndex,
    /// Whether a quote opens in the last row and never closes.
    pub(crate) is_open: bool,
}

impl Table {
    /// Finds the rows of `file`, which may be held in memory if it fits in `room`.
    pub(crate) fn open(
        file: &SourceFile,
        room: &mut Room,
        config: &Config,
        schema: &Schema,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        Self::of(Content::open(&file.path, room)?, file, config, schema, purpose)
    }

    /// Finds the rows in `content`, which is that of `file`.
    pub(crate) fn of(
        content: Content,
        file: &SourceFile,
        config: &Config,
        schema: &Schema,
        purpose: Purpose,
    ) -> Result<Self, Error> {
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
    pub(crate) fn range(&self, row: usize) -> std::ops::Range<u64> {
        let range = self.index.range(row);
        range.start..range.end.min(range.start + MAX_ROW + 1)
    }

    /// The text of a row, which lies in `bytes`, and its fields, of which there is one for each column.
    pub(crate) fn cut<'a>(
        &self,
        row: usize,
        bytes: &'a [u8],
        only: Option<usize>,
        fields: &mut Fields,
    ) -> Result<&'a str, Error> {
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
        let is_clean = fields.cut(text, self.delimiter);
        if !is_clean {
            return self.refuse(row, AFTER_QUOTE);
        }
        if fields.len() != self.columns.len() {
            let message = format!("it has {} values and the header has {} columns", fields.len(), self.columns.len());
            return self.refuse(row, &message);
        }
        Ok(text)
    }

    /// The error for a row that cannot be used, or for a file that can no longer be read.
    pub(crate) fn refuse<T>(&self, row: usize, message: &str) -> Result<T, Error> {
        let line = self.line(row)?;
        Err(Error::Row { path: self.file.path.clone(), row, line, message: message.to_owned() })
    }

    /// The line on which a row begins: those behind the nearest place whose line is known are counted.
    pub(crate) fn line(&self, row: usize) -> Result<u64, Error> {
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
    pub(crate) fn id(&self, row: usize, cut: Option<Cut<'_>>) -> String {
        match self.key.zip(cut).map(|(column, cut)| cut.get(column).trim()) {
            Some(key) if !key.is_empty() => key.to_owned(),
            _ => format!("{}#{row}", self.file.name),
        }
    }

    /// The key of a row, which in training must be there.
    pub(crate) fn key(&self, row: usize, cut: Cut<'_>, purpose: Purpose) -> Result<String, Error> {
        match self.key {
            Some(column) if purpose == Purpose::Training && cut.get(column).trim().is_empty() => {
                self.refuse(row, &format!("the key column `{}` is empty", self.columns[column]))
            }
            _ => Ok(self.id(row, Some(cut))),
        }
    }

    /// The place of the column called `name`.
    pub(crate) fn column(&self, name: &str) -> Result<usize, Error> {
        self.places.get(name).copied().ok_or_else(|| Error::ColumnMissing {
            place: self.file.path.display().to_string(),
            column: name.to_owned(),
            found: self.columns.clone(),
        })
    }
}
