//! Where does everything of a run lie? The only place that knows a file name inside `runs/`.
//!
//! ```text
//! runs/mnist_lenet-20261123T150400Z-9f3c/
//!   config.toml         the experiment with what it left out filled in
//!   pipeline.json       the transforms as they were fitted
//!   environment.json    device, versions, command
//!   lineage.json        what was read, with hashes
//!   pretrained.json     the weights of others with which it began, with their hash, if there were some
//!   data-report.json    what the checks found in it before the first step
//!   metrics.jsonl       loss and scores over time
//!   tensorboard/        the same for TensorBoard
//!   checkpoints/        step-0000000938/ ..., `latest` and `best` naming one
//!   not_finite.json     the examples of the step whose loss was no number, if there was one
//!   result.json         test scores and the verdict on the goal
//!   report.html         all of it, to look at
//!   bundle/             the model with everything needed to use it
//!   lock                held while a process trains
//! ```

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use data_loader::random::Random;
use model_zoo::atomic;

use crate::Error;

/// How often the lock is tried, 10 ms apart.
const LOCK_TRIES: u32 = 10;

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

/// Keeps a second process from training into the same run; released when dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl RunDir {
    /// Makes a new folder `<root>/<config>-<UTC time>-<4 hex>`; no two processes ever get the same one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create_under(root: &Path, config: &Path) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(Error::io("create", root))?;
        let stem = config.file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy().into_owned());
        let now = SystemTime::now();
        let nanos = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let mut random = Random::derive(&[nanos, u64::from(std::process::id())]);
        loop {
            let path = root.join(format!("{stem}-{}-{:04x}", compact_utc(now), random.next_u64() & 0xffff));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create", &path)(error)),
            }
        }
    }

    /// Makes the folder `path`, which must not exist, be empty, or hold only what a process wrote that was killed before its run
    /// began.
    ///
    /// # Errors
    /// [`Error::RunExists`] or [`Error::Io`].
    pub fn create(path: &Path) -> Result<Self, Error> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let entries = fs::read_dir(path).map_err(Error::io("read", path))?;
                let unbegun = Self { path: path.to_owned() };
                if entries.filter_map(Result::ok).any(|entry| !unbegun.is_preparation(&entry.path())) {
                    return Err(Error::RunExists(path.to_owned()));
                }
            }
            Err(error) => return Err(Error::io("create", path)(error)),
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Removes what a run that failed before it began has written: without a config it is no run, and should leave no trace.
    /// Only for whoever has its lock, which goes with it.
    pub fn remove_if_unbegun(&self, _lock: &Lock) {
        if self.config().exists() {
            return;
        }
        for entry in fs::read_dir(&self.path).into_iter().flatten().filter_map(Result::ok) {
            if self.is_preparation(&entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        let _ = fs::remove_dir(&self.path);
    }

    /// Whether a file is one of those that are written before the config, which makes a folder a run.
    fn is_preparation(&self, file: &Path) -> bool {
        let (data, here) =
            ([self.pipeline(), self.lineage(), self.data_report()], [self.environment(), self.pretrained()]);
        let written = data.into_iter().chain(here).chain([self.path.join("lock")]);
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        written.into_iter().any(|path| path == file) || (atomic::is_leftover(&name) && file.is_file())
    }

    /// Removes the verdict of a run that goes on, be it good or bad, and the bundle, which is no longer what the run leads to.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn forget_verdict(&self) -> Result<(), Error> {
        for path in [self.result(), self.report(), self.not_finite()] {
            gone(fs::remove_file(&path), &path)?;
        }
        Ok(atomic::remove_folder(&self.bundle())?)
    }

    /// The folder of a run that may not be there yet.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Opens the folder of an existing run.
    ///
    /// # Errors
    /// [`Error::NotARun`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let run = Self { path: path.to_owned() };
        if run.config().is_file() { Ok(run) } else { Err(Error::NotARun(path.to_owned())) }
    }

    /// Every run under `root`, oldest first; a folder that is no run is passed over.
    ///
    /// # Errors
    /// [`Error::Io`] if `root` cannot be read; a missing one holds no runs.
    pub fn list(root: &Path) -> Result<Vec<Self>, Error> {
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", root)(error)),
        };
        let mut runs: Vec<(SystemTime, Self)> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| Self::open(&entry.path()).ok())
            .map(|run| {
                let begun = fs::metadata(run.config()).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
                (begun, run)
            })
            .collect();
        runs.sort_by(|(a, run_a), (b, run_b)| a.cmp(b).then_with(|| run_a.path.cmp(&run_b.path)));
        Ok(runs.into_iter().map(|(_, run)| run).collect())
    }

    /// Takes the run for this process.
    ///
    /// # Errors
    /// [`Error::RunLocked`] if another process has it, [`Error::Io`].
    pub fn lock(&self) -> Result<Lock, Error> {
        lock_folder(&self.path)
    }

    /// Whether a process is training into it now.
    pub fn is_active(&self) -> bool {
        is_locked(&self.path)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last part of the path.
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// The experiment with every default filled in.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Device, versions, command.
    pub fn environment(&self) -> PathBuf {
        self.path.join("environment.json")
    }

    /// What was read, with hashes.
    pub fn lineage(&self) -> PathBuf {
        self.path.join("lineage.json")
    }

    /// The weights of others with which it began.
    pub fn pretrained(&self) -> PathBuf {
        self.path.join("pretrained.json")
    }

    /// What the checks found in the data before the first step.
    pub fn data_report(&self) -> PathBuf {
        Self::data_reports_in(&self.path).0
    }

    /// Where the reports about data lie in a folder, be it a run or not: for programs, and for people.
    pub fn data_reports_in(folder: &Path) -> (PathBuf, PathBuf) {
        (folder.join("data-report.json"), folder.join("data-report.html"))
    }

    /// Where the decisions lie that are proposed about data.
    pub fn data_decisions_in(folder: &Path) -> PathBuf {
        folder.join("data-decisions.toml")
    }

    /// The transforms as they were fitted on the training split.
    pub fn pipeline(&self) -> PathBuf {
        self.path.join("pipeline.json")
    }

    /// Loss and scores over time.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The same for TensorBoard.
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join("tensorboard")
    }

    /// The folder of all checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The examples of the step whose loss was no number.
    pub fn not_finite(&self) -> PathBuf {
        self.path.join("not_finite.json")
    }

    /// Test scores and the verdict on the goal.
    pub fn result(&self) -> PathBuf {
        self.path.join("result.json")
    }

    /// All of it, to look at.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// The model with everything needed to use it.
    pub fn bundle(&self) -> PathBuf {
        self.path.join("bundle")
    }

    /// Writes one of the JSON files, in whole or not at all.
    ///
    /// # Errors
    /// [`Error::Model`] with the path.
    pub fn write_json(&self, path: &Path, value: &impl serde::Serialize) -> Result<(), Error> {
        let mut text = serde_json::to_vec_pretty(value).expect("our own types have text keys");
        text.push(b'\n');
        Ok(atomic::write_file(path, &text)?)
    }
}

