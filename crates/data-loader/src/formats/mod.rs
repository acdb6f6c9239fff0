//! How do the bytes of a file become records? One file for each format.

pub mod csv;
pub mod idx;
pub mod image_folder;
pub mod jsonl;

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::card::{Card, SourceFile};
use crate::error::{Error, closest, quoted};
use crate::example::{Record, Value};
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema, TargetKind};
use crate::split::Part;

pub use jsonl::record_from_json;

/// Every format, alphabetically.
pub const MEMBERS: &[Entry] = &[csv::ENTRY, idx::ENTRY, image_folder::ENTRY, jsonl::ENTRY];

/// How the files of a card are written: `[format.csv]` in a card is the address of `formats/csv.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatConfig {
    /// Lines of values separated by commas, the first line naming the columns.
    Csv(csv::Config),
    /// Arrays of bytes, as MNIST is published.
    Idx(idx::Config),
    /// A folder for each class with images in it.
    ImageFolder(image_folder::Config),
    /// A JSON object a line.
    Jsonl(jsonl::Config),
}

/// Rows that can be read in any order, from several threads at once.
pub trait Records: Send + Sync {
    /// How many rows there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record at `row`: the features in the order of the schema, then the target if it is there.
    fn read(&self, row: usize) -> Result<Record, Error>;

    /// The value of one column at `row`, whether the schema uses it or not, without the cost of reading the rest.
    fn field(&self, row: usize, name: &str) -> Result<Value, Error>;

    /// The key of the id of the example at `row`.
    fn key(&self, row: usize) -> Result<String, Error>;

    /// The part of the split to which the card assigned the file of `row`, if it did.
    fn part(&self, _row: usize) -> Option<Part> {
        None
    }
}

/// Opens the files of a card for training and evaluation. A target that the schema names must be there.
pub fn open(card: &Card) -> Result<Box<dyn Records>, Error> {
    let (files, schema) = (&card.files, card.schema());
    Ok(match &card.config.format {
        FormatConfig::Csv(config) => Box::new(csv::Csv::open(files, config, schema, Purpose::Training)?),
        FormatConfig::Idx(_) => Box::new(idx::Idx::open(files, schema)?),
        FormatConfig::ImageFolder(config) => Box::new(image_folder::ImageFolder::open(files, config, schema)?),
        FormatConfig::Jsonl(_) => Box::new(jsonl::Jsonl::open(files, schema, Purpose::Training)?),
    })
}

/// Opens a file or folder of new data for a model whose schema is known. The target may be absent.
///
/// The format follows from the name: `.csv` and `.tsv`, `.jsonl` and `.ndjson`, `.png`, `.jpg` and `.jpeg` or a folder of
/// them, and IDX (`-ubyte`, `.idx`); all but images may end in `.gz`.
pub fn open_for_prediction(path: &Path, schema: &Schema) -> Result<Box<dyn Records>, Error> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if path.is_dir() || image_folder::is_image(path) {
        return Ok(Box::new(image_folder::ImageFolder::open_for_prediction(path, schema)?));
    }
    if !path.exists() {
        return Err(Error::NotFound { what: "data file", path: path.to_path_buf() });
    }
    let lower = name.to_lowercase();
    let stem = lower.strip_suffix(".gz").unwrap_or(&lower);
    // Checksums matter where a card states them; here the file is whatever the user has.
    let file = SourceFile {
        name,
        path: path.to_path_buf(),
        sha256: String::new(),
        bytes: 0,
        role: crate::card::Role::default(),
        part: None,
    };
    let extension = stem.rsplit('.').next().unwrap_or_default();
    Ok(match extension {
        "csv" => Box::new(csv::Csv::open(&[file], &csv::Config::default(), schema, Purpose::Prediction)?),
        "tsv" => Box::new(csv::Csv::open(&[file], &csv::Config { delimiter: '\t' }, schema, Purpose::Prediction)?),
        "jsonl" | "ndjson" => Box::new(jsonl::Jsonl::open(&[file], schema, Purpose::Prediction)?),
        _ if stem.ends_with("ubyte") || extension == "idx" => Box::new(idx::Idx::open_for_prediction(&file, schema)?),
        _ => {
            return Err(Error::Mismatch {
                message: format!("The format of {} cannot be told from its name", path.display()),
                hint: "Known names end in .csv, .tsv, .jsonl, .ndjson, .png, .jpg, .jpeg, -ubyte or .idx, with or without .gz.".into(),
            });
        }
    })
}

