//! Which files are held open while rows are read from many of them, and are they still the files that they were?
//!
//! A system lets a process hold so many files open and no more, and a data set may have more files than that. So a few are held
//! for all data sets together, and one that was let go is opened again. A file that is another by then, or changed in between,
//! is refused: a run would learn from two versions and nobody would know.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::error::Error;

/// How many files are held open: half of the 256 that some systems allow.
const MOST: usize = 128;

/// How long a file is taken to be what it was. To ask the system costs as much as to read a row, and rows in a random order are read
/// one by one.
const TRUSTED: Duration = Duration::from_millis(if cfg!(test) { 0 } else { 2 });

/// When this process first read a file, from which time is counted.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What a file is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Facts {
    len: u64,
    modified: Option<SystemTime>,
    /// The device and the number of the file on it; nothing where the system does not say.
    place: (u64, u64),
}

impl Facts {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let place = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let place = (0, 0);
        Self { len: metadata.len(), modified: metadata.modified().ok(), place }
    }
}

/// The files that are held open, of which those are let go first that were not read the longest.
#[derive(Debug)]
struct Pool {
    /// By the numbers of their handles, each with when it was read.
    open: HashMap<u64, (Arc<File>, u64)>,
    /// How many there may be.
    most: usize,
    /// Counts the reads.
    now: u64,
}

/// The pool of all data sets.
static POOL: LazyLock<Arc<Mutex<Pool>>> = LazyLock::new(|| Pool::of(MOST));

impl Pool {
    fn of(most: usize) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { open: HashMap::new(), most, now: 0 }))
    }

    fn get(&mut self, number: u64) -> Option<Arc<File>> {
        self.now += 1;
        let (file, used) = self.open.get_mut(&number)?;
        *used = self.now;
        Some(Arc::clone(file))
    }

    fn put(&mut self, number: u64, file: &Arc<File>) {
        self.now += 1;
        self.open.insert(number, (Arc::clone(file), self.now));
        while self.open.len() > self.most {
            let Some(oldest) = self.open.iter().min_by_key(|(_, (_, used))| *used).map(|(number, _)| *number) else {
                return;
            };
            self.open.remove(&oldest);
        }
    }
}

/// A file that is read in places, by several threads at once.
#[derive(Debug)]
pub(crate) struct Handle {
    pool: Arc<Mutex<Pool>>,
    number: u64,
    path: PathBuf,
    facts: Facts,
    /// When it was last seen to be what it was, in microseconds since [`BEGUN`].
    seen: AtomicU64,
}

impl Handle {
    /// Opens the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::open_in(path, &POOL)
    }

    fn open_in(path: &Path, pool: &Arc<Mutex<Pool>>) -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let failed = |source| Error::io("data file", path, source);
        let file = open(path, pool).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(Error::Malformed { path: path.to_path_buf(), message: "it is a folder".into() });
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let handle = Self {
            pool: Arc::clone(pool),
            number,
            path: path.to_path_buf(),
            facts: Facts::of(&metadata),
            seen: AtomicU64::new(0),
        };
        handle.pool().put(number, &Arc::new(file));
        Ok(handle)
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> u64 {
        self.facts.len
    }

    /// Fills `buffer` from `start` on.
    pub(crate) fn read_at(&self, start: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let failed = |source| Error::Io { path: self.path.clone(), source };
        let held = self.pool().get(self.number);
        let file = if let Some(file) = held {
            file
        } else {
            let file = Arc::new(open(&self.path, &self.pool).map_err(failed)?);
            self.unchanged(&file)?;
            self.pool().put(self.number, &file);
            file
        };
        let read = read_at(&file, start, buffer);
        // Asked for behind the read: what changed before it ended is seen, by this read or by the next a moment later.
        let now = BEGUN.elapsed().as_micros() as u64;
        if now >= self.seen.load(Ordering::Relaxed).saturating_add(TRUSTED.as_micros() as u64) {
            self.unchanged(&file)?;
            self.seen.store(now, Ordering::Relaxed);
        }
        read.map_err(failed)
    }

    fn unchanged(&self, file: &File) -> Result<(), Error> {
        let found = Facts::of(&file.metadata().map_err(|source| Error::Io { path: self.path.clone(), source })?);
        if found == self.facts {
            return Ok(());
        }
        let what = if found.len == self.facts.len {
            "it was written anew".to_owned()
        } else {
            format!("it had {} bytes and has {}", self.facts.len, found.len)
        };
        Err(Error::Mismatch {
            message: format!("{} changed while it was in use: {what}", self.path.display()),
            hint: "Leave the files of a data set alone while they are read, and begin again.".into(),
        })
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the file go, as if many others had been read.
    #[cfg(test)]
    pub(crate) fn let_go(&self) {
        self.pool().open.remove(&self.number);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.pool().open.remove(&self.number);
    }
}

