//! How do the bytes of a file get into memory, unpacked where they are packed, and no more of them than there may be?

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::error::Error;

/// How much memory a file may take once it is unpacked: 4 GiB. Larger data belongs in several files.
pub const MAX_BYTES: u64 = 4 << 30;

/// A file that is read piece by piece, unpacked if it begins as gzip does, whatever it is called.
pub(crate) struct Unpacked {
    path: PathBuf,
    reader: Box<dyn Read>,
    packed: bool,
    /// How many bytes were given out so far.
    given: u64,
}

impl Unpacked {
    /// Opens the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::io("data file", path, source);
        let mut file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(Error::Malformed { path: path.to_path_buf(), message: "it is a folder".into() });
        }
        let mut start = Vec::new();
        file.by_ref().take(2).read_to_end(&mut start).map_err(failed)?;
        let packed = start == [0x1f, 0x8b];
        let whole = std::io::Cursor::new(start).chain(file);
        // Some programs write several gzip members one after the other; all of them count.
        let reader: Box<dyn Read> =
            if packed { Box::new(MultiGzDecoder::new(BufReader::new(whole))) } else { Box::new(whole) };
        Ok(Self { path: path.to_path_buf(), reader, packed, given: 0 })
    }

    /// Whether the file is unpacked while it is read.
    pub(crate) fn is_packed(&self) -> bool {
        self.packed
    }

    /// The next `most` bytes, fewer where the file ends. Memory grows with what is there, never with what is asked for.
    pub(crate) fn take(&mut self, most: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(most).read_to_end(&mut bytes);
        self.given += bytes.len() as u64;
        match read {
            Ok(_) => Ok(bytes),
            Err(error) if self.packed => Err(Error::Malformed {
                path: self.path.clone(),
                message: format!("its gzip stream breaks after {} unpacked bytes ({error})", self.given),
            }),
            Err(error) => Err(Error::io("data file", &self.path, error)),
        }
    }
}

/// All bytes of the file at `path`, unpacked, of which there may be `limit`.
pub(crate) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let bytes = Unpacked::open(path)?.take(limit.saturating_add(1))?;
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

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
}
