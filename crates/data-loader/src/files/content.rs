//! Where do the bytes of a file lie while its rows are read: in memory, in the file itself, or in an unpacked copy of it?
//!
//! Small files are held in memory. Of a large one nothing is held: its rows are read where they lie. A large packed file is
//! unpacked once, into a temporary file without a name, which the system removes when this process ends, however it ends.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::files::handles::{Handle, read_at};
use crate::files::unpack::{MAX_BYTES, Unpacked};

/// How much memory the files of one data set take in all: 256 MiB. What does not fit stays on the disk.
pub(crate) const IN_MEMORY: u64 = 256 << 20;

/// A packed file may unpack to 4 GiB, and beyond that to so many times its own size: tables of numbers shrink to a fifth,
/// very repetitive ones to a thirtieth, while a file that is made to fill a disk grows a thousandfold.
const MAX_RATIO: u64 = 64;

/// How many bytes are read at a time where a file is read from end to end.
pub(crate) const PIECE: usize = 4 << 20;

/// Where the files of one data set may lie: in so much memory, and unpacked in one temporary file, however many they are.
pub(crate) struct Room {
    memory: u64,
    /// The temporary file once it is needed, and how much of it is in use.
    unpacked: Option<(Arc<File>, u64)>,
    /// Makes that file.
    create: fn() -> std::io::Result<File>,
}

impl Room {
    /// Room in `memory` bytes of memory, and on the disk.
    pub(crate) fn of(memory: u64) -> Self {
        Self { memory, unpacked: None, create: tempfile::tempfile }
    }
}

/// The bytes of one file.
#[derive(Debug)]
pub(crate) enum Content {
    /// All of them.
    Memory(Vec<u8>),
    /// A file that is read in places.
    Disk(Handle),
    /// A piece of the temporary file.
    Unpacked {
        /// The packed file.
        path: PathBuf,
        /// The temporary file.
        file: Arc<File>,
        /// Where in it the bytes begin.
        start: u64,
        /// How many there are.
        len: u64,
    },
}

impl Content {
    /// Opens the file at `path`. It is held in memory if it fits in what is left of `room`.
    pub(crate) fn open(path: &Path, room: &mut Room) -> Result<Self, Error> {
        let failed = |source| Error::io("data file", path, source);
        let mut unpacked = Unpacked::open(path)?;
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !unpacked.is_packed() && metadata.is_file() && metadata.len() > room.memory {
            return Ok(Self::Disk(Handle::open(path)?));
        }
        let start = unpacked.take(room.memory.saturating_add(1))?;
        if start.len() as u64 <= room.memory {
            room.memory -= start.len() as u64;
            return Ok(Self::Memory(start));
        }
        let limit =
            if metadata.is_file() { MAX_BYTES.max(metadata.len().saturating_mul(MAX_RATIO)) } else { MAX_BYTES };
        spill(path, start, &mut unpacked, limit, room)
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk(file) => file.len(),
            Self::Unpacked { len, .. } => *len,
        }
    }

    /// Whether they are held in memory.
    pub(crate) fn is_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    /// The bytes in `range`, which may end behind the last; those of a file are read into `buffer`, one read for all.
    pub(crate) fn bytes<'a>(&'a self, range: Range<u64>, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        if let Self::Memory(bytes) = self {
            return Ok(&bytes[start as usize..end as usize]);
        }
        let wanted = (end - start) as usize;
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let buffer = &mut buffer[..wanted];
        match self {
            Self::Memory(_) => {}
            Self::Disk(file) => file.read_at(start, buffer)?,
            Self::Unpacked { path, file, start: first, .. } => {
                read_at(file, first + start, buffer).map_err(|source| Error::Io { path: path.clone(), source })?;
            }
        }
        Ok(buffer)
    }

    /// The `length` bytes at `place`, all of them or none. Memory is taken only for bytes that are there.
    pub(crate) fn exact(&self, place: u64, length: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some(end) = place.checked_add(length).filter(|&end| end <= self.len()) else { return Ok(None) };
        let mut buffer = Vec::new();
        let found = self.bytes(place..end, &mut buffer)?.len();
        if let Self::Memory(bytes) = self {
            return Ok(Some(bytes[place as usize..end as usize].to_vec()));
        }
        buffer.truncate(found);
        Ok(Some(buffer))
    }
}

