//! How do the files of a card come to this machine? Each is asked of its source once, verified, and put where the card says.
//!
//! ```text
//! card ──> source ──> cache (downloads only: .part, then whole) ──> .NAME.PID-N.part beside the data ──> NAME
//! ```
//!
//! A file that is there is never replaced. Whatever moment the machine stops at, the next call goes on from what has come.

mod archive;
mod cache;
mod download;
pub(crate) mod json_text;
mod ledger;
mod rows;
mod target;
mod token;
mod web;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::card::{Card, CardConfig, CardFile, located};
use crate::error::Error;
use crate::sources::{self, SourceConfig, Wanted, local};

pub(crate) use archive::{check_member, extract};
pub use cache::folder as cache_folder;
pub(crate) use download::{Opened, Remote, download};
pub(crate) use ledger::Ledger;
pub(crate) use rows::{Cell, RowWriter};
pub(crate) use target::{Target, copy};
pub(crate) use token::token;
pub(crate) use web::{Answer, Patience, Secret, Trouble, Web, address, join, origin, shown};

/// What happens while files are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A file is asked of its source.
    Begun {
        /// The file, as its card names it.
        file: &'a str,
        /// The source, without anything secret.
        from: &'a str,
    },
    /// Bytes have come.
    Bytes {
        /// The file.
        file: &'a str,
        /// How many are there, with those of earlier calls.
        have: u64,
        /// How many there will be, where that is known.
        total: Option<u64>,
    },
    /// Rows were written.
    Rows {
        /// The file.
        file: &'a str,
        /// How many are there.
        rows: u64,
    },
    /// Something went wrong that may pass.
    Waiting {
        /// The file.
        file: &'a str,
        /// What went wrong.
        reason: &'a str,
        /// How long is waited before the next attempt.
        pause: Duration,
    },
    /// Something that the user should know, and that is no error.
    Notice {
        /// The file; empty where it concerns all of them.
        file: &'a str,
        /// What there is to know, as a phrase.
        text: &'a str,
    },
}

/// How files are fetched.
pub struct Options<'a> {
    /// Where downloads are kept, so that a second one needs no network.
    pub cache: PathBuf,
    /// After so long without a byte a connection counts as broken.
    pub silence: Duration,
    /// The pause before the second attempt; it doubles with each attempt in vain.
    pub pause: Duration,
    /// Set from elsewhere, it ends the work at the next byte; what has come is kept.
    pub stop: &'a AtomicBool,
    /// Gives the value of an environment variable; tokens and passwords stand there.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Is told what happens.
    pub progress: &'a mut dyn FnMut(&Event),
}

impl<'a> Options<'a> {
    /// The cache of this user, the variables of this process, and the usual patience.
    pub fn new(stop: &'a AtomicBool, progress: &'a mut dyn FnMut(&Event)) -> Result<Self, Error> {
        Ok(Self {
            cache: cache_folder()?,
            silence: Duration::from_secs(30),
            pause: Duration::from_millis(500),
            stop,
            variable: &|name| std::env::var(name).ok(),
            progress,
        })
    }
}

/// How a file came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was there before.
    Present,
    /// It was fetched now, from its source or from the cache.
    Fetched,
}

/// Who vouches for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It has the checksum that its card states.
    Stated,
    /// It was taken out of an archive that has the checksum that its card states.
    ByArchive,
    /// It has the checksum that it had when it was fetched, of which nobody states that it was the right one.
    Recorded,
    /// Nobody: its card states no checksum.
    Unstated,
}

/// A file that is there, and is what its card says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Relative to the card's folder, with `/` between folders.
    pub name: String,
    /// In bytes; of a folder the sum.
    pub bytes: u64,
    /// The SHA-256 that was found.
    pub sha256: String,
    /// Who vouches for it.
    pub checked: Checked,
    /// Whether it matches a pattern of the card, which can state no checksum.
    pub of_pattern: bool,
    /// How it came to be there.
    pub state: State,
    /// How many rows or records were fetched, where the source gives such.
    pub rows: Option<u64>,
    /// From how many pages of a web API they came.
    pub pages: Option<u64>,
}

