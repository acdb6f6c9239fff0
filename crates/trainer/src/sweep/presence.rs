//! Does a worker still live? On one machine its lock tells at once; from another one its beats tell after a while.
//!
//! No clock is compared with another: who waits counts its own seconds during which nothing moved.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Error;

/// A worker of another machine whose beats stand still for so long has died.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often a worker shows that it lives.
pub const BEAT: Duration = Duration::from_secs(2);

/// One of this machine that is there and does not beat for so long hangs, or was halted by somebody.
const HANGS: Duration = Duration::from_mins(10);

/// A worker of this process. Its lock ends with the process, however that ends.
#[derive(Debug)]
pub struct Worker {
    /// A name that no other worker has.
    pub id: String,
    path: PathBuf,
    _lock: File,
}

impl Worker {
    /// A new worker on the trials that lie in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(folder: &Path) -> Result<Self, Error> {
        let workers = folder_of(folder);
        fs::create_dir_all(&workers).map_err(Error::io("create", &workers))?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host: String = host.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let host = if host.is_empty() { "worker".to_owned() } else { host };
        // A container may have the name and the process number of another one, but not at the same nanosecond.
        let id = format!("{host}-{}-{:x}", std::process::id(), since.as_nanos() & 0xffff_ffff_ffff);
        let path = workers.join(&id);
        let lock = File::create(&path).map_err(Error::io("create", &path))?;
        lock.lock().map_err(Error::io("lock", &path))?;
        Ok(Self { id, path, _lock: lock })
    }
}

impl Worker {
    /// Ends with nothing left in its hands. Otherwise the file stays: that nobody holds its lock tells others to take up what it had.
    pub fn leave(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What is known of other workers.
#[derive(Debug, Default)]
pub struct Watch {
    seen: BTreeMap<u64, (i64, Instant)>,
}

impl Watch {
    /// Takes note of the beats of the trials that run.
    pub fn observe(&mut self, beats: &BTreeMap<u64, i64>, now: Instant) {
        self.seen.retain(|number, _| beats.contains_key(number));
        for (&number, &beat) in beats {
            let seen = self.seen.entry(number).or_insert((beat, now));
            if seen.0 != beat {
                *seen = (beat, now);
            }
        }
    }

    /// Whether the beats of a trial have stood still for so long.
    fn is_still(&self, number: u64, now: Instant, long: Duration) -> bool {
        self.seen.get(&number).is_some_and(|(_, since)| now.duration_since(*since) >= long)
    }

    /// Whether the worker that has a trial is dead.
    pub fn is_dead(&self, folder: &Path, worker: &str, number: u64, now: Instant) -> bool {
        let path = folder_of(folder).join(worker);
        match File::open(&path).map(|file| file.try_lock_shared()) {
            // Nobody holds the lock of a worker of this machine.
            Ok(Ok(())) => true,
            Ok(Err(TryLockError::WouldBlock)) => self.is_still(number, now, HANGS),
            Ok(Err(TryLockError::Error(_))) | Err(_) => self.is_still(number, now, LEASE),
        }
    }
}

/// Removes what dead workers left.
pub fn clear(folder: &Path) {
    for entry in fs::read_dir(folder_of(folder)).into_iter().flatten().filter_map(Result::ok) {
        let held = File::open(entry.path()).map(|file| file.try_lock_shared());
        if matches!(held, Ok(Ok(()))) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn folder_of(folder: &Path) -> PathBuf {
    folder.join("workers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_lives_as_long_as_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let worker = Worker::new(folder.path()).unwrap();
        let (watch, now) = (Watch::default(), Instant::now());
        assert!(!watch.is_dead(folder.path(), &worker.id, 0, now));
        // Unless it has not moved for long.
        let mut watch = Watch::default();
        watch.observe(&BTreeMap::from([(0, 1)]), now);
        assert!(!watch.is_dead(folder.path(), &worker.id, 0, now + HANGS / 2));
        assert!(watch.is_dead(folder.path(), &worker.id, 0, now + HANGS));
        let left = folder_of(folder.path()).join("left");
        fs::write(&left, "").unwrap();
        assert!(watch.is_dead(folder.path(), "left", 0, now));
        clear(folder.path());
        assert!(!left.exists() && worker.path.exists());
        let (id, path) = (worker.id.clone(), worker.path.clone());
        drop(worker);
        assert!(watch.is_dead(folder.path(), &id, 7, now), "what it had is nobody's now");
        let another = Worker::new(folder.path()).unwrap();
        another.leave();
        assert_eq!(fs::read_dir(folder_of(folder.path())).unwrap().count(), 1);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn one_of_elsewhere_is_dead_once_its_beats_stand_still() {
        let folder = tempfile::tempdir().unwrap();
        let (mut watch, begun) = (Watch::default(), Instant::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        watch.observe(&BTreeMap::from([(3, 10), (4, 1)]), begun);
        watch.observe(&BTreeMap::from([(3, 11), (4, 1)]), at(20));
        assert!(!watch.is_dead(folder.path(), "elsewhere", 3, at(45)));
        assert!(watch.is_dead(folder.path(), "elsewhere", 4, at(45)));
        assert!(watch.is_dead(folder.path(), "elsewhere", 3, at(50)));
        assert!(!watch.is_dead(folder.path(), "elsewhere", 9, at(500)), "nobody saw it beat");
        watch.observe(&BTreeMap::new(), at(51));
        assert!(!watch.is_dead(folder.path(), "elsewhere", 3, at(99)), "it no longer runs");
    }
}
