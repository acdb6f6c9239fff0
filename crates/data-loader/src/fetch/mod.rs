//! How do the files of a card come to this machine? Each is asked of its source once, verified, and put where the card says.
//!
//! ```text
//! card ──> source ──> cache (downloads only: .part, then whole) ──> .NAME.part beside the data ──> NAME
//! ```
//!
//! A file that is there is never replaced. Whatever moment the machine stops at, the next call goes on from what has come.

mod archive;
mod cache;
mod download;
pub(crate) mod json_text;
mod rows;
mod target;
mod web;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::card::{Card, CardConfig, CardFile};
use crate::error::Error;
use crate::sources::{self, Wanted, local};

pub(crate) use archive::{check_member, extract};
pub use cache::folder as cache_folder;
pub(crate) use download::{Opened, Remote, download};
pub(crate) use rows::{Cell, RowWriter};
pub(crate) use target::Target;
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
}

/// Fetches what is not there of the files of the card at `path`, which is a `card.toml` or the folder around it, and verifies
/// all of them.
pub fn fetch(path: &Path, options: Options) -> Result<Vec<Fetched>, Error> {
    let (config, folder) = Card::read(path)?;
    let mut context = Context { options, file: String::new(), unstated: BTreeSet::new() };
    // Two calls for one card take turns: the second finds everything there.
    let name = folder.canonicalize().map_err(|source| Error::io("folder", &folder, source))?;
    let _turn = context.turn(&format!("card {}", name.display()))?;
    let mut done = Vec::new();
    for entry in &config.files {
        if let Err(error) = fetch_entry(&folder, &config, entry, &mut context, &mut done) {
            context.sweep();
            return Err(error);
        }
    }
    context.sweep();
    Ok(done)
}

fn fetch_entry(
    folder: &Path,
    card: &CardConfig,
    entry: &CardFile,
    context: &mut Context,
    done: &mut Vec<Fetched>,
) -> Result<(), Error> {
    let Some(source) = &entry.from else {
        for (name, path) in local::matches(folder, &entry.path)? {
            done.push(present(folder, entry, name, &path)?);
        }
        return Ok(());
    };
    source.check()?;
    for (wanted, one) in sources::wanted(folder, entry, source, context)? {
        let path = local::target(folder, &wanted)?;
        let name = wanted.to_string_lossy().replace('\\', "/");
        if path.exists() {
            done.push(present(folder, entry, name, &path)?);
            continue;
        }
        context.file.clone_from(&name);
        let from = one.shown();
        context.tell(|file| Event::Begun { file, from: &from });
        let mut target = Target::create(&path)?;
        one.fetch(&Wanted { folder, card, entry }, &mut target, context)?;
        let (sha256, bytes) = target.finish(&entry.checksums())?;
        let checked =
            if entry.checksums().is_empty() && one.is_verified() { Checked::ByArchive } else { checked(entry) };
        done.push(Fetched { name, bytes, sha256, checked, of_pattern: entry.is_pattern(), state: State::Fetched });
    }
    Ok(())
}

/// Who vouches for a file that passed the checks of its entry.
fn checked(entry: &CardFile) -> Checked {
    if entry.checksums().is_empty() { Checked::Unstated } else { Checked::Stated }
}

/// A file that was there before.
fn present(folder: &Path, entry: &CardFile, name: String, path: &Path) -> Result<Fetched, Error> {
    let (sha256, bytes) = entry.digest(folder, path)?;
    entry.verify(path, &sha256)?;
    Ok(Fetched { name, bytes, sha256, checked: checked(entry), of_pattern: entry.is_pattern(), state: State::Present })
}

/// Copies the file at `path` to `target`.
pub(crate) fn copy(path: &Path, target: &mut Target, context: &mut Context) -> Result<(), Error> {
    let failed = |source| Error::io("data file", path, source);
    let mut file = File::open(path).map_err(failed)?;
    let total = file.metadata().ok().map(|about| about.len());
    let mut buffer = vec![0; 1 << 17];
    loop {
        context.go_on()?;
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok(());
        }
        target.write_all(&buffer[..read]).map_err(|source| target.failed(source))?;
        let have = target.bytes();
        context.tell(|file| Event::Bytes { file, have, total });
    }
}

/// What sources work with.
pub(crate) struct Context<'a> {
    options: Options<'a>,
    /// The file that is being fetched, as its card names it.
    file: String,
    /// Downloads whose checksum nobody stated: they are trusted as long as this call lasts, and removed after it.
    unstated: BTreeSet<PathBuf>,
}

impl Context<'_> {
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

    /// The secret in the environment variable `name`; without a name there is none.
    pub(crate) fn secret(&self, key: &str, name: Option<&str>) -> Result<Option<Secret>, Error> {
        let Some(name) = name else { return Ok(None) };
        match (self.options.variable)(name) {
            Some(value) if !value.trim().is_empty() => Ok(Some(Secret::new(value.trim()))),
            _ => Err(Error::Setting {
                key: key.to_owned(),
                message: format!("names the environment variable {name}, which is not set"),
                hint: format!("Set it to the token, as in `{name}=... firebox data fetch CARD`."),
            }),
        }
    }

    /// The value of an environment variable.
    #[cfg(any(feature = "cloud", feature = "postgres"))]
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.options.variable)(name).filter(|value| !value.is_empty())
    }

    /// How long a connection may be silent.
    #[cfg(any(feature = "cloud", feature = "postgres"))]
    pub(crate) fn silence(&self) -> Duration {
        self.options.silence
    }

    /// A place in the cache that only this process uses until the result is dropped.
    fn turn(&self, name: &str) -> Result<cache::Turn, Error> {
        cache::Turn::take(&self.options.cache, name, self)
    }

    /// Removes the downloads that nothing vouches for once this call is over.
    fn sweep(&mut self) {
        for path in std::mem::take(&mut self.unstated) {
            // One that stays is never trusted: it only takes room.
            let _ = std::fs::remove_file(path);
        }
    }
}
