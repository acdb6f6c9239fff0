//! How do decoded rows lie in a file?
//!
//! ```text
//! magic | rows, one after the other | (row, place, length, checksum) of each | place of that list, its length and checksum | magic
//! ```
//!
//! All numbers are little-endian. The list is sorted by rows. A file is whole or is not there: it is renamed when it is on the disk.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;

use crate::atomic::temporary;
use crate::example::{ExampleId, Image, Record, Value};
use crate::files::handles::read_at;
use crate::formats::Records;

const MAGIC: &[u8; 8] = b"fbrows01";
/// Bytes of an entry of the list: row, place, length, checksum.
const ENTRY: usize = 4 + 8 + 8 + 4;
/// Bytes behind the list: its place, how many entries it has, its checksum, and the magic.
const TAIL: usize = 8 + 4 + 4 + MAGIC.len();
/// So many rows wait at most to be written, for each thread.
const AHEAD: usize = 4;

/// Where a row lies.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    row: u32,
    place: u64,
    length: u64,
    checksum: u32,
}

/// Decoded rows.
#[derive(Debug)]
pub(super) struct DecodedFile {
    file: File,
    entries: Vec<Entry>,
}

impl DecodedFile {
    /// Opens a file; nothing if there is none, or it is not whole.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let tail_place = length.checked_sub(TAIL as u64)?;
        let mut tail = [0; TAIL];
        read_at(&file, tail_place, &mut tail).ok()?;
        let mut tail = Bytes(&tail);
        let (place, count, checksum) = (tail.u64()?, tail.u32()? as usize, tail.u32()?);
        let list_length = count.checked_mul(ENTRY)?;
        if tail.0 != MAGIC || place.checked_add(list_length as u64)? != tail_place {
            return None;
        }
        let mut list = vec![0; list_length];
        read_at(&file, place, &mut list).ok()?;
        if crc32c::crc32c(&list) != checksum {
            return None;
        }
        let mut list = Bytes(&list);
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let entry = Entry { row: list.u32()?, place: list.u64()?, length: list.u64()?, checksum: list.u32()? };
            if entry.place.checked_add(entry.length)? > place {
                return None;
            }
            entries.push(entry);
        }
        Some(Self { file, entries })
    }

    /// The record of a row, if it is there and undamaged.
    pub(super) fn record(&self, row: u32) -> Option<Record> {
        let entry = self.entries[self.entries.binary_search_by_key(&row, |entry| entry.row).ok()?];
        let mut bytes = vec![0; usize::try_from(entry.length).ok()?];
        read_at(&self.file, entry.place, &mut bytes).ok()?;
        if crc32c::crc32c(&bytes) != entry.checksum {
            return None;
        }
        record_of(&bytes)
    }

    /// Decodes `rows` by all cores and writes what came out; those that cannot be read are left out. There is no file unless it is whole, and
    /// takes no more than `room` bytes.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn write(
        path: &Path,
        records: &dyn Records,
        rows: &[u32],
        room: u64,
        stop: &AtomicBool,
    ) -> std::io::Result<Written> {
        let unfinished = temporary(path);
        let mut written = write_all(&unfinished, records, rows, room, stop);
        if let Ok(Written::Whole) = written {
            written = std::fs::rename(&unfinished, path).map(|()| Written::Whole);
        }
        if !matches!(written, Ok(Written::Whole)) {
            let _ = std::fs::remove_file(&unfinished);
        }
        written
    }
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is there.
    Whole,
    /// There is not room enough.
    TooLarge,
    /// Somebody asked to stop.
    Stopped,
}

