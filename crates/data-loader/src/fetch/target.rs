//! How does a file come to its place in whole or not at all?

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::atomic::sync_parent;
use crate::card::hex;
use crate::error::Error;

/// A file that is being written beside its place, under a name that no format reads, and that takes its place when it is
/// complete and is what its card says.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    part: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
    finished: bool,
}

impl Target {
    /// Begins the file that is to lie at `path`. What an earlier call left half written is overwritten.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new(""));
        std::fs::create_dir_all(folder).map_err(|source| Error::write(folder, source))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let part = folder.join(format!(".{name}.part"));
        // A link under this name would lead the bytes elsewhere.
        if part.symlink_metadata().is_ok() {
            std::fs::remove_file(&part).map_err(|source| Error::write(&part, source))?;
        }
        let file = File::create_new(&part).map_err(|source| Error::write(&part, source))?;
        Ok(Self { path: path.to_path_buf(), part, file, hash: Sha256::new(), bytes: 0, finished: false })
    }

    /// How many bytes were written.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The error for what the system said while this file was written.
    pub(crate) fn failed(&self, source: std::io::Error) -> Error {
        Error::write(&self.part, source)
    }

    /// Puts the file in its place if its checksum is one of `accepted`, of which there may be none; gives checksum and size.
    pub(crate) fn finish(mut self, accepted: &[&str]) -> Result<(String, u64), Error> {
        let found = hex(&std::mem::take(&mut self.hash).finalize());
        if !accepted.is_empty() && !accepted.iter().any(|sum| sum.eq_ignore_ascii_case(&found)) {
            return Err(Error::Checksum { path: self.path.clone(), expected: accepted.join(" or "), found });
        }
        self.file.sync_all().map_err(|source| Error::write(&self.part, source))?;
        std::fs::rename(&self.part, &self.path).map_err(|source| Error::write(&self.path, source))?;
        self.finished = true;
        // Where folders cannot be flushed the system does it in time.
        let _ = sync_parent(&self.path);
        Ok((found, self.bytes))
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published SHA-256 of the text `abc`.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_file_takes_its_place_in_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/a.csv");
        let write = || {
            let mut target = Target::create(&path).unwrap();
            target.write_all(b"abc").unwrap();
            assert!(!path.exists() && target.bytes() == 3);
            target
        };
        let names = || std::fs::read_dir(folder.path().join("sub")).unwrap().count();
        drop(write());
        let error = write().finish(&["00"]).unwrap_err();
        assert!(matches!(error, Error::Checksum { found, .. } if found == ABC));
        assert_eq!(names(), 0, "nothing half written stays");
        // What a killed process left is no hindrance.
        std::fs::write(folder.path().join("sub/.a.csv.part"), "xxxxxxxx").unwrap();
        assert_eq!(write().finish(&["00", &ABC.to_uppercase()]).unwrap(), (ABC.to_owned(), 3));
        assert_eq!((std::fs::read(&path).unwrap(), names()), (b"abc".to_vec(), 1));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_in_the_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        std::fs::write(&precious, "kept").unwrap();
        std::os::unix::fs::symlink(&precious, folder.path().join(".a.csv.part")).unwrap();
        let mut target = Target::create(&folder.path().join("a.csv")).unwrap();
        target.write_all(b"abc").unwrap();
        target.finish(&[]).unwrap();
        assert_eq!(std::fs::read(&precious).unwrap(), b"kept");
    }
}
