//! How do tables whose columns lie apart in a file, as in Parquet and Arrow, become records?
//!
//! Such a file is cut into blocks of rows. A block is decoded when one of its rows is asked for, of each column group on its
//! own, and a few decoded blocks are kept, so that memory is bounded however large the files are.

mod interleaved;
mod rows;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_schema::{DataType, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::card::SourceFile;
use crate::decode::MAX_PIXELS;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::formats::{Purpose, Records, Use, VisitKey, check_columns};
use crate::hugging_face::{METADATA, class_names};
use crate::schema::Schema;
use crate::split::Part;
use crate::tables::block_cache::{BlockCache, Decoded, Failure};
use crate::tables::cells::{Cells, Meaning, unsuited};
use crate::tables::row_index::visit_counted;

pub(crate) use interleaved::Interleaved;

/// About so many rows are decoded together.
pub(crate) const BLOCK_ROWS: usize = 1 << 16;

/// What a card may say of the images in a table: `[format.parquet]` and `[format.arrow]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// 1 for grey, 3 for red, green and blue; images of another kind are converted.
    pub channels: usize,
    /// `[height, width]` in pixels to which every image is brought; without it images keep their size.
    pub size: Option<[usize; 2]>,
}

impl Default for Config {
    fn default() -> Self {
        Self { channels: 3, size: None }
    }
}

impl Config {
    /// How images are decoded for a model of `schema`.
    pub(crate) fn for_prediction(schema: &Schema) -> Self {
        Self { channels: schema.image.map_or(3, |size| size.channels), size: schema.size_to_read() }
    }

    /// Checks the settings, which stand under `[format.<format>]`.
    pub(crate) fn check(&self, format: &str) -> Result<(), Error> {
        let wrong = |key: &str, message: String, hint: &str| {
            Err(Error::Setting { key: format!("format.{format}.{key}"), message, hint: hint.into() })
        };
        if !matches!(self.channels, 1 | 3) {
            let hint = "Use 1 for grey, or 3 for red, green and blue.";
            return wrong("channels", format!("is {}", self.channels), hint);
        }
        if let Some([height, width]) = self.size
            && (height == 0 || width == 0 || (height as u64).saturating_mul(width as u64) > MAX_PIXELS)
        {
            let hint = "Use [height, width] in pixels, at most 50 million in all.";
            return wrong("size", format!("is [{height}, {width}]"), hint);
        }
        Ok(())
    }
}

/// One file whose rows are decoded block by block.
pub(crate) trait Blocks: Send + Sync {
    /// The columns, with what the file says of itself.
    fn schema(&self) -> SchemaRef;

    /// The first row of every block, ascending, and at the end the number of rows.
    fn starts(&self) -> &[usize];

    /// Decodes some columns of one block, each to as many cells as the block has rows. What is wrong is said without the path.
    fn decode(&self, block: usize, columns: &[usize]) -> Result<Decoded, Failure>;
}

/// What a decoder gave, or what broke, should it panic on bytes that nobody foresaw.
pub(crate) fn guarded<T>(decode: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
        Err(format!("its bytes broke the decoder ({})", said.unwrap_or("it said nothing")).into())
    })
}

/// One file of a table.
struct TableFile {
    file: SourceFile,
    blocks: Box<dyn Blocks>,
    names: Vec<String>,
    places: HashMap<String, usize>,
    /// What the cells of each column mean.
    meanings: Vec<Meaning>,
    /// The columns that are asked for together: first those of key and target, which are asked for of every row before
    /// anything else, then those of the features.
    groups: [Vec<usize>; 2],
    key: Option<usize>,
    target: Option<usize>,
}

/// The rows of one or more files.
pub(crate) struct Columnar {
    files: Vec<TableFile>,
    /// The number of rows before each file, and at the end the number of all rows.
    starts: Vec<usize>,
    schema: Schema,
    purpose: Purpose,
    cache: BlockCache,
    config: Config,
}

impl Columnar {
    /// Puts `files` together; all must have the columns that the schema names.
    pub(crate) fn new(
        files: Vec<(SourceFile, Box<dyn Blocks>)>,
        config: Config,
        schema: &Schema,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        let mut starts = vec![0];
        let mut tables = Vec::with_capacity(files.len());
        for (file, blocks) in files {
            let rows = blocks.starts().last().copied().unwrap_or(0);
            starts.push(starts[starts.len() - 1] + rows);
            tables.push(TableFile::new(file, blocks, schema, purpose)?);
        }
        let cache = BlockCache::default();
        Ok(Self { files: tables, starts, schema: schema.clone(), purpose, cache, config })
    }

