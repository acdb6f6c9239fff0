//! A table by columns.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Cell, Column, Rows};
use crate::error::Error;

/// So many rows are put together before they are written.
const TOGETHER: usize = 8192;

pub(super) fn write(path: &Path, file: &mut File, columns: &[Column], rows: Rows<'_>) -> Result<(), Error> {
    let failed = |error: String| super::failed(path)(std::io::Error::other(error));
    let kind = |column: &Column| if column.is_number { DataType::Float64 } else { DataType::Utf8 };
    let fields: Vec<Field> = columns.iter().map(|column| Field::new(&column.name, kind(column), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let compression = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer =
        ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(|error| failed(error.to_string()))?;
    loop {
        let mut together = Vec::new();
        while together.len() < TOGETHER
            && let Some(cells) = rows()?
        {
            together.push(cells);
        }
        if together.is_empty() {
            break;
        }
        let arrays = columns.iter().enumerate().map(|(place, column)| array(&together, place, column.is_number));
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays.collect());
        let batch = batch.map_err(|error| failed(error.to_string()))?;
        writer.write(&batch).map_err(|error| failed(error.to_string()))?;
    }
    writer.close().map_err(|error| failed(error.to_string()))?;
    Ok(())
}

fn array(rows: &[Vec<Cell>], place: usize, is_number: bool) -> ArrayRef {
    let cells = rows.iter().map(|row| row.get(place).unwrap_or(&Cell::Missing));
    if is_number {
        let number = |cell: &Cell| if let Cell::Number(number) = cell { Some(*number) } else { None };
        Arc::new(cells.map(number).collect::<Float64Array>())
    } else {
        let texts = cells.map(|cell| match cell {
            Cell::Text(text) => Some(text.as_str()),
            _ => None,
        });
        Arc::new(texts.collect::<StringArray>())
    }
}
