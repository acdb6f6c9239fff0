//! Where does a data set come from, may it be used, which files has it, and what do they mean?
//!
//! A card is a file `card.toml` in the folder of its data set.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::read_toml;
use crate::error::Error;
use crate::formats::FormatConfig;
use crate::schema::Schema;
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardFile {
    /// Relative to the card's folder.
    pub path: PathBuf,
    /// The SHA-256 of the file as 64 hexadecimal digits, checked whenever the card is opened.
    #[serde(default)]
    pub sha256: Option<String>,
    /// What the file holds.
    #[serde(default)]
    pub role: Role,
    /// The part to which all its examples belong, for the split `file`.
    #[serde(default)]
    pub part: Option<Part>,
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
}

/// A file that was there when its card was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the card's folder, with `/` between folders.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Of a file the SHA-256 of its bytes; of a folder that of the names, sizes and, up to 1 GiB, contents of its files.
    pub sha256: String,
    /// In bytes; of a folder the sum.
    pub bytes: u64,
    /// What it holds.
    pub role: Role,
    /// The part to which its examples belong.
    pub part: Option<Part>,
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
        let file = if path.is_dir() { path.join("card.toml") } else { path.to_path_buf() };
        let mut config: CardConfig = read_toml(&file, "card")?;
        config.schema.check()?;
        let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
        config.transforms.iter_mut().for_each(|transforms| transforms.look_in(&folder));
        if config.files.is_empty() {
            return Err(Error::NoExamples {
                place: format!("in {}: its list of files is empty", file.display()),
                hint: "Add a [[files]] table with the path of each file.",
            });
        }
        let mut files = Vec::with_capacity(config.files.len());
        for entry in &config.files {
            files.push(open_file(&folder, entry)?);
        }
        each_once(&files)?;
        Ok(Self { config, folder, files })
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
fn each_once(files: &[SourceFile]) -> Result<(), Error> {
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
        if file.bytes == 0 || file.role == Role::Labels {
            continue;
        }
        if let Some(other) = contents.insert((file.role, &file.sha256), &file.name) {
            return twice(format!("names {other} and {}, whose contents are equal", file.name));
        }
    }
    Ok(())
}