/// Whether a target must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To learn from or to judge: every column must be known, and the target must be there.
    Training,
    /// To answer: features must be there, other columns do not matter.
    Prediction,
}

/// How much memory a file may take once it is unpacked: 4 GiB. Larger data belongs in several files.
pub const MAX_BYTES: u64 = 4 << 30;

/// All bytes of the file at `path`, unpacked if they begin as gzip does, whatever the file is called.
///
/// Memory grows with what is really there, never with what a header claims, and no further than `limit` bytes.
pub(crate) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::io("data file", path, source);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(Error::Malformed { path: path.to_path_buf(), message: "it is a folder".into() });
    }
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start).map_err(failed)?;
    let packed = start == [0x1f, 0x8b];
    let whole = start.as_slice().chain(file);
    let mut bytes = Vec::new();
    if packed {
        // Some programs write several gzip members one after the other; all of them count.
        flate2::read::MultiGzDecoder::new(std::io::BufReader::new(whole))
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| Error::Malformed {
                path: path.to_path_buf(),
                message: format!("its gzip stream breaks after {} unpacked bytes ({error})", bytes.len()),
            })?;
    } else {
        whole.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge {
            path: path.to_path_buf(),
            what: "its size in bytes",
            size: bytes.len() as u64,
            limit,
        });
    }
    Ok(bytes)
}

/// What a text in a file means for a column of the schema. `id` names the example in errors.
pub(crate) fn value_of(text: &str, name: &str, schema: &Schema, id: &dyn Fn() -> String) -> Result<Value, Error> {
    let kind = schema.features.get(name).copied();
    if kind == Some(FeatureKind::Text) {
        // A text that happens to read `NA` is still a text; only nothing at all is missing.
        return Ok(if text.is_empty() { Value::Missing } else { Value::Text(text.to_owned()) });
    }
    let text = text.trim();
    if schema.is_missing(text) {
        return Ok(Value::Missing);
    }
    let target = schema.target.as_ref().filter(|target| target.name == name).map(|target| target.kind);
    match (kind, target) {
        (Some(FeatureKind::Number), _) | (None, Some(TargetKind::Number)) => number_of(text, name, schema, id),
        (Some(FeatureKind::Image), _) => Err(Error::Field {
            id: id(),
            kind: "image",
            column: name.to_owned(),
            found: format!("the text {}", quoted(text)),
            hint: "Images are read by the formats `image_folder` and `idx`, or as nested lists of pixels in JSON."
                .into(),
        }),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

fn number_of(text: &str, name: &str, schema: &Schema, id: &dyn Fn() -> String) -> Result<Value, Error> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::Number(number)),
        Ok(_) => Err(Error::NotFinite { id: id(), column: name.to_owned(), value: text.to_owned() }),
        Err(_) => Err(Error::Field {
            id: id(),
            kind: "number",
            column: name.to_owned(),
            found: format!("the text {}", quoted(text)),
            hint: match closest(text, schema.missing.iter().map(String::as_str)) {
                Some(near) => format!("If it stands for a missing value like `{near}`, add it to the list `missing` in [schema] of the card."),
                None => "Write the number with a point and no thousands separator; if the text stands for a missing value, add it to the list `missing` in [schema] of the card.".into(),
            },
        }),
    }
}