/// Opens the file at `path` to be read from its beginning, whatever is held open.
pub(crate) fn open_once(path: &Path) -> std::io::Result<File> {
    open(path, &POOL)
}

/// Opens a file; where too many are open, those of the pool are let go first.
fn open(path: &Path, pool: &Mutex<Pool>) -> std::io::Result<File> {
    /// What Linux, macOS and their kin call too many open files, in this process and in all.
    const TOO_MANY: [i32; 2] = [24, 23];
    match File::open(path) {
        Err(error) if cfg!(unix) && error.raw_os_error().is_some_and(|code| TOO_MANY.contains(&code)) => {
            pool.lock().unwrap_or_else(PoisonError::into_inner).open.clear();
            File::open(path)
        }
        opened => opened,
    }
}

/// Fills `buffer` from `start` on. Threads share the file, so its own position is left alone.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, start: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, start)
}

/// Fills `buffer` from `start` on. Every read says where it begins, so threads do not disturb each other.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, mut start: u64, mut buffer: &mut [u8]) -> std::io::Result<()> {
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
pub(crate) fn read_at(file: &File, start: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut file = file;
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(handle: &Handle) -> Result<[u8; 4], Error> {
        let mut buffer = [0; 4];
        handle.read_at(2, &mut buffer)?;
        Ok(buffer)
    }

    #[test]
    fn so_many_files_are_held_open_and_no_more() {
        let pool = Pool::of(3);
        let held = || pool.lock().unwrap().open.len();
        let folder = tempfile::tempdir().unwrap();
        let handles: Vec<Handle> = (0..10_u32)
            .map(|number| {
                let path = folder.path().join(number.to_string());
                std::fs::write(&path, [&[0, 0], &number.to_le_bytes()[..]].concat()).unwrap();
                Handle::open_in(&path, &pool).unwrap()
            })
            .collect();
        for number in (0..10).chain((0..10).rev()) {
            assert_eq!(read(&handles[number]).unwrap(), (number as u32).to_le_bytes());
            assert!(read(&handles[4]).is_ok() && held() <= 3);
        }
        assert!(pool.lock().unwrap().get(handles[4].number).is_some(), "one that is read again and again was let go");
        drop(handles);
        assert_eq!(held(), 0, "files are held of which nobody has a handle");
    }

    #[test]
    fn a_file_that_is_another_when_it_is_opened_again_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::write(&path, "0012345678").unwrap();
        let modified = path.metadata().unwrap().modified().unwrap();
        let handle = Handle::open(&path).unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "0087654321").unwrap();
        std::fs::rename(&other, &path).unwrap();
        if cfg!(unix) {
            assert_eq!(&read(&handle).unwrap(), b"1234", "a file that is held is the one that was opened");
            // Not even one of equal length and age is taken for it.
            File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        }
        handle.let_go();
        let error = read(&handle).unwrap_err();
        assert!(error.to_string().contains("changed while it was in use") && error.hint().is_some(), "{error}");
        assert!(!error.is_bad_example(), "its rows could be skipped one by one");
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read(&handle).unwrap_err(), Error::Io { .. }));
    }

    #[test]
    fn a_file_that_is_written_while_it_is_held_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        for (text, words) in [("0087654321", "written anew"), ("001", "had 10 bytes and has 3")] {
            std::fs::write(&path, "0012345678").unwrap();
            let handle = Handle::open(&path).unwrap();
            read(&handle).unwrap();
            std::fs::write(&path, text).unwrap();
            // The clock of a file system may tick but every few milliseconds.
            let later = SystemTime::now() + std::time::Duration::from_secs(1);
            File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
            let error = read(&handle).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        assert!(matches!(Handle::open(folder.path()), Err(Error::Malformed { .. })));
        assert!(matches!(Handle::open(&folder.path().join("none")), Err(Error::NotFound { .. })));
    }
}
