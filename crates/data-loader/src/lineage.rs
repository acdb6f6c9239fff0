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
    /// How the rows were split.
    pub split: SplitConfig,
    /// The training part.
    pub train: PartLineage,
    /// The validation part.
    pub validation: PartLineage,
    /// The test part.
    pub test: PartLineage,
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
        let part = |part: Part| {
            let mut hash = Sha256::new();
            for &row in parts.part(part) {
                hash.update(records.key(row as usize)?);
                hash.update("\n");
            }
            Ok::<_, Error>(PartLineage { examples: parts.part(part).len(), ids_sha256: hex(&hash.finalize()) })
        };
        Ok(Self {
            card: card.to_owned(),
            files: files
                .iter()
                .map(|file| FileLineage { path: file.name.clone(), sha256: file.sha256.clone(), bytes: file.bytes })
                .collect(),
            rows: records.len(),
            unusable,
            split: split.clone(),
            train: part(Part::Train)?,
            validation: part(Part::Validation)?,
            test: part(Part::Test)?,
        })
    }
}
