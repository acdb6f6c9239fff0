//! What was read? A record of files, rows and parts, by which two runs can be shown to have seen the same data.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::card::{SourceFile, hex};
use crate::error::Error;
use crate::formats::Records;
use crate::split::{Part, Parts, SplitConfig};

/// What one part of a split holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartLineage {
    /// How many examples.
    pub examples: usize,
    /// The SHA-256 of the keys of their ids, one a line, in the order of the rows.
    pub ids_sha256: String,
}

/// One file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLineage {
    /// The file, relative to the card's folder.
    pub path: String,
    /// Of a file the SHA-256 of its bytes; of a folder that of the names, sizes and, up to 1 GiB, contents of its files.
    pub sha256: String,
    /// In bytes; of a folder the sum.
    pub bytes: u64,
}

/// What a data set was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    /// The name of the card.
    pub card: String,
    /// Every file, with its checksum and size.
    pub files: Vec<FileLineage>,
    /// How many rows the files have.
    pub rows: usize,
    /// How many of them were left out because they could not be read or have no target.
    pub unusable: usize,
    /// How many windows were left out because they share rows with a later part.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub embargoed: usize,
    /// How the rows were split.
    pub split: SplitConfig,
    /// The training part.
    pub train: PartLineage,
    /// The validation part.
    pub validation: PartLineage,
    /// The test part.
    pub test: PartLineage,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference.")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Lineage {
    /// Describes what was read from `files` and how it was split.
    pub(crate) fn of(
        card: &str,
        files: &[SourceFile],
        records: &dyn Records,
        parts: &Parts,
        split: &SplitConfig,
        unusable: usize,
    ) -> Result<Self, Error> {
        let [train, validation, test] = Part::ALL.map(|part| parts.part(part));
        let [train, validation, test] = describe(records, [train, validation, test])?;
        Ok(Self {
            card: card.to_owned(),
            files: files
                .iter()
                .map(|file| FileLineage { path: file.name.clone(), sha256: file.sha256.clone(), bytes: file.bytes })
                .collect(),
            rows: records.len(),
            unusable,
            embargoed: 0,
            split: split.clone(),
            train,
            validation,
            test,
        })
    }
}

/// How many keys are read at a time.
const KEYS: usize = 1 << 12;

/// Describes parts, whose rows are ascending. All are gone through at once, so that the files are read from end to end.
fn describe(records: &dyn Records, parts: [&[u32]; 3]) -> Result<[PartLineage; 3], Error> {
    let mut hashes = [Sha256::new(), Sha256::new(), Sha256::new()];
    // Few long texts are hashed sooner than many short ones.
    let mut texts = [String::new(), String::new(), String::new()];
    let mut rest = parts;
    loop {
        let (mut rows, mut owners) = (Vec::with_capacity(KEYS), Vec::with_capacity(KEYS));
        while rows.len() < KEYS
            && let Some(owner) = (0..3).filter(|&part| !rest[part].is_empty()).min_by_key(|&part| rest[part][0])
        {
            rows.push(rest[owner][0]);
            owners.push(owner);
            rest[owner] = &rest[owner][1..];
        }
        if rows.is_empty() {
            break;
        }
        let (mut owners, mut failed) = (owners.into_iter(), None);
        records.visit_keys(&rows, &mut |key| match (key, owners.next()) {
            (Ok(key), Some(owner)) => {
                texts[owner].push_str(&key);
                texts[owner].push('\n');
            }
            (Err(error), _) if failed.is_none() => failed = Some(error),
            _ => {}
        });
        if let Some(error) = failed {
            return Err(error);
        }
        for (hash, text) in hashes.iter_mut().zip(&mut texts) {
            hash.update(&*text);
            text.clear();
        }
    }
    let mut hashes = hashes.into_iter();
    Ok(parts.map(|rows| {
        let hash = hashes.next().unwrap_or_default().finalize();
        PartLineage { examples: rows.len(), ids_sha256: hex(&hash) }
    }))
}
