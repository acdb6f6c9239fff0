//! What was fetched into the folder of a card: by which settings, how many files, and with which checksums?
//!
//! ```text
//! .card.fetched.jsonl, beside card.toml: a line for each pattern, before the first of its files is there,
//!                                        and one for each file, before it gets its name; the last of a name counts
//! ```
//!
//! So a set of which the half has come is known as such, a file that changed later is found out, and so is a card whose
//! source was changed. A file with a checksum in its card needs no line: the card vouches for it.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::write_file;
use crate::card::CardFile;
use crate::error::Error;
use crate::sources::SourceConfig;

/// How large a ledger may be: 256 MiB, two million lines.
const MOST: u64 = 256 << 20;

/// The files that a pattern stood for when its source was last asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Expansion {
    pattern: String,
    source: String,
    files: Vec<String>,
}

/// A file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    file: String,
    source: String,
    sha256: String,
    /// Whether it was taken out of an archive that has the checksum that its card states.
    pub(crate) by_archive: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Pattern(Expansion),
    File(Record),
}

/// What is known of the files that were fetched.
#[derive(Debug)]
pub(crate) struct Ledger {
    card: PathBuf,
    path: PathBuf,
    patterns: BTreeMap<String, Expansion>,
    files: BTreeMap<String, Record>,
    /// Where lines are added, once one was.
    log: Option<File>,
}

