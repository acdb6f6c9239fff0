//! How do the bytes of a file become records? One file for each format.

pub mod arrow;
pub mod cifar;
pub mod coco;
pub mod csv;
pub mod idx;
pub mod image_folder;
pub mod jsonl;
pub mod mask_folder;
pub mod parquet;
pub mod tar;
pub mod text;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::card::{Card, SourceFile};
use crate::error::{Error, closest, listed, quoted};
use crate::example::{Record, Value};
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema, TargetKind};
use crate::series;
use crate::split::Part;
use crate::tables::number;
use crate::windows::Windows;

pub use crate::files::unpack::MAX_BYTES;
pub use image_folder::record_from_image;
pub use jsonl::record_from_json;

/// Every format, alphabetically.
pub const MEMBERS: &[Entry] = &[
    arrow::ENTRY,
    cifar::ENTRY,
    coco::ENTRY,
    csv::ENTRY,
    idx::ENTRY,
    image_folder::ENTRY,
    jsonl::ENTRY,
    mask_folder::ENTRY,
    parquet::ENTRY,
    tar::ENTRY,
    text::ENTRY,
];

/// How the files of a card are written: `[format.csv]` in a card is the address of `formats/csv.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatConfig {
    /// Tables by columns in Arrow's own layout.
    Arrow(arrow::Config),
    /// Labels and pixels in bytes.
    Cifar(cifar::Config),
    /// Images with their classes in one JSON file.
    Coco(coco::Config),
    /// Lines of values separated by commas, the first line naming the columns.
    Csv(csv::Config),
    /// Arrays of bytes, as MNIST is published.
    Idx(idx::Config),
    /// A folder for each class with images in it.
    ImageFolder(image_folder::Config),
    /// A JSON object a line.
    Jsonl(jsonl::Config),
    /// Images, and for each a mask with the class of every pixel.
    MaskFolder(mask_folder::Config),
    /// Tables by columns.
    Parquet(parquet::Config),
    /// Tar shards in the layout of `WebDataset`.
    Tar(tar::Config),
    /// Text files in a folder for each class, or a text a line.
    Text(text::Config),
}

/// What is called with the key of each of some rows.
pub type VisitKey<'a> = &'a mut dyn FnMut(Result<Cow<'_, str>, Error>);

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

    /// A hash of the features at `row`, whatever the `target`, by which equal examples are found. A format that can tell without
    /// the cost of decoding does; such hashes can only be compared with each other.
    fn content(&self, row: usize, target: Option<&str>) -> Result<[u8; 16], Error> {
        Ok(self.read(row)?.content(target))
    }

    /// The part of the split to which the card assigned the file of `row`, if it did.
    fn part(&self, _row: usize) -> Option<Part> {
        None
    }

    /// The `[height, width]` that every image has when it is read, where that is so whatever the files hold.
    fn image_size(&self) -> Option<[usize; 2]> {
        None
    }

    /// The files in its folders that are no examples by their names, such as notes; none where no folder is read.
    fn passed_over(&self) -> &[PathBuf] {
        &[]
    }

    /// Where rows are windows over other rows: what those are read from, and those under `windows`, each once and ascending.
    fn steps(&self, _windows: &[u32]) -> Option<(&dyn Records, Vec<u32>)> {
        None
    }

    /// Says that these rows are going to be read again and again.
    fn keep(&self, _rows: &[u32]) -> Result<(), Error> {
        Ok(())
    }

    /// The first rows of blocks that are cheap to read together, ascending, beginning with 0. Whoever reads in a random order
    /// does well to take all of a few blocks before it goes on to others. What is held in memory is one block.
    fn blocks(&self) -> Vec<usize> {
        vec![0]
    }

    /// Reads `rows` in their order and calls `visit` with the record of each, until it breaks off. A record may lie in the
    /// memory of the one before, whatever `visit` made of that; formats that lie on a disk read neighbours together.
    fn visit(&self, rows: &[u32], visit: &mut dyn FnMut(Result<&mut Record, Error>) -> ControlFlow<()>) {
        let _ = rows.iter().try_for_each(|&row| match self.read(row as usize) {
            Ok(mut record) => visit(Ok(&mut record)),
            Err(error) => visit(Err(error)),
        });
    }

    /// What [`field`](Self::field) says of each of `rows`, in their order.
    fn fields(&self, rows: &[u32], name: &str) -> Vec<Result<Value, Error>> {
        rows.iter().map(|&row| self.field(row as usize, name)).collect()
    }

    /// Fills `numbers` with those in these columns at each of `rows`, one after the other, row by row, NaN for a missing one;
    /// what was in it before is let go. False where the format does not offer it, or anything is wrong with a row; then they are read one by one.
    fn numbers(&self, _rows: &[u32], _names: &[&str], _numbers: &mut Vec<f64>) -> bool {
        false
    }

    /// Calls `visit` with what [`key`](Self::key) says of each of `rows`, in their order; where keys only count rows, none of them
    /// takes memory of its own. All of them are rows that can be read.
    fn visit_keys(&self, rows: &[u32], visit: VisitKey<'_>) {
        for &row in rows {
            visit(self.key(row as usize).map(Cow::Owned));
        }
    }

    /// The same keys together. Formats that read neighbours together say so in [`visit_keys`](Self::visit_keys).
    fn keys(&self, rows: &[u32]) -> Vec<Result<String, Error>> {
        let mut keys = Vec::with_capacity(rows.len());
        self.visit_keys(rows, &mut |key| keys.push(key.map(Cow::into_owned)));
        keys
    }
}

