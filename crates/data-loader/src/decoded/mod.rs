//! How do many processes that learn from the same images decode each of them once? The first one writes what it decoded into a file,
//! and all of them read from that.
//!
//! The file lies in the memory of the system once for all, where there is room, and is read at places, not mapped: a record owns its
//! pixels, so they are copied either way, and a file that is cut off under a reader is an error then, not the end of the process. What
//! cannot be read from it, for whatever reason, is decoded as ever.

mod file;

use std::fs::{File, TryLockError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::card::Card;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::formats::{FormatConfig, Records, VisitKey};
use crate::schema::FeatureKind;
use crate::split::Part;

use file::{DecodedFile, Written};

/// How often is looked whether another process has finished the file.
const LOOK: Duration = Duration::from_millis(50);
/// If it has written nothing for so long, nobody waits for it any more.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where decoded rows are kept.
#[derive(Clone, Debug)]
pub struct DecodedCache {
    /// A folder that belongs to whoever shares the rows.
    pub folder: PathBuf,
    /// How much the files in it may take together.
    pub max_bytes: u64,
    /// Set by whoever does not want to wait any more.
    pub stop: Arc<AtomicBool>,
}

/// Records whose rows are decoded once.
pub(crate) struct Decoded {
    records: Box<dyn Records>,
    cache: DecodedCache,
    /// What tells these files in this format from all others.
    files: serde_json::Value,
    file: OnceLock<DecodedFile>,
}

impl Decoded {
    /// Wraps the records of a card, if decoding them costs more than reading what came out.
    pub(crate) fn over(records: Box<dyn Records>, card: &Card, cache: &DecodedCache) -> Box<dyn Records> {
        let images = card.schema().features.0.iter().any(|(_, kind)| *kind == FeatureKind::Image);
        // What these formats hold are pixels already, in memory.
        let raw = matches!(card.config.format, FormatConfig::Idx(_) | FormatConfig::Cifar(_));
        if !images || raw || cache.max_bytes == 0 {
            return records;
        }
        let hashes: Vec<_> = card.files.iter().map(|file| json!([file.name, file.sha256, file.bytes])).collect();
        // Another version may decode otherwise.
        let version = env!("CARGO_PKG_VERSION");
        let files = json!([version, card.name(), card.config.format, card.schema(), hashes]);
        Box::new(Self { records, cache: cache.clone(), files, file: OnceLock::new() })
    }

    /// Opens the file of these rows, or writes it while whoever else wants it waits. Nothing if it cannot be had.
    fn file_of(&self, rows: &[u32]) -> Result<Option<DecodedFile>, Error> {
        let name = name_of(&self.files, rows);
        let Some(_lock) = self.lock(&name)? else { return Ok(None) };
        let path = self.cache.folder.join(format!("{name}.rows"));
        if let Some(file) = DecodedFile::open(&path) {
            return Ok(Some(file));
        }
        self.clear_leftovers(&name);
        let room = self.cache.max_bytes.saturating_sub(bytes_in(&self.cache.folder));
        // Nobody tries in vain what takes that long, unless there is more room now.
        let refused = self.cache.folder.join(format!("{name}.too-large"));
        let before = std::fs::read_to_string(&refused).ok().map(|room| room.trim().parse().unwrap_or(u64::MAX));
        if before.is_some_and(|before| room <= before) {
            return Ok(None);
        }
        let written = DecodedFile::write(&path, self.records.as_ref(), rows, room, &self.cache.stop);
        match written {
            Ok(Written::Whole) => Ok(DecodedFile::open(&path)),
            Ok(Written::Stopped) => Err(Error::Interrupted),
            Ok(Written::TooLarge) => {
                let _ = std::fs::write(refused, room.to_string());
                Ok(None)
            }
            // A full disk stays full for the next one as well.
            Err(_) => {
                let _ = File::create(refused);
                Ok(None)
            }
        }
    }

    /// The right to write the file, which falls with the process that has it, however that ends. Nothing if there is no such right here, or who
    /// has it does nothing.
    fn lock(&self, name: &str) -> Result<Option<File>, Error> {
        let path = self.cache.folder.join(format!("{name}.lock"));
        let made = std::fs::create_dir_all(&self.cache.folder).and_then(|()| File::create(path));
        let Ok(lock) = made else { return Ok(None) };
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(lock)),
                Err(TryLockError::WouldBlock) if self.cache.stop.load(Ordering::Relaxed) => {
                    return Err(Error::Interrupted);
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(_)) => return Ok(None),
            }
            let now = bytes_in(&self.cache.folder);
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() > PATIENCE {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Removes what processes left that ended while they wrote: of this file, and of those that nobody writes.
    fn clear_leftovers(&self, own: &str) {
        for entry in std::fs::read_dir(&self.cache.folder).into_iter().flatten().flatten() {
            let found = entry.file_name().to_string_lossy().into_owned();
            let Some((name, rest)) = found.split_once(".rows.") else { continue };
            let lock = File::open(self.cache.folder.join(format!("{name}.lock")));
            let free = name == own || lock.is_ok_and(|lock| lock.try_lock().is_ok());
            if free && rest.strip_suffix(".tmp").is_some() {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// The name of the file of these rows.
fn name_of(files: &serde_json::Value, rows: &[u32]) -> String {
    let mut hash = Sha256::new_with_prefix(files.to_string());
    for row in rows {
        hash.update(row.to_le_bytes());
    }
    format!("{:x}", hash.finalize())
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

impl Records for Decoded {
    fn keep(&self, rows: &[u32]) -> Result<(), Error> {
        if self.file.get().is_none()
            && let Some(file) = self.file_of(rows)?
        {
            let _ = self.file.set(file);
        }
        Ok(())
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let kept = self.file.get().and_then(|file| file.record(u32::try_from(row).ok()?));
        kept.map_or_else(|| self.records.read(row), Ok)
    }

    fn len(&self) -> usize {
        self.records.len()
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        self.records.field(row, name)
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        self.records.key(row)
    }

    fn content(&self, row: usize, target: Option<&str>) -> Result<[u8; 16], Error> {
        self.records.content(row, target)
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.records.part(row)
    }

    fn image_size(&self) -> Option<[usize; 2]> {
        self.records.image_size()
    }

    fn passed_over(&self) -> &[PathBuf] {
        self.records.passed_over()
    }

    fn steps(&self, windows: &[u32]) -> Option<(&dyn Records, Vec<u32>)> {
        self.records.steps(windows)
    }

    fn blocks(&self) -> Vec<usize> {
        self.records.blocks()
    }

    fn visit(&self, rows: &[u32], visit: &mut dyn FnMut(Result<&mut Record, Error>) -> ControlFlow<()>) {
        if self.file.get().is_none() {
            return self.records.visit(rows, visit);
        }
        let _ = rows.iter().try_for_each(|&row| match self.read(row as usize) {
            Ok(mut record) => visit(Ok(&mut record)),
            Err(error) => visit(Err(error)),
        });
    }

    fn fields(&self, rows: &[u32], name: &str) -> Vec<Result<Value, Error>> {
        self.records.fields(rows, name)
    }

    fn numbers(&self, rows: &[u32], names: &[&str], numbers: &mut Vec<f64>) -> bool {
        self.records.numbers(rows, names, numbers)
    }

    fn visit_keys(&self, rows: &[u32], visit: VisitKey<'_>) {
        self.records.visit_keys(rows, visit);
    }
}

#[cfg(test)]
#[path = "decoded_tests.rs"]
mod tests;