impl Ledger {
    /// Reads what is known of the files of the card at `card`, which is a `card.toml` or the folder around it.
    pub(crate) fn read(card: &Path) -> Result<Self, Error> {
        let file = if card.is_dir() { card.join("card.toml") } else { card.to_path_buf() };
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let path = file.with_file_name(format!(".{stem}.fetched.jsonl"));
        let (patterns, files) = (BTreeMap::new(), BTreeMap::new());
        let mut ledger = Self { card: card.to_path_buf(), path, patterns, files, log: None };
        let mut bytes = Vec::new();
        let failed = |source| Error::io("list of fetched files", &ledger.path, source);
        match File::open(&ledger.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(ledger),
            file => file.map_err(failed)?.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?,
        };
        let size = bytes.len() as u64;
        if size > MOST {
            return Err(Error::TooLarge { path: ledger.path, what: "its size in bytes", size, limit: MOST });
        }
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        for (place, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(line) => ledger.keep(line),
                // A process that was killed may leave half a line; what it was about is not there yet.
                Err(_) if place + 1 == lines.len() => {}
                Err(_) => {
                    let message = format!(
                        "line {} says nothing of a fetched file; remove the list and the files, and fetch them again",
                        place + 1
                    );
                    return Err(Error::Malformed { path: ledger.path, message });
                }
            }
        }
        Ok(ledger)
    }

    fn keep(&mut self, line: Line) {
        match line {
            Line::Pattern(expansion) => drop(self.patterns.insert(expansion.pattern.clone(), expansion)),
            Line::File(record) => drop(self.files.insert(record.file.clone(), record)),
        }
    }

    /// Writes down which files a pattern stands for.
    pub(crate) fn note_pattern(
        &mut self,
        entry: &CardFile,
        source: &SourceConfig,
        mut files: Vec<String>,
    ) -> Result<(), Error> {
        files.sort();
        let pattern = entry.path.to_string_lossy().into_owned();
        let expansion = Expansion { pattern, source: source.settings(), files };
        if self.patterns.get(&expansion.pattern) == Some(&expansion) {
            return Ok(());
        }
        self.write(Line::Pattern(expansion))
    }

    /// Writes down a file that is about to get its name.
    pub(crate) fn note_file(
        &mut self,
        name: &str,
        source: &SourceConfig,
        sha256: &str,
        by_archive: bool,
    ) -> Result<(), Error> {
        let (file, sha256) = (name.to_owned(), sha256.to_owned());
        self.write(Line::File(Record { file, source: source.settings(), sha256, by_archive }))
    }

    fn write(&mut self, line: Line) -> Result<(), Error> {
        let failed = |source| Error::write(&self.path, source);
        let text = |line: &Line| serde_json::to_string(line).map(|text| text + "\n").map_err(std::io::Error::other);
        let added = text(&line).map_err(failed)?;
        if let Some(log) = &mut self.log {
            log.write_all(added.as_bytes())
                .and_then(|()| log.sync_data())
                .map_err(|source| Error::write(&self.path, source))?;
            self.keep(line);
            return Ok(());
        }
        // The first time anew, without lines that no longer count.
        let path = self.path.clone();
        let failed = |source| Error::write(&path, source);
        self.keep(line);
        let lines = self.patterns.values().cloned().map(Line::Pattern);
        let whole: Result<String, _> =
            lines.chain(self.files.values().cloned().map(Line::File)).map(|line| text(&line)).collect();
        write_file(&path, whole.map_err(failed)?.as_bytes())?;
        self.log = Some(File::options().append(true).open(&path).map_err(failed)?);
        Ok(())
    }

    /// Refuses a file that was fetched by other settings than its card has now, or was changed since; gives what is known of it.
    pub(crate) fn check(
        &self,
        entry: &CardFile,
        name: &str,
        path: &Path,
        sha256: &str,
    ) -> Result<Option<&Record>, Error> {
        // What the card vouches for may come from anywhere.
        let Some(source) = entry.from.as_ref().filter(|_| entry.checksums().is_empty()) else { return Ok(None) };
        let Some(record) = self.files.get(name) else { return Ok(None) };
        if record.source != source.settings() {
            return Err(self.other_settings(path));
        }
        if record.sha256 != sha256 {
            let message =
                format!("{} has the SHA-256 {sha256}, and had {} when it was fetched", path.display(), record.sha256);
            let hint = "If the change is not meant, remove the file and fetch it again with `firebox data fetch`; if it is, write the new SHA-256 in the card, or take the source of the file out of it.";
            return Err(Error::Mismatch { message, hint: hint.into() });
        }
        Ok(Some(record))
    }

    /// Refuses what is there of a pattern unless it is what was fetched of it: all of that, and nothing else. `names` are
    /// sorted.
    pub(crate) fn check_all(&self, entry: &CardFile, names: &[String], folder: &Path) -> Result<(), Error> {
        let Some(source) = &entry.from else { return Ok(()) };
        let absent = |name: &Path| Error::NotFetched { path: folder.join(name), card: self.card.clone() };
        let Some(expansion) = self.patterns.get(&*entry.path.to_string_lossy()) else {
            return Err(absent(&entry.path));
        };
        if expansion.source != source.settings() {
            return Err(self.other_settings(&folder.join(&entry.path)));
        }
        if let Some(name) = expansion.files.iter().find(|name| names.binary_search(name).is_err()) {
            return Err(absent(Path::new(name)));
        }
        Self::check_strangers(entry, names, &expansion.files, folder)
    }

    /// Refuses to mix the files of a pattern with those that it stood for under other settings, and with strangers. `there` are
    /// the files that match it, and `wanted` those that its source has.
    pub(crate) fn check_mixture(
        &self,
        entry: &CardFile,
        source: &SourceConfig,
        there: &[String],
        wanted: &[String],
        folder: &Path,
    ) -> Result<(), Error> {
        let before = self.patterns.get(&*entry.path.to_string_lossy());
        if before.is_some_and(|before| before.source != source.settings()) && !there.is_empty() {
            return Err(self.other_settings(&folder.join(&entry.path)));
        }
        Self::check_strangers(entry, there, wanted, folder)
    }

    fn check_strangers(entry: &CardFile, there: &[String], wanted: &[String], folder: &Path) -> Result<(), Error> {
        let wanted: HashSet<&String> = wanted.iter().collect();
        let Some(stranger) = there.iter().find(|name| !wanted.contains(name)) else { return Ok(()) };
        Err(Error::Mismatch {
            message: format!(
                "{} matches {}, and is none of the files that its source has",
                folder.join(stranger).display(),
                entry.path.display()
            ),
            hint: "It would be read with them: move it elsewhere, or ask the source again with `firebox data fetch`."
                .into(),
        })
    }

    fn other_settings(&self, path: &Path) -> Error {
        Error::Mismatch {
            message: format!("{} was fetched by other settings than its card has now", path.display()),
            hint: format!(
                "Remove it and fetch it again with `firebox data fetch {}`, or put the settings of its source back.",
                self.card.display()
            ),
        }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
