//! How does a file with a JSON object on each line become records? Also: how does one JSON object sent to a server?

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{MAX_BYTES, Purpose, Records, Use, unknown_column, value_of};
use crate::card::SourceFile;
use crate::error::{Error, quoted};
use crate::example::{Image, Record, Value};
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema};
use crate::split::Part;
use crate::unpack::read_bytes;

/// This format in the list of formats.
pub const ENTRY: Entry = Entry { name: "jsonl", summary: "a JSON object a line" };

/// `[format.jsonl]`. It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// One file, unpacked; its lines are parsed when they are read.
struct Lines {
    file: SourceFile,
    bytes: Vec<u8>,
    /// Of each row: the line, counted from 1, and where it begins and ends in `bytes`. Empty lines are no rows.
    rows: Vec<(u64, usize, usize)>,
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
    /// Reads `files`. For training every key of an object must be known to the schema, as every column of a CSV file must.
    pub fn open(files: &[SourceFile], schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        let mut starts = vec![0];
        let mut all = Vec::with_capacity(files.len());
        for file in files {
            let bytes = read_bytes(&file.path, MAX_BYTES)?;
            let mut rows = Vec::new();
            // Some editors begin UTF-8 files with a byte order mark, which is no part of the first object.
            let mut start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            for (line, content) in bytes[start..].split(|&byte| byte == b'\n').enumerate() {
                if !content.trim_ascii().is_empty() {
                    rows.push((line as u64 + 1, start, start + content.len()));
                }
                start += content.len() + 1;
            }
            starts.push(starts[starts.len() - 1] + rows.len());
            all.push(Lines { file: file.clone(), bytes, rows });
        }
        let known = schema.known().into_iter().map(str::to_owned).collect();
        Ok(Self { files: all, starts, schema: schema.clone(), known, purpose })
    }

    /// The file that holds `row`, and the row within it.
    fn locate(&self, row: usize) -> (&Lines, usize) {
        let file = self.starts.partition_point(|&start| start <= row) - 1;
        (&self.files[file], row - self.starts[file])
    }

    fn object(&self, row: usize) -> Result<Map<String, Json>, Error> {
        let (lines, row) = self.locate(row);
        let (line, start, end) = lines.rows[row];
        let object: Map<String, Json> = serde_json::from_slice(&lines.bytes[start..end]).map_err(|error| {
            // Behind what is wrong serde says where, counted from the beginning of this line as if it were a file.
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            Self::refuse(lines, row, format!("it is not a JSON object ({what})"))
        })?;
        if self.purpose == Purpose::Training
            && let Some(key) = object.keys().find(|key| !self.known.contains(*key))
        {
            return Err(unknown_column(&format!("{}, row {row} (line {line})", lines.file.path.display()), key));
        }
        Ok(object)
    }

    fn refuse(lines: &Lines, row: usize, message: String) -> Error {
        Error::Row { path: lines.file.path.clone(), row, line: lines.rows[row].0, message }
    }

    /// What names the example in errors: its key, or else file and row.
    fn id(&self, row: usize, object: &Map<String, Json>) -> String {
        let (lines, row) = self.locate(row);
        key_in(object, &self.schema).unwrap_or_else(|| format!("{}#{row}", lines.file.name))
    }

    fn key_of(&self, row: usize, object: &Map<String, Json>) -> Result<String, Error> {
        if let Some(name) = &self.schema.key
            && self.purpose == Purpose::Training
            && key_in(object, &self.schema).is_none()
        {
            let (lines, row) = self.locate(row);
            return Err(Self::refuse(lines, row, format!("it has no text or number for the key `{name}`")));
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
        let object = self.object(row)?;
        let id = || self.id(row, &object);
        let json = object.get(name).ok_or_else(|| column_missing(&id(), name, &object))?;
        value_in(json, name, Use::of(name, &self.schema), &self.schema, &id)
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
}

/// The record of one JSON object, as a server receives it. Every feature must be there; `null` is a missing value. The
/// target is not looked at, and keys that the schema does not name do not matter. Without a key column the id is `request`.
pub fn record_from_json(object: &Map<String, Json>, schema: &Schema) -> Result<Record, Error> {
    let key = key_in(object, schema).unwrap_or_else(|| "request".into());
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
        Json::Number(number) => Some(number.to_string()),
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
fn value_in(json: &Json, name: &str, used: Use, schema: &Schema, id: &dyn Fn() -> String) -> Result<Value, Error> {
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