/// Opens the files of a card for training and evaluation. A target that the schema names must be there.
pub fn open(card: &Card) -> Result<Box<dyn Records>, Error> {
    // An id says from which source, file and row an example came, also where data sets of several cards meet.
    let named = |file: &SourceFile| SourceFile { name: format!("{}/{}", card.name(), file.name), ..file.clone() };
    let files: &[SourceFile] = &card.files.iter().map(named).collect::<Vec<_>>();
    let schema = card.schema();
    Ok(match &card.config.format {
        FormatConfig::Arrow(config) => arrow::open(files, config, schema, Purpose::Training)?,
        FormatConfig::Cifar(config) => Box::new(cifar::Cifar::open(files, config, schema)?),
        FormatConfig::Coco(config) => Box::new(coco::Coco::open(files, config, schema)?),
        FormatConfig::Csv(config) => Box::new(csv::Csv::open(files, config, schema, Purpose::Training)?),
        FormatConfig::Idx(_) => Box::new(idx::Idx::open(files, schema)?),
        FormatConfig::ImageFolder(config) => Box::new(image_folder::ImageFolder::open(files, config, schema)?),
        FormatConfig::Jsonl(_) => Box::new(jsonl::Jsonl::open(files, schema, Purpose::Training)?),
        FormatConfig::MaskFolder(config) => Box::new(mask_folder::MaskFolder::open(files, config, schema)?),
        FormatConfig::Parquet(config) => parquet::open(files, config, schema, Purpose::Training)?,
        FormatConfig::Tar(config) => Box::new(tar::Tar::open(files, config, schema, Purpose::Training)?),
        FormatConfig::Text(config) => Box::new(text::Text::open(files, config, schema, Purpose::Training)?),
    })
}

/// Opens a file or folder of new data for a model whose schema is known. The target may be absent.
///
/// The format follows from the name: `.csv` and `.tsv`, `.jsonl` and `.ndjson`, `.parquet`, `.arrow` and `.feather`, `.tar` and
/// `.tgz`, `.txt`, `.png`, `.jpg` and `.jpeg` or a folder of them, and IDX (`-ubyte`, `.idx`); all but images and Parquet may end
/// in `.gz` or `.zst`.
pub fn open_for_prediction(path: &Path, schema: &Schema) -> Result<Box<dyn Records>, Error> {
    let Some(windows) = &schema.windows else { return open_rows(path, schema) };
    let rows = open_rows(path, &series::for_prediction(schema))?;
    Ok(Box::new(Windows::new(rows, windows, schema, false)?))
}