    /// The file that holds `row`, and the row within it.
    fn locate(&self, row: usize) -> (usize, usize) {
        let file = self.starts.partition_point(|&start| start <= row) - 1;
        (file, row - self.starts[file])
    }

    /// The decoded columns of the block around `row` of a file, and the place of the row in it. `group` is one of the groups
    /// of the file, or behind them a column alone.
    fn block(&self, place: usize, row: usize, group: usize) -> Result<(std::sync::Arc<Decoded>, usize), Error> {
        let file = &self.files[place];
        let starts = file.blocks.starts();
        let block = starts.partition_point(|&start| start <= row) - 1;
        let single = [group.saturating_sub(file.groups.len())];
        let columns = file.groups.get(group).map_or(&single[..], Vec::as_slice);
        let decoded = self.cache.get((place, block, group), || self.decode(place, block, columns));
        Ok((decoded.map_err(|failure| failure.of(&file.file.path))?, row - starts[block]))
    }

    fn decode(&self, place: usize, block: usize, columns: &[usize]) -> Result<Decoded, Failure> {
        let file = &self.files[place];
        let (starts, mut decoded) = (file.blocks.starts(), guarded(|| file.blocks.decode(block, columns))?);
        let rows = starts[block + 1] - starts[block];
        if let Some(cells) = decoded.cells.iter().find(|cells| cells.len() != rows) {
            let message = format!("it promises {rows} rows from row {} on and has {}", starts[block], cells.len());
            return Err(message.into());
        }
        interleaved::interleave(&mut decoded.cells);
        Ok(decoded)
    }

    /// The cell at `row` of one of the columns that were decoded together.
    fn cell(&self, place: usize, row: usize, column: usize, cells: &Cells, at: usize) -> Result<Value, Error> {
        let file = &self.files[place];
        let id = || self.id(place, row);
        cells.value(at, &file.names[column], &file.meanings[column], &self.schema, &self.config, &id)
    }

    /// What the key column says, if there is one and it says anything; else file and row.
    fn id(&self, place: usize, row: usize) -> String {
        self.key_text(place, row).ok().flatten().unwrap_or_else(|| format!("{}#{row}", self.files[place].file.name))
    }

    fn key_text(&self, place: usize, row: usize) -> Result<Option<String>, Error> {
        let file = &self.files[place];
        let Some(column) = file.key else { return Ok(None) };
        let (decoded, at) = self.block(place, row, 0)?;
        let Some(cells) = file.groups[0].iter().position(|&found| found == column) else { return Ok(None) };
        Ok(decoded.cells[cells].key(at).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    }
}

impl TableFile {
    fn new(file: SourceFile, blocks: Box<dyn Blocks>, schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        let columns = blocks.schema();
        let names: Vec<String> = columns.fields().iter().map(|field| field.name().clone()).collect();
        check_columns(&file.path, &names, schema, purpose)?;
        let mut places = HashMap::new();
        for (place, name) in names.iter().enumerate() {
            if places.insert(name.clone(), place).is_some() && schema.knows(name) {
                let message = format!("the column `{name}` stands twice in it");
                return Err(Error::Malformed { path: file.path, message });
            }
        }
        let classes = class_names(columns.metadata().get(METADATA).map(|text| &**text));
        let mut meanings = Vec::with_capacity(names.len());
        for field in columns.fields() {
            let used = match Use::of(field.name(), schema) {
                // What stands there in new data is what the model is asked for, whatever someone wrote.
                Use::Target(_) if purpose == Purpose::Prediction => Use::Other,
                used => used,
            };
            let key = schema.key.as_ref() == Some(field.name());
            if let Some(why) = unsuited(field.data_type(), used, key) {
                return Err(Error::Mismatch {
                    message: format!("{}: the column `{}` {why}", file.path.display(), field.name()),
                    hint: "List the column in `ignore` of [schema], or write it in another type.".into(),
                });
            }
            meanings.push(Meaning::new(used, classes.get(field.name()).cloned(), schema));
        }
        let place = |name: &String| places.get(name).copied();
        let key = schema.key.as_ref().and_then(place);
        let target = schema.target.as_ref().filter(|_| purpose == Purpose::Training);
        let target = target.and_then(|target| place(&target.name));
        let mut first: Vec<usize> = key.into_iter().chain(target).collect();
        first.dedup();
        let groups = [first, schema.features.0.iter().filter_map(|(name, _)| place(name)).collect()];
        Ok(Self { file, blocks, names, places, meanings, groups, key, target })
    }
}

impl Records for Columnar {
    fn len(&self) -> usize {
        self.starts[self.files.len()]
    }

    fn image_size(&self) -> Option<[usize; 2]> {
        self.config.size
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let mut record = Record::new(String::new(), Vec::new(), None);
        self.fill(row, &mut record)?;
        Ok(record)
    }

