//! Which files belong to a bundle, and are they what its manifest says?
//!
//! Folders that were fetched from elsewhere are not believed: only files that the manifest lists are packaged, each is
//! a file below the folder and no link, and its bytes are hashed whenever they are read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use model_zoo::bundle::FORMAT_VERSION;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::Error;

const MANIFEST: &str = "manifest.json";
/// How many digits of a hash are a version.
const VERSION: usize = 12;

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleFile {
    /// Its path within the folder, with `/` between folders.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub hash: String,
}

/// What the manifest says.
pub struct Contents {
    /// What the model is called.
    pub name: String,
    /// The first digits of the manifest's own hash.
    pub version: String,
    /// Every file, the manifest too, by name.
    pub files: Vec<BundleFile>,
}

/// Who has signed the bundle, if anyone.
const SIGNATURE: &str = "signature.json";

/// Reads the manifest of a bundle, and every file that it lists.
pub fn read(folder: &Path) -> Result<Contents, Error> {
    #[derive(Deserialize)]
    struct Manifest {
        format_version: u32,
        name: String,
        files: BTreeMap<String, String>,
    }
    let path = folder.join(MANIFEST);
    refuse_strange(&path)?;
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error.to_string()))?;
    if manifest.format_version > FORMAT_VERSION {
        let (found, known) = (manifest.format_version, FORMAT_VERSION);
        return Err(Error::Model(model_zoo::Error::NewerVersion { path, found, known }));
    }
    let hash = format!("{:x}", Sha256::digest(&bytes));
    let version = hash[..VERSION].to_owned();
    let mut files = vec![BundleFile { name: MANIFEST.into(), bytes: bytes.len() as u64, hash }];
    for (name, hash) in manifest.files {
        if !is_plain(&name) || name == MANIFEST {
            return Err(damaged(&path, format!("it lists `{}`, which is no file of a bundle", name.escape_debug())));
        }
        let mut file = BundleFile { name, bytes: 0, hash };
        file.bytes = copy(folder, &file, &mut io::sink())?;
        files.push(file);
    }
    // Without it nobody could verify what is deployed.
    let signature = folder.join(SIGNATURE);
    if signature.symlink_metadata().is_ok() {
        refuse_strange(&signature)?;
        let bytes = fs::read(&signature).map_err(Error::io("read", &signature))?;
        let hash = format!("{:x}", Sha256::digest(&bytes));
        files.push(BundleFile { name: SIGNATURE.into(), bytes: bytes.len() as u64, hash });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Contents { name: manifest.name, version, files })
}

/// Whether a name leads to a file below the folder on any system.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.len() <= 200
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain))
}

fn damaged(path: &Path, reason: String) -> Error {
    Error::Model(model_zoo::Error::Damaged { path: path.to_owned(), reason })
}

/// Refuses what is no file, or leads elsewhere.
fn refuse_strange(path: &Path) -> Result<(), Error> {
    let found = fs::symlink_metadata(path).map_err(Error::io("read", path))?;
    match found.is_file() {
        true => Ok(()),
        false => Err(damaged(path, "it is a link, a folder or a device, and no file".into())),
    }
}

/// Where a file of a bundle lies; no part of the way to it is a link.
fn place(folder: &Path, file: &BundleFile) -> Result<PathBuf, Error> {
    let mut path = folder.to_owned();
    let mut parts = file.name.split('/').peekable();
    while let Some(part) = parts.next() {
        path.push(part);
        if parts.peek().is_some() && fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            return Err(damaged(&path, "it is a link".into()));
        }
    }
    refuse_strange(&path)?;
    Ok(path)
}

/// Opens a file of a bundle.
pub fn open(folder: &Path, file: &BundleFile) -> Result<Checked, Error> {
    let path = place(folder, file)?;
    let source = File::open(&path).map_err(Error::io("read", &path))?;
    Ok(Checked { source, hash: Sha256::new(), expected: file.hash.clone(), path })
}

/// A file that is hashed while it is read.
pub struct Checked {
    source: File,
    hash: Sha256,
    expected: String,
    path: PathBuf,
}

impl Checked {
    /// Whether what was read is what the manifest says; what was made of it is to be thrown away otherwise.
    ///
    /// # Errors
    /// [`model_zoo::Error::Damaged`].
    pub fn verify(self) -> Result<(), Error> {
        match format!("{:x}", self.hash.finalize()) == self.expected {
            true => Ok(()),
            false => Err(damaged(&self.path, format!("its SHA-256 is not the one in {MANIFEST}"))),
        }
    }
}

impl Read for Checked {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(piece)?;
        self.hash.update(&piece[..read]);
        Ok(read)
    }
}

/// Copies a file of a bundle, checks it, and says how long it is.
///
/// # Errors
/// As [`open`] and [`Checked::verify`].
pub fn copy(folder: &Path, file: &BundleFile, to: &mut impl Write) -> Result<u64, Error> {
    let mut source = open(folder, file)?;
    let bytes = io::copy(&mut source, to).map_err(Error::io("copy", &source.path))?;
    source.verify()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::plan::tests::bundle;

    fn refused(folder: &Path, words: &str) {
        let error = read(folder).err().unwrap();
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }

    #[test]
    fn files_are_listed_with_their_hashes() {
        let folder = bundle("penguins");
        std::fs::write(folder.path().join("private.key"), "not listed").unwrap();
        let contents = read(folder.path()).unwrap();
        let names: Vec<&str> = contents.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["manifest.json", "pipeline.json", "weights.safetensors"]);
        assert_eq!(contents.files[2].bytes, 70_000);
    }

    #[test]
    fn a_bundle_that_is_missing_or_damaged_is_refused() {
        refused(Path::new("/no/such/bundle"), "/no/such/bundle/manifest.json");
        let folder = bundle("penguins");
        std::fs::write(folder.path().join("weights.safetensors"), "other").unwrap();
        refused(folder.path(), "its SHA-256 is not the one in manifest.json");
        std::fs::remove_file(folder.path().join("weights.safetensors")).unwrap();
        refused(folder.path(), "weights.safetensors");
        std::fs::write(folder.path().join("manifest.json"), r#"{"format_version":99,"name":"a","files":{}}"#).unwrap();
        refused(folder.path(), "format version 99");
        for text in ["", "[]", "{}", "{\"format_version\":1,\"name\":1,\"files\":{}}"] {
            std::fs::write(folder.path().join("manifest.json"), text).unwrap();
            refused(folder.path(), "damaged");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let folder = bundle("penguins");
        for name in ["../x", "/etc/passwd", "", ".", "a/../b", "a//b", "a\\b", ".hidden", "a\nb", "manifest.json", "é"]
        {
            let manifest = serde_json::json!({ "format_version": 1, "name": "a", "files": { name: "0" } });
            std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
            refused(folder.path(), "which is no file of a bundle");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_and_folders_are_no_files() {
        let folder = bundle("penguins");
        let weights = folder.path().join("weights.safetensors");
        std::fs::rename(&weights, folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", &weights).unwrap();
        refused(folder.path(), "it is a link");
        std::fs::remove_file(&weights).unwrap();
        std::fs::create_dir(&weights).unwrap();
        refused(folder.path(), "it is a link, a folder");
    }
}
