//! How does a file with a JSON object on each line become records? Also: how does one JSON object sent to a server?

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{MAX_BYTES, Purpose, Records, read_bytes, value_of};
use crate::card::SourceFile;
use crate::error::{Error, quoted};
use crate::example::{Image, Record, Value};
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema};
use crate::split::Part;

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
    purpose: Purpose,
}

impl Jsonl {
    /// Reads `files`.
    pub fn open(files: &[SourceFile], schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        let mut starts = vec![0];
        let mut all = Vec::with_capacity(files.len());
        for file in files {
            let bytes = read_bytes(&file.path, MAX_BYTES)?;
            let mut rows = Vec::new();
            let mut start = 0;
            for (line, content) in bytes.split(|&byte| byte == b'\n').enumerate() {
                if !content.trim_ascii().is_empty() {
                    rows.push((line as u64 + 1, start, start + content.len()));
                }
                start += content.len() + 1;
            }
            starts.push(starts[starts.len() - 1] + rows.len());
            all.push(Lines { file: file.clone(), bytes, rows });
        }
        Ok(Self { files: all, starts, schema: schema.clone(), purpose })
    }

    /// The file that holds `row`, and the row within it.
    fn locate(&self, row: usize) -> (&Lines, usize) {
        let file = self.starts.partition_point(|&start| start <= row) - 1;
        (&self.files[file], row - self.starts[file])
    }

    fn object(&self, row: usize) -> Result<Map<String, Json>, Error> {
        let (lines, row) = self.locate(row);
        let (line, start, end) = lines.rows[row];
        serde_json::from_slice(&lines.bytes[start..end]).map_err(|error| Error::Row {
            path: lines.file.path.clone(),
            row,
            line,
            message: format!("it is not a JSON object ({error})"),
        })
    }

    fn key_of(&self, row: usize, object: &Map<String, Json>) -> String {
        let (lines, row) = self.locate(row);
        key_in(object, &self.schema).unwrap_or_else(|| format!("{}#{row}", lines.file.name))
    }
}

impl Records for Jsonl {
    fn len(&self) -> usize {
        self.starts[self.files.len()]
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let object = self.object(row)?;
        record(&object, &self.schema, self.key_of(row, &object), self.purpose)
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        let object = self.object(row)?;
        let id = || self.key_of(row, &object);
        let json = object.get(name).ok_or_else(|| column_missing(&id(), name, &object))?;
        value_in(json, name, &self.schema, &id)
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        if self.schema.key.is_none() {
            let (lines, row) = self.locate(row);
            return Ok(format!("{}#{row}", lines.file.name));
        }
        Ok(self.key_of(row, &self.object(row)?))
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.locate(row).0.file.part
    }
}

/// The record of one JSON object, as a server receives it. Every feature must be there; `null` is a missing value. The
/// target may be absent, and keys that the schema does not name do not matter. Without a key column the id is `request`.
pub fn record_from_json(object: &Map<String, Json>, schema: &Schema) -> Result<Record, Error> {
    let key = key_in(object, schema).unwrap_or_else(|| "request".into());
    record(object, schema, key, Purpose::Prediction)
}

fn record(object: &Map<String, Json>, schema: &Schema, key: String, purpose: Purpose) -> Result<Record, Error> {
    let id = || key.clone();
    let field = |name: &String| match object.get(name) {
        Some(json) => Ok((name.clone(), value_in(json, name, schema, &id)?)),
        None => Err(column_missing(&key, name, object)),
    };
    let features = schema.features.0.iter().map(|(name, _)| field(name)).collect::<Result<_, _>>()?;
    let target = match &schema.target {
        Some(target) if purpose == Purpose::Training || object.contains_key(&target.name) => Some(field(&target.name)?),
        _ => None,
    };
    Ok(Record::new(key, features, target))
}