/// Unpacks the rest behind `start` into the temporary file, behind what lies there.
fn spill(path: &Path, start: Vec<u8>, unpacked: &mut Unpacked, limit: u64, room: &mut Room) -> Result<Content, Error> {
    let mut len = 0_u64;
    let failed = |source: std::io::Error, len: u64| Error::Mismatch {
        message: format!(
            "{} is unpacked into a temporary file in {}, which failed after {len} bytes: {source}",
            path.display(),
            std::env::temp_dir().display()
        ),
        hint: "Let the variable TMPDIR name a folder with more room, or unpack the file and name that one in the card."
            .into(),
    };
    let (file, first) = match &room.unpacked {
        Some((file, used)) => (Arc::clone(file), *used),
        None => (Arc::new((room.create)().map_err(|source| failed(source, len))?), 0),
    };
    let mut target = &*file;
    target.seek(SeekFrom::Start(first)).map_err(|source| failed(source, len))?;
    let mut piece = start;
    while !piece.is_empty() {
        target.write_all(&piece).map_err(|source| failed(source, len))?;
        len += piece.len() as u64;
        if len > limit {
            return Err(Error::TooLarge {
                path: path.to_path_buf(),
                what: "its size in bytes once it is unpacked",
                size: len,
                limit,
            });
        }
        piece = unpacked.take(PIECE as u64)?;
    }
    room.unpacked = Some((Arc::clone(&file), first + len));
    Ok(Content::Unpacked { path: path.to_path_buf(), file, start: first, len })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn bytes_are_the_same_in_memory_on_the_disk_and_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..10_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for (name, stored) in [("plain", bytes.clone()), ("packed", packed(&bytes))] {
            let path = folder.path().join(name);
            std::fs::write(&path, stored).unwrap();
            for memory in [0, 39_999, 40_000, 1 << 20] {
                let mut room = Room::of(memory);
                let content = Content::open(&path, &mut room).unwrap();
                assert_eq!(content.is_memory(), memory >= 40_000, "{name}, {memory}");
                assert_eq!(room.memory, if content.is_memory() { memory - 40_000 } else { memory });
                assert_eq!(content.len(), 40_000);
                let mut buffer = Vec::new();
                for range in [0..40_000, 17..18, 39_990..50_000, 50_000..60_000, 5..5] {
                    let wanted = &bytes[range.start.min(40_000)..range.end.min(40_000)];
                    let range = range.start as u64..range.end as u64;
                    assert_eq!(content.bytes(range, &mut buffer).unwrap(), wanted, "{name}, {memory}");
                }
            }
        }
    }

    #[test]
    fn any_number_of_packed_files_lie_in_one_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut room = Room::of(10);
        let open = |number: u8, room: &mut Room| {
            let path = folder.path().join(number.to_string());
            std::fs::write(&path, packed(&[number; 100])).unwrap();
            Content::open(&path, room).unwrap()
        };
        let contents: Vec<Content> = (0..20).map(|number| open(number, &mut room)).collect();
        let (file, used) = room.unpacked.as_ref().unwrap();
        assert_eq!((file.metadata().unwrap().len(), *used), (2000, 2000));
        for (number, content) in contents.iter().enumerate() {
            assert_eq!(content.exact(0, 100).unwrap().unwrap(), [number as u8; 100]);
            assert_eq!(content.exact(1, 100).unwrap(), None, "the next file begins there");
        }
    }

    #[test]
    fn a_file_that_shrank_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::write(&path, [1; 100]).unwrap();
        let content = Content::open(&path, &mut Room::of(0)).unwrap();
        std::fs::write(&path, [1; 50]).unwrap();
        let error = content.bytes(20..80, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("it had 100 bytes and has 50"), "{error}");
    }

    #[test]
    fn a_bomb_is_stopped_and_a_full_disk_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::write(&path, packed(&vec![7; 1_000_000])).unwrap();
        let spilled = |limit, create: fn() -> std::io::Result<File>| {
            let mut room = Room { create, ..Room::of(0) };
            spill(&path, vec![7], &mut Unpacked::open(&path).unwrap(), limit, &mut room)
        };
        let error = spilled(1000, tempfile::tempfile).unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 1000, .. }), "{error}");
        let error = spilled(1 << 30, || Err(std::io::ErrorKind::StorageFull.into())).unwrap_err();
        assert!(error.to_string().contains("temporary file in") && error.hint().unwrap().contains("TMPDIR"), "{error}");
    }
}