/// Opens a file or folder of new data, row by row.
fn open_rows(path: &Path, schema: &Schema) -> Result<Box<dyn Records>, Error> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if path.is_dir() || image_folder::is_image(path) {
        takes_only(FeatureKind::Image, path, schema)?;
        return Ok(Box::new(image_folder::ImageFolder::open_for_prediction(path, schema)?));
    }
    if !path.exists() {
        return Err(Error::NotFound { what: "data file", path: path.to_path_buf() });
    }
    let lower = name.to_lowercase();
    let stem = lower.strip_suffix(".gz").or_else(|| lower.strip_suffix(".zst")).unwrap_or(&lower);
    // Checksums matter where a card states them; here the file is whatever the user has.
    let file = SourceFile { path: path.to_path_buf(), ..SourceFile::called(&name) };
    let extension = stem.rsplit('.').next().unwrap_or_default();
    let images = crate::tables::columnar::Config::for_prediction(schema);
    Ok(match extension {
        "arrow" | "feather" => arrow::open(&[file], &images, schema, Purpose::Prediction)?,
        "csv" => Box::new(csv::Csv::open(&[file], &csv::Config::default(), schema, Purpose::Prediction)?),
        "tsv" => Box::new(csv::Csv::open(
            &[file],
            &csv::Config { delimiter: '\t', header: None },
            schema,
            Purpose::Prediction,
        )?),
        "jsonl" | "ndjson" => Box::new(jsonl::Jsonl::open(&[file], schema, Purpose::Prediction)?),
        "txt" => {
            takes_only(FeatureKind::Text, path, schema)?;
            Box::new(text::Text::open(&[file], &text::Config::default(), schema, Purpose::Prediction)?)
        }
        "tar" | "tgz" => Box::new(tar::Tar::open(&[file], &images, schema, Purpose::Prediction)?),
        "parquet" => parquet::open(&[file], &images, schema, Purpose::Prediction)?,
        _ if stem.ends_with("ubyte") || extension == "idx" => {
            takes_only(FeatureKind::Image, path, schema)?;
            Box::new(idx::Idx::open_for_prediction(&file, schema)?)
        }
        _ => {
            return Err(Error::Mismatch {
                message: format!("The format of {} cannot be told from its name", path.display()),
                hint: "Known names end in .csv, .tsv, .jsonl, .ndjson, .parquet, .arrow, .feather, .tar, .txt, .png, .jpg, .jpeg, -ubyte or .idx, many also with .gz or .zst behind.".into(),
            });
        }
    })
}