    fn visit(&self, rows: &[u32], visit: &mut dyn FnMut(Result<&mut Record, Error>) -> ControlFlow<()>) {
        let mut record = Record::new(String::new(), Vec::new(), None);
        for &row in rows {
            let filled = self.fill(row as usize, &mut record);
            if visit(filled.map(|()| &mut record)).is_break() {
                return;
            }
        }
    }

    fn numbers(&self, rows: &[u32], names: &[&str], numbers: &mut Vec<f64>) -> bool {
        self.numbers_at(rows, names, numbers)
    }

    fn fields(&self, rows: &[u32], name: &str) -> Vec<Result<Value, Error>> {
        self.fields_at(rows, name)
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        let (place, row) = self.locate(row);
        let file = &self.files[place];
        let column = *file.places.get(name).ok_or_else(|| Error::ColumnMissing {
            place: file.file.path.display().to_string(),
            column: name.to_owned(),
            found: file.names.clone(),
        })?;
        let (group, cells) = match file.groups[0].iter().position(|&found| found == column) {
            Some(cells) => (0, cells),
            None => (file.groups.len() + column, 0),
        };
        let (decoded, at) = self.block(place, row, group)?;
        self.cell(place, row, column, &decoded.cells[cells], at)
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        let (place, row) = self.locate(row);
        self.key_in(place, row)
    }

    fn visit_keys(&self, rows: &[u32], visit: VisitKey<'_>) {
        if self.files.iter().all(|file| file.key.is_none()) {
            return visit_counted(rows, &self.starts, |file| &self.files[file].file.name, visit);
        }
        for &row in rows {
            visit(self.key(row as usize).map(Cow::Owned));
        }
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.files[self.locate(row).0].file.part
    }

    fn blocks(&self) -> Vec<usize> {
        let mut blocks = Vec::new();
        for (file, start) in self.files.iter().zip(&self.starts) {
            let rows: &[usize] = file.blocks.starts();
            blocks.extend(rows[..rows.len().saturating_sub(1)].iter().map(|row| start + row));
        }
        if blocks.is_empty() { vec![0] } else { blocks }
    }
}

impl Columnar {
    fn key_in(&self, place: usize, row: usize) -> Result<String, Error> {
        let file = &self.files[place];
        match (self.key_text(place, row)?, file.key) {
            (Some(key), _) => Ok(key),
            (None, Some(column)) if self.purpose == Purpose::Training => Err(Error::Row {
                path: file.file.path.clone(),
                row,
                line: row as u64 + 1,
                message: format!("the key column `{}` is empty", file.names[column]),
            }),
            _ => Ok(format!("{}#{row}", file.file.name)),
        }
    }
}

/// The first rows of blocks of about [`BLOCK_ROWS`] or `bytes` bytes, whichever is less, if the rows of `range` take `size`
/// bytes. All blocks are of one size, half more or less than that, because a page on the border of two is decoded twice.
pub(crate) fn cut(range: Range<usize>, size: u64, bytes: u64) -> impl Iterator<Item = usize> {
    let row = (size / range.len().max(1) as u64).max(1);
    let rows = usize::try_from(bytes / row).unwrap_or(BLOCK_ROWS).clamp(1, BLOCK_ROWS);
    let pieces = ((range.len() as f64 / rows as f64).round() as usize).max(1);
    let rows = range.len().div_ceil(pieces).max(1);
    range.step_by(rows)
}

/// Refuses more rows than 16 million, and than eight for each byte of the file at `path`, a bit for each: packed well enough a few
/// kilobytes become rows without end, of which each takes memory long before it is read.
pub(crate) fn bounded(path: &Path, rows: u64, bytes: u64) -> Result<(), Error> {
    // Tests have no time for so many.
    let few = if cfg!(test) { 1 << 17 } else { 1 << 24 };
    let most = u64::from(u32::MAX);
    let limit = bytes.saturating_mul(8).max(few).min(most);
    if rows <= limit {
        return Ok(());
    }
    let what = if limit == most { "its number of rows" } else { "the number of rows that its few bytes unpack to" };
    Err(Error::TooLarge { path: path.to_path_buf(), what, size: rows, limit })
}

/// What a type is called in a sentence.
pub(crate) fn spoken(kind: &DataType) -> String {
    match kind {
        DataType::List(inner) | DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) => {
            format!("list of {}", spoken(inner.data_type()))
        }
        DataType::Struct(fields) => {
            let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            format!("structure of {}", crate::error::listed(&names))
        }
        other => format!("{other}"),
    }
}

#[cfg(test)]
#[path = "columnar_tests.rs"]
pub(crate) mod tests;
