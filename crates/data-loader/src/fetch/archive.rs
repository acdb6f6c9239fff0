//! How is one file taken out of a tar archive? As a stream, with a limit to what is unpacked, and by its exact name.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::{Context, Target};
use crate::error::{Error, listed};

/// Refuses a name of a member that is absolute or climbs.
pub(crate) fn check_member(member: &str) -> Result<(), Error> {
    if names_a_file(Path::new(member)) {
        return Ok(());
    }
    Err(Error::Setting {
        key: "files.from.http.member".into(),
        message: format!("is `{member}`, which climbs out of the archive or names nothing in it"),
        hint: "Write it as `tar --list` prints it, such as `folder/file.bin`.".into(),
    })
}

fn names_a_file(path: &Path) -> bool {
    let mut components = path.components();
    path.components().any(|part| matches!(part, Component::Normal(_)))
        && components.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// The path without its `.` components.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// A reader that stops with an error after `left` bytes: what is unpacked may be any number of times larger than its archive.
struct Limited<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| std::io::Error::other(TOO_MUCH))?;
        Ok(read)
    }
}

const TOO_MUCH: &str = "more is unpacked than is allowed";

/// Writes the member of the tar archive at `path`, which may be packed by gzip or zstd, to `target`. Of `limit` bytes no more
/// are unpacked.
pub(crate) fn extract(
    path: &Path,
    member: &str,
    limit: u64,
    target: &mut Target,
    context: &mut Context,
) -> Result<(), Error> {
    check_member(member)?;
    let wanted = plain(Path::new(member));
    let broken = |error: std::io::Error| {
        if error.to_string().contains(TOO_MUCH) {
            return Error::TooLarge {
                path: path.to_path_buf(),
                what: "what is unpacked from it in bytes",
                size: limit.saturating_add(1),
                limit,
            };
        }
        Error::Malformed { path: path.to_path_buf(), message: format!("its archive breaks ({error})") }
    };
    let mut archive = tar::Archive::new(Limited { reader: open(path)?, left: limit });
    let (mut met, mut found) = (Vec::new(), false);
    for entry in archive.entries().map_err(broken)? {
        context.go_on()?;
        let mut entry = entry.map_err(broken)?;
        let name = plain(&entry.path().map_err(broken)?);
        if name != wanted {
            if met.len() < 1000 {
                met.push(name.display().to_string());
            }
            continue;
        }
        // One reader takes the first of two, and another the last.
        if found {
            return Err(Error::Malformed {
                path: path.to_path_buf(),
                message: format!("its member {member} stands in it twice"),
            });
        }
        if !entry.header().entry_type().is_file() {
            return Err(Error::Malformed {
                path: path.to_path_buf(),
                message: format!("its member {member} is a folder or a link, and no file"),
            });
        }
        let mut buffer = vec![0; 1 << 17];
        loop {
            context.go_on()?;
            let read = entry.read(&mut buffer).map_err(broken)?;
            if read == 0 {
                break;
            }
            target.write_all(&buffer[..read]).map_err(|source| target.failed(source))?;
        }
        // The reader ends with the archive; what the header claims must have come.
        if target.bytes() != entry.size() {
            return Err(Error::Malformed {
                path: path.to_path_buf(),
                message: format!("its member {member} ends after {} of {} bytes", target.bytes(), entry.size()),
            });
        }
        found = true;
    }
    if found {
        return Ok(());
    }
    let hint = "Write it as `tar --list` prints it.".to_owned();
    let message = format!("is `{member}`, and the archive {} has only {}", path.display(), listed(&met));
    Err(Error::Setting { key: "files.from.http.member".into(), message, hint })
}

/// The archive at `path`, unpacked by what its first bytes say.
fn open(path: &Path) -> Result<Box<dyn Read>, Error> {
    let failed = |source| Error::io("archive", path, source);
    let mut file = File::open(path).map_err(failed)?;
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(4).read_to_end(&mut start).map_err(failed)?;
    let whole = BufReader::with_capacity(1 << 17, std::io::Cursor::new(start.clone()).chain(file));
    Ok(match start[..] {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::with_buffer(whole).map_err(failed)?),
        _ => Box::new(whole),
    })
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
