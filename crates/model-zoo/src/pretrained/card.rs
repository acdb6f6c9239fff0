//! Where do weights that others trained come from, may they be used, and how are they named?
//!
//! A card is a file `card.toml` beside the weights, as data sets have one. Its files are fetched and verified as theirs are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use data_loader::card::{CardFile, Role, located, open_files};
use data_loader::config::read_toml;
use data_loader::fetch::{self, Fetched, Options};
use serde::{Deserialize, Serialize};

use super::Pretrained;
use crate::Error;
use crate::bundle::Bundle;

/// A card of weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsCard {
    /// The short name, in lower case; also the name of the folder.
    pub name: String,
    /// The name by which people know the weights.
    pub title: String,
    /// What was learnt from what.
    pub summary: String,
    /// Where the weights can be fetched.
    pub source: String,
    /// Under which terms they may be used.
    pub licence: String,
    /// Whom to name.
    pub citation: String,
    /// Which of the files holds the weights.
    pub weights: PathBuf,
    /// The files: the weights, and what belongs to them, such as a vocabulary.
    pub files: Vec<CardFile>,
    /// For which architecture the names and rules are; not checked if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// As in [`Pretrained`]; what a config says itself comes behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rename: Vec<(String, String)>,
    /// As in [`Pretrained`], beside what a config says itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_missing: Vec<String>,
    /// As in [`Pretrained`], beside what a config says itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_unused: Vec<String>,
}

impl WeightsCard {
    /// Whether there is a card at `path`, which is a `card.toml` or the folder around it, and no bundle.
    pub fn is_at(path: &Path) -> bool {
        let (file, _) = located(path);
        match path.is_dir() {
            true => file.is_file() && !Bundle::is_at(path),
            false => path.extension().is_some_and(|ending| ending == "toml"),
        }
    }

    /// Whether the card at `path` is one of weights, rather than of a data set.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn is_of_weights(path: &Path) -> Result<bool, data_loader::Error> {
        let (file, _) = located(path);
        let card: BTreeMap<String, serde_json::Value> = read_toml(&file, "card")?;
        Ok(card.contains_key("weights") || card.contains_key("architecture"))
    }

    /// Reads the card at `path` and nothing else.
    ///
    /// # Errors
    /// If it cannot be read, or says what cannot be.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let (file, _) = located(path);
        let card: Self = read_toml(&file, "card")?;
        let wrong = |key: &str, reason: String| {
            let message = format!("in {} {reason}", file.display());
            Err(Error::from(data_loader::Error::Setting { key: key.into(), message, hint: HINT.into() }))
        };
        if !card.files.iter().any(|entry| entry.path == card.weights) {
            return wrong("weights", format!("is {}, which is none of its files", card.weights.display()));
        }
        let is_pattern = |path: &Path| path.to_string_lossy().contains(['*', '?', '[']);
        if is_pattern(&card.weights) {
            return wrong("weights", format!("is {}, and a pattern is no file", card.weights.display()));
        }
        if card.files.iter().any(|entry| entry.role != Role::Records || entry.part.is_some()) {
            return wrong("files", "has a `role` or a `part`, which files of weights do not have".into());
        }
        if let Err((key, reason)) = Pretrained::of_card(&card, &Pretrained::default()).check() {
            return wrong(key, reason);
        }
        Ok(card)
    }

    /// Where the weights lie, once each of the files is there and as the card at `path` states.
    ///
    /// # Errors
    /// If one is not there, or is another.
    pub fn open(&self, path: &Path) -> Result<PathBuf, Error> {
        let (_, folder) = located(path);
        if let Some(entry) = self.files.iter().find(|entry| entry.from.is_none() && !folder.join(&entry.path).exists())
        {
            return Err(Error::from(data_loader::Error::Mismatch {
                message: format!("{} is not there", folder.join(&entry.path).display()),
                hint: format!("Put it there; its card says that it comes from {}.", self.source),
            }));
        }
        open_files(path, &self.files)?;
        Ok(folder.join(&self.weights))
    }

    /// Fetches what is not there of the files of the card at `path`, and verifies all of them.
    ///
    /// # Errors
    /// If a source does not give a file, or another one.
    pub fn fetch(&self, path: &Path, options: Options) -> Result<Vec<Fetched>, data_loader::Error> {
        fetch::fetch_files(path, &self.files, options)
    }
}

/// For whoever writes a card.
const HINT: &str = "A card of weights names one of its [[files]] by `weights = \"model.safetensors\"`; each file has a path, a sha256, and `from` where it can be fetched.";
