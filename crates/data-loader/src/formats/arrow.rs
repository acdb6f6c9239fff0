//! How do Arrow files become records? Batch by batch, whether they were written as files (Feather) or as streams.
//!
//! Both are a row of messages: the schema, then dictionaries and batches. The headers of the messages are read once; a batch is
//! decoded, together with the dictionaries before it, when one of its rows is asked for. The footer of a file says nothing that
//! the messages do not say.

use std::io::Cursor;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_ipc::reader::StreamReader;
use arrow_ipc::{MessageHeader, RecordBatch, root_as_message};
use arrow_schema::SchemaRef;

use super::{MAX_BYTES, Purpose, Records};
use crate::card::SourceFile;
use crate::error::Error;
use crate::files::content::{Content, Room};
use crate::files::file_tree::spread;
use crate::registry::Entry;
use crate::schema::Schema;
use crate::tables::block_cache::{Decoded, Failure};
use crate::tables::cells::Cells;
use crate::tables::columnar::{Blocks, Columnar, bounded, guarded};

pub use crate::tables::columnar::Config;

/// This format in the list of formats.
pub const ENTRY: Entry =
    Entry { name: "arrow", summary: "tables by columns in Arrow's own layout, also called Feather" };

/// The largest header of a message that is read; that of a schema has the metadata of every column.
const MAX_HEADER: u64 = 64 << 20;
/// What every message begins with.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Where a message lies, header and body.
type Message = Range<u64>;

/// One file whose messages were found.
struct ArrowFile {
    file: Content,
    columns: SchemaRef,
    schema: Message,
    dictionaries: Vec<Message>,
    /// Each with the number of dictionaries before it.
    batches: Vec<(Message, usize)>,
    /// The first row of every batch, and at the end the number of rows.
    starts: Vec<usize>,
}

/// Opens `files`, and of folders the files below them that end in `.arrow` or `.feather`.
pub(crate) fn open(
    files: &[SourceFile],
    config: &Config,
    schema: &Schema,
    purpose: Purpose,
) -> Result<Box<dyn Records>, Error> {
    config.check(ENTRY.name)?;
    let mut opened: Vec<(SourceFile, Box<dyn Blocks>)> = Vec::new();
    // Nothing is held in memory but the batches that are decoded.
    let mut room = Room::of(0);
    for file in spread(files, &[".arrow", ".feather"])? {
        opened.push((file.clone(), Box::new(ArrowFile::open(&file.path, &mut room)?)));
    }
    Ok(Box::new(Columnar::new(opened, config.clone(), schema, purpose)?))
}

impl ArrowFile {
    fn open(path: &Path, room: &mut Room) -> Result<Self, Error> {
        let file = Content::open(path, room)?;
        let size = file.len();
        let read = guarded(|| Self::index(file)).map_err(|failure| failure.of(path))?;
        bounded(path, read.starts.last().copied().unwrap_or(0) as u64, size)?;
        Ok(read)
    }

    /// Finds the messages.
    fn index(file: Content) -> Result<Self, Failure> {
        let start = bytes(&file, 0, file.len().min(8))?;
        let whole = start.starts_with(b"ARROW1");
        if start.starts_with(b"FEA1") {
            return Err("it is Feather of the first version, which pandas and pyarrow read and write anew".into());
        }
        if !whole && is_legacy(&file, 0) {
            return Err(LEGACY.into());
        }
        if !whole && !start.starts_with(&CONTINUATION) {
            return Err("it begins neither as an Arrow file nor as an Arrow stream".into());
        }
        let (mut schema, mut dictionaries, mut batches) = (None, Vec::new(), Vec::new());
        let (mut starts, mut rows) = (vec![0], 0_usize);
        let mut place = if whole { 8 } else { 0 };
        // Writers fill up behind the first eight bytes as they fill up behind messages, with at most this many.
        while whole && place < 64 && bytes(&file, place, 8)? == [0; 8] {
            place += 8;
        }
        loop {
            // A stream may end without a mark, a file may not.
            if place == file.len() && !whole {
                break;
            }
            let head = bytes(&file, place, 8)?;
            let (mark, length) = head.split_at(4);
            let length = u32::from_le_bytes(length.try_into().unwrap_or_default());
            if mark != CONTINUATION {
                let legacy = is_legacy(&file, place);
                return Err(if legacy { LEGACY.into() } else { format!("there is no message at {place}").into() });
            }
            if length == 0 {
                break;
            }
            if u64::from(length) > MAX_HEADER {
                return Err(format!("the message at {place} claims a header of {length} bytes").into());
            }
            let header = bytes(&file, place + 8, length.into())?;
            let message =
                root_as_message(&header).map_err(|error| format!("the message at {place} is broken ({error})"))?;
            let body = place + 8 + u64::from(length);
            let length = u64::try_from(message.bodyLength()).unwrap_or(u64::MAX);
            let end = body.checked_add(length).filter(|&end| end <= file.len());
            let end = end.ok_or_else(|| format!("the message at {place} claims a body of {length} bytes"))?;
            let range = place..end;
            match (message.header_type(), &schema) {
                (MessageHeader::Schema, None) => schema = Some(range),
                (MessageHeader::DictionaryBatch, Some(_)) => {
                    let found = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
                    unpacked(&file, found.ok_or("a dictionary is empty")?, body, length)?;
                    dictionaries.push(range);
                }
                (MessageHeader::RecordBatch, Some(_)) => {
                    let batch = message.header_as_record_batch().ok_or("a batch is empty")?;
                    let size = unpacked(&file, batch, body, length)?;
                    let count = u64::try_from(batch.length()).unwrap_or(u64::MAX);
                    // The least that a value takes is a bit.
                    if count > size.saturating_mul(8) {
                        return Err(format!("the message at {place} claims {count} rows in {size} bytes").into());
                    }
                    rows = rows.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
                    batches.push((range, dictionaries.len()));
                    starts.push(rows);
                }
                _ => return Err(format!("the message at {place} is of a kind that is not expected there").into()),
            }
            place = end;
        }
        let schema = schema.ok_or("it has no schema")?;
        let reader = StreamReader::try_new(Cursor::new(bytes(&file, schema.start, schema.end - schema.start)?), None);
        let columns = reader.map_err(|error| format!("its schema is broken ({error})"))?.schema();
        Ok(Self { file, columns, schema, dictionaries, batches, starts })
    }
}

