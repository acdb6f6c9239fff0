//! How does a large file come over a line that breaks? Piece by piece into a `.part` file, with what is known of it beside it.
//!
//! A process may be killed at any byte: what lies in the `.part` file came from the version that the state file names, and the
//! next call asks for the rest of that version alone.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cache::{Turn, key, no_cache};
use super::{Context, Event, Patience, Trouble};
use crate::atomic::sync_parent;
use crate::card::{digest_file, hex};
use crate::error::Error;

/// What a remote file answered when it was asked for its bytes from an offset on.
pub(crate) struct Opened {
    /// The offset of the first byte that will come: the one asked for, or 0.
    pub(crate) from: u64,
    /// How many bytes the whole file has, where that is known.
    pub(crate) total: Option<u64>,
    /// Names the version of which bytes come, as this answer says, so that later the rest of the same one can be asked for.
    pub(crate) version: Option<String>,
    /// Whether an end that comes too early is found out.
    pub(crate) ends: bool,
    /// The bytes.
    pub(crate) body: Box<dyn Read>,
}

/// A file elsewhere that can be read from an offset on.
pub(crate) trait Remote {
    /// The address, without anything secret.
    fn shown(&self) -> String;

    /// Asks for the bytes from `from` on, of `version` if one is given.
    fn open(&mut self, from: u64, version: Option<&str>, context: &Context) -> Result<Opened, Trouble>;
}

/// What is known of a file of which a part has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    version: Option<String>,
    total: Option<u64>,
}

/// Brings a remote file into the cache, unless it is there with the checksum `expected`, and gives its place there.
///
/// `identity` is what the file is, such as its address. Of `limit` bytes none more are read.
pub(crate) fn download(
    remote: &mut dyn Remote,
    identity: &str,
    expected: Option<&str>,
    limit: u64,
    context: &mut Context,
) -> Result<PathBuf, Error> {
    let folder = context.options.cache.join("downloads");
    std::fs::create_dir_all(&folder).map_err(|source| no_cache(&folder, source))?;
    let key = key(&format!("{identity}\n{}", expected.unwrap_or_default().to_ascii_lowercase()));
    let whole = folder.join(&key);
    let busy = format!("another process downloads {}, and is waited for", remote.shown());
    let _turn = Turn::in_cache(&format!("download {key}"), &busy, context)?;
    if whole.exists() {
        let trusted = match expected {
            Some(expected) => digest_file(&whole)?.0.eq_ignore_ascii_case(expected),
            None => context.unstated.contains(&whole),
        };
        if trusted {
            return Ok(whole);
        }
        std::fs::remove_file(&whole).map_err(|source| no_cache(&whole, source))?;
    }
    let mut part = Part::open(&whole)?;
    if expected.is_none() && part.state.version.is_none() {
        // Nothing would tell whether the rest belongs to what is there.
        part.clear()?;
    }
    let sum = complete(remote, &mut part, expected, limit, context)?;
    part.file.sync_all().map_err(|source| no_cache(&part.path, source))?;
    std::fs::rename(&part.path, &whole).map_err(|source| no_cache(&whole, source))?;
    // Where folders cannot be flushed the system does it in time.
    let _ = sync_parent(&whole);
    let _ = std::fs::remove_file(&part.state_path);
    if expected.is_none() {
        context.unstated.insert(whole.clone());
    }
    debug_assert!(expected.is_none_or(|expected| expected.eq_ignore_ascii_case(&sum)), "complete() compared them");
    Ok(whole)
}

/// So many new bytes are progress. A line that brings a few a connection would go on for days.
const PROGRESS: u64 = 16 << 10;

/// Reads until the part is the whole, however often the line breaks; gives its checksum.
fn complete(
    remote: &mut dyn Remote,
    part: &mut Part,
    expected: Option<&str>,
    limit: u64,
    context: &mut Context,
) -> Result<String, Error> {
    let address = remote.shown();
    let mut patience = Patience::new(&address);
    // Progress is what was never there before: a line that breaks at the same byte each time makes none.
    let mut best = part.bytes;
    let mut pieced = part.bytes > 0;
    loop {
        let trouble = match attempt(remote, part, expected.is_some(), limit, context) {
            Ok(()) => {
                let found = hex(&part.hash.clone().finalize());
                match expected {
                    Some(expected) if !expected.eq_ignore_ascii_case(&found) => {
                        part.clear()?;
                        if !pieced {
                            return Err(Error::Fetch {
                                address,
                                message: format!("what came has the SHA-256 {found}, but the card states {expected}"),
                                hint: "The file may have changed at its source, or something on the way answers in its place; if the change is meant, write the new SHA-256 in the card.".into(),
                                usage: true,
                            });
                        }
                        // Pieces of several connections may not fit together; one piece must.
                        Trouble::over("the pieces that came do not have the checksum together")
                    }
                    _ => return Ok(found),
                }
            }
            Err(trouble) => trouble,
        };
        let (reason, pause, over) = match trouble {
            Trouble::Lasting(error) => return Err(error),
            Trouble::Passing { reason, pause, over } => (reason, pause, over),
        };
        if part.bytes >= best + PROGRESS {
            best = part.bytes;
            patience.restore();
        }
        if over || (expected.is_none() && part.state.version.is_none()) {
            part.clear()?;
        }
        patience.wait(&reason, pause, context)?;
        pieced = part.bytes > 0;
    }
}

