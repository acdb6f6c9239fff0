//! How does a file with a JSON object on each line become records? Also: how does one JSON object sent to a server?

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::{ControlFlow, Range};

use memchr::{memchr, memchr_iter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Purpose, Records, Use, VisitKey, is_number, unknown_column, value_of};
use crate::card::SourceFile;
use crate::error::{Error, quoted};
use crate::example::{Image, Record, Value};
use crate::files::content::{Content, IN_MEMORY, PIECE, Room};
use crate::json_object::{Object, TWICE, is_rounded};
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema};
use crate::split::Part;
use crate::tables::row_index::{RowIndex, blocks_of, by_file, file_of, runs};

/// This format in the list of formats.
pub const ENTRY: Entry = Entry { name: "jsonl", summary: "a JSON object a line" };

/// `[format.jsonl]`. It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// The longest line that is read: 256 MiB.
const MAX_LINE: u64 = 256 << 20;

/// Lines with no more than so many bytes between them are read together, and up to so many bytes at a time.
const GAP: u64 = 16 << 10;
const RUN: u64 = 1 << 20;

/// One file, of which the places of the lines are known; a line is parsed when it is read.
struct Lines {
    file: SourceFile,
    content: Content,
    /// Empty lines are no rows.
    index: RowIndex,
}

impl Lines {
    fn open(file: &SourceFile, room: &mut Room) -> Result<Self, Error> {
        let content = Content::open(&file.path, room)?;
        let (mut buffer, mut index) = (Vec::new(), RowIndex::default());
        // Some editors begin UTF-8 files with a byte order mark, which is no part of the first object.
        let begin = if content.bytes(0..3, &mut buffer)? == b"\xef\xbb\xbf" { 3 } else { 0 };
        let (mut place, mut line, mut start, mut is_empty) = (begin, 1, begin, true);
        while place < content.len() {
            let piece = content.bytes(place..place + PIECE as u64, &mut buffer)?;
            let mut from = 0;
            for end in memchr_iter(b'\n', piece).chain([piece.len()]) {
                if is_empty && !piece[from..end].trim_ascii().is_empty() {
                    index.push(start, line);
                    is_empty = false;
                }
                if end < piece.len() {
                    (start, line, is_empty) = (place + end as u64 + 1, line + 1, true);
                }
                from = end + 1;
            }
            if place == begin {
                index.expect(piece.len() as u64, content.len());
            }
            place += piece.len() as u64;
        }
        index.finish(content.len());
        Ok(Self { file: file.clone(), content, index })
    }

    /// Where a line lies, with empty ones behind it; of one that is too long to be read, only the beginning.
    fn range(&self, row: usize) -> Range<u64> {
        let range = self.index.range(row);
        range.start..range.end.min(range.start + MAX_LINE + 1)
    }

    /// The number of the line of a row: those behind the nearest place whose line is known are counted.
    fn line(&self, row: usize) -> Result<u64, Error> {
        let (mut place, mut line) = self.index.landmark(row);
        let mut buffer = Vec::new();
        while place < self.index.start(row) {
            let piece = self.content.bytes(place..(place + PIECE as u64).min(self.index.start(row)), &mut buffer)?;
            line += memchr_iter(b'\n', piece).count() as u64;
            place += piece.len() as u64;
        }
        Ok(line)
    }
}

/// The rows of one or more JSONL files.
pub struct Jsonl {
    files: Vec<Lines>,
    /// The number of rows before each file, and at the end the number of all rows.
    starts: Vec<usize>,
    schema: Schema,
    /// The keys that the schema knows.
    known: HashSet<String>,
    purpose: Purpose,
}

impl Jsonl {
    /// Opens `files`. For training every key of an object must be known to the schema, as every column of a CSV file must.
    pub fn open(files: &[SourceFile], schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        Self::open_within(IN_MEMORY, files, schema, purpose)
    }

    /// Opens `files`, of which `room` bytes may be held in memory.
    fn open_within(room: u64, files: &[SourceFile], schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        let (mut starts, mut room) = (vec![0], Room::of(room));
        let mut all = Vec::with_capacity(files.len());
        for file in files {
            let lines = Lines::open(file, &mut room)?;
            starts.push(starts[starts.len() - 1] + lines.index.len());
            all.push(lines);
        }
        let known = schema.known().into_iter().map(str::to_owned).collect();
        Ok(Self { files: all, starts, schema: schema.clone(), known, purpose })
    }

    /// The file that holds `row`, and the row within it.
    fn locate(&self, row: usize) -> (&Lines, usize) {
        let file = file_of(row, &self.starts);
        (&self.files[file], row - self.starts[file])
    }

