//! How is something written so that it is there in whole or not at all?
//!
//! Under a temporary name beside its place, flushed to the disk, then renamed: a reader, or a crash at any byte, meets the old
//! thing or the new one, never half of either. Where a file system cannot exchange two folders, the old one lies for an instant
//! under another name, from which [`clear_leftovers`] brings it back.

use std::fs;
use std::path::{Path, PathBuf};

use data_loader::atomic::{self, NewFolder};

use crate::Error;

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}

/// Whether `name` is what an interrupted write leaves behind.
pub fn is_leftover(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "tmp")
}

/// What an older folder is called while the newer one takes its place.
fn aside(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(format!("{ASIDE}{}.tmp", std::process::id()));
    place.with_file_name(name)
}

const ASIDE: &str = ".old.";

/// Removes what interrupted writes left in `folder`, and puts back what had been moved aside and was not replaced. Only for
/// whoever is the only one to write there.
///
/// # Errors
/// [`Error::Io`].
pub fn clear_leftovers(folder: &Path) -> Result<(), Error> {
    clear(folder, &is_leftover)
}

/// The same in a folder where others keep files, too: only what was to become one of `names`.
///
/// # Errors
/// [`Error::Io`].
pub fn clear_leftovers_of(folder: &Path, names: &[&str]) -> Result<(), Error> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let ours = |name: &str| {
        let Some(name) = name.strip_suffix(".tmp") else { return false };
        let Some((name, _)) = name.rsplit_once('.').filter(|(_, process)| digits(process)) else { return false };
        names.contains(&name.strip_suffix(ASIDE.trim_end_matches('.')).unwrap_or(name))
    };
    clear(folder, &ours)
}

fn clear(folder: &Path, is_leftover: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("read", folder)(error)),
    };
    for entry in entries.filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if !is_leftover(&name) {
            continue;
        }
        let place = name.split_once(ASIDE).map(|(place, _)| folder.join(place));
        if let Some(place) = place.filter(|place| !place.exists()) {
            fs::rename(&path, &place).map_err(io("put back", &place))?;
        } else {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(io("remove", &path))?;
        }
    }
    Ok(())
}

/// Writes a file in whole or not at all, replacing an older one.
///
/// # Errors
/// [`Error::Io`]; the older file is then untouched.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    Ok(atomic::write_file(path, bytes)?)
}

/// Removes a folder, if it is there: first out of sight, so that nobody meets half of it, then from the disk.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_folder(place: &Path) -> Result<(), Error> {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".gone.tmp");
    let gone = place.with_file_name(name);
    let remove = |path: &Path, removed: std::io::Result<()>| match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", path)(error)),
        _ => Ok(()),
    };
    // What an earlier try left.
    remove(&gone, fs::remove_dir_all(&gone))?;
    remove(place, fs::rename(place, &gone))?;
    remove(&gone, fs::remove_dir_all(&gone))
}

/// Exchanges two folders at one stroke; `false` where the system or the file system cannot.
fn exchange(a: &Path, b: &Path) -> bool {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).is_ok()
    }
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    {
        let _ = (a, b);
        false
    }
}

/// A folder being written that may take the place of an older one, invisible under its name until
/// [`commit`](Self::commit).
#[derive(Debug)]
pub struct Folder(NewFolder);

impl Folder {
    /// Begins a folder that shall lie at `place`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(place: &Path) -> Result<Self, Error> {
        Ok(Self(NewFolder::begin(place)?))
    }

    /// Writes one file of the folder to the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.0.write(name, bytes)?)
    }

    /// Puts the folder in its place, and removes an older one that was there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn commit(self) -> Result<(), Error> {
        self.commit_by(exchange)
    }

    fn commit_by(self, exchange: impl Fn(&Path, &Path) -> bool) -> Result<(), Error> {
        let mut old = None;
        self.0.commit_by(|temporary, place| {
            if !place.exists() {
                return fs::rename(temporary, place).map_err(io("rename to", place));
            }
            old = Some(if exchange(temporary, place) {
                temporary.to_owned()
            } else {
                let aside = aside(place);
                fs::rename(place, &aside).map_err(io("move aside", place))?;
                fs::rename(temporary, place).map_err(io("rename to", place))?;
                aside
            });
            Ok(())
        })?;
        old.map_or(Ok(()), |old| fs::remove_dir_all(&old).map_err(io("remove", &old)))
    }
}

#[cfg(test)]
mod tests {
    use data_loader::atomic::temporary;

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
        for (text, exchange) in [(b"1", exchange as fn(&Path, &Path) -> bool), (b"2", exchange), (b"3", |_, _| false)] {
            let folder = Folder::begin(&place).unwrap();
            folder.write("x", text).unwrap();
            folder.commit_by(exchange).unwrap();
            assert_eq!(fs::read(place.join("x")).unwrap(), text);
            assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        }
    }

    /// As a kill between the two renames leaves it, and as one at any other moment does.
    #[test]
    fn what_was_moved_aside_is_put_back() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("bundle");
        let make = |path: &Path, text: &str| {
            fs::create_dir(path).unwrap();
            fs::write(path.join("x"), text).unwrap();
        };
        make(&aside(&place), "old");
        make(&temporary(&place), "new");
        clear_leftovers(root.path()).unwrap();
        assert_eq!(fs::read_to_string(place.join("x")).unwrap(), "old");
        make(&aside(&place), "older");
        fs::write(temporary(&root.path().join("a.json")), "half").unwrap();
        clear_leftovers(root.path()).unwrap();
        assert_eq!(fs::read_to_string(place.join("x")).unwrap(), "old");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        clear_leftovers(&root.path().join("nowhere")).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn two_folders_are_exchanged_at_one_stroke() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        for path in [&a, &b] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("name"), path.file_name().unwrap().as_encoded_bytes()).unwrap();
        }
        assert!(exchange(&a, &b));
        assert_eq!((fs::read(a.join("name")).unwrap(), fs::read(b.join("name")).unwrap()), (b"b".into(), b"a".into()));
        assert!(!exchange(&a, &root.path().join("c")));
    }
}
