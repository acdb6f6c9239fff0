//! How is something written so that it is there in whole or not at all?
//!
//! Under a temporary name beside its place, flushed to the disk, then renamed: a reader, or a crash at any byte, meets nothing or
//! the whole. What replaces folders that are there already is built on this in model-zoo.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Why something could not be written.
#[derive(Debug)]
pub struct Failed {
    /// `create`, `write`, `flush` ...
    pub doing: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

impl From<Failed> for crate::Error {
    fn from(failed: Failed) -> Self {
        Self::write(&failed.path, failed.source)
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Failed {
    let path = path.to_owned();
    move |source| Failed { doing, path, source }
}

/// The name under which something is written that shall lie at `path`.
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// Flushes the names in the folder that holds `path`: a rename is safe on the disk only when that folder is.
///
/// # Errors
/// [`Failed`].
pub fn sync_parent(path: &Path) -> Result<(), Failed> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}

/// Flushes the names in a folder.
///
/// # Errors
/// [`Failed`].
pub fn sync_folder(folder: &Path) -> Result<(), Failed> {
    #[cfg(unix)]
    File::open(folder).and_then(|file| file.sync_all()).map_err(failed("flush", folder))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Writes a file in whole or not at all, replacing an older one.
///
/// # Errors
/// [`Failed`]; the older file is then untouched.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    write_as(path, &mut File::options(), |file| write_to(file, path, bytes))
}

/// Writes a file as [`write_file`] does, by `fill`: for what is not in memory as a whole.
///
/// # Errors
/// [`Failed`], and those of `fill`; the older file is then untouched.
pub fn write_file_with<E: From<Failed>>(path: &Path, fill: impl FnOnce(&mut File) -> Result<(), E>) -> Result<(), E> {
    write_as(path, &mut File::options(), fill)
}

/// Writes a file, as [`write_file`] does, that nobody but its owner may read, where there are such files.
///
/// # Errors
/// [`Failed`].
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    write_as(path, &mut options, |file| write_to(file, path, bytes))
}

fn write_as<E: From<Failed>>(
    path: &Path,
    options: &mut OpenOptions,
    fill: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let temporary = temporary(path);
    // One that is there already has rights of its own.
    let _ = fs::remove_file(&temporary);
    let opened = options.write(true).create_new(true).open(&temporary).map_err(failed("create", &temporary));
    let written = opened.map_err(E::from).and_then(|mut file| {
        fill(&mut file)?;
        file.sync_all().map_err(failed("flush", &temporary))?;
        Ok(fs::rename(&temporary, path).map_err(failed("rename to", path))?)
    });
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(sync_parent(path)?)
}

/// Writes a file and flushes it to the disk.
///
/// # Errors
/// [`Failed`].
pub fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    let mut file = File::create(path).map_err(failed("create", path))?;
    write_to(&mut file, path, bytes)?;
    file.sync_all().map_err(failed("flush", path))
}

fn write_to(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    file.write_all(bytes).map_err(failed("write", path))
}

/// A folder being written, invisible under its name until [`commit`](Self::commit).
#[derive(Debug)]
pub struct NewFolder {
    place: PathBuf,
    temporary: PathBuf,
    committed: bool,
    /// Held as long as somebody writes there, where folders can be locked.
    _lock: Option<File>,
}