/// Fetches what is not there of the files of the card at `path`, which is a `card.toml` or the folder around it, and verifies
/// all of them.
pub fn fetch(path: &Path, options: Options) -> Result<Vec<Fetched>, Error> {
    let (config, _) = Card::read(path)?;
    fetch_all(path, &config.files, Some(&config), options)
}

/// As [`fetch`], of a card of another kind than that of a data set: of the files that its `entries` name.
pub fn fetch_files(path: &Path, entries: &[CardFile], options: Options) -> Result<Vec<Fetched>, Error> {
    fetch_all(path, entries, None, options)
}

/// Fetches what is not there of `entries`, which stand in the card at `path`: that of a data set is `card`.
fn fetch_all(
    path: &Path,
    entries: &[CardFile],
    card: Option<&CardConfig>,
    options: Options,
) -> Result<Vec<Fetched>, Error> {
    let (_, folder) = located(path);
    let mut context = Context::new(options);
    // Two calls for one card take turns: the second finds everything there.
    let _turn = cache::Turn::in_folder(&folder, &mut context)?;
    let mut set = Set { ledger: Ledger::read(path)?, folder, card, done: Vec::new() };
    for entry in entries {
        if let Err(error) = set.fetch(entry, &mut context) {
            context.sweep();
            return Err(error);
        }
    }
    context.sweep();
    Ok(set.done)
}

/// The files of a card while they are fetched.
struct Set<'a> {
    folder: PathBuf,
    card: Option<&'a CardConfig>,
    ledger: Ledger,
    done: Vec<Fetched>,
}

impl Set<'_> {
    /// Fetches what is not there of the files of one entry.
    fn fetch(&mut self, entry: &CardFile, context: &mut Context) -> Result<(), Error> {
        let Some(source) = &entry.from else {
            for (name, path) in local::matches(&self.folder, &entry.path)? {
                self.present(entry, name, &path)?;
            }
            return Ok(());
        };
        source.check()?;
        let wanted = sources::wanted(&self.folder, entry, source, context)?;
        let name = |path: &Path| path.to_string_lossy().replace('\\', "/");
        if entry.is_pattern() {
            let names: Vec<String> = wanted.iter().map(|(path, _)| name(path)).collect();
            let there = match local::matches(&self.folder, &entry.path) {
                Err(Error::NoMatch { .. }) => Vec::new(),
                there => there?.into_iter().map(|(name, _)| name).collect(),
            };
            self.ledger.check_mixture(entry, source, &there, &names, &self.folder)?;
            // Before the first file is there: half of them would look like all of them.
            self.ledger.note_pattern(entry, source, names)?;
        }
        for (wanted, one) in wanted {
            let path = local::target(&self.folder, &wanted)?;
            let name = name(&wanted);
            if path.exists() {
                self.present(entry, name, &path)?;
                continue;
            }
            self.bring(entry, source, &one, (name, path), context)?;
        }
        Ok(())
    }

    /// Fetches one file, which `one` gives; `source` is what stands in the card.
    fn bring(
        &mut self,
        entry: &CardFile,
        source: &SourceConfig,
        one: &SourceConfig,
        (name, path): (String, PathBuf),
        context: &mut Context,
    ) -> Result<(), Error> {
        context.begin(&name);
        let from = one.shown();
        context.tell(|file| Event::Begun { file, from: &from });
        context.sweep_beside(&path);
        let mut target = Target::create(&path)?;
        one.fetch(&Wanted { folder: &self.folder, card: self.card, entry }, &mut target, context)?;
        let stated = entry.checksums();
        let by_archive = stated.is_empty() && one.is_verified();
        let ledger = &mut self.ledger;
        let (sha256, bytes) = target.finish(&stated, |sha256| {
            if stated.is_empty() { ledger.note_file(&name, source, sha256, by_archive) } else { Ok(()) }
        })?;
        let checked = match by_archive {
            true => Checked::ByArchive,
            false if stated.is_empty() => Checked::Unstated,
            false => Checked::Stated,
        };
        let (rows, pages) = (context.rows, context.pages);
        let of_pattern = entry.is_pattern();
        self.done.push(Fetched { name, bytes, sha256, checked, of_pattern, state: State::Fetched, rows, pages });
        Ok(())
    }

    /// A file that was there before.
    fn present(&mut self, entry: &CardFile, name: String, path: &Path) -> Result<(), Error> {
        let (sha256, bytes) = entry.digest(&self.folder, path)?;
        entry.verify(path, &sha256)?;
        let checked = match self.ledger.check(entry, &name, path, &sha256)? {
            _ if !entry.checksums().is_empty() => Checked::Stated,
            Some(record) if record.by_archive => Checked::ByArchive,
            Some(_) => Checked::Recorded,
            None => Checked::Unstated,
        };
        let (of_pattern, state) = (entry.is_pattern(), State::Present);
        self.done.push(Fetched { name, bytes, sha256, checked, of_pattern, state, rows: None, pages: None });
        Ok(())
    }
}

