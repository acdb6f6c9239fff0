//! Which models are served, under which names and in which versions?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use data_loader::{Schema, Signature};
use model_zoo::bundle::Bundle;
use model_zoo::device::Found;

use crate::batching::{self, Network};
use crate::wire::{Refusal, shown};
use crate::{Error, Meaning, Predictor};

/// What folders are called that are called after what lies in them, as the place where `KServe` puts models.
const NAMELESS: &[&str] = &["bundle", "model", "models"];
/// How a bundle ends that was packed.
const PACKED: &str = ".tar.zst";
/// The longest name.
const LONGEST_NAME: usize = 128;
/// How many digits of the hash of its manifest are the version of a bundle.
const VERSION: usize = 12;
/// The most versions of one model at once; of more the oldest goes.
const MOST_VERSIONS: usize = 4;

/// A bundle that is to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What the model is called in addresses; by default as the bundle's folder is, or as its manifest says.
    pub name: Option<String>,
    /// A folder, or one file that was packed.
    pub bundle: PathBuf,
}

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
}

/// A model with its versions, the newest last.
struct Model {
    /// From where it comes.
    bundle: PathBuf,
    stage: Stage,
    versions: Vec<Arc<Version>>,
}

/// A model as others are told of it.
pub(crate) struct Entry {
    pub name: String,
    pub versions: Vec<String>,
    pub stage: Stage,
}

/// All models.
pub(crate) struct Registry {
    device: Found,
    batching: batching::Settings,
    models: RwLock<BTreeMap<String, Model>>,
}