fn key_in(object: &Map<String, Json>, schema: &Schema) -> Option<String> {
    match object.get(schema.key.as_ref()?)? {
        Json::String(text) => Some(text.clone()),
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
fn value_in(json: &Json, name: &str, schema: &Schema, id: &dyn Fn() -> String) -> Result<Value, Error> {
    let kind = schema.features.get(name).copied();
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
        (Json::String(text), _) => value_of(text, name, schema, id),
        (_, Some(FeatureKind::Text)) | (Json::Array(_) | Json::Object(_), _) => {
            Err(wrong(quoted(&json.to_string()), "Write it as a JSON string, or as null if it is missing."))
        }
        // Numbers and truth values of a category or class count as the text they are written as.
        (Json::Number(_) | Json::Bool(_), _) => value_of(&json.to_string(), name, schema, id),
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
    (matches!(channels, 1 | 3) && pixels.len() == channels * height * width).then_some(Image {
        channels,
        height,
        width,
        pixels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        toml::from_str("target = { name = \"y\", kind = \"class\" }\n[features]\nx = \"number\"\nword = \"category\"\n")
            .unwrap()
    }

    fn open(bytes: &[u8], purpose: Purpose) -> Jsonl {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.jsonl");
        std::fs::write(&path, bytes).unwrap();
        let file = SourceFile {
            name: "t.jsonl".into(),
            path,
            sha256: String::new(),
            bytes: 0,
            role: crate::card::Role::default(),
            part: None,
        };
        Jsonl::open(&[file], &schema(), purpose).unwrap()
    }

    fn object(text: &str) -> Map<String, Json> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn lines_become_records_and_empty_lines_do_not() {
        let rows = open(
            b"{\"x\": 1, \"word\": \"a\", \"y\": 3}\r\n\n{\"x\": null, \"word\": true, \"y\": \"b\"}",
            Purpose::Training,
        );
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.read(0).unwrap().field("y"), Some(&Value::Text("3".into())));
        assert_eq!(rows.read(1).unwrap().id.key, "t.jsonl#1");
        assert_eq!(rows.field(1, "x").unwrap(), Value::Missing);
        assert_eq!(rows.field(1, "word").unwrap(), Value::Text("true".into()));
    }

    #[test]
    fn bad_lines_name_row_and_line() {
        let deep = "[".repeat(100_000);
        let rows = open(
            format!("{{}}\n\n{{\"x\": 1\n[1]\n{deep}\n{{\"x\": [1], \"word\": 1, \"y\": 1}}").as_bytes(),
            Purpose::Training,
        );
        assert!(matches!(rows.read(0), Err(Error::ColumnMissing { .. })));
        for (row, line) in [(1, 3), (2, 4), (3, 5)] {
            let error = rows.read(row).unwrap_err();
            assert!(matches!(error, Error::Row { row: r, line: l, .. } if (r, l) == (row, line)), "{error}");
        }
        assert!(matches!(rows.read(4), Err(Error::Field { .. })));
        assert!(matches!(open(b"\xff\xfe", Purpose::Training).read(0), Err(Error::Row { .. })));
    }

    #[test]
    fn a_request_may_lack_the_target_and_nothing_else() {
        let record = record_from_json(&object(r#"{"x": 2.5, "word": "a", "other": 1}"#), &schema()).unwrap();
        assert_eq!((record.fields.len(), record.id.key.as_str()), (2, "request"));
        let error = record_from_json(&object(r#"{"word": "a"}"#), &schema()).unwrap_err();
        assert_eq!(error.to_string(), "Example request has no column `x`; it has `word`.");
        for text in [r#"{"x": "NaN", "word": "a"}"#, r#"{"x": true, "word": "a"}"#, r#"{"x": {}, "word": "a"}"#] {
            assert!(record_from_json(&object(text), &schema()).unwrap_err().is_usage(), "{text}");
        }
        let mut keyed = schema();
        keyed.key = Some("word".into());
        assert_eq!(record_from_json(&object(r#"{"x": 1, "word": "a"}"#), &keyed).unwrap().id.key, "a");
    }

    #[test]
    fn images_are_nested_lists() {
        let image = |text: &str| image_in(&serde_json::from_str(text).unwrap());
        assert_eq!(
            image("[[1,2],[3,4],[5,255]]").unwrap(),
            Image { channels: 1, height: 3, width: 2, pixels: vec![1, 2, 3, 4, 5, 255] }
        );
        assert_eq!(image("[[[1]],[[2]],[[3]]]").unwrap().channels, 3);
        for text in [
            "[]",
            "[[]]",
            "[[[]]]",
            "[1]",
            "[[1],[2,3]]",
            "[[256]]",
            "[[1.5]]",
            "[[-1]]",
            "[[[1]],[[2]]]",
            "[[[1]],[],[]]",
            "[[\"a\"]]",
        ] {
            assert_eq!(image(text), None, "{text}");
        }
    }
}
