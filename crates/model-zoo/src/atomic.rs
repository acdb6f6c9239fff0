//! How is something written so that it is there in whole or not at all?
//!
//! Under a temporary name beside its place, flushed to the disk, then renamed: a reader, or a crash at any byte, meets the old
//! thing or the new one, never half of either.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Error;

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}

/// Whether `name` is what an interrupted write leaves behind.
pub fn is_leftover(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "tmp")
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn sync_folder(path: &Path) -> Result<(), Error> {
    // A rename is safe on the disk only when the folder that holds the name is.
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    #[cfg(unix)]
    File::open(folder).and_then(|file| file.sync_all()).map_err(io("flush", folder))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Writes a file in whole or not at all, replacing an older one.
///
/// # Errors
/// [`Error::Io`]; the older file is then untouched.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = temporary(path);
    let written =
        write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path).map_err(io("rename to", path)));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder(path)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = File::create(path).map_err(io("create", path))?;
    file.write_all(bytes).map_err(io("write", path))?;
    file.sync_all().map_err(io("flush", path))
}

/// A folder being written, invisible under its name until [`commit`](Self::commit).
#[derive(Debug)]
pub struct Folder {
    place: PathBuf,
    temporary: PathBuf,
    committed: bool,
}

impl Folder {
    /// Begins a folder that shall lie at `place`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(place: &Path) -> Result<Self, Error> {
        let temporary = temporary(place);
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(io("remove", &temporary))?;
        }
        fs::create_dir_all(&temporary).map_err(io("create", &temporary))?;
        Ok(Self { place: place.to_owned(), temporary, committed: false })
    }

    /// Writes one file of the folder to the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        write_synced(&self.temporary.join(name), bytes)
    }

    /// Puts the folder in its place. An older one there is moved aside first and then removed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn commit(mut self) -> Result<(), Error> {
        sync_folder(&self.temporary.join("."))?;
        let old = self.place.with_extension(format!("old.{}.tmp", std::process::id()));
        if self.place.exists() {
            fs::rename(&self.place, &old).map_err(io("move aside", &self.place))?;
        }
        fs::rename(&self.temporary, &self.place).map_err(io("rename to", &self.place))?;
        self.committed = true;
        sync_folder(&self.place)?;
        if old.exists() {
            fs::remove_dir_all(&old).map_err(io("remove", &old))?;
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_no_leftover_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_appears_only_when_committed() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("bundle");
        let folder = Folder::begin(&place).unwrap();
        folder.write("x", b"1").unwrap();
        assert!(!place.exists());
        drop(folder);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        for text in [b"1", b"2"] {
            let folder = Folder::begin(&place).unwrap();
            folder.write("x", text).unwrap();
            folder.commit().unwrap();
            assert_eq!(fs::read(place.join("x")).unwrap(), text);
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
