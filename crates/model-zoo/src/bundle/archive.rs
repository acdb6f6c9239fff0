//! How does a bundle become one file, and what is let out of such a file again? A tar archive, packed by zstd.
//!
//! Names in it are relative to the bundle, without a folder around them: so equal bundles are equal bytes, whatever their files
//! are called, and `tar --zstd -xf FILE -C FOLDER` makes a bundle of any folder. The manifest comes first, because it says which
//! files may follow; what it does not list is refused, and so is every entry that is no plain file. Nothing that other readers
//! of tar would understand differently is read at all: no names or sizes by extensions, no links, no sparse files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use data_loader::atomic::{self, NewFolder};
use tar::{Entry, EntryType, Header};
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use super::files::{Files, OTHER_HASH, hash};
use super::manifest::{MANIFEST, Manifest};
use super::signature::SIGNATURE;
use crate::Error;

/// By it 8 MB of normally distributed weights pack to 92 % in 0.03 s; by level 19 to no less in 2 s.
const LEVEL: i32 = 3;
/// How a frame of zstd begins.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The largest window by which may have been packed, as a power of two: 128 MiB, the most that the `zstd` command reads unasked.
const WINDOW: u32 = 27;

/// How many bytes may come out of each byte of a file: of weights of which 99 in 100 are 0 there come 54, of a bomb 30 000.
/// Sizes that the manifest stated would be no limit, because whoever makes a bomb makes its manifest.
const MOST_UNPACKED: u64 = 100;
/// So many bytes may come out of any file, however small: a network whose numbers are all the same is a network, and any machine
/// that computes one has as much memory.
const ALWAYS_UNPACKED: u64 = 256 << 20;
/// What a manifest may have: a hundred thousand names of classes. Parsed, each of its bytes may take more than a hundred.
pub(super) const LARGEST_MANIFEST: u64 = 4 << 20;
/// A signature is a few hundred bytes.
pub(super) const LARGEST_SIGNATURE: u64 = 4 << 10;
/// Zeros at the end of an archive: tar fills up its last record, which is 10 KiB unless it is asked for more.
const MOST_PADDING: u64 = 1 << 20;

/// How many bytes may come out of a file of `length` bytes.
fn most_unpacked(length: u64) -> u64 {
    length.saturating_mul(MOST_UNPACKED).max(ALWAYS_UNPACKED)
}

/// Packs the bundle in a folder into one file, which usually ends in `.tar.zst`, replacing an older one in whole or not at all.
/// Files that its manifest does not list stay behind. Equal bundles give equal bytes.
///
/// # Errors
/// As those of reading a bundle; nothing is packed that is damaged.
pub fn pack(folder: &Path, file: &Path) -> Result<(), Error> {
    let mut files = Files::in_folder(folder)?;
    let failed = |source| Error::Io { doing: "write", path: file.to_owned(), source };
    atomic::write_file_with(file, |out| {
        let mut encoder = Encoder::new(out, LEVEL).map_err(failed)?;
        // The hash of the manifest stands nowhere else.
        encoder.include_checksum(true).map_err(failed)?;
        let mut archive = tar::Builder::new(encoder);
        let mut unpacked = 0_u64;
        let mut add = |name: &str, bytes: &[u8], most: u64| {
            let size = bytes.len() as u64;
            if size > most {
                return Err(refused(folder, &format!("its {name} has {size} bytes, and may have {most}")));
            }
            unpacked = unpacked.saturating_add(size);
            append(&mut archive, name, bytes).map_err(failed)
        };
        add(MANIFEST, &files.manifest_bytes, LARGEST_MANIFEST)?;
        if let Some(signature) = &files.signature {
            add(SIGNATURE, signature, LARGEST_SIGNATURE)?;
        }
        let names: Vec<String> = files.manifest.files.keys().cloned().collect();
        names.iter().try_for_each(|name| add(name, &files.take(name)?, u64::MAX))?;
        let out = archive.into_inner().and_then(Encoder::finish).map_err(failed)?;
        // What could not be read again is not written.
        match unpacked > most_unpacked(out.metadata().map_err(failed)?.len()) {
            true => Err(refused(folder, "nearly all of its numbers are the same")),
            false => Ok(()),
        }
    })
}

/// Adds a plain file to an archive, with nothing of the machine on which it lay: no time, owner or rights.
fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_path(name)?;
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    archive.append(&header, bytes)
}

fn refused(folder: &Path, reason: &str) -> Error {
    let message = format!("{} cannot be packed: {reason}", folder.display());
    Error::from(data_loader::Error::Mismatch { message, hint: "Use the folder as it is.".into() })
}

/// Unpacks the bundle in `file` into a folder that is not there yet, or empty; afterwards it is there in whole or not at all.
///
/// # Errors
/// [`Error::Damaged`] with the first entry of the archive that a bundle does not have, or with the file that is another than it
/// was; [`Error::Io`], among others where something lies in the folder.
pub fn unpack(file: &Path, folder: &Path) -> Result<(), Error> {
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("something lies in {} already", folder.display());
        return Err(Error::from(data_loader::Error::Mismatch { message, hint: "Name a folder that is new.".into() }));
    }
    let unpacked = NewFolder::begin(folder)?;
    walk(file, |name, bytes| Ok(unpacked.write(name, &bytes)?))?;
    Ok(unpacked.commit()?)
}

