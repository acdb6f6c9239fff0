//! How do the bytes of a file get into memory, unpacked where they are packed, and no more of them than there may be?

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::error::Error;
use crate::files::handles::open_once;

/// How much memory a file may take once it is unpacked: 4 GiB. Larger data belongs in several files.
pub const MAX_BYTES: u64 = 4 << 30;

/// The largest window that a zstd stream may ask for: 128 MiB, as its own program allows.
const ZSTD_WINDOW_LOG: u32 = 27;

/// How a file is packed that begins with these bytes.
fn packing(start: &[u8]) -> Option<&'static str> {
    match start {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        _ => None,
    }
}

/// Whether a file that begins with these bytes has to be unpacked.
pub(crate) fn is_packed(start: &[u8]) -> bool {
    packing(start).is_some()
}

/// A file that is read piece by piece, unpacked if it begins as gzip or zstd does, whatever it is called.
pub(crate) struct Unpacked {
    path: PathBuf,
    reader: Box<dyn Read>,
    /// The name of the packing, if it is packed.
    packed: Option<&'static str>,
    /// How many bytes were given out so far.
    given: u64,
}

impl Unpacked {
    /// Opens the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::io("data file", path, source);
        let mut file = open_once(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(Error::Malformed { path: path.to_path_buf(), message: "it is a folder".into() });
        }
        let mut start = Vec::new();
        file.by_ref().take(4).read_to_end(&mut start).map_err(failed)?;
        let packed = packing(&start);
        let whole = std::io::Cursor::new(start).chain(file);
        // Some programs write several gzip members or zstd frames one after the other; all of them count.
        let reader: Box<dyn Read> = match packed {
            Some("gzip") => Box::new(MultiGzDecoder::new(BufReader::new(whole))),
            Some(_) => {
                let mut decoder = zstd::stream::read::Decoder::new(whole).map_err(failed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(failed)?;
                Box::new(decoder)
            }
            None => Box::new(whole),
        };
        Ok(Self { path: path.to_path_buf(), reader, packed, given: 0 })
    }

    /// Whether the file is unpacked while it is read.
    pub(crate) fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// The next `most` bytes, fewer where the file ends. Memory grows with what is there, never with what is asked for.
    pub(crate) fn take(&mut self, most: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(most).read_to_end(&mut bytes);
        self.given += bytes.len() as u64;
        match read {
            Ok(_) => Ok(bytes),
            Err(error) => Err(match self.packed {
                // A member is read whole before the next one is looked for.
                Some(packing) if error.to_string() == "invalid gzip header" && self.given > 0 => Error::Malformed {
                    path: self.path.clone(),
                    message: format!("something follows the {packing} data, which unpack to {} bytes", self.given),
                },
                Some(packing) => Error::Malformed {
                    path: self.path.clone(),
                    message: format!("its {packing} stream breaks after {} unpacked bytes ({error})", self.given),
                },
                None => Error::io("data file", &self.path, error),
            }),
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
    fn zstd_is_unpacked_and_bombs_and_broken_ones_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let mut packed = zstd::encode_all(&vec![7; 100_000][..], 3).unwrap();
        let frame = packed.len();
        // A second frame counts as the first does.
        packed.extend(zstd::encode_all(&b"end"[..], 3).unwrap());
        std::fs::write(&path, &packed).unwrap();
        let unpacked = read_bytes(&path, MAX_BYTES).unwrap();
        assert_eq!((unpacked.len(), &unpacked[99_999..]), (100_003, &b"\x07end"[..]));
        assert!(matches!(read_bytes(&path, 1000), Err(Error::TooLarge { limit: 1000, .. })));
        for cut in [5, frame / 2, frame - 1, packed.len() - 1] {
            std::fs::write(&path, &packed[..cut]).unwrap();
            let error = read_bytes(&path, MAX_BYTES).unwrap_err();
            assert!(matches!(&error, Error::Malformed { message, .. } if message.contains("zstd")), "{cut}: {error}");
        }
        // 64 MiB of zeros are a few kilobytes, and no more of them is unpacked than there may be.
        let bomb = zstd::encode_all(std::io::repeat(0).take(64 << 20), 3).unwrap();
        assert!(bomb.len() < 10_000);
        std::fs::write(&path, &bomb).unwrap();
        assert!(matches!(read_bytes(&path, 1 << 20), Err(Error::TooLarge { size, .. }) if size == (1 << 20) + 1));
        // A frame header without a content size that asks for a window of 2^(10 + 21) bytes, 2 GiB.
        std::fs::write(&path, [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00]).unwrap();
        let error = read_bytes(&path, MAX_BYTES).unwrap_err();
        assert!(matches!(&error, Error::Malformed { message, .. } if message.contains("memory")), "{error}");
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
        // Tapes and some downloads are filled up with zeros; whether anything was lost nobody can tell.
        for behind in [&[0; 512][..], b"<html>no gzip</html>"] {
            std::fs::write(&path, [&packed, behind].concat()).unwrap();
            let error = read_bytes(&path, MAX_BYTES).unwrap_err();
            assert!(error.to_string().contains("something follows the gzip data"), "{error}");
        }
        std::fs::write(&path, b"x").unwrap();
        assert_eq!(read_bytes(&path, MAX_BYTES).unwrap(), b"x");
        assert!(matches!(read_bytes(folder.path(), MAX_BYTES), Err(Error::Malformed { .. })));
    }
}