impl NewFolder {
    /// Begins a folder that shall lie at `place`, where there is none or an empty one.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn begin(place: &Path) -> Result<Self, Failed> {
        let temporary = temporary(place);
        sweep(place);
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(failed("remove", &temporary))?;
        }
        fs::create_dir_all(&temporary).map_err(failed("create", &temporary))?;
        let lock = lock(&temporary);
        Ok(Self { place: place.to_owned(), temporary, committed: false, _lock: lock })
    }

    /// Where it lies for the time being.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Writes one file, with the folders on the way to it.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        write_synced(&self.make_way(name)?, bytes)
    }

    /// Copies a file into the folder.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn copy(&self, from: &Path, name: &str) -> Result<(), Failed> {
        let path = self.make_way(name)?;
        let mut source = File::open(from).map_err(failed("read", from))?;
        // A copy of the permissions as well might leave a file that cannot be flushed.
        let mut file = File::create(&path).map_err(failed("create", &path))?;
        std::io::copy(&mut source, &mut file).map_err(failed("copy to", &path))?;
        file.sync_all().map_err(failed("flush", &path))
    }

    fn make_way(&self, name: &str) -> Result<PathBuf, Failed> {
        let path = self.temporary.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed("create", parent))?;
        }
        Ok(path)
    }

    /// Puts the folder in its place.
    ///
    /// # Errors
    /// [`Failed`]; among others where something lies there meanwhile.
    pub fn commit(self) -> Result<(), Failed> {
        self.commit_by(|temporary, place| {
            if place.exists() {
                // Fails where it is not empty.
                fs::remove_dir(place).map_err(failed("replace", place))?;
            }
            fs::rename(temporary, place).map_err(failed("rename to", place))
        })
    }

    /// Flushes the folder and has `put` bring it from where it lies to its place; until that succeeded, it is removed when it is
    /// dropped.
    ///
    /// # Errors
    /// [`Failed`], and those of `put`.
    pub fn commit_by<E: From<Failed>>(mut self, put: impl FnOnce(&Path, &Path) -> Result<(), E>) -> Result<(), E> {
        let mut open = vec![self.temporary.clone()];
        while let Some(folder) = open.pop() {
            sync_folder(&folder)?;
            for entry in fs::read_dir(&folder).map_err(failed("read", &folder))? {
                let entry = entry.map_err(failed("read", &folder))?;
                if entry.file_type().map_err(failed("read", &folder))?.is_dir() {
                    open.push(entry.path());
                }
            }
        }
        put(&self.temporary, &self.place)?;
        self.committed = true;
        Ok(sync_parent(&self.place)?)
    }
}

/// The lock of a folder, if nobody else has it and folders can be locked here.
fn lock(folder: &Path) -> Option<File> {
    let file = if cfg!(unix) { File::open(folder).ok() } else { None };
    file.filter(|file| file.try_lock().is_ok())
}

/// Removes what processes that are gone left of a folder that was to lie at `place`: what nobody has locked.
fn sweep(place: &Path) {
    let Some(name) = place.file_name().map(|name| name.to_string_lossy().into_owned()) else { return };
    let beside = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in fs::read_dir(beside).into_iter().flatten().flatten() {
        let found = entry.file_name().to_string_lossy().into_owned();
        let process = found.strip_prefix(&*name).and_then(|rest| rest.strip_prefix('.'));
        let process = process.and_then(|rest| rest.strip_suffix(".tmp")).unwrap_or_default();
        let is_ours = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
        // A link is no folder here, and stays.
        if is_ours
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Some(_lock) = lock(&entry.path())
        {
            // What stays takes room and does no harm.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for NewFolder {
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
    #[cfg(unix)]
    fn what_a_process_that_is_gone_left_is_swept() {
        let root = tempfile::tempdir().unwrap();
        for left in ["data.4711.tmp", "data.tmp", "data.x.tmp", "other.4711.tmp", "data.12.tmp"] {
            fs::create_dir_all(root.path().join(left).join("sub")).unwrap();
        }
        // Another process is at work there.
        let other = lock(&root.path().join("data.12.tmp")).unwrap();
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let folder = NewFolder::begin(&root.path().join("data")).unwrap();
        folder.write("x", b"1").unwrap();
        // A second one, as another process begins it, leaves the first alone.
        sweep(&root.path().join("data"));
        folder.commit().unwrap();
        assert_eq!(names(), ["data", "data.12.tmp", "data.tmp", "data.x.tmp", "other.4711.tmp"]);
        drop(other);
        NewFolder::begin(&root.path().join("data")).unwrap();
        assert_eq!(names(), ["data", "data.tmp", "data.x.tmp", "other.4711.tmp"]);
    }

    #[test]
    fn a_new_folder_is_there_in_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("data");
        let folder = NewFolder::begin(&place).unwrap();
        folder.write("a/b/x", b"1").unwrap();
        assert!(!place.exists());
        drop(folder);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        fs::create_dir(&place).unwrap();
        let begin = || {
            let folder = NewFolder::begin(&place).unwrap();
            folder.write("a/b/x", b"1").unwrap();
            let copied = folder.path().join("a/b/x");
            folder.copy(&copied, "c/y").unwrap();
            folder
        };
        begin().commit().unwrap();
        assert_eq!(
            (fs::read(place.join("a/b/x")).unwrap(), fs::read(place.join("c/y")).unwrap()),
            (b"1".into(), b"1".into())
        );
        // What lies there by now is not replaced.
        fs::write(place.join("mine"), "2").unwrap();
        assert!(begin().commit().is_err());
        assert_eq!(
            (fs::read(place.join("mine")).unwrap(), fs::read_dir(root.path()).unwrap().count()),
            (b"2".into(), 1)
        );
    }
}
