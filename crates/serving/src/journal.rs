//! How are lines kept that must not be lost? They are appended to a file by a thread of its own, and are on the disk soon after.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Error;

/// So many lines, and bytes, may wait for the disk; and so often it is said that it refuses them.
const WAITING: usize = 16 << 10;
const WAITING_BYTES: usize = 16 << 20;
const COMPLAINT: Duration = Duration::from_mins(1);

/// A file that grows by lines.
pub(crate) struct Journal {
    thread: Mutex<Option<(SyncSender<String>, JoinHandle<()>)>>,
    state: Arc<State>,
}

/// What the thread and those who write know of each other.
#[derive(Default)]
struct State {
    /// How many bytes wait for the disk.
    waiting: AtomicUsize,
    /// Whether the disk refused the last of them.
    refused: AtomicBool,
}

impl Journal {
    /// Opens a file that nobody but its owner may read if it is new; what is in it stays.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn open(path: &Path, failed: fn(&str)) -> Result<Self, Error> {
        let mut options = File::options();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.create(true).append(true).open(path).map_err(Error::io("open", path))?;
        let (lines, told) = sync_channel(WAITING);
        let (path, state) = (path.to_owned(), Arc::new(State::default()));
        let (of_thread, shown) = (Arc::clone(&state), path.clone());
        let work = move || {
            let mut complained: Option<Instant> = None;
            while let Some(lines) = next(&told) {
                let written = file.write_all((lines.join("\n") + "\n").as_bytes()).and_then(|()| file.sync_data());
                of_thread.waiting.fetch_sub(lines.iter().map(String::len).sum(), Ordering::Relaxed);
                of_thread.refused.store(written.is_err(), Ordering::Relaxed);
                if let Err(error) = written
                    && complained.is_none_or(|then| then.elapsed() > COMPLAINT)
                {
                    complained = Some(Instant::now());
                    failed(&format!("error: {} cannot be written: {error}", shown.display()));
                }
            }
        };
        let thread = std::thread::Builder::new().name("journal".into()).spawn(work);
        let thread = thread.map_err(Error::io("start a thread for", &path))?;
        Ok(Self { thread: Mutex::new(Some((lines, thread))), state })
    }

    /// Appends a line; tells whether there was room for it, and the disk took the one before.
    pub(crate) fn write(&self, line: String) -> bool {
        let (length, state) = (line.len(), &self.state);
        if state.waiting.fetch_add(length, Ordering::Relaxed) + length > WAITING_BYTES {
            state.waiting.fetch_sub(length, Ordering::Relaxed);
            return false;
        }
        let sent = self.lock().as_ref().is_some_and(|(lines, _)| lines.try_send(line).is_ok());
        if !sent {
            state.waiting.fetch_sub(length, Ordering::Relaxed);
        }
        sent && !state.refused.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, and takes nothing any more.
    pub(crate) fn close(&self) {
        if let Some((lines, thread)) = self.lock().take() {
            drop(lines);
            let _ = thread.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(SyncSender<String>, JoinHandle<()>)>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that waits; nothing once nothing comes any more.
fn next(lines: &Receiver<String>) -> Option<Vec<String>> {
    let first = lines.recv().ok()?;
    Some(std::iter::once(first).chain(lines.try_iter().take(WAITING)).collect())
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_there_once_it_is_closed_and_older_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.jsonl");
        for round in 0..2 {
            let journal = Journal::open(&path, |_| {}).unwrap();
            for line in 0..500 {
                assert!(journal.write(format!("{round} {line}")));
            }
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[999]), (1000, "0 0", "1 499"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0);
        }
        assert!(Journal::open(&folder.path().join("no/folder"), |_| {}).is_err());
    }
}
