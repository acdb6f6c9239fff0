//! Where do the files of a bundle come from? Out of a folder, or out of one file that was packed from it; each by its hash.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::archive::{self, LARGEST_MANIFEST, LARGEST_SIGNATURE};
use super::manifest::{MANIFEST, Manifest};
use super::signature::SIGNATURE;
use crate::{Error, atomic};

/// The files of a bundle, wherever it lies.
pub(super) struct Files {
    /// The folder, or the one file.
    pub path: PathBuf,
    /// What stands in `manifest.json`.
    pub manifest: Manifest,
    /// The bytes of `manifest.json`, which are what is signed.
    pub manifest_bytes: Vec<u8>,
    /// The bytes of `signature.json`, if the bundle is signed.
    pub signature: Option<Vec<u8>>,
    /// What was unpacked, every hash found right; none of a folder, whose files are read when they are asked for.
    unpacked: Option<BTreeMap<String, Vec<u8>>>,
}

impl Files {
    /// Finds the files of the bundle at `path`. What is packed is unpacked into memory, never into the user's folders.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`], [`Error::NewerVersion`].
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        if path.is_file() { Self::unpack(path, true) } else { Self::in_folder(path) }
    }

    /// The same of a bundle that is a folder.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`], [`Error::NewerVersion`].
    pub(super) fn in_folder(path: &Path) -> Result<Self, Error> {
        let (file, signature) = (path.join(MANIFEST), path.join(SIGNATURE));
        let manifest_bytes = read_file(&file, LARGEST_MANIFEST)?;
        let manifest = Manifest::parse(&manifest_bytes, &file)?;
        let signature = match read_file(&signature, LARGEST_SIGNATURE) {
            Ok(bytes) => Some(bytes),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.to_owned(), manifest, manifest_bytes, signature, unpacked: None })
    }

    /// The same for one who only verifies it: what is packed is not kept.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`], [`Error::NewerVersion`].
    pub(super) fn to_verify(path: &Path) -> Result<Self, Error> {
        if path.is_file() { Self::unpack(path, false) } else { Self::in_folder(path) }
    }

    /// Holds every file against its hash, without keeping it; gives how many there are.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Damaged`] with the file whose hash is another.
    pub(super) fn verify(&mut self) -> Result<usize, Error> {
        let names: Vec<String> = self.manifest.files.keys().cloned().collect();
        // What is packed was verified when it was unpacked.
        if self.unpacked.is_none() {
            names.iter().try_for_each(|name| self.take(name).map(drop))?;
        }
        Ok(names.len())
    }

    fn unpack(path: &Path, keep: bool) -> Result<Self, Error> {
        let (mut manifest_bytes, mut signature, mut unpacked) = (Vec::new(), None, BTreeMap::new());
        let manifest = archive::walk(path, |name, bytes| {
            match name {
                MANIFEST => manifest_bytes = bytes,
                SIGNATURE => signature = Some(bytes),
                _ if keep => drop(unpacked.insert(name.to_owned(), bytes)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self { path: path.to_owned(), manifest, manifest_bytes, signature, unpacked: Some(unpacked) })
    }

    /// The bytes of a file that the manifest lists, once their hash was found right. Of a packed bundle they can be had once:
    /// weights are large.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub(super) fn take(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        let damaged = |name: &str, reason: String| Error::Damaged { path: self.path.join(name), reason };
        let lacks = || damaged(MANIFEST, format!("it lists no {name}"));
        let expected = self.manifest.files.get(name).ok_or_else(lacks)?;
        if let Some(unpacked) = &mut self.unpacked {
            return unpacked.remove(name).ok_or_else(|| damaged(name, "it was taken already".into()));
        }
        let bytes = read_file(&self.path.join(name), u64::MAX)?;
        match hash(&bytes) == *expected {
            true => Ok(bytes),
            false => Err(damaged(name, OTHER_HASH.into())),
        }
    }
}

/// Holds every file of the bundle at `path`, a folder or one that was packed, against its hash in the manifest; gives how many
/// there are. Files that the manifest does not list are no part of a bundle, and are passed over in a folder.
///
/// # Errors
/// [`Error::Io`]; [`Error::Damaged`] with the first file that is not what it was; [`Error::NewerVersion`].
pub fn verify_files(path: &Path) -> Result<usize, Error> {
    Files::to_verify(path)?.verify()
}

/// Writes the same bundle at another place, byte by byte, as a folder; every file is held against its hash on the way.
///
/// # Errors
/// [`Error::Io`], [`Error::Damaged`], [`Error::NewerVersion`].
pub fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let mut files = Files::open(from)?;
    let folder = atomic::Folder::begin(to)?;
    let names: Vec<String> = files.manifest.files.keys().cloned().collect();
    for name in names {
        folder.write(&name, &files.take(&name)?)?;
    }
    if let Some(signature) = &files.signature {
        folder.write(SIGNATURE, signature)?;
    }
    folder.write(MANIFEST, &files.manifest_bytes)?;
    folder.commit()
}

/// The SHA-256 of the manifest of the bundle at `path`, in which those of all its files stand: of what is the same model it is the same.
///
/// # Errors
/// [`Error::Io`], [`Error::Damaged`], [`Error::NewerVersion`].
pub fn manifest_sha256(path: &Path) -> Result<String, Error> {
    Ok(hash(&Files::to_verify(path)?.manifest_bytes))
}

/// What the bundle at `path` says that it is called.
///
/// # Errors
/// [`Error::Io`], [`Error::Damaged`], [`Error::NewerVersion`].
pub fn name(path: &Path) -> Result<String, Error> {
    Ok(Files::to_verify(path)?.manifest.name)
}

/// What lies in the folder of the bundle at `path`, by name, if all of it belongs to it; nothing where there is no bundle.
pub fn names(path: &Path) -> Vec<String> {
    let Ok(files) = Files::in_folder(path) else { return Vec::new() };
    let first = |name: &String| name.split('/').next().unwrap_or_default().to_owned();
    let listed = files.manifest.files.keys().map(first);
    listed.chain([MANIFEST, SIGNATURE].map(str::to_owned)).collect()
}

/// Whether the bundle at `path` says that it is signed; by whom, and whether that is true, says [`verify`](super::verify).
///
/// # Errors
/// [`Error::Io`], [`Error::Damaged`], [`Error::NewerVersion`].
pub fn is_signed(path: &Path) -> Result<bool, Error> {
    Ok(Files::to_verify(path)?.signature.is_some())
}

/// What is wrong with a file that was changed.
pub(super) const OTHER_HASH: &str = "its SHA-256 is not the one in manifest.json";

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A value as it is written into a bundle.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("our own types have text keys");
    text.push(b'\n');
    text
}

/// The bytes of a file of at most so many. What is no file, such as a pipe, would keep a reader waiting for ever.
///
/// # Errors
/// [`Error::Io`]; [`Error::Damaged`] if it is no file or has more.
pub fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Io { doing: "read", path: path.to_owned(), source };
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let found = fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(damaged("it is no file".to_owned()));
    }
    if found.len() > most {
        return Err(damaged(format!("it has {} bytes, and may have {most}", found.len())));
    }
    fs::read(path).map_err(failed)
}