fn open_file(folder: &Path, entry: &CardFile) -> Result<SourceFile, Error> {
    let path = folder.join(&entry.path);
    let (sha256, bytes) = if path.is_dir() { digest_folder(&path)? } else { digest_file(&path)? };
    if let Some(expected) = &entry.sha256
        && !expected.eq_ignore_ascii_case(&sha256)
    {
        return Err(Error::Checksum { path, expected: expected.clone(), found: sha256 });
    }
    let name = entry.path.to_string_lossy().replace('\\', "/");
    Ok(SourceFile { name, path, sha256, bytes, role: entry.role, part: entry.part })
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

/// Up to so many bytes in all, the contents of a folder's files count in its checksum: 1 GiB, a second or two.
const FOLDER_CONTENTS: u64 = 1 << 30;

/// The SHA-256 of the sorted names, sizes and contents of all files below `folder`, and the sum of the sizes. Of folders above
/// [`FOLDER_CONTENTS`] the contents are left out: reading a million images would take minutes.
fn digest_folder(folder: &Path) -> Result<(String, u64), Error> {
    let mut sizes = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(directory) = open.pop() {
        let failed = |source| Error::io("folder", &directory, source);
        for entry in std::fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A link to a folder is not followed, so that a circle of links ends.
            if entry.file_type().map_err(failed)?.is_dir() {
                open.push(entry.path());
            } else {
                let path = entry.path();
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                sizes.push((name, entry.metadata().map_err(failed)?.len(), path));
            }
        }
    }
    sizes.sort();
    let total = sizes.iter().map(|(_, bytes, _)| bytes).sum();
    let mut hash = Sha256::new();
    for (name, bytes, path) in &sizes {
        hash.update(format!("{name}\0{bytes}\n"));
        if total <= FOLDER_CONTENTS && path.is_file() {
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
mod tests {
    use super::*;

    const CARD: &str = r#"
name = "tiny"
title = "Tiny"
summary = "Two rows"
source = "made for this test"
licence = "CC0"
citation = "none"
[format.csv]
[[files]]
path = "a.csv"
[schema]
target = { name = "y", kind = "class" }
[schema.features]
x = "number"
[split.random]
validation = 0.1
"#;

    fn folder(card: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("card.toml"), card).unwrap();
        std::fs::write(folder.path().join("a.csv"), "x,y\n1,a\n2,b\n").unwrap();
        folder
    }

    #[test]
    fn a_card_opens_from_its_folder_and_from_its_path() {
        let folder = folder(CARD);
        let card = Card::open(folder.path()).unwrap();
        assert_eq!(card, Card::open(&folder.path().join("card.toml")).unwrap());
        assert_eq!((card.name(), card.task(), card.files[0].bytes), ("tiny", Task::Classify, 12));
    }

    #[test]
    fn the_checksum_of_the_empty_text_is_the_published_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest_file(file.path()).unwrap(), (known.to_owned(), 0));
    }

    #[test]
    fn a_folder_is_known_by_the_names_and_contents_of_its_files() {
        let digest = |files: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            digest_folder(folder.path()).unwrap()
        };
        let first = digest(&[("a/1", "one"), ("b/2", "two")]);
        assert_eq!(first.1, 6);
        assert_eq!(first, digest(&[("b/2", "two"), ("a/1", "one")]));
        for other in
            [[("a/1", "one"), ("b/2", "twO")], [("a/1", "one"), ("b/3", "two")], [("a/1", "two"), ("b/2", "one")]]
        {
            assert_ne!(first.0, digest(&other).0, "{other:?}");
        }
    }

    #[test]
    fn mistakes_in_a_card_are_sentences() {
        let wrong = CARD.replace("path = \"a.csv\"", "path = \"a.csv\"\nsha256 = \"00\"");
        let error = Card::open(folder(&wrong).path()).unwrap_err();
        assert!(matches!(&error, Error::Checksum { expected, .. } if expected == "00"), "{error}");

        let error = Card::open(folder(&CARD.replace("licence", "license")).path()).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("Did you mean `licence`?"), "{error}");

        let error = Card::open(folder(&CARD.replace("a.csv", "b.csv")).path()).unwrap_err();
        assert!(matches!(error, Error::NotFound { what: "data file", .. }));

        let error = Card::open(folder(&CARD.replace("format.csv", "format.cvs")).path()).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("Did you mean `csv`?"), "{error}");

        let error = Card::open(Path::new("/nowhere")).unwrap_err();
        assert!(matches!(error, Error::NotFound { what: "card", .. }));

        let two = |second: &str| CARD.replace("[schema]\n", &format!("[[files]]\npath = \"{second}\"\n[schema]\n"));
        assert!(Card::open(folder(&two("a.csv")).path()).unwrap_err().to_string().contains("names a.csv twice"));
        let folder = folder(&two("sub/../a.csv"));
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let error = Card::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("names a.csv and sub/../a.csv, which are one"), "{error}");
    }

    #[test]
    fn two_files_of_equal_contents_are_refused_by_name() {
        let open = |role: &str, text: &str| {
            let file = |path: &str| format!("[[files]]\npath = \"{path}\"\nrole = \"{role}\"\n");
            let card = CARD.replace("[[files]]\npath = \"a.csv\"\n", &(file("a.csv") + &file("b.csv")));
            let folder = folder(&card);
            std::fs::write(folder.path().join("a.csv"), text).unwrap();
            std::fs::write(folder.path().join("b.csv"), text).unwrap();
            Card::open(folder.path())
        };
        for role in ["records", "images"] {
            let error = open(role, "x,y\n1,a\n").unwrap_err();
            assert!(error.to_string().contains("names a.csv and b.csv, whose contents are equal"), "{error}");
            assert!(error.hint().unwrap().contains("leak") && error.is_usage());
        }
        assert!(open("records", "").is_ok(), "two empty files hold no example twice");
        assert!(open("labels", "0,1").is_ok(), "two parts may have equal labels");
    }
}
