//! How do Parquet files become records? Row group by row group, and of each only the columns that are asked for.

use std::path::Path;
use std::sync::Arc;

use arrow_schema::{Schema as ArrowSchema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};

use super::{Purpose, Records};
use crate::card::SourceFile;
use crate::error::Error;
use crate::files::file_tree::spread;
use crate::files::handles::Handle;
use crate::registry::Entry;
use crate::schema::Schema;
use crate::tables::block_cache::{Decoded, Failure};
use crate::tables::cells::{Cells, as_views};
use crate::tables::columnar::{Blocks, Columnar, bounded, cut, guarded};
use crate::tables::parquet_chunks::Chunks;
use crate::tables::parquet_pages::check_chunk;

pub use crate::tables::columnar::Config;

/// This format in the list of formats.
pub const ENTRY: Entry =
    Entry { name: "parquet", summary: "tables by columns, also folders of them as on Hugging Face" };

/// About how many bytes of the needed columns are decoded together.
const BLOCK_BYTES: u64 = 16 << 20;

/// One file of which the footer was read.
struct ParquetFile {
    /// Where it lies, and what it was known by when its footer was read.
    file: Arc<Handle>,
    metadata: ArrowReaderMetadata,
    /// The first row of every block, and at the end the number of rows.
    starts: Vec<usize>,
    /// Of every block the row group, and the first row within it.
    places: Vec<(usize, usize)>,
    /// Of every column whether its pages were checked when the file was opened.
    checked: Vec<bool>,
}

/// Opens `files`, and of folders the files below them that end in `.parquet`.
pub(crate) fn open(
    files: &[SourceFile],
    config: &Config,
    schema: &Schema,
    purpose: Purpose,
) -> Result<Box<dyn Records>, Error> {
    config.check(ENTRY.name)?;
    let mut opened: Vec<(SourceFile, Box<dyn Blocks>)> = Vec::new();
    for file in spread(files, &[".parquet"])? {
        let read = guarded(|| ParquetFile::read(&file.path, schema)).map_err(|failure| failure.of(&file.path))?;
        bounded(&file.path, read.starts.last().copied().unwrap_or(0) as u64, read.file.len())?;
        opened.push((file, Box::new(read)));
    }
    Ok(Box::new(Columnar::new(opened, config.clone(), schema, purpose)?))
}

impl ParquetFile {
    /// Reads the footer, and checks what it says of the columns that the schema names before anything is decoded.
    fn read(path: &Path, schema: &Schema) -> Result<Self, Failure> {
        let handle = Arc::new(Handle::open(path)?);
        let file = Chunks::new(&handle);
        let found = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|error| file.failure(format!("it is not a whole Parquet file ({error})")))?;
        let fields = found.schema().fields().iter();
        let fields: Vec<_> =
            fields.map(|field| field.as_ref().clone().with_data_type(as_views(field.data_type()))).collect();
        let lean = ArrowSchema::new_with_metadata(fields, found.schema().metadata().clone());
        let options = ArrowReaderOptions::new().with_schema(Arc::new(lean));
        // Types whose form cannot be chosen are read as they are.
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), options).unwrap_or(found);

        let (mut starts, mut places, mut rows) = (Vec::new(), Vec::new(), 0_u64);
        let known = schema.known();
        let used = |name: &str| known.contains(name) && !schema.ignore.iter().any(|ignored| ignored == name);
        let checked = metadata.schema().fields().iter().map(|field| used(field.name())).collect();
        for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
            let count =
                u64::try_from(group.num_rows()).map_err(|_| format!("row group {number} has fewer rows than none"))?;
            let mut bytes = 0_u64;
            for chunk in group.columns() {
                let name = chunk.column_path().parts().first().map_or("", String::as_str);
                if used(name) {
                    bytes += check_chunk(&file, chunk, count).map_err(|message| {
                        file.failure(format!("the column `{name}` of row group {number} {message}"))
                    })?;
                }
            }
            // As many as the footer claims need not be counted to the end.
            if rows.saturating_add(count) > u64::from(u32::MAX) {
                bounded(path, rows.saturating_add(count), handle.len())?;
            }
            for first in cut(0..count as usize, bytes, BLOCK_BYTES) {
                starts.push(rows as usize + first);
                places.push((number, first));
            }
            rows += count;
        }
        starts.push(rows as usize);
        Ok(Self { file: handle, metadata, starts, places, checked })
    }
}

impl Blocks for ParquetFile {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.metadata.schema())
    }

    fn starts(&self) -> &[usize] {
        &self.starts
    }

    fn decode(&self, block: usize, columns: &[usize]) -> Result<Decoded, Failure> {
        let file = Chunks::new(&self.file);
        self.decode_from(&file, block, columns).map_err(|message| file.failure(message))
    }
}

impl ParquetFile {
    fn decode_from(&self, file: &Chunks, block: usize, columns: &[usize]) -> Result<Decoded, String> {
        let (group, first) = self.places[block];
        let rows = self.starts[block + 1] - self.starts[block];
        let chunks = self.metadata.metadata();
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), columns.iter().copied());
        for (leaf, chunk) in chunks.row_group(group).columns().iter().enumerate() {
            let root = self.metadata.parquet_schema().get_column_root_idx(leaf);
            if mask.leaf_included(leaf) && !self.checked[root] {
                check_chunk(file, chunk, chunks.row_group(group).num_rows().unsigned_abs())?;
            }
        }
        let selection = RowSelection::from(vec![RowSelector::skip(first), RowSelector::select(rows)]);
        let mut reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), self.metadata.clone())
            .with_row_groups(vec![group])
            .with_projection(mask)
            .with_row_selection(selection)
            .with_batch_size(rows)
            .build()
            .map_err(|error| error.to_string())?;
        let batch = match reader.next() {
            Some(batch) => batch.map_err(|error| format!("row group {group} cannot be decoded ({error})"))?,
            None => return Err(format!("row group {group} has fewer rows than it promises")),
        };
        let mut cells = Vec::with_capacity(columns.len());
        for &column in columns {
            let name = self.metadata.schema().field(column).name();
            let array = batch.column_by_name(name).ok_or_else(|| format!("the column `{name}` is not there"))?;
            cells.push(Cells::new(array)?);
        }
        Ok(Decoded { bytes: cells.iter().map(Cells::bytes).sum(), cells })
    }
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