/// Checks the columns of a table against the schema.
pub(crate) fn check_columns(place: &Path, columns: &[String], schema: &Schema, purpose: Purpose) -> Result<(), Error> {
    let missing = |column: &str| Error::ColumnMissing {
        place: place.display().to_string(),
        column: column.to_owned(),
        found: columns.to_vec(),
    };
    let has = |name: &str| columns.iter().any(|column| column == name);
    if let Some((name, _)) = schema.features.0.iter().find(|(name, _)| !has(name)) {
        return Err(missing(name));
    }
    if purpose == Purpose::Prediction {
        return Ok(());
    }
    let needed = [schema.target.as_ref().map(|target| &target.name), schema.key.as_ref()];
    if let Some(name) = needed.into_iter().flatten().find(|name| !has(name)) {
        return Err(missing(name));
    }
    if let Some(column) = columns.iter().find(|column| !schema.knows(column)) {
        return Err(Error::Mismatch {
            message: format!("{} has the column `{column}`, which its card does not mention", place.display()),
            hint: "Name it under [schema.features], or in `ignore` if it is not to be used.".into(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn schema() -> Schema {
        toml::from_str("[features]\nx = \"number\"\nword = \"category\"\ntext = \"text\"").unwrap()
    }

    fn value(text: &str, name: &str) -> Result<Value, Error> {
        value_of(text, name, &schema(), &|| "row".into())
    }

    #[test]
    fn texts_become_what_the_schema_says() {
        assert_eq!(value(" 1.5 ", "x").unwrap(), Value::Number(1.5));
        assert_eq!(value("NA", "x").unwrap(), Value::Missing);
        assert_eq!(value(" red ", "word").unwrap(), Value::Text("red".into()));
        assert_eq!(value(" NA", "text").unwrap(), Value::Text(" NA".into()));
        assert_eq!(value("", "text").unwrap(), Value::Missing);
    }

    #[test]
    fn numbers_that_are_none_name_example_and_column() {
        for text in ["NaN", "nan", "inf", "-Infinity", "1e999"] {
            let error = value(text, "x").unwrap_err();
            assert!(matches!(&error, Error::NotFinite { id, column, .. } if id == "row" && column == "x"), "{error}");
            assert!(error.hint().unwrap().contains("`missing`") && error.is_usage());
        }
        for text in ["1,5", "abc", "0x10", "１"] {
            let error = value(text, "x").unwrap_err();
            assert!(matches!(error, Error::Field { .. }), "{error}");
        }
    }

    #[test]
    fn gzip_is_unpacked_and_a_broken_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(&vec![7; 100_000]).unwrap();
        let packed = packer.finish().unwrap();
        std::fs::write(&path, &packed).unwrap();
        assert_eq!(read_bytes(&path, MAX_BYTES).unwrap(), vec![7; 100_000]);
        assert!(matches!(read_bytes(&path, 1000), Err(Error::TooLarge { limit: 1000, .. })));
        for cut in [3, 10, packed.len() / 2, packed.len() - 1] {
            std::fs::write(&path, &packed[..cut]).unwrap();
            let error = read_bytes(&path, MAX_BYTES).unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }) && error.is_usage(), "{cut}: {error}");
        }
        std::fs::write(&path, b"x").unwrap();
        assert_eq!(read_bytes(&path, MAX_BYTES).unwrap(), b"x");
        assert!(matches!(read_bytes(folder.path(), MAX_BYTES), Err(Error::Malformed { .. })));
    }

    #[test]
    fn a_name_without_a_known_ending_is_explained() {
        let file = tempfile::Builder::new().suffix(".parquet").tempfile().unwrap();
        let Err(error) = open_for_prediction(file.path(), &schema()) else { panic!("a parquet file was opened") };
        assert!(error.hint().unwrap().contains(".csv"));
        let Err(error) = open_for_prediction(Path::new("/nowhere.csv"), &schema()) else {
            panic!("nothing was opened")
        };
        assert!(matches!(error, Error::NotFound { .. }));
    }
}