/// What sources work with.
pub(crate) struct Context<'a> {
    options: Options<'a>,
    /// The file that is being fetched, as its card names it.
    file: String,
    /// Downloads whose checksum nobody stated: they are trusted as long as this call lasts, and removed after it.
    unstated: BTreeSet<PathBuf>,
    /// Folders in which nothing is left of processes that are gone.
    swept: BTreeSet<PathBuf>,
    /// How many rows of the file at hand were written, and from how many pages.
    rows: Option<u64>,
    pages: Option<u64>,
}

impl<'a> Context<'a> {
    fn new(options: Options<'a>) -> Self {
        let (unstated, swept) = (BTreeSet::new(), BTreeSet::new());
        Self { options, file: String::new(), unstated, swept, rows: None, pages: None }
    }

    /// Begins with a file, which the card calls `name`.
    fn begin(&mut self, name: &str) {
        name.clone_into(&mut self.file);
        (self.rows, self.pages) = (None, None);
    }

    /// Says how many rows were written, and from how many pages.
    pub(crate) fn count(&mut self, rows: u64, pages: Option<u64>) {
        (self.rows, self.pages) = (Some(rows), pages);
        self.tell(|file| Event::Rows { file, rows });
    }

    /// Tells what the user should know.
    pub(crate) fn notice(&mut self, text: &str) {
        self.tell(|file| Event::Notice { file, text });
    }

    /// What ends the work when it is set.
    pub(crate) fn stop(&self) -> &'a AtomicBool {
        self.options.stop
    }

    /// Tells what happens to the file at hand.
    pub(crate) fn tell<'e>(&'e mut self, event: impl FnOnce(&'e str) -> Event<'e>) {
        (self.options.progress)(&event(&self.file));
    }

    /// An error if the work was told to stop.
    pub(crate) fn go_on(&self) -> Result<(), Error> {
        if self.options.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Waits, unless the work is told to stop.
    pub(crate) fn wait(&self, pause: Duration) -> Result<(), Error> {
        const SLICE: Duration = Duration::from_millis(50);
        let end = std::time::Instant::now() + pause;
        loop {
            self.go_on()?;
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLICE));
        }
    }

    /// The value of an environment variable, without blanks around it.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.options.variable)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// How long a connection may be silent.
    #[cfg(any(feature = "cloud", feature = "postgres"))]
    pub(crate) fn silence(&self) -> Duration {
        self.options.silence
    }

    /// Removes what processes that are gone left beside the file that is to lie at `path`.
    fn sweep_beside(&mut self, path: &Path) {
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        if self.swept.insert(folder.clone()) {
            target::sweep(&folder);
        }
    }

    /// Removes the downloads that nothing vouches for once this call is over.
    fn sweep(&mut self) {
        for path in std::mem::take(&mut self.unstated) {
            // One that stays is never trusted: it only takes room.
            let _ = std::fs::remove_file(path);
        }
    }
}
