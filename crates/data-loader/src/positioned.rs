//! How do several threads read from the middle of one file at once?

use std::fs::File;
use std::io::{Error, ErrorKind, Result};

/// An open file that is read by position.
#[derive(Debug)]
pub(crate) struct Positioned {
    #[cfg(unix)]
    file: File,
    #[cfg(not(unix))]
    file: std::sync::Mutex<File>,
    size: u64,
}

impl Positioned {
    /// Takes over `file`, whose size stays what it is.
    pub(crate) fn new(file: File) -> Result<Self> {
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        #[cfg(not(unix))]
        let file = std::sync::Mutex::new(file);
        Ok(Self { file, size: about.len() })
    }

    /// The size of the file in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The `length` bytes at `place`. Memory is taken only for bytes that the file has.
    pub(crate) fn read(&self, place: u64, length: u64) -> Result<Vec<u8>> {
        let end = place.checked_add(length).filter(|&end| end <= self.size);
        let (Some(_), Ok(length)) = (end, usize::try_from(length)) else {
            let message = format!("{length} bytes are looked for at {place}, and the file has {}", self.size);
            return Err(Error::new(ErrorKind::UnexpectedEof, message));
        };
        let mut bytes = vec![0; length];
        self.fill(&mut bytes, place)?;
        Ok(bytes)
    }

    #[cfg(unix)]
    fn fill(&self, bytes: &mut [u8], place: u64) -> Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, place)
    }

    #[cfg(not(unix))]
    fn fill(&self, bytes: &mut [u8], place: u64) -> Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(place))?;
        file.read_exact(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn bytes_are_read_from_any_place_and_never_from_behind_the_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let file = Positioned::new(file).unwrap();
        assert_eq!((file.size(), file.read(3, 4).unwrap(), file.read(10, 0).unwrap()), (10, b"3456".to_vec(), vec![]));
        for (place, length) in [(3, 8), (11, 0), (0, 1 << 60), (u64::MAX, 1), (5, u64::MAX)] {
            assert_eq!(file.read(place, length).unwrap_err().kind(), ErrorKind::UnexpectedEof, "{place} {length}");
        }
    }
}