    /// Reads `rows`, neighbours with one read, until `visit` breaks off.
    fn each(&self, rows: &[u32], mut visit: impl FnMut(usize, Result<Map<String, Json>, Error>) -> ControlFlow<()>) {
        let mut buffer = Vec::new();
        for (file, rows) in by_file(rows, &self.starts) {
            let (lines, first) = (&self.files[file], self.starts[file]);
            let range = |row: u32| lines.range(row as usize - first);
            for (run, whole) in runs(rows, GAP, RUN, range) {
                let bytes = lines.content.bytes(whole.clone(), &mut buffer);
                for &row in run {
                    let inside = range(row);
                    let object = match &bytes {
                        Ok(bytes) => {
                            let inside = (inside.start - whole.start) as usize..(inside.end - whole.start) as usize;
                            self.parse(lines, row as usize - first, bytes.get(inside).unwrap_or_default())
                        }
                        // Asked for again, because an error cannot be had twice.
                        Err(_) => lines.content.bytes(inside, &mut Vec::new()).map(|_| Map::new()),
                    };
                    if visit(row as usize, object).is_break() {
                        return;
                    }
                }
            }
        }
    }

    fn object(&self, row: usize) -> Result<Map<String, Json>, Error> {
        let mut found = Ok(Map::new());
        self.each(&[row as u32], |_, object| {
            found = object;
            ControlFlow::Break(())
        });
        found
    }

    /// The object in `bytes`, a line with whatever stands between it and the next row.
    fn parse(&self, lines: &Lines, row: usize, bytes: &[u8]) -> Result<Map<String, Json>, Error> {
        let bytes = &bytes[..memchr(b'\n', bytes).unwrap_or(bytes.len())];
        if bytes.len() as u64 > MAX_LINE {
            return Err(Self::refuse(lines, row, format!("it is longer than {MAX_LINE} bytes")));
        }
        let Object(object) = serde_json::from_slice(bytes).map_err(|error| {
            // Behind what is wrong serde says where, counted from the beginning of this line as if it were a file.
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            let twice = what.starts_with(TWICE);
            Self::refuse(lines, row, if twice { what.to_owned() } else { format!("it is not a JSON object ({what})") })
        })?;
        if self.purpose == Purpose::Training
            && let Some(key) = object.keys().find(|key| !self.known.contains(*key))
        {
            let line = lines.line(row)?;
            return Err(unknown_column(&format!("{}, row {row} (line {line})", lines.file.path.display()), key));
        }
        Ok(object)
    }

    /// The error for a row that cannot be used, or for a file that can no longer be read.
    fn refuse(lines: &Lines, row: usize, message: String) -> Error {
        match lines.line(row) {
            Ok(line) => Error::Row { path: lines.file.path.clone(), row, line, message },
            Err(error) => error,
        }
    }

    /// What names the example in errors: its key, or else file and row.
    fn id(&self, row: usize, object: &Map<String, Json>) -> String {
        let (lines, row) = self.locate(row);
        key_in(object, &self.schema).unwrap_or_else(|| format!("{}#{row}", lines.file.name))
    }

    fn value(&self, row: usize, object: &Map<String, Json>, name: &str) -> Result<Value, Error> {
        let id = || self.id(row, object);
        let json = object.get(name).ok_or_else(|| column_missing(&id(), name, object))?;
        value_in(json, name, Use::of(name, &self.schema), &self.schema, &id)
    }

    fn key_of(&self, row: usize, object: &Map<String, Json>) -> Result<String, Error> {
        if let Some(name) = &self.schema.key
            && self.purpose == Purpose::Training
            && key_in(object, &self.schema).is_none()
        {
            let (lines, row) = self.locate(row);
            let rounded = object.get(name).is_some_and(is_rounded);
            let what = if rounded { "digits that no double holds, where" } else { "no text or number for" };
            let hint = if rounded { " stands: write it as a string" } else { "" };
            return Err(Self::refuse(lines, row, format!("it has {what} the key `{name}`{hint}")));
        }
        Ok(self.id(row, object))
    }
}

impl Records for Jsonl {
    fn len(&self) -> usize {
        self.starts[self.files.len()]
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let object = self.object(row)?;
        record(&object, &self.schema, self.key_of(row, &object)?, self.purpose)
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        self.value(row, &self.object(row)?, name)
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        if self.schema.key.is_none() {
            let (lines, row) = self.locate(row);
            return Ok(format!("{}#{row}", lines.file.name));
        }
        self.key_of(row, &self.object(row)?)
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.locate(row).0.file.part
    }

    fn blocks(&self) -> Vec<usize> {
        blocks_of(&self.starts, |file| {
            let lines = &self.files[file];
            (!lines.content.is_memory()).then(|| lines.index.blocks(PIECE as u64))
        })
    }

    fn visit(&self, rows: &[u32], visit: &mut dyn FnMut(Result<&mut Record, Error>) -> ControlFlow<()>) {
        self.each(rows, |row, object| {
            let read =
                |object: Map<String, Json>| record(&object, &self.schema, self.key_of(row, &object)?, self.purpose);
            match object.and_then(read) {
                Ok(mut record) => visit(Ok(&mut record)),
                Err(error) => visit(Err(error)),
            }
        });
    }

    fn fields(&self, rows: &[u32], name: &str) -> Vec<Result<Value, Error>> {
        let mut values = Vec::with_capacity(rows.len());
        self.each(rows, |row, object| {
            values.push(object.and_then(|object| self.value(row, &object, name)));
            ControlFlow::Continue(())
        });
        values
    }