/// Whether the file at `path` begins as a bundle that was packed.
pub(super) fn is_packed(path: &Path) -> bool {
    let header = || {
        let mut reader = decoder(BufReader::new(File::open(path).ok()?)).ok()?;
        let mut header = Header::new_old();
        reader.read_exact(header.as_mut_bytes()).ok()?;
        Some(header.path_bytes() == MANIFEST.as_bytes())
    };
    path.is_file() && header() == Some(true)
}

/// What unpacks one frame of zstd, whose first bytes must be there.
fn decoder<R: BufRead>(mut packed: R) -> io::Result<Decoder<'static, R>> {
    // A pipe may give less at once; a file does not.
    if !packed.fill_buf()?.starts_with(&MAGIC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not begin as zstd does"));
    }
    let mut decoder = Decoder::with_buffer(packed)?.single_frame();
    decoder.window_log_max(WINDOW)?;
    Ok(decoder)
}

/// Gives `each` the name and the bytes of every file of the bundle that was packed into `path`: the manifest first; every other
/// one that it lists, once its hash was found right; and a signature if there is one.
///
/// # Errors
/// [`Error::Io`], [`Error::Damaged`], [`Error::NewerVersion`], and those of `each`. What came before is then worth nothing.
pub(super) fn walk(path: &Path, mut each: impl FnMut(&str, Vec<u8>) -> Result<(), Error>) -> Result<Manifest, Error> {
    let read = |source| Error::Io { doing: "read", path: path.to_owned(), source };
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let broken = |error: io::Error| damaged(format!("its archive breaks ({error})"));
    let file = File::open(path).map_err(read)?;
    let mut left = most_unpacked(file.metadata().map_err(read)?.len());
    let mut packed = BufReader::with_capacity(1 << 17, file);
    let no_bundle = |error| damaged(format!("a bundle is a folder, or one file that was packed from it ({error})"));
    let mut archive = tar::Archive::new(decoder(&mut packed).map_err(no_bundle)?);
    let mut manifest: Option<Manifest> = None;
    // What the manifest lists and was not met yet, with its hash.
    let mut expected = BTreeMap::from([(MANIFEST.to_owned(), None)]);
    let mut met = Vec::new();
    // Extensions come as entries of their own, and are refused as such.
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.header().path_bytes()).into_owned();
        let shown = name.escape_debug().to_string();
        let kind = entry.header().entry_type();
        if kind != EntryType::Regular {
            return Err(damaged(format!("its entry `{shown}` is {}, and a bundle has only plain files", named(kind))));
        }
        let Some(hashed) = expected.remove(&name) else {
            return Err(damaged(match &manifest {
                _ if met.contains(&name) => format!("its entry `{shown}` stands in it twice"),
                None => format!("its first entry is `{shown}`, and not {MANIFEST}"),
                Some(_) => format!("its entry `{shown}` is not listed in {MANIFEST}"),
            }));
        };
        let size = entry.size();
        let most = match &*name {
            MANIFEST => LARGEST_MANIFEST.min(left),
            SIGNATURE => LARGEST_SIGNATURE.min(left),
            _ => left,
        };
        if size > most {
            return Err(damaged(format!("its entry `{shown}` has {size} bytes, and {most} are unpacked at most")));
        }
        left -= size;
        let bytes =
            whole(&mut entry, size).map_err(|error| damaged(format!("its entry `{shown}` breaks ({error})")))?;
        if hashed.is_some_and(|hashed: String| hashed != hash(&bytes)) {
            return Err(Error::Damaged { path: path.join(&name), reason: OTHER_HASH.into() });
        }
        if manifest.is_none() {
            let found = Manifest::parse(&bytes, &path.join(MANIFEST))?;
            expected = found.files.iter().map(|(name, hash)| (name.clone(), Some(hash.clone()))).collect();
            expected.insert(SIGNATURE.to_owned(), None);
            manifest = Some(found);
        }
        each(&name, bytes)?;
        met.push(name);
    }
    let manifest = manifest.ok_or_else(|| damaged("there is nothing in it".into()))?;
    expected.remove(SIGNATURE);
    if let Some((name, _)) = expected.pop_first() {
        return Err(Error::Damaged {
            path: path.join(name),
            reason: format!("{MANIFEST} lists it, and it is not there"),
        });
    }
    let mut padding = Vec::new();
    archive.into_inner().take(MOST_PADDING + 1).read_to_end(&mut padding).map_err(broken)?;
    let behind = padding.len() as u64 > MOST_PADDING || padding.iter().any(|&byte| byte != 0);
    if behind || !packed.fill_buf().map_err(read)?.is_empty() {
        return Err(damaged("there are more bytes behind the end of its archive".into()));
    }
    Ok(manifest)
}

/// The `size` bytes of an entry.
fn whole<R: Read>(entry: &mut Entry<'_, R>, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Room for gigabytes is made once. A header that lies about them asks for no more than the limit.
    bytes.try_reserve_exact(usize::try_from(size).map_err(io::Error::other)?)?;
    entry.read_to_end(&mut bytes)?;
    match bytes.len() as u64 == size {
        true => Ok(bytes),
        false => Err(io::Error::other(format!("it ends after {} of {size} bytes", bytes.len()))),
    }
}

/// What an entry is that is no plain file.
fn named(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Link => "a hard link",
        EntryType::Symlink => "a symbolic link",
        EntryType::Char | EntryType::Block | EntryType::Fifo => "a device or a pipe",
        EntryType::Directory => "a folder",
        EntryType::GNULongName | EntryType::GNULongLink | EntryType::XGlobalHeader | EntryType::XHeader => {
            "an extension that renames or changes others"
        }
        EntryType::GNUSparse => "a sparse file",
        _ => "of an unknown kind",
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
