//! Which files are in a tar archive, and where in it do they lie?
//!
//! Nothing is ever unpacked into a folder, and nothing is read but headers: a member is known by where its bytes are. Names are
//! those of the ustar format, of GNU (`L`) and of pax (`x`), which are all that are written today.

use tar::{EntryType, Header};

use crate::error::{Error, quoted};
use crate::files::content::{Content, PIECE};

/// Everything in an archive begins at a multiple of this.
const BLOCK: u64 = 512;
/// The longest name, or table of attributes, that is read.
const MAX_NAME: u64 = 1 << 20;
/// The largest member that is read: 256 MiB.
const MAX_MEMBER: u64 = 256 << 20;

/// One file in an archive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// With `/` between folders; never absolute, and never out of the archive.
    pub(crate) name: String,
    /// Where its bytes begin.
    pub(crate) place: u64,
    /// How many there are, all of them within the archive.
    pub(crate) size: u64,
}

/// Calls `visit` with every file of the archive, in order. What is wrong is said without the path.
pub(crate) fn members(content: &Content, mut visit: impl FnMut(Member) -> Result<(), String>) -> Result<(), String> {
    let said = |error: Error| error.to_string();
    let (mut place, mut long): (u64, Option<String>) = (0, None);
    loop {
        let Some(block) = content.exact(place, BLOCK).map_err(said)? else {
            let message = "it breaks off before the empty block at its end: it is only part of a tar archive";
            return Err(message.into());
        };
        if block.iter().all(|&byte| byte == 0) {
            return end(content, place);
        }
        let header = Header::from_byte_slice(&block);
        let sum =
            block.iter().enumerate().map(|(at, &byte)| u32::from(if (148..156).contains(&at) { b' ' } else { byte }));
        if header.cksum().ok() != Some(sum.sum()) {
            return Err(format!("there is no header of a member at byte {place}: its checksum is wrong"));
        }
        let short = String::from_utf8_lossy(&header.path_bytes()).into_owned();
        let size = header.entry_size().map_err(|_| format!("the member {} has no readable size", quoted(&short)))?;
        let start = place + BLOCK;
        let reaches = start.checked_add(size).is_some_and(|end| end <= content.len());
        let kind = header.entry_type();
        let extra = matches!(kind, EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName);
        let limit = if extra { MAX_NAME } else { MAX_MEMBER };
        if size > limit {
            return Err(format!("the member {} claims {size} bytes, and {limit} are allowed", quoted(&short)));
        }
        if !reaches {
            return Err(format!("the member {} claims {size} bytes and the archive breaks off before", quoted(&short)));
        }
        let read = || Ok::<_, String>(content.exact(start, size).map_err(said)?.unwrap_or_default());
        match kind {
            EntryType::XGlobalHeader => {}
            EntryType::XHeader => long = pax_path(&read()?)?.or(long),
            EntryType::GNULongName => {
                let bytes = read()?;
                let name = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
                long = Some(String::from_utf8(name.to_vec()).map_err(|_| "a long name is not UTF-8 text".to_owned())?);
            }
            _ => {
                let name = match long.take() {
                    Some(name) => name,
                    None => String::from_utf8(header.path_bytes().into_owned())
                        .map_err(|_| format!("the name {} is not UTF-8 text", quoted(&short)))?,
                };
                let name = inside(&name)?;
                match kind {
                    EntryType::Directory => {}
                    EntryType::Regular | EntryType::Continuous => visit(Member { name, place: start, size })?,
                    EntryType::Symlink | EntryType::Link | EntryType::GNULongLink => {
                        return Err(format!("the member {} is a link, and links are not followed", quoted(&name)));
                    }
                    other => {
                        let other = other.as_byte() as char;
                        return Err(format!("the member {} is no file but of the kind {other:?}", quoted(&name)));
                    }
                }
            }
        }
        place = start + size.div_ceil(BLOCK) * BLOCK;
    }
}

/// The name without `./` before it, if it stays within the archive.
fn inside(name: &str) -> Result<String, String> {
    let out =
        name.starts_with('/') || name.contains('\\') || name.contains('\0') || name.split('/').any(|part| part == "..");
    if out {
        return Err(format!("the member {} would lie outside of the archive, and is refused", quoted(name)));
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    Ok(parts.join("/"))
}

/// Behind the end mark there are only zeros, however many: tapes are filled up to a multiple of some number of blocks. Archives that
/// were written one behind the other would lose all but the first in silence.
fn end(content: &Content, mut place: u64) -> Result<(), String> {
    let (mark, mut buffer) = (place, Vec::new());
    while place < content.len() {
        let piece = content.bytes(place..place + PIECE as u64, &mut buffer).map_err(|error| error.to_string())?;
        if piece.iter().any(|&byte| byte != 0) {
            return Err(format!(
                "something follows the end mark at byte {mark}: name archives that were joined one by one"
            ));
        }
        place += piece.len() as u64;
    }
    Ok(())
}

/// The path in a table of attributes, which has lines `length key=value`.
fn pax_path(table: &[u8]) -> Result<Option<String>, String> {
    let (mut rest, mut path) = (table, None);
    while !rest.is_empty() {
        let broken = || "a table of attributes (pax) is broken".to_owned();
        let blank = rest.iter().position(|&byte| byte == b' ').ok_or_else(broken)?;
        let length = std::str::from_utf8(&rest[..blank]).ok().and_then(|text| text.parse::<usize>().ok());
        let length = length.filter(|&length| length > blank + 1 && length <= rest.len()).ok_or_else(broken)?;
        let line = rest[blank + 1..length].strip_suffix(b"\n").ok_or_else(broken)?;
        let sign = line.iter().position(|&byte| byte == b'=').ok_or_else(broken)?;
        let value = || String::from_utf8(line[sign + 1..].to_vec()).map_err(|_| broken());
        match &line[..sign] {
            b"path" => path = Some(value()?),
            b"size" => {
                return Err("a member states its size outside of its header, as only those above 8 GiB do".into());
            }
            key if key.starts_with(b"GNU.sparse") => return Err("a member is a sparse file, which is not read".into()),
            _ => {}
        }
        rest = &rest[length..];
    }
    Ok(path)
}

#[cfg(test)]
#[path = "tar_index_tests.rs"]
mod tests;
