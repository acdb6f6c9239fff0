//! Where does a data set come from, may it be used, which files has it, and what do they mean?
//!
//! A card is a file `card.toml` in the folder of its data set.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clean::Derived;
use crate::config::read_toml;
use crate::error::Error;
use crate::fetch::Ledger;
use crate::files::file_tree::{name_below, walk_within};
use crate::files::pattern;
use crate::formats::FormatConfig;
use crate::hugging_face::all_shards;
use crate::schema::Schema;
use crate::sources::{SourceConfig, local};
use crate::split::{Part, SplitConfig};
use crate::task::Task;
use crate::transforms::Transforms;

/// What one file of a data set holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Whole records: features and target.
    #[default]
    Records,
    /// Images whose labels lie in another file.
    Images,
    /// The labels of the images in another file.
    Labels,
}

/// One file, or folder of files, of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardFile {
    /// Relative to the card's folder, in which it must lie; or a pattern such as `parts/*.csv`, which stands for its matches in
    /// sorted order.
    pub path: PathBuf,
    /// The SHA-256 of the file as 64 hexadecimal digits, checked whenever the card is opened.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Where it can be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SourceConfig>,
    /// What the file holds.
    #[serde(default)]
    pub role: Role,
    /// The part to which all its examples belong, for the split `file`.
    #[serde(default)]
    pub part: Option<Part>,
}

impl CardFile {
    /// Whether the path stands for several files.
    pub(crate) fn is_pattern(&self) -> bool {
        pattern::is_pattern(&self.path.to_string_lossy())
    }

    /// The checksums that the file may have: its own, and that of the source where the source gives it packed in another way.
    pub(crate) fn checksums(&self) -> Vec<&str> {
        let of_source = self.from.as_ref().and_then(SourceConfig::sha256);
        self.sha256.as_deref().into_iter().chain(of_source).collect()
    }

    /// The SHA-256 and the size of what lies at `path` in the card's folder. Where the card states a checksum all contents count,
    /// however long that takes.
    pub(crate) fn digest(&self, folder: &Path, path: &Path) -> Result<(String, u64), Error> {
        let most = if self.checksums().is_empty() { FOLDER_CONTENTS } else { u64::MAX };
        if path.is_dir() { digest_folder(folder, path, most) } else { digest_file(path) }
    }

    /// Compares the checksum of the file at `path` with those that are stated, if any are.
    pub(crate) fn verify(&self, path: &Path, found: &str) -> Result<(), Error> {
        let accepted = self.checksums();
        if accepted.is_empty() || accepted.iter().any(|sum| sum.eq_ignore_ascii_case(found)) {
            return Ok(());
        }
        Err(Error::Checksum { path: path.to_path_buf(), expected: accepted.join(" or "), found: found.to_owned() })
    }
}

/// A card as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardConfig {
    /// The short name, in lower case; also the name of the folder.
    pub name: String,
    /// The name by which people know the data.
    pub title: String,
    /// What an example is, and how many there are.
    pub summary: String,
    /// Where the data can be fetched.
    pub source: String,
    /// Under which terms it may be used.
    pub licence: String,
    /// Whom to name.
    pub citation: String,
    /// What a model of this data does, where it does not follow from the target.
    #[serde(default)]
    pub task: Option<Task>,
    /// How the files are written.
    pub format: FormatConfig,
    /// The files.
    pub files: Vec<CardFile>,
    /// What the columns mean.
    pub schema: Schema,
    /// The split that an experiment gets unless it states one.
    #[serde(default)]
    pub split: Option<SplitConfig>,
    /// The transforms that an experiment gets unless it states some.
    #[serde(default)]
    pub transforms: Option<Transforms>,
    /// From what the data was made, where `firebox data clean` wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived: Option<Derived>,
}

/// A file that was there when its card was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the card's folder, with `/` between folders.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Of a file the SHA-256 of its bytes; of a folder that of the names, sizes and contents of its files. Above 1 GiB the
    /// contents of a folder count only where the card states its checksum.
    pub sha256: String,
    /// In bytes; of a folder the sum.
    pub bytes: u64,
    /// What it holds.
    pub role: Role,
    /// The part to which its examples belong.
    pub part: Option<Part>,
}

