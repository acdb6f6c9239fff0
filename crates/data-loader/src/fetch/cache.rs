//! Where are downloads kept, so that a second fetch needs no network, and who may write there at a time?

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Context;
use crate::card::hex;
use crate::error::Error;

/// The cache of this user: `FIREBOX_CACHE`, else `firebox` in `XDG_CACHE_HOME`, else `~/.cache/firebox`.
pub fn folder() -> Result<PathBuf, Error> {
    folder_of(&|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn folder_of(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, Error> {
    let home = || variable("HOME").or_else(|| variable("USERPROFILE")).map(|home| home.join(".cache"));
    variable("FIREBOX_CACHE")
        // The standard asks that a relative path there is passed over.
        .or_else(|| {
            variable("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or_else(home).map(|path| path.join("firebox"))
        })
        .ok_or_else(|| Error::Setting {
            key: "FIREBOX_CACHE".into(),
            message: "is not set, and neither is HOME, so there is no folder for downloads".into(),
            hint: "Set FIREBOX_CACHE to a folder that may be written to.".into(),
        })
}

/// The name under which something is kept: the SHA-256 of what it is.
pub(super) fn key(what: &str) -> String {
    hex(&Sha256::digest(what))
}

/// The right to work on something that two processes must not do at once; dropping it passes it on, and so does a crash.
#[derive(Debug)]
pub(super) struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits for the turn to fetch into `folder`, whatever cache another process has.
    pub(super) fn in_folder(folder: &Path, context: &mut Context) -> Result<Self, Error> {
        let whole = folder.canonicalize().map_err(|source| Error::io("folder", folder, source))?;
        let busy = format!("another process fetches into {}, and is waited for", folder.display());
        // The folder itself is locked, so that nothing more lies in it. Where that cannot be done, those with one cache take
        // turns at least; what they write they write under names of their own.
        if cfg!(unix)
            && let Ok(lock) = File::open(&whole)
            && wait_for(&lock, &busy, context)?.is_ok()
        {
            return Ok(Self { _lock: lock });
        }
        Self::in_cache(&format!("card {}", whole.display()), &busy, context)
    }

    /// Waits for the turn to work on what is called `name` in the cache; `busy` says what is waited for.
    pub(super) fn in_cache(name: &str, busy: &str, context: &mut Context) -> Result<Self, Error> {
        let folder = context.options.cache.join("turns");
        std::fs::create_dir_all(&folder).map_err(|source| no_cache(&folder, source))?;
        let path = folder.join(key(name));
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|source| no_cache(&path, source))?;
        match wait_for(&lock, busy, context)? {
            // Some network file systems know no locks; there, taking turns is left to the user.
            Err(error) if error.kind() != std::io::ErrorKind::Unsupported => Err(no_cache(&path, error)),
            _ => Ok(Self { _lock: lock }),
        }
    }
}

/// Waits until nobody else has the lock, and says so once; gives what the system says where it cannot be locked.
fn wait_for(lock: &File, busy: &str, context: &mut Context) -> Result<std::io::Result<()>, Error> {
    let mut said = false;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Ok(())),
            Err(TryLockError::Error(error)) => return Ok(Err(error)),
            Err(TryLockError::WouldBlock) if said => context.wait(Duration::from_millis(100))?,
            Err(TryLockError::WouldBlock) => {
                said = true;
                context.notice(busy);
            }
        }
    }
}

/// The error for a cache that cannot be written to.
pub(super) fn no_cache(path: &Path, source: std::io::Error) -> Error {
    Error::Write { path: path.to_path_buf(), source, hint: "Set FIREBOX_CACHE to a folder that may be written to." }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_lies_where_the_user_says_or_where_caches_lie() {
        let of = |set: &[(&str, &str)]| {
            folder_of(&|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
        };
        let all = [("FIREBOX_CACHE", "mine"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/me")];
        assert_eq!(of(&all).unwrap(), Path::new("mine"));
        assert_eq!(of(&all[1..]).unwrap(), Path::new("/xdg/firebox"));
        assert_eq!(of(&all[2..]).unwrap(), Path::new("/home/me/.cache/firebox"));
        assert_eq!(of(&[("XDG_CACHE_HOME", "xdg"), all[2]]).unwrap(), Path::new("/home/me/.cache/firebox"));
        let error = of(&[]).unwrap_err();
        assert!(error.to_string().contains("FIREBOX_CACHE") && error.is_usage());
    }
}
