//! Which models are served, under which names and in which versions?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hyper::header::HeaderMap;
use model_zoo::bundle::Bundle;
use model_zoo::device::Found;

use crate::batching::{self, Network};
use crate::statistics::Statistics;
use crate::wire::{Refusal, shown};
use crate::{Error, Predictor};

mod model;
mod names;
mod traffic;

use model::{Beside, Model, not_there, unknown, weights};
pub(crate) use model::{Chosen, Entry, Stage, Version};
pub use traffic::{Role, Share};

/// How many digits of the hash of its manifest are the version of a bundle.
const VERSION: usize = 12;
/// The most versions of one model at once; of more the oldest goes.
const MOST_VERSIONS: usize = 4;

/// A bundle that is to be served.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// What the model is called in addresses; by default as the bundle's folder is, or as its manifest says.
    pub name: Option<String>,
    /// A folder, or one file that was packed.
    pub bundle: PathBuf,
    /// For what it is there.
    pub role: Role,
}

/// All models.
pub(crate) struct Registry {
    device: Found,
    batching: batching::Settings,
    models: RwLock<BTreeMap<String, Model>>,
    /// The most bytes of weights at once, if that is limited.
    room: Option<u64>,
    /// How often models were asked.
    clock: AtomicU64,
}

impl Registry {
    pub(crate) fn new(device: Found, batching: batching::Settings, room: Option<u64>) -> Self {
        Self { device, batching, models: RwLock::new(BTreeMap::new()), room, clock: AtomicU64::new(0) }
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
            None => match names::of_place(&source.bundle) {
                Some(name) => name,
                None => model_zoo::bundle::name(&source.bundle)?,
            },
        };
        names::check(&name)?;
        let mut models = self.write();
        let bundle = source.bundle.clone();
        let beside = |share: &Share| {
            let (share, offered) = (share.clone(), AtomicU64::new(0));
            Some(Beside { bundle: source.bundle.clone(), share, version: None, offered })
        };
        let alone = || Error::Name {
            name: name.clone(),
            reason: "it has a canary or a shadow, and nothing beside which they stand".into(),
        };
        match &source.role {
            Role::Answers => {
                let model = models.entry(name.clone()).or_insert_with(|| Model {
                    bundle: bundle.clone(),
                    stage: Stage::Opening,
                    versions: Vec::new(),
                    canary: None,
                    shadow: None,
                    used: AtomicU64::new(0),
                    generation: 0,
                });
                model.bundle = bundle;
                model.stage = Stage::Opening;
            }
            Role::Canary(share) => models.get_mut(&name).ok_or_else(alone)?.canary = beside(share),
            Role::Shadow(share) => models.get_mut(&name).ok_or_else(alone)?.shadow = beside(share),
        }
        Ok(name)
    }

    /// Reads the bundles of a model that was announced, every hash checked, and replays their golden samples; then it answers. This takes
    /// as long as it takes, and nobody who asks for another version notices.
    ///
    /// # Errors
    /// If a bundle cannot be served.
    pub(crate) fn open(&self, name: &str) -> Result<(), Error> {
        let (bundle, beside, generation, returns) = {
            let models = self.read();
            let Some(model) = models.get(name) else { return Ok(()) };
            let path = |beside: &Option<Beside>| beside.as_ref().map(|beside| beside.bundle.clone());
            let returns = model.stage == Stage::Returning;
            (model.bundle.clone(), [path(&model.canary), path(&model.shadow)], model.generation, returns)
        };
        let opened = self.opened(name, &bundle);
        let [canary, shadow] = beside.map(|path| path.map(|path| self.opened(name, &path)));
        let mut models = self.write();
        let Some(model) = models.get_mut(name) else { return opened.map(drop) };
        // Meanwhile it was taken out, and stays so.
        if model.generation != generation {
            return Ok(());
        }
        let version = match opened {
            Ok(version) => version,
            Err(error) => {
                // Whoever asks for it next lets it be tried again.
                model.stage = if returns { Stage::Evicted } else { Stage::Failed(error.to_string()) };
                return Err(error);
            }
        };
        model.versions.retain(|other| other.id != version.id);
        model.versions.push(version);
        let excess = model.versions.len().saturating_sub(MOST_VERSIONS);
        model.versions.drain(..excess);
        // What stands beside it and cannot be read takes nothing away from it.
        let mut told = Ok(());
        for (beside, opened) in [(&mut model.canary, canary), (&mut model.shadow, shadow)] {
            match (beside, opened) {
                (Some(beside), Some(Ok(version))) => beside.version = Some(version),
                (_, Some(Err(error))) => told = Err(error),
                _ => {}
            }
        }
        model.stage = Stage::Ready;
        model.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        self.make_room(&mut models, name);
        told
    }

    /// Takes out models that were not asked for the longest, until the weights of the others have room; never the one called `kept`.
    fn make_room(&self, models: &mut BTreeMap<String, Model>, kept: &str) {
        let Some(room) = self.room else { return };
        while models.values().map(Model::bytes).sum::<u64>() > room {
            let others = models.iter_mut().filter(|(name, model)| *name != kept && model.bytes() > 0);
            let Some((_, oldest)) = others.min_by_key(|(_, model)| model.used.load(Ordering::Relaxed)) else { return };
            oldest.take_out(Stage::Evicted);
        }
    }

    /// Whether a model made room for others and is asked for; whoever is told so reads it again.
    pub(crate) fn wants_back(&self, name: &str) -> bool {
        // Every request asks this, and hardly one has to change anything.
        if self.read().get(name).is_none_or(|model| model.stage != Stage::Evicted) {
            return false;
        }
        let mut models = self.write();
        match models.get_mut(name) {
            Some(model) if model.stage == Stage::Evicted => {
                model.stage = Stage::Returning;
                true
            }
            _ => false,
        }
    }

    /// Reads the bundle of a model once more; until that is done the version answers that did before.
    ///
    /// # Errors
    /// If there is no such model, or its bundle cannot be served.
    pub(crate) fn reload(&self, name: &str) -> Result<(), Refusal> {
        if !self.read().contains_key(name) {
            return Err(unknown(name));
        }
        Ok(self.open(name)?)
    }

    fn opened(&self, name: &str, path: &Path) -> Result<Arc<Version>, Error> {
        let bundle = Bundle::read(path)?;
        let id = bundle.manifest_sha256[..VERSION].to_owned();
        let manifest = Arc::new(bundle.manifest.clone());
        // It would take out all others whenever it is asked, and never have room.
        if let Some(room) = self.room.filter(|&room| weights(&manifest) > room) {
            return Err(Error::Room { name: name.to_owned(), bytes: weights(&manifest), room });
        }
        let predictor = Predictor::open(bundle, &self.device)?;
        let meaning = Arc::clone(predictor.meaning());
        let network = Arc::new(Network::new(predictor, self.batching));
        Ok(Arc::new(Version {
            name: name.to_owned(),
            id,
            meaning,
            network,
            manifest,
            statistics: Statistics::default(),
        }))
    }

    /// Takes a model out; what is being answered is answered.
    ///
    /// # Errors
    /// If there is none of this name.
    pub(crate) fn unload(&self, name: &str) -> Result<(), Refusal> {
        let mut models = self.write();
        let model = models.get_mut(name).ok_or_else(|| unknown(name))?;
        model.take_out(Stage::Unloaded);
        model.generation += 1;
        Ok(())
    }

    /// The version that is asked for; without one the newest.
    ///
    /// # Errors
    /// If there is none, or none yet.
    pub(crate) fn find(&self, name: &str, version: Option<&str>) -> Result<Arc<Version>, Refusal> {
        let found = self.peek(name, version)?;
        if let Some(model) = self.read().get(name) {
            model.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        }
        Ok(found)
    }

    /// The same for whoever only looks: it does not count as use.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(crate) fn peek(&self, name: &str, version: Option<&str>) -> Result<Arc<Version>, Refusal> {
        let models = self.read();
        let model = models.get(name).ok_or_else(|| unknown(name))?;
        let Some(newest) = model.versions.last() else { return Err(not_there(name, &model.stage)) };
        let Some(version) = version else { return Ok(Arc::clone(newest)) };
        let found = model.all().find(|known| known.id == version);
        found.cloned().ok_or_else(|| {
            Refusal::new(404, format!("there is no version `{}` of `{name}`", shown(version)))
                .with_hint(format!("GET /v2/models/{name} lists its versions"))
        })
    }

    /// The versions to which a request with these headers goes that asks for `version`, or for none.
    ///
    /// # Errors
    /// As [`find`](Self::find); if a header chooses what there is not.
    pub(crate) fn choose(&self, name: &str, version: Option<&str>, headers: &HeaderMap) -> Result<Chosen, Refusal> {
        let answers = self.find(name, version)?;
        if version.is_some() {
            return Ok(Chosen { version: answers, shadow: None });
        }
        let models = self.read();
        let model = models.get(name).ok_or_else(|| unknown(name))?;
        let usable = |version: &Arc<Version>| !version.network.is_broken();
        let offered = |beside: &Option<Beside>| {
            let beside = beside.as_ref()?;
            let version = beside.version.as_ref().filter(|version| usable(version))?;
            beside.share.takes(name, headers, &beside.offered).then(|| Arc::clone(version))
        };
        let canary = match traffic::chosen(headers)? {
            None => offered(&model.canary),
            Some(false) => None,
            Some(true) => {
                let version = model.canary.as_ref().and_then(|canary| canary.version.clone());
                Some(version.ok_or_else(|| Refusal::bad(format!("`{name}` has no canary")))?)
            }
        };
        Ok(Chosen { version: canary.unwrap_or(answers), shadow: offered(&model.shadow) })
    }

    /// What the model is called that is served, where there is one alone.
    ///
    /// # Errors
    /// If there are others, or none yet.
    pub(crate) fn only(&self) -> Result<String, Refusal> {
        let mut names: Vec<String> = self.read().keys().cloned().collect();
        match names.as_slice() {
            [_] => Ok(names.remove(0)),
            [] => Err(Refusal::busy("no model is served yet")),
            _ => Err(Refusal::new(404, "several models are served, and the address names none")
                .with_hint("put its name behind the address, as in /predict/NAME; GET /v2/models lists them")),
        }
    }

    /// Every model, by name.
    pub(crate) fn all(&self) -> Vec<Entry> {
        let entry = |(name, model): (&String, &Model)| Entry {
            name: name.clone(),
            newest: model.versions.last().map(|version| version.id.clone()),
            stage: match model.versions.last() {
                Some(newest) if newest.network.is_broken() => Stage::Failed("it broke down while it answered".into()),
                _ => model.stage.clone(),
            },
        };
        self.read().iter().map(entry).collect()
    }

    /// The versions of a model.
    pub(crate) fn ids(&self, name: &str) -> Vec<String> {
        self.read().get(name).map_or_else(Vec::new, |model| model.all().map(|version| version.id.clone()).collect())
    }

    /// Why not every model answers, if that is so; those that were taken out need not.
    pub(crate) fn unready(&self) -> Option<String> {
        self.all().into_iter().find_map(|entry| match entry.stage {
            Stage::Ready | Stage::Unloaded | Stage::Evicted | Stage::Returning => None,
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
        self.read().values().flat_map(|model| model.all().cloned()).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
