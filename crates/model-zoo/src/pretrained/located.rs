//! Which weights are meant, and what is kept of where they came from?

use std::path::{Path, PathBuf};

use data_loader::Pipeline;
use serde::{Deserialize, Serialize};

use super::file::file_of;
use super::{Pretrained, WeightsCard};
use crate::Error;

/// Weights that are there, and the rules by which they come into a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The file, or the folder of a bundle.
    pub path: PathBuf,
    /// The rules of the card, if there is one, and of the config.
    pub rules: Pretrained,
    /// The card, if there is one.
    pub card: Option<WeightsCard>,
    /// The transforms of the bundle, if it is one.
    pub pipeline: Option<Pipeline>,
}

/// With which weights training began: what a run and its bundle keep of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeganWith {
    /// What the config names: a file, a bundle or a card.
    pub named: PathBuf,
    /// The file, as it was found.
    pub weights: PathBuf,
    /// The SHA-256 of its bytes.
    pub sha256: String,
    /// The name of its card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// Where the card says that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Under which terms the card says that it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

impl Located {
    /// What is to be kept of where weights with this SHA-256 came from, which the config calls `named`.
    pub fn began_with(&self, named: &Path, sha256: String) -> BeganWith {
        let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let card = self.card.as_ref();
        BeganWith {
            named: absolute(named),
            weights: absolute(&file_of(&self.path)),
            sha256,
            card: card.map(|card| card.name.clone()),
            source: card.map(|card| card.source.clone()),
            licence: card.map(|card| card.licence.clone()),
        }
    }

    /// Whether the rows of an embedding stand for the same tokens in the bundle, if it is one, as in these transforms.
    ///
    /// # Errors
    /// [`Error::Misfit`].
    pub fn check_tokens(&self, pipeline: &Pipeline) -> Result<(), Error> {
        match &self.pipeline {
            Some(theirs) if !theirs.has_tokens_of(pipeline) => {
                let reason = "its tokens are not those of this data, so that each row of the embedding would mean another token; \
                              give both the same tokenizer, by `method` in [data.transforms.tokenize]";
                Err(Error::Misfit { path: self.path.clone(), reason: reason.into() })
            }
            _ => Ok(()),
        }
    }
}