/// Images are for models that read an image and nothing else, and so are texts for those that read a text.
fn takes_only(kind: FeatureKind, path: &Path, schema: &Schema) -> Result<(), Error> {
    if matches!(schema.features.0[..], [(_, only)] if only == kind) {
        return Ok(());
    }
    let columns: Vec<&str> = schema.features.0.iter().map(|(name, _)| name.as_str()).collect();
    Err(Error::Mismatch {
        message: format!(
            "This model reads the columns {}, and {} is no table that has them",
            listed(&columns),
            path.display()
        ),
        hint:
            "Give a table with these columns: a file that ends in .csv, .tsv, .jsonl, .ndjson, .parquet, .arrow or .feather."
                .into(),
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

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It is a feature of this kind.
    Feature(FeatureKind),
    /// It is the target, and of this kind.
    Target(TargetKind),
    /// It is the key, or does not matter.
    Other,
}

impl Use {
    /// What the column called `name` is for. Whoever asks for every field of a wide table asks once a file.
    pub(crate) fn of(name: &str, schema: &Schema) -> Self {
        let target = || schema.target.as_ref().filter(|target| target.name == name);
        match schema.features.get(name) {
            Some(&kind) => Self::Feature(kind),
            None => target().map_or(Self::Other, |target| Self::Target(target.kind)),
        }
    }
}

/// Whether a column holds numbers.
pub(crate) fn is_number(used: Use) -> bool {
    matches!(used, Use::Feature(FeatureKind::Number) | Use::Target(TargetKind::Number))
}

/// What a text in a file means for a column of the schema. `id` names the example in errors.
pub(crate) fn value_of(
    text: &str,
    name: &str,
    used: Use,
    schema: &Schema,
    id: &dyn Fn() -> String,
) -> Result<Value, Error> {
    if used == Use::Feature(FeatureKind::Text) {
        // A text that happens to read `NA` is still a text; only nothing at all is missing.
        return Ok(if text.is_empty() { Value::Missing } else { Value::Text(text.to_owned()) });
    }
    let text = text.trim();
    if schema.is_missing(text) {
        return Ok(Value::Missing);
    }
    match used {
        _ if is_number(used) => number_of(text, name, schema, id),
        Use::Feature(FeatureKind::Image) => Err(Error::Field {
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
    let wrong = |found: String, hint: String| {
        Err(Error::Field { id: id(), kind: "number", column: name.to_owned(), found, hint })
    };
    match number::parse(text) {
        Ok(number) if schema.is_missing_number(number) => Ok(Value::Missing),
        // One such number would blow up mean and deviation, and every other row would be blamed for it.
        Ok(number) if number.is_finite() && number.abs() > f64::from(f32::MAX) => wrong(
            format!("{}, and networks take numbers up to 3.4e38", quoted(text)),
            format!("If {} stands for a missing value, add it to the list `missing` in [schema] of the card; else use another unit.", quoted(text)),
        ),
        Ok(number) if number.is_finite() => Ok(Value::Number(number)),
        Ok(_) => Err(Error::NotFinite { id: id(), column: name.to_owned(), value: text.to_owned() }),
        Err(_) => wrong(
            format!("the text {}", quoted(text)),
            match closest(text, schema.missing.iter().map(String::as_str)) {
                Some(near) => format!("If it stands for a missing value like `{near}`, add it to the list `missing` in [schema] of the card."),
                None => "Write the number with a point and no thousands separator; if the text stands for a missing value, add it to the list `missing` in [schema] of the card.".into(),
            },
        ),
    }
}

/// Checks the columns of a table against the schema.
pub(crate) fn check_columns(place: &Path, columns: &[String], schema: &Schema, purpose: Purpose) -> Result<(), Error> {
    let missing = |column: &str| Error::ColumnMissing {
        place: place.display().to_string(),
        column: column.to_owned(),
        found: columns.to_vec(),
    };
    let has: HashSet<&str> = columns.iter().map(String::as_str).collect();
    if let Some((name, _)) = schema.features.0.iter().find(|(name, _)| !has.contains(name.as_str())) {
        return Err(missing(name));
    }
    if purpose == Purpose::Prediction {
        return Ok(());
    }
    let needed = [schema.target.as_ref().map(|target| &target.name), schema.key.as_ref()];
    if let Some(name) = needed.into_iter().flatten().find(|name| !has.contains(name.as_str())) {
        return Err(missing(name));
    }
    let known = schema.known();
    if let Some(column) = columns.iter().find(|column| !known.contains(column.as_str())) {
        return Err(unknown_column(&place.display().to_string(), column));
    }
    Ok(())
}

/// The error for a column that a card does not mention, so that a feature which was added is not left out in silence.
fn unknown_column(place: &str, column: &str) -> Error {
    Error::Mismatch {
        message: format!("{place} has the column `{column}`, which its card does not mention"),
        hint: "Name it under [schema.features], or in `ignore` if it is not to be used.".into(),
    }
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
