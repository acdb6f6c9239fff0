//! What is a model that is served, in which versions, and how far is it?

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use data_loader::{Schema, Signature};
use model_zoo::bundle::Manifest;

use super::Share;
use crate::Meaning;
use crate::batching::Network;
use crate::statistics::Statistics;
use crate::wire::{Refusal, shown};

/// A bundle that answers.
pub(crate) struct Version {
    /// What the model is called in addresses.
    pub name: String,
    /// The first digits of the SHA-256 of its manifest.
    pub id: String,
    /// What its records ask and its numbers tell.
    pub meaning: Arc<Meaning>,
    /// What answers.
    pub network: Arc<Network>,
    /// What is told of it.
    pub manifest: Arc<Manifest>,
    /// What it did so far.
    pub statistics: Statistics,
}

impl Version {
    /// What goes into the network and what comes out.
    pub(crate) fn signature(&self) -> &Signature {
        self.meaning.pipeline().signature()
    }

    /// The columns of a record.
    pub(crate) fn schema(&self) -> &Schema {
        self.meaning.pipeline().schema()
    }
}

/// How far a model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its bundle is being read.
    Opening,
    /// Its newest version answers.
    Ready,
    /// Its bundle could not be read. An older version answers on, if there is one.
    Failed(String),
    /// It was taken out.
    Unloaded,
    /// It made room for others, and is read again when it is asked for.
    Evicted,
    /// It was asked for, and is being read again; others answer meanwhile.
    Returning,
}

/// A model with its versions, the newest last.
pub(super) struct Model {
    /// From where it comes.
    pub bundle: PathBuf,
    pub stage: Stage,
    pub versions: Vec<Arc<Version>>,
    /// What answers a share of the requests.
    pub canary: Option<Beside>,
    /// What is asked beside it, and not heard.
    pub shadow: Option<Beside>,
    /// When it was last asked, as the registry counts.
    pub used: AtomicU64,
    /// How often it was taken out by somebody.
    pub generation: u64,
}

/// A version beside the one that answers.
pub(super) struct Beside {
    pub bundle: PathBuf,
    pub share: Share,
    pub version: Option<Arc<Version>>,
    /// How many requests it was offered.
    pub offered: AtomicU64,
}

/// Which versions a request goes to.
pub(crate) struct Chosen {
    /// What answers.
    pub version: Arc<Version>,
    /// What is asked the same, and not heard.
    pub shadow: Option<Arc<Version>>,
}

/// A model as others are told of it.
pub(crate) struct Entry {
    pub name: String,
    /// The one that answers.
    pub newest: Option<String>,
    pub stage: Stage,
}

impl Model {
    /// Every version, the one that answers last but for those beside it.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Version>> {
        let beside = [&self.canary, &self.shadow].into_iter().flatten();
        self.versions.iter().chain(beside.filter_map(|beside| beside.version.as_ref()))
    }

    /// How many bytes its weights have.
    pub(super) fn bytes(&self) -> u64 {
        self.all().map(|version| weights(&version.manifest)).sum()
    }

    /// Lets go of all its versions.
    pub(super) fn take_out(&mut self, stage: Stage) {
        self.versions.clear();
        for beside in [&mut self.canary, &mut self.shadow].into_iter().flatten() {
            beside.version = None;
        }
        self.stage = stage;
    }
}

/// How many bytes weights have once they are read.
pub(super) fn weights(manifest: &Manifest) -> u64 {
    4 * manifest.parameters as u64
}

/// There is no model of this name. Which there are, not everyone may know.
pub(super) fn unknown(name: &str) -> Refusal {
    Refusal::new(404, format!("there is no model `{}`", shown(name)))
        .with_hint("GET /v2/models lists those that there are")
}

/// The model of this name has no version that answers.
pub(super) fn not_there(name: &str, stage: &Stage) -> Refusal {
    match stage {
        Stage::Opening | Stage::Ready | Stage::Evicted | Stage::Returning => {
            Refusal::busy(format!("the bundle of `{name}` is still being read and its golden samples replayed"))
        }
        Stage::Failed(reason) => Refusal::broken(format!("`{name}` does not answer: {reason}")),
        Stage::Unloaded => Refusal::new(404, format!("`{name}` was taken out"))
            .with_hint(format!("POST /v2/repository/models/{name}/load brings it back")),
    }
}