    fn visit_keys(&self, rows: &[u32], visit: VisitKey<'_>) {
        if self.schema.key.is_none() {
            return rows.iter().for_each(|&row| visit(self.key(row as usize).map(Cow::Owned)));
        }
        self.each(rows, |row, object| {
            visit(object.and_then(|object| self.key_of(row, &object)).map(Cow::Owned));
            ControlFlow::Continue(())
        });
    }
}

/// The record of one JSON object, as a server receives it. Every feature must be there; `null` is a missing value. The
/// target is not looked at, and keys that the schema does not name do not matter. Without a key column it is called `called`.
pub fn record_from_json(object: &Map<String, Json>, schema: &Schema, called: &str) -> Result<Record, Error> {
    let key = key_in(object, schema).unwrap_or_else(|| called.to_owned());
    record(object, schema, key, Purpose::Prediction)
}

fn record(object: &Map<String, Json>, schema: &Schema, key: String, purpose: Purpose) -> Result<Record, Error> {
    let id = || key.clone();
    let field = |name: &String, used| match object.get(name) {
        Some(json) => Ok((name.clone(), value_in(json, name, used, schema, &id)?)),
        None => Err(column_missing(&key, name, object)),
    };
    let features = schema.features.0.iter().map(|(name, kind)| field(name, Use::Feature(*kind)));
    let features = features.collect::<Result<_, _>>()?;
    let target = match &schema.target {
        Some(target) if purpose == Purpose::Training => Some(field(&target.name, Use::Target(target.kind))?),
        _ => None,
    };
    Ok(Record::new(key, features, target))
}

/// What the key column says, without the blanks around it.
fn key_in(object: &Map<String, Json>, schema: &Schema) -> Option<String> {
    match object.get(schema.key.as_ref()?)? {
        Json::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        number @ Json::Number(digits) if !is_rounded(number) => Some(digits.to_string()),
        _ => None,
    }
}

fn column_missing(id: &str, name: &str, object: &Map<String, Json>) -> Error {
    Error::ColumnMissing {
        place: format!("Example {id}"),
        column: name.to_owned(),
        found: object.keys().cloned().collect(),
    }
}

/// What a JSON value means for a column of the schema.
pub(super) fn value_in(
    json: &Json,
    name: &str,
    used: Use,
    schema: &Schema,
    id: &dyn Fn() -> String,
) -> Result<Value, Error> {
    let kind = match used {
        Use::Feature(kind) => Some(kind),
        Use::Target(_) | Use::Other => None,
    };
    let wrong = |found: String, hint: &str| {
        let kind = kind.map_or("target or key", FeatureKind::name);
        Error::Field { id: id(), kind, column: name.to_owned(), found, hint: hint.into() }
    };
    match (json, kind) {
        (Json::Null, _) => Ok(Value::Missing),
        (Json::Array(_), Some(FeatureKind::Image)) => image_in(json).map(Value::Image).ok_or_else(|| {
            wrong(
                "a list of another form".into(),
                "Write pixels from 0 to 255 as [height][width], or [channels][height][width] with 1 or 3 channels.",
            )
        }),
        (_, Some(FeatureKind::Image)) => Err(wrong(
            quoted(&json.to_string()),
            "Write pixels from 0 to 255 as [height][width] or [channels][height][width].",
        )),
        (Json::String(text), _) => value_of(text, name, used, schema, id),
        (_, Some(FeatureKind::Text)) | (Json::Array(_) | Json::Object(_), _) => {
            Err(wrong(quoted(&json.to_string()), "Write it as a JSON string, or as null if it is missing."))
        }
        (Json::Number(_), _) if !is_number(used) && is_rounded(json) => Err(wrong(
            format!("{json} or a number near it: its digits are more than a double holds"),
            "Write it as a JSON string, so that numbers that differ in their last digits stay apart.",
        )),
        // Numbers and truth values of a category or class count as the text they are written as.
        (Json::Number(_) | Json::Bool(_), _) => value_of(&json.to_string(), name, used, schema, id),
    }
}

/// An image of nested lists: `[height][width]` or `[channels][height][width]`, whole numbers from 0 to 255.
fn image_in(json: &Json) -> Option<Image> {
    let planes = match json.as_array()?.first()?.as_array()?.first()? {
        Json::Array(_) => json.as_array()?.iter().collect(),
        _ => vec![json],
    };
    let (mut pixels, mut size) = (Vec::new(), None);
    for plane in &planes {
        let rows = plane.as_array()?;
        for row in rows {
            let row = row.as_array()?;
            if row.is_empty() || *size.get_or_insert((rows.len(), row.len())) != (rows.len(), row.len()) {
                return None;
            }
            for pixel in row {
                pixels.push(u8::try_from(pixel.as_u64()?).ok()?);
            }
        }
    }
    let (height, width) = size?;
    let channels = planes.len();
    // A plane without rows would leave pixels out in silence.
    (matches!(channels, 1 | 3) && pixels.len() == channels * height * width)
        .then(|| Image::from_planar(channels, height, width, &pixels))
}

#[cfg(test)]
#[path = "jsonl_tests.rs"]
mod tests;