/// One connection: asks for the rest and writes what comes. `vouched` is whether a checksum will tell what came.
fn attempt(
    remote: &mut dyn Remote,
    part: &mut Part,
    vouched: bool,
    limit: u64,
    context: &mut Context,
) -> Result<(), Trouble> {
    let mut opened = remote.open(part.bytes, part.state.version.as_deref(), context)?;
    if opened.from != part.bytes {
        part.clear()?;
    } else if part.bytes > 0 && opened.version.is_none() && !vouched {
        return Err(Trouble::over("the server does not say of which version it sends the rest"));
    } else if part.bytes > 0 && part.state.total.is_some() && opened.total != part.state.total {
        return Err(Trouble::over("the file has another size than before"));
    }
    let too_large = |size| {
        Trouble::Lasting(Error::TooLarge {
            path: PathBuf::from(remote.shown()),
            what: "its size in bytes",
            size,
            limit,
        })
    };
    if let Some(total) = opened.total.filter(|&total| total > limit) {
        return Err(too_large(total));
    }
    let kept = part.state.version.clone().filter(|_| part.bytes > 0);
    part.describe(State { version: opened.version.take().or(kept), total: opened.total })?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        context.go_on()?;
        let read = match opened.body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Trouble::passing(format!("the connection broke after {} bytes ({error})", part.bytes)));
            }
        };
        let have = part.bytes + read as u64;
        if opened.total.is_some_and(|total| have > total) {
            return Err(Trouble::over("more bytes came than were announced"));
        }
        if have > limit {
            return Err(too_large(have));
        }
        part.append(&buffer[..read])?;
        context.tell(|file| Event::Bytes { file, have, total: opened.total });
    }
    match opened.total {
        Some(total) if part.bytes < total => {
            Err(Trouble::passing(format!("the connection ended after {} of {total} bytes", part.bytes)))
        }
        _ if !opened.ends && !vouched => {
            context.notice(&format!(
                "{} bytes came, and whether that is all is not known: the server does not say how many there are",
                part.bytes
            ));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The beginning of a file.
struct Part {
    path: PathBuf,
    state_path: PathBuf,
    file: File,
    bytes: u64,
    hash: Sha256,
    state: State,
}

impl Part {
    /// Opens what is there of the file that is to lie at `whole`.
    fn open(whole: &Path) -> Result<Self, Error> {
        let (path, state_path) = (whole.with_extension("part"), whole.with_extension("json"));
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(|source| no_cache(&path, source))?;
        let state = std::fs::read(&state_path).ok().and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok());
        let mut part = Self { path, state_path, file, bytes: 0, hash: Sha256::new(), state: State::default() };
        match state {
            Some(state) => {
                part.bytes = std::io::copy(&mut part.file, &mut part.hash)
                    .map_err(|source| Error::io("download", &part.path, source))?;
                part.state = state;
                // More than the whole is no part of it.
                if part.state.total.is_some_and(|total| part.bytes > total) {
                    part.clear()?;
                }
            }
            // Bytes of which nothing is known are worth nothing.
            None => part.clear()?,
        }
        Ok(part)
    }

    /// Forgets all that has come.
    fn clear(&mut self) -> Result<(), Error> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|source| no_cache(&self.path, source))?;
        (self.bytes, self.hash, self.state) = (0, Sha256::new(), State::default());
        Ok(())
    }

    /// Writes down what is known of the bytes to come, before the first of them.
    fn describe(&mut self, state: State) -> Result<(), Error> {
        if self.state == state && self.state_path.exists() {
            return Ok(());
        }
        let beside = self.state_path.with_extension("json.part");
        // Two texts and a number always become JSON.
        let text = serde_json::to_vec(&state).unwrap_or_default();
        let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &self.state_path));
        written.map_err(|source| no_cache(&self.state_path, source))?;
        self.state = state;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|source| no_cache(&self.path, source))?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}