impl Registry {
    pub(crate) fn new(device: Found, batching: batching::Settings) -> Self {
        Self { device, batching, models: RwLock::new(BTreeMap::new()) }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Model>> {
        self.models.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Model>> {
        self.models.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a model is to come, so that whoever asks for it is told to wait. Gives its name.
    ///
    /// # Errors
    /// [`Error::Name`]; if there is no bundle of which the name could be told.
    pub(crate) fn announce(&self, source: &Source) -> Result<String, Error> {
        let name = match &source.name {
            Some(name) => name.clone(),
            None => match name_of(&source.bundle) {
                Some(name) => name,
                None => model_zoo::bundle::name(&source.bundle)?,
            },
        };
        check_name(&name)?;
        let mut models = self.write();
        let announced = || Model { bundle: source.bundle.clone(), stage: Stage::Opening, versions: Vec::new() };
        let model = models.entry(name.clone()).or_insert_with(announced);
        model.bundle.clone_from(&source.bundle);
        model.stage = Stage::Opening;
        Ok(name)
    }

    /// Reads the bundle of a model that was announced, every hash checked, and replays its golden samples; then it is the version that
    /// answers. This takes as long as it takes, and nobody who asks for another version notices.
    ///
    /// # Errors
    /// If the bundle cannot be served.
    pub(crate) fn open(&self, name: &str) -> Result<(), Error> {
        let Some(bundle) = self.read().get(name).map(|model| model.bundle.clone()) else { return Ok(()) };
        let opened = self.opened(name, &bundle);
        let mut models = self.write();
        let Some(model) = models.get_mut(name) else { return opened.map(drop) };
        match opened {
            Ok(version) => {
                model.versions.retain(|other| other.id != version.id);
                model.versions.push(Arc::new(version));
                let excess = model.versions.len().saturating_sub(MOST_VERSIONS);
                model.versions.drain(..excess);
                model.stage = Stage::Ready;
                Ok(())
            }
            Err(error) => {
                model.stage = Stage::Failed(error.to_string());
                Err(error)
            }
        }
    }

    /// Reads the bundle of a model once more; until that is done the version answers that did before.
    ///
    /// # Errors
    /// If there is no such model, or its bundle cannot be served.
    pub(crate) fn reload(&self, name: &str) -> Result<(), Refusal> {
        if !self.read().contains_key(name) {
            return Err(unknown(name, &[]));
        }
        Ok(self.open(name)?)
    }

    fn opened(&self, name: &str, path: &Path) -> Result<Version, Error> {
        let bundle = Bundle::read(path)?;
        let id = bundle.manifest_sha256[..VERSION].to_owned();
        let predictor = Predictor::open(bundle, &self.device)?;
        let meaning = Arc::clone(predictor.meaning());
        let network = Arc::new(Network::new(predictor, self.batching));
        Ok(Version { name: name.to_owned(), id, meaning, network })
    }

    /// Takes a model out; what is being answered is answered.
    ///
    /// # Errors
    /// If there is none of this name.
    pub(crate) fn unload(&self, name: &str) -> Result<(), Refusal> {
        let mut models = self.write();
        let model = models.get_mut(name).ok_or_else(|| unknown(name, &[]))?;
        model.versions.clear();
        model.stage = Stage::Unloaded;
        Ok(())
    }

    /// The version that is asked for; without one the newest.
    ///
    /// # Errors
    /// If there is none, or none yet.
    pub(crate) fn find(&self, name: &str, version: Option<&str>) -> Result<Arc<Version>, Refusal> {
        let models = self.read();
        let Some(model) = models.get(name) else {
            let names: Vec<&str> = models.keys().map(String::as_str).collect();
            return Err(unknown(name, &names));
        };
        let Some(newest) = model.versions.last() else { return Err(not_there(name, &model.stage)) };
        let Some(version) = version else { return Ok(Arc::clone(newest)) };
        let found = model.versions.iter().find(|known| known.id == version);
        found.cloned().ok_or_else(|| {
            let known: Vec<&str> = model.versions.iter().map(|known| known.id.as_str()).collect();
            Refusal::new(404, format!("there is no version `{}` of `{name}`", shown(version))).with_hint(
                match known.as_slice() {
                    [only] => format!("its version is {only}"),
                    _ => format!("its versions are {}", known.join(", ")),
                },
            )
        })
    }

    /// The model that is served, where there is one alone.
    ///
    /// # Errors
    /// If there are others, or it is not ready.
    pub(crate) fn only(&self) -> Result<Arc<Version>, Refusal> {
        let names: Vec<String> = self.read().keys().cloned().collect();
        match names.as_slice() {
            [name] => self.find(name, None),
            [] => Err(Refusal::busy("no model is served yet")),
            _ => Err(Refusal::new(404, "several models are served, and the address names none")
                .with_hint(format!("ask /predict/NAME, where NAME is one of {}", names.join(", ")))),
        }
    }

    /// Every model, by name.
    pub(crate) fn all(&self) -> Vec<Entry> {
        let entry = |(name, model): (&String, &Model)| Entry {
            name: name.clone(),
            versions: model.versions.iter().map(|version| version.id.clone()).collect(),
            stage: match model.versions.last() {
                Some(newest) if newest.network.is_broken() => Stage::Failed("it broke down while it answered".into()),
                _ => model.stage.clone(),
            },
        };
        self.read().iter().map(entry).collect()
    }

    /// Why not every model answers, if that is so; those that were taken out need not.
    pub(crate) fn unready(&self) -> Option<String> {
        self.all().into_iter().find_map(|entry| match entry.stage {
            Stage::Ready | Stage::Unloaded => None,
            Stage::Opening => {
                Some(format!("the bundle of `{}` is still being read and its golden samples replayed", entry.name))
            }
            Stage::Failed(reason) => Some(format!("`{}` does not answer: {reason}", entry.name)),
        })
    }

    /// Whether every model broke down, so that only beginning the program anew would help.
    pub(crate) fn is_broken(&self) -> bool {
        let models = self.read();
        let mut newest = models.values().filter_map(|model| model.versions.last()).peekable();
        newest.peek().is_some() && newest.all(|version| version.network.is_broken())
    }

    /// Every version that answers.
    pub(crate) fn versions(&self) -> Vec<Arc<Version>> {
        self.read().values().flat_map(|model| model.versions.iter().cloned()).collect()
    }
}

fn unknown(name: &str, known: &[&str]) -> Refusal {
    let refusal = Refusal::new(404, format!("there is no model `{}`", shown(name)));
    match known {
        [] => refusal,
        [only] => refusal.with_hint(format!("the model is called `{only}`")),
        _ => refusal.with_hint(format!("models are {}", known.join(", "))),
    }
}

fn not_there(name: &str, stage: &Stage) -> Refusal {
    match stage {
        Stage::Opening | Stage::Ready => {
            Refusal::busy(format!("the bundle of `{name}` is still being read and its golden samples replayed"))
        }
        Stage::Failed(reason) => Refusal::broken(format!("`{name}` does not answer: {reason}")),
        Stage::Unloaded => Refusal::new(404, format!("`{name}` was taken out"))
            .with_hint(format!("POST /v2/repository/models/{name}/load brings it back")),
    }
}

/// What a bundle is called by where it lies, unless its place is called as any would be.
fn name_of(path: &Path) -> Option<String> {
    let whole = path.canonicalize().ok()?;
    let name = whole.file_name()?.to_str()?;
    let name = name.strip_suffix(PACKED).unwrap_or(name);
    (!NAMELESS.contains(&name)).then(|| name.to_owned())
}

/// Whether a name stands in an address as it is.
fn check_name(name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let reason = match name.bytes().find(|byte| !plain(*byte)) {
        _ if name.is_empty() => "the name is empty".to_owned(),
        _ if name.len() > LONGEST_NAME => format!("the name has more than {LONGEST_NAME} characters"),
        _ if name.starts_with('.') => "the name begins with a dot".to_owned(),
        Some(_) => "the name has other characters than letters, digits, `-`, `_` and `.`".to_owned(),
        None => return Ok(()),
    };
    Err(Error::Name { name: name.to_owned(), reason })
}

#[cfg(test)]
#[path = "registry_tests.rs"]
pub(crate) mod tests;