impl SourceFile {
    /// A file that no card names, or that is none at all; its checksum does not matter to anyone.
    pub(crate) fn called(name: &str) -> Self {
        let (path, sha256) = (PathBuf::from(name), String::new());
        Self { name: name.to_owned(), path, sha256, bytes: 0, role: Role::default(), part: None }
    }
}

/// A card that was read and whose files are there, with the checksums that it states.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// The card as it is written.
    pub config: CardConfig,
    /// The folder in which it lies.
    pub folder: PathBuf,
    /// Its files, in the order of the card.
    pub files: Vec<SourceFile>,
}

impl Card {
    /// Reads the card at `path`, which is a `card.toml` or the folder around it, and verifies its files.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (config, folder) = Self::read(path)?;
        let files = open_files(path, &config.files)?;
        each_once(&config, &folder, &files)?;
        Ok(Self { config, folder, files })
    }

    /// Reads the card at `path` and nothing else; gives it with its folder.
    pub(crate) fn read(path: &Path) -> Result<(CardConfig, PathBuf), Error> {
        let (file, folder) = located(path);
        let mut config: CardConfig = read_toml(&file, "card")?;
        config.schema.check()?;
        config.transforms.iter_mut().for_each(|transforms| transforms.look_in(&folder));
        if config.files.is_empty() {
            return Err(Error::NoExamples {
                place: format!("in {}: its list of files is empty", file.display()),
                hint: "Add a [[files]] table with the path of each file.",
            });
        }
        if let Some(entry) = config.files.iter().find(|entry| entry.sha256.is_some() && entry.is_pattern()) {
            return Err(Error::Setting {
                key: "files.sha256".into(),
                message: format!(
                    "stands beside the pattern {}, and a checksum belongs to one file",
                    entry.path.display()
                ),
                hint: "Leave it out; the checksums of all files are in the lineage of a run.".into(),
            });
        }
        Ok((config, folder))
    }

    /// The short name of the data set.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// What the columns mean.
    pub fn schema(&self) -> &Schema {
        &self.config.schema
    }

    /// What a model of this data does unless an experiment says otherwise.
    pub fn task(&self) -> Task {
        self.config.task.unwrap_or_else(|| self.config.schema.default_task())
    }
}

/// Refuses examples that would be read twice: one file under two names, or two files of equal contents.
fn each_once(config: &CardConfig, folder: &Path, files: &[SourceFile]) -> Result<(), Error> {
    let twice = |message: String| {
        let hint =
            "Examples that are read twice leak from one part of a split into another; name each file once.".into();
        Err(Error::Setting { key: "files".into(), message, hint })
    };
    let (mut paths, mut contents) = (HashMap::new(), HashMap::new());
    for file in files {
        let path = file.path.canonicalize().map_err(|source| Error::io("data file", &file.path, source))?;
        match paths.insert(path, &file.name) {
            Some(other) if *other == file.name => return twice(format!("names {other} twice")),
            Some(other) => return twice(format!("names {other} and {}, which are one", file.name)),
            None => {}
        }
        // Labels may well be equal: two parts with as many images of each class, class after class.
        if file.role == Role::Labels {
            continue;
        }
        if let Some(other) = contents.insert((file.role, &file.sha256), &file.name)
            && !has_no_rows(config, folder, file)
        {
            return twice(format!("names {other} and {}, whose contents are equal", file.name));
        }
    }
    Ok(())
}

/// Whether there is no row in `file`, such as an empty partition: then none can be read twice.
fn has_no_rows(config: &CardConfig, folder: &Path, file: &SourceFile) -> bool {
    let card = Card { config: config.clone(), folder: folder.to_path_buf(), files: vec![file.clone()] };
    file.bytes == 0 || crate::formats::open(&card).is_ok_and(|records| records.is_empty())
}

