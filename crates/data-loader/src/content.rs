//! Where do the bytes of a file lie while its rows are read: in memory, in the file itself, or in an unpacked copy of it?
//!
//! Small files are held in memory. Of a large one nothing is held: its rows are read where they lie. A large packed file is
//! unpacked once, into a temporary file without a name, which the system removes when this process ends, however it ends.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::unpack::{MAX_BYTES, Unpacked};

/// How much memory the files of one data set take in all: 256 MiB. What does not fit stays on the disk.
pub(crate) const IN_MEMORY: u64 = 256 << 20;

/// A packed file may unpack to 4 GiB, and beyond that to so many times its own size: tables of numbers shrink to a fifth,
/// very repetitive ones to a thirtieth, while a file that is made to fill a disk grows a thousandfold.
const MAX_RATIO: u64 = 64;

/// How many bytes are read at a time where a file is read from end to end.
pub(crate) const PIECE: usize = 4 << 20;

/// The bytes of one file.
#[derive(Debug)]
pub(crate) enum Content {
    /// All of them.
    Memory(Vec<u8>),
    /// A file that is read in places.
    Disk {
        /// The file that was opened; of a packed one not where its bytes lie now.
        path: PathBuf,
        /// What is read.
        file: File,
        /// How long it was when it was opened.
        len: u64,
    },
}

impl Content {
    /// Opens the file at `path`. It is held in memory if it fits in `room`, which then shrinks.
    pub(crate) fn open(path: &Path, room: &mut u64) -> Result<Self, Error> {
        let failed = |source| Error::io("data file", path, source);
        let mut unpacked = Unpacked::open(path)?;
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !unpacked.is_packed() && metadata.is_file() && metadata.len() > *room {
            let file = File::open(path).map_err(failed)?;
            return Ok(Self::Disk { path: path.to_path_buf(), file, len: metadata.len() });
        }
        let start = unpacked.take(room.saturating_add(1))?;
        if start.len() as u64 <= *room {
            *room -= start.len() as u64;
            return Ok(Self::Memory(start));
        }
        let limit =
            if metadata.is_file() { MAX_BYTES.max(metadata.len().saturating_mul(MAX_RATIO)) } else { MAX_BYTES };
        spill(path, start, &mut unpacked, limit, tempfile::tempfile)
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk { len, .. } => *len,
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
        match self {
            Self::Memory(bytes) => Ok(&bytes[start as usize..end as usize]),
            Self::Disk { path, file, .. } => {
                let wanted = (end - start) as usize;
                if buffer.len() < wanted {
                    buffer.resize(wanted, 0);
                }
                let buffer = &mut buffer[..wanted];
                read_at(file, start, buffer).map_err(|source| match source.kind() {
                    std::io::ErrorKind::UnexpectedEof => Error::Malformed {
                        path: path.clone(),
                        message: format!("it is shorter than the {} bytes it had when it was opened", self.len()),
                    },
                    _ => Error::Io { path: path.clone(), source },
                })?;
                Ok(buffer)
            }
        }
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

/// Unpacks the rest behind `start` into a file that `create` makes.
fn spill(
    path: &Path,
    start: Vec<u8>,
    unpacked: &mut Unpacked,
    limit: u64,
    create: fn() -> std::io::Result<File>,
) -> Result<Content, Error> {
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
    let mut file = create().map_err(|source| failed(source, len))?;
    let mut piece = start;
    while !piece.is_empty() {
        file.write_all(&piece).map_err(|source| failed(source, len))?;
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
    Ok(Content::Disk { path: path.to_path_buf(), file, len })
}

/// Fills `buffer` from `start` on. Threads share the file, so its own position is left alone.
#[cfg(unix)]
fn read_at(file: &File, start: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, start)
}

/// Fills `buffer` from `start` on. Every read says where it begins, so threads do not disturb each other.
#[cfg(windows)]
fn read_at(file: &File, mut start: u64, mut buffer: &mut [u8]) -> std::io::Result<()> {
    while !buffer.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, start)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        start += read as u64;
        buffer = &mut buffer[read..];
    }
    Ok(())
}

/// Fills `buffer` from `start` on, one thread at a time, because the position of the file is shared.
#[cfg(not(any(unix, windows)))]
fn read_at(file: &File, start: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut file = file;
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(buffer)
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
            for room in [0, 39_999, 40_000, 1 << 20] {
                let mut left = room;
                let content = Content::open(&path, &mut left).unwrap();
                assert_eq!(content.is_memory(), room >= 40_000, "{name}, {room}");
                assert_eq!(left, if content.is_memory() { room - 40_000 } else { room });
                assert_eq!(content.len(), 40_000);
                let mut buffer = Vec::new();
                for range in [0..40_000, 17..18, 39_990..50_000, 50_000..60_000, 5..5] {
                    let wanted = &bytes[range.start.min(40_000)..range.end.min(40_000)];
                    let range = range.start as u64..range.end as u64;
                    assert_eq!(content.bytes(range, &mut buffer).unwrap(), wanted, "{name}, {room}");
                }
            }
        }
    }

    #[test]
    fn a_file_that_shrank_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::write(&path, [1; 100]).unwrap();
        let content = Content::open(&path, &mut 0).unwrap();
        std::fs::write(&path, [1; 50]).unwrap();
        let error = content.bytes(20..80, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("shorter than the 100 bytes"), "{error}");
    }

    #[test]
    fn a_bomb_is_stopped_and_a_full_disk_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::write(&path, packed(&vec![7; 1_000_000])).unwrap();
        let spilled = |limit, create: fn() -> std::io::Result<File>| {
            spill(&path, vec![7], &mut Unpacked::open(&path).unwrap(), limit, create)
        };
        let error = spilled(1000, tempfile::tempfile).unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 1000, .. }), "{error}");
        let error = spilled(1 << 30, || Err(std::io::ErrorKind::StorageFull.into())).unwrap_err();
        assert!(error.to_string().contains("temporary file in") && error.hint().unwrap().contains("TMPDIR"), "{error}");
    }
}
