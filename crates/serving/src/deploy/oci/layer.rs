//! How do files become a layer of an image, always by the same bytes?
//!
//! An archive of tar, compressed by gzip, in which everything belongs to root, nothing has a time, and names are in
//! order. A layer is known by two hashes: that of the archive, which says what is in it, and that of the compressed
//! bytes, which are moved.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::super::plan::bundle_files::{self, BundleFile};
use crate::Error;

/// Of what an entry is made.
pub enum Source<'a> {
    Folder,
    Text(String),
    /// A file of this machine.
    File(PathBuf),
    /// A file of the bundle in this folder.
    Bundle(&'a Path, &'a BundleFile),
}

/// The entries of a layer with their permissions, by path without the first `/`.
#[derive(Default)]
pub struct Entries<'a>(BTreeMap<String, (u32, Source<'a>)>);

impl<'a> Entries<'a> {
    /// Adds an entry, and the folders on the way to it.
    pub fn add(&mut self, path: &str, mode: u32, source: Source<'a>) {
        for (end, _) in path.match_indices('/') {
            self.0.entry(path[..end].to_owned()).or_insert((0o755, Source::Folder));
        }
        self.0.insert(path.to_owned(), (mode, source));
    }
}

/// A layer that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The SHA-256 of the compressed bytes, and how many they are.
    pub digest: String,
    pub bytes: u64,
    /// The SHA-256 of the archive.
    pub diff_id: String,
}

/// Writes a layer.
///
/// # Errors
/// If a file cannot be read, changes meanwhile, or the disk fails.
pub fn write(entries: &Entries<'_>, level: Compression, to: &mut dyn Write) -> Result<Layer, Error> {
    let compressed = GzBuilder::new().mtime(0).operating_system(255).write(Hashed::new(to), level);
    let mut archive = Builder::new(Hashed::new(compressed));
    for (path, (mode, source)) in &entries.0 {
        append(&mut archive, path, *mode, source)?;
    }
    let finish = || -> io::Result<Layer> {
        let (compressed, diff_id, _) = archive.into_inner()?.told();
        let (_, digest, bytes) = compressed.finish()?.told();
        Ok(Layer { digest, bytes, diff_id })
    };
    finish().map_err(Error::io("write", Path::new("a layer")))
}

fn append(archive: &mut Builder<impl Write>, path: &str, mode: u32, source: &Source<'_>) -> Result<(), Error> {
    let mut put = |kind: EntryType, bytes: u64, data: &mut dyn Read, from: &Path| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let mut counted = Counted { data, bytes: 0 };
        archive.append_data(&mut header, path, (&mut counted).take(bytes)).map_err(Error::io("package", from))?;
        match counted.bytes == bytes {
            true => Ok(()),
            // The archive says how long a file is before it holds it.
            false => Err(Error::io("package", from)(io::Error::other("it became shorter while it was read"))),
        }
    };
    match source {
        Source::Folder => put(EntryType::Directory, 0, &mut io::empty(), Path::new(path)),
        Source::Text(text) => put(EntryType::Regular, text.len() as u64, &mut text.as_bytes(), Path::new(path)),
        Source::File(from) => {
            let mut file = File::open(from).map_err(Error::io("read", from))?;
            let bytes = file.metadata().map_err(Error::io("read", from))?.len();
            put(EntryType::Regular, bytes, &mut file, from)
        }
        Source::Bundle(folder, file) => {
            let mut checked = bundle_files::open(folder, file)?;
            put(EntryType::Regular, file.bytes, &mut checked, &folder.join(&file.name))?;
            checked.verify()
        }
    }
}

/// What is read, counted.
struct Counted<'a> {
    data: &'a mut dyn Read,
    bytes: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.data.read(piece)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

/// What is written, hashed and counted.
pub struct Hashed<W> {
    to: W,
    hash: Sha256,
    bytes: u64,
}

impl<W> Hashed<W> {
    fn new(to: W) -> Self {
        Self { to, hash: Sha256::new(), bytes: 0 }
    }

    fn told(self) -> (W, String, u64) {
        (self.to, format!("{:x}", self.hash.finalize()), self.bytes)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let written = self.to.write(piece)?;
        self.hash.update(&piece[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn equal_entries_give_equal_bytes_in_which_nothing_has_a_time_or_an_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "bytes").unwrap();
        let long = format!("deep/{}/{}", "a".repeat(90), "b".repeat(90));
        let make = || {
            let mut entries = Entries::default();
            entries.add("z/file", 0o755, Source::File(file.clone()));
            entries.add(&long, 0o644, Source::Text("text".into()));
            entries.add("tmp", 0o1777, Source::Folder);
            let mut bytes = Vec::new();
            let layer = write(&entries, Compression::default(), &mut bytes).unwrap();
            (layer, bytes)
        };
        let (layer, bytes) = make();
        assert_eq!(make(), (layer.clone(), bytes.clone()));
        assert_eq!((layer.bytes, layer.digest), (bytes.len() as u64, format!("{:x}", Sha256::digest(&bytes))));
        let mut plain = Vec::new();
        GzDecoder::new(&*bytes).read_to_end(&mut plain).unwrap();
        assert_eq!(layer.diff_id, format!("{:x}", Sha256::digest(&plain)));
        let mut archive = tar::Archive::new(&*plain);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
            found.push((entry.path().unwrap().display().to_string(), header.mode().unwrap()));
        }
        let expected =
            [("deep", 0o755), (&long[..95], 0o755), (&long, 0o644), ("tmp", 0o1777), ("z", 0o755), ("z/file", 0o755)];
        assert_eq!(found, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }

    #[test]
    fn a_file_that_is_shorter_than_it_was_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "by").unwrap();
        let file = BundleFile { name: "file".into(), bytes: 5, hash: String::new() };
        let mut entries = Entries::default();
        entries.add("file", 0o644, Source::Bundle(folder.path(), &file));
        let error = write(&entries, Compression::fast(), &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("it became shorter"), "{error}");
    }
}