fn write_all(
    path: &Path,
    records: &dyn Records,
    rows: &[u32],
    room: u64,
    stop: &AtomicBool,
) -> std::io::Result<Written> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(MAGIC)?;
    let mut place = MAGIC.len() as u64;
    let mut entries = Vec::with_capacity(rows.len());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = rows.len().div_ceil(threads).max(1);
    let written = std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD * threads);
        for rows in rows.chunks(share) {
            let sender = sender.clone();
            scope.spawn(move || {
                for &row in rows {
                    // Whoever panics says so where the row is met again.
                    let decoded = catch_unwind(AssertUnwindSafe(|| records.read(row as usize)));
                    let bytes = decoded.ok().and_then(Result::ok).and_then(|record| bytes_of(&record));
                    if bytes.is_some_and(|bytes| sender.send((row, bytes)).is_err()) {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (row, bytes) in receiver {
            let length = bytes.len() as u64;
            if stop.load(Ordering::Relaxed) {
                return Ok(Written::Stopped);
            }
            if place + length + ((entries.len() + 1) * ENTRY + TAIL) as u64 > room {
                return Ok(Written::TooLarge);
            }
            file.write_all(&bytes)?;
            entries.push(Entry { row, place, length, checksum: crc32c::crc32c(&bytes) });
            place += length;
        }
        Ok::<_, std::io::Error>(Written::Whole)
    })?;
    if written != Written::Whole {
        return Ok(written);
    }
    entries.sort_unstable_by_key(|entry| entry.row);
    let mut list = Vec::with_capacity(entries.len() * ENTRY);
    for entry in &entries {
        list.extend(entry.row.to_le_bytes());
        list.extend(entry.place.to_le_bytes());
        list.extend(entry.length.to_le_bytes());
        list.extend(entry.checksum.to_le_bytes());
    }
    file.write_all(&list)?;
    file.write_all(&place.to_le_bytes())?;
    file.write_all(&(entries.len() as u32).to_le_bytes())?;
    file.write_all(&crc32c::crc32c(&list).to_le_bytes())?;
    file.write_all(MAGIC)?;
    file.into_inner()?.sync_all()?;
    Ok(Written::Whole)
}

/// A record as bytes; nothing if it holds what no file holds.
fn bytes_of(record: &Record) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    text(&mut bytes, &record.id.key);
    bytes.extend((record.fields.len() as u64).to_le_bytes());
    for (name, value) in &record.fields {
        text(&mut bytes, name);
        match value {
            Value::Missing => bytes.push(0),
            Value::Number(number) => {
                bytes.push(1);
                bytes.extend(number.to_le_bytes());
            }
            Value::Text(value) => {
                bytes.push(2);
                text(&mut bytes, value);
            }
            Value::Image(image) | Value::Mask(image) => {
                bytes.push(if matches!(value, Value::Mask(_)) { 4 } else { 3 });
                for size in [image.channels, image.height, image.width] {
                    bytes.extend((size as u64).to_le_bytes());
                }
                bytes.extend(&image.pixels);
            }
            Value::Code(_) | Value::Tokens(_) | Value::Series(_) => return None,
        }
    }
    Some(bytes)
}

/// The record that became these bytes; nothing if none did.
fn record_of(bytes: &[u8]) -> Option<Record> {
    let mut bytes = Bytes(bytes);
    let key = bytes.text()?;
    let count = bytes.u64()?;
    let mut fields = Vec::new();
    for _ in 0..count {
        let name = bytes.text()?;
        let value = match bytes.take(1)?[0] {
            0 => Value::Missing,
            1 => Value::Number(f64::from_le_bytes(bytes.take(8)?.try_into().ok()?)),
            2 => Value::Text(bytes.text()?),
            3 => Value::Image(bytes.image()?),
            4 => Value::Mask(bytes.image()?),
            _ => return None,
        };
        fields.push((name, value));
    }
    bytes.0.is_empty().then_some(Record { id: ExampleId { key }, fields })
}

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn size(&mut self) -> Option<usize> {
        self.u64()?.try_into().ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.size()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    fn image(&mut self) -> Option<Image> {
        let (channels, height, width) = (self.size()?, self.size()?, self.size()?);
        let pixels = self.take(channels.checked_mul(height)?.checked_mul(width)?)?.to_vec();
        Some(Image { channels, height, width, pixels })
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