/// Takes a folder for this process, be it of a run or of several.
///
/// # Errors
/// As [`RunDir::lock`].
pub fn lock_folder(folder: &Path) -> Result<Lock, Error> {
    let path = folder.join("lock");
    // Whoever only looks whether a run is active holds the lock for an instant; a training holds it for longer than that.
    for _ in 0..LOCK_TRIES {
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        match file.try_lock() {
            // A run that failed before it began takes its lock with it: then this is the lock of nothing.
            Ok(()) if is_still(&file, &path) => return Ok(Lock { _file: file }),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
    }
    Err(Error::RunLocked(folder.to_owned()))
}

/// Whether a process has taken a folder, be it a run already or not yet.
pub fn is_locked(folder: &Path) -> bool {
    let held = File::open(folder.join("lock")).map(|file| file.try_lock_shared());
    matches!(held, Ok(Err(TryLockError::WouldBlock)))
}

/// Whether `path` still leads to the open `file`.
#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |found: std::io::Result<fs::Metadata>| found.map(|found| (found.dev(), found.ino())).ok();
    identity(file.metadata()).is_some_and(|open| identity(fs::metadata(path)) == Some(open))
}

/// Elsewhere a file that is open cannot be removed.
#[cfg(not(unix))]
fn is_still(_file: &File, _path: &Path) -> bool {
    true
}

/// What was not there need not be removed.
fn gone(removed: std::io::Result<()>, path: &Path) -> Result<(), Error> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// A moment as `20261123T150400Z`.
fn compact_utc(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_new_each_time_and_sortable() {
        let root = tempfile::tempdir().unwrap();
        let first = RunDir::create_under(root.path(), Path::new("configs/a_b.toml")).unwrap();
        let second = RunDir::create_under(root.path(), Path::new("configs/a_b.toml")).unwrap();
        assert_ne!(first.path(), second.path());
        assert!(first.name().starts_with("a_b-20"));
        assert_eq!(first.name().len(), "a_b-20261123T150400Z-9f3c".len());
        assert_eq!(compact_utc(SystemTime::UNIX_EPOCH), "19700101T000000Z");
    }

    #[test]
    fn a_folder_with_something_in_it_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("deep/run");
        let run = RunDir::create(&path).unwrap();
        fs::write(run.config(), "x").unwrap();
        assert!(matches!(RunDir::create(&path), Err(Error::RunExists(_))));
        assert!(RunDir::open(&path).is_ok());
        assert!(matches!(RunDir::open(root.path()), Err(Error::NotARun(_))));
    }

    #[test]
    fn only_one_holds_the_lock() {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::create(&root.path().join("r")).unwrap();
        let lock = run.lock().unwrap();
        assert!(matches!(run.lock(), Err(Error::RunLocked(_))));
        assert!(run.is_active());
        drop(lock);
        assert!(!run.is_active());
    }

    #[test]
    fn the_lock_of_a_folder_that_is_gone_locks_nothing() {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::create(&root.path().join("r")).unwrap();
        let lock = run.lock().unwrap();
        let other = File::open(run.path().join("lock")).unwrap();
        run.remove_if_unbegun(&lock);
        assert!(!run.path().exists());
        assert!(!is_still(&other, &run.path().join("lock")));
        drop(lock);
        let again = RunDir::create(run.path()).unwrap();
        let lock = again.lock().unwrap();
        assert!(!is_still(&other, &run.path().join("lock")));
        fs::write(again.config(), "x").unwrap();
        again.remove_if_unbegun(&lock);
        assert!(again.config().exists());
    }
}