/// The bytes of a piece of `file`, all of them.
fn bytes(file: &Content, place: u64, length: u64) -> Result<Vec<u8>, Failure> {
    file.exact(place, length)?.ok_or_else(|| "it breaks off within a message: it is only part of an Arrow file".into())
}

/// What is said of files of which [`is_legacy`] is true.
const LEGACY: &str =
    "it was written by Arrow before 0.15, in a layout that is no longer read; pyarrow reads it and writes it anew";

/// Whether a message lies at `place` as Arrow wrote them before 0.15: its length, and no mark before that.
fn is_legacy(file: &Content, place: u64) -> bool {
    let length = file.exact(place, 4).ok().flatten().and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let length = length.filter(|&length| length > 0 && u64::from(length) <= MAX_HEADER);
    let header = length.and_then(|length| file.exact(place + 4, length.into()).ok().flatten());
    header.is_some_and(|header| {
        root_as_message(&header).is_ok_and(|message| message.header_type() == MessageHeader::Schema)
    })
}

/// To how many bytes the body of a batch unpacks, if each buffer lies within it and claims no more than there may be.
fn unpacked(file: &Content, batch: RecordBatch<'_>, body: u64, length: u64) -> Result<u64, Failure> {
    let mut total = 0_u64;
    for buffer in batch.buffers().iter().flatten() {
        let (Ok(offset), Ok(size)) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length())) else {
            return Err("a buffer lies before its batch".into());
        };
        if offset.checked_add(size).is_none_or(|end| end > length) {
            return Err("a buffer reaches beyond its batch".into());
        }
        let mut found = size;
        if batch.compression().is_some() && size >= 8 {
            // Before the packed bytes stands how many they become; -1 says that they are not packed.
            let claimed = bytes(file, body + offset, 8)?;
            let claimed = i64::from_le_bytes(claimed.try_into().unwrap_or_default());
            found = if claimed == -1 { size - 8 } else { u64::try_from(claimed).unwrap_or(u64::MAX) };
        }
        total = total.saturating_add(found);
        if total > MAX_BYTES {
            return Err(
                format!("a batch claims to unpack to {total} bytes or more, and {MAX_BYTES} are allowed").into()
            );
        }
    }
    Ok(total)
}

impl Blocks for ArrowFile {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns)
    }

    fn starts(&self) -> &[usize] {
        &self.starts
    }

    fn decode(&self, block: usize, columns: &[usize]) -> Result<Decoded, Failure> {
        let (batch, dictionaries) = &self.batches[block];
        let mut whole = Vec::new();
        for message in std::iter::once(&self.schema).chain(&self.dictionaries[..*dictionaries]).chain([batch]) {
            whole.extend(bytes(&self.file, message.start, message.end - message.start)?);
        }
        // Columns come in the order of the file, whatever the order in which they are asked for.
        let mut sorted = columns.to_vec();
        sorted.sort_unstable();
        let broken = |error: arrow_schema::ArrowError| format!("batch {block} cannot be decoded ({error})");
        let mut reader = StreamReader::try_new(Cursor::new(whole), Some(sorted.clone())).map_err(broken)?;
        let batch = reader.next().ok_or_else(|| format!("batch {block} is not there"))?.map_err(broken)?;
        let mut cells = Vec::with_capacity(columns.len());
        for column in columns {
            let place = sorted.partition_point(|other| other < column);
            cells.push(Cells::new(batch.column(place))?);
        }
        Ok(Decoded { bytes: cells.iter().map(Cells::bytes).sum(), cells })
    }
}

#[cfg(test)]
#[path = "arrow_tests.rs"]
mod tests;