/// The card at `path`, which is a `card.toml` or the folder around it, and the folder in which it lies.
pub fn located(path: &Path) -> (PathBuf, PathBuf) {
    let file = if path.is_dir() { path.join("card.toml") } else { path.to_path_buf() };
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    (file, folder)
}

/// The files that `entries` of the card at `path` name, each there and as the card states.
///
/// # Errors
/// [`Error::NotFetched`], [`Error::Checksum`], or what keeps a file from being read.
pub fn open_files(path: &Path, entries: &[CardFile]) -> Result<Vec<SourceFile>, Error> {
    let (_, folder) = located(path);
    let ledger = Ledger::read(path)?;
    let mut files = Vec::with_capacity(entries.len());
    for entry in entries {
        open_entry(&folder, path, &ledger, entry, &mut files)?;
    }
    Ok(files)
}

/// Opens the files that an entry of the card at `card` names.
fn open_entry(
    folder: &Path,
    card: &Path,
    ledger: &Ledger,
    entry: &CardFile,
    files: &mut Vec<SourceFile>,
) -> Result<(), Error> {
    let not_fetched = |path: PathBuf| Error::NotFetched { path, card: card.to_path_buf() };
    let matches = match local::matches(folder, &entry.path) {
        // Of a pattern with a source nothing may be there yet.
        Err(Error::NoMatch { .. }) if entry.from.is_some() => return Err(not_fetched(folder.join(&entry.path))),
        matches => matches?,
    };
    if entry.is_pattern() {
        let names: Vec<String> = matches.iter().map(|(name, _)| name.clone()).collect();
        ledger.check_all(entry, &names, folder)?;
        all_shards(folder, &matches.iter().map(|(_, path)| path.clone()).collect::<Vec<_>>())?;
    }
    for (name, path) in matches {
        if entry.from.is_some() && !path.exists() {
            return Err(not_fetched(path));
        }
        let (sha256, bytes) = entry.digest(folder, &path)?;
        entry.verify(&path, &sha256)?;
        ledger.check(entry, &name, &path, &sha256)?;
        files.push(SourceFile { name, path, sha256, bytes, role: entry.role, part: entry.part });
    }
    Ok(())
}

/// The SHA-256 of the file or folder at `path`, as a card states it.
pub(crate) fn digest(path: &Path) -> Result<String, Error> {
    let found = if path.is_dir() { digest_folder(path, path, u64::MAX) } else { digest_file(path) };
    Ok(found?.0)
}

/// The SHA-256 and the size of the file at `path`.
pub(crate) fn digest_file(path: &Path) -> Result<(String, u64), Error> {
    let failed = |source| Error::io("data file", path, source);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok((hex(&hash.finalize()), bytes));
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// Up to so many bytes in all, the contents of a folder's files count in a checksum that nobody stated: 1 GiB, a second or two. Tests
/// have no room for that, and do with 1 MiB.
const FOLDER_CONTENTS: u64 = if cfg!(test) { 1 << 20 } else { 1 << 30 };

/// The SHA-256 of the sorted names, sizes and contents of all files below `folder`, links followed, and the sum of the sizes. Of
/// folders above `most` bytes the contents are left out: reading a million images would take minutes. Links must stay in `root`.
fn digest_folder(root: &Path, folder: &Path, most: u64) -> Result<(String, u64), Error> {
    let mut sizes = Vec::new();
    for path in walk_within(folder, root)?.files {
        // Of a hidden link to nothing the size is that of the link.
        let found = std::fs::metadata(&path).or_else(|_| path.symlink_metadata());
        let bytes = found.map_err(|source| Error::io("data file", &path, source))?.len();
        sizes.push((name_below(folder, &path), bytes, path));
    }
    sizes.sort();
    let total = sizes.iter().map(|(_, bytes, _)| bytes).sum();
    let mut hash = Sha256::new();
    for (name, bytes, path) in &sizes {
        hash.update(format!("{name}\0{bytes}\n"));
        if total <= most && path.is_file() {
            hash.update(digest_file(path)?.0);
        }
    }
    Ok((hex(&hash.finalize()), total))
}

/// Hexadecimal digits, two a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[path = "card_tests.rs"]
mod tests;
