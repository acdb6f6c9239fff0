//! How are lines kept that must not be lost? They are appended to a file by a thread of its own, and are on the disk soon after.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::Error;

/// So many lines may wait for the disk.
const WAITING: usize = 16 << 10;

/// A file that grows by lines.
pub(crate) struct Journal(Mutex<Option<(SyncSender<String>, JoinHandle<()>)>>);

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
        let path = path.to_owned();
        let thread = std::thread::Builder::new().name("journal".into()).spawn({
            let path = path.clone();
            move || {
                while let Some(text) = next(&told) {
                    if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.sync_data()) {
                        failed(&format!("error: {} cannot be written: {error}", path.display()));
                    }
                }
            }
        });
        let thread = thread.map_err(Error::io("start a thread for", &path))?;
        Ok(Self(Mutex::new(Some((lines, thread)))))
    }

    /// Appends a line; tells whether there was room for it.
    pub(crate) fn write(&self, line: String) -> bool {
        self.lock().as_ref().is_some_and(|(lines, _)| lines.try_send(line).is_ok())
    }

    /// Waits until everything is written, and takes nothing any more.
    pub(crate) fn close(&self) {
        if let Some((lines, thread)) = self.lock().take() {
            drop(lines);
            let _ = thread.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(SyncSender<String>, JoinHandle<()>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that waits, as one text; nothing once nothing comes any more.
fn next(lines: &Receiver<String>) -> Option<String> {
    let mut text = lines.recv().ok()?;
    text.push('\n');
    while let Ok(line) = lines.try_recv() {
        text.push_str(&line);
        text.push('\n');
    }
    Some(text)
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
