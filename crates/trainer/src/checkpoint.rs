//! How does training survive the end of a process?
//!
//! A checkpoint is one folder, the whole state of training, there in whole or not at all. Random states are not in it: they
//! are derived from (seed, step). Everything is stored by parameter path, so that nothing depends on identities that differ
//! from one process to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use model_zoo::weights::{self, Weights};
use model_zoo::{Network, atomic};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::run_dir::RunDir;
use crate::state::{Memory, State};
use crate::stepper::Update;

/// The newest layout that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;

const NETWORK: &str = "network.safetensors";
const AVERAGE: &str = "average.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const MANIFEST: &str = "state.json";

/// What must be the same for a checkpoint to be of use: a SHA-256 of each part, by its address in the config.
pub type Identity = BTreeMap<String, String>;

/// What stands in `state.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout of the folder.
    pub format_version: u32,
    /// What training remembers besides tensors.
    pub memory: Memory,
    /// The experiment that it belongs to.
    pub belongs_to: Identity,
    /// SHA-256 of every other file of the folder.
    pub files: BTreeMap<String, String>,
    /// SHA-256 of all of the above: a digit that flipped must not become another step or another best score.
    pub seal: String,
}

impl Manifest {
    /// What the seal must be: the hash of the manifest without it.
    fn expected_seal(&self) -> String {
        let open = Self { seal: String::new(), ..self.clone() };
        hash(&serde_json::to_vec(&open).expect("our own types have text keys"))
    }
}

/// A checkpoint that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its folder.
    pub path: PathBuf,
    /// After how many steps it was written.
    pub step: u64,
}

/// A state of training that is to be written, on the host.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What training remembers besides tensors.
    pub memory: Memory,
    files: Vec<(&'static str, Weights)>,
}

impl Snapshot {
    /// Copies the state from the device.
    ///
    /// # Errors
    /// [`Error::NotFiniteState`]; if the device fails.
    pub fn of<M: Network>(state: &State<M>) -> Result<Self, Error> {
        let mut files = vec![(NETWORK, weights::collect(&state.network)?), (OPTIMIZER, state.optimizer.state()?)];
        if let Some(average) = &state.average {
            files.push((AVERAGE, weights::collect(average)?));
        }
        refuse_broken(&files, state)?;
        Ok(Self { memory: state.memory.clone(), files })
    }

    /// Writes it, points `latest` (and `best`) at it, and then removes those that are no longer to be kept.
    ///
    /// # Errors
    /// If the disk fails; what was there before is untouched.
    pub fn write(&self, run: &RunDir, belongs_to: &Identity, keep_last: usize) -> Result<PathBuf, Error> {
        let place = place_of(run, self.memory.step)?;
        let writing = atomic::Folder::begin(&place)?;
        let mut hashes = BTreeMap::new();
        for (file, weights) in &self.files {
            let bytes = weights::to_bytes(weights, &place.join(file))?;
            hashes.insert((*file).to_owned(), hash(&bytes));
            writing.write(file, &bytes)?;
        }
        let mut manifest = Manifest {
            format_version: FORMAT_VERSION,
            memory: self.memory.clone(),
            belongs_to: belongs_to.clone(),
            files: hashes,
            seal: String::new(),
        };
        manifest.seal = manifest.expected_seal();
        writing.write(MANIFEST, &serde_json::to_vec_pretty(&manifest).expect("our own types have text keys"))?;
        writing.commit()?;
        point_at(run, &self.memory, keep_last)?;
        Ok(place)
    }
}

/// Writes the state of training, points `latest` (and `best`) at it, and then removes those that are no longer to be kept.
///
/// # Errors
/// If the disk or the device fails; what was there before is untouched.
pub fn save<M: Network>(
    state: &State<M>,
    run: &RunDir,
    belongs_to: &Identity,
    keep_last: usize,
) -> Result<PathBuf, Error> {
    // The same step of an earlier life of the run is written anew; only a second save of this one is not.
    if state.last_saved != Some(state.memory.step) {
        return Snapshot::of(state)?.write(run, belongs_to, keep_last);
    }
    point_at(run, &state.memory, keep_last)?;
    place_of(run, state.memory.step)
}

fn place_of(run: &RunDir, step: u64) -> Result<PathBuf, Error> {
    let folder = run.checkpoints();
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    Ok(folder.join(folder_name(step)))
}

fn point_at(run: &RunDir, memory: &Memory, keep_last: usize) -> Result<(), Error> {
    let (folder, name) = (run.checkpoints(), folder_name(memory.step));
    atomic::write_file(&folder.join("latest"), name.as_bytes())?;
    if memory.best.value.is_some() && memory.best.step == memory.step {
        atomic::write_file(&folder.join("best"), name.as_bytes())?;
    }
    prune(run, keep_last, memory.step)
}

/// A state with a number that is none must not become the one that is resumed.
fn refuse_broken<M: Network>(files: &[(&'static str, Weights)], state: &State<M>) -> Result<(), Error> {
    for (file, weights) in files {
        let broken = weights.iter().find(|(_, tensor)| tensor.values.iter().any(|value| !value.is_finite()));
        if let Some((name, _)) = broken {
            return Err(Error::NotFiniteState {
                step: state.memory.step,
                file,
                name: name.clone(),
                checkpoint: state.last_saved_text(),
            });
        }
    }
    Ok(())
}

fn folder_name(step: u64) -> String {
    format!("step-{step:010}")
}

fn step_of(name: &str) -> Option<u64> {
    name.strip_prefix("step-")?.parse().ok()
}

fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The steps of all checkpoints that are there, ascending.
pub fn steps(run: &RunDir) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(run.checkpoints()) else { return Vec::new() };
    // A copy that someone made under a name of that kind, such as `step-10`, is none of ours.
    let ours = |name: &str| step_of(name).filter(|&step| name == folder_name(step));
    let mut steps: Vec<u64> =
        entries.filter_map(Result::ok).filter_map(|entry| ours(&entry.file_name().to_string_lossy())).collect();
    steps.sort_unstable();
    steps
}

/// The step that a pointer names.
pub fn pointed(run: &RunDir, pointer: &str) -> Option<u64> {
    step_of(fs::read_to_string(run.checkpoints().join(pointer)).ok()?.trim())
}

/// Finds the checkpoint that `wanted` names: `best`, `last`, `ema` or `step-N`; without a name the best, and the last if no
/// evaluation ever chose one.
///
/// # Errors
/// [`Error::NoCheckpoint`] with those there are.
pub fn choose(run: &RunDir, wanted: Option<&str>) -> Result<Chosen, Error> {
    let steps = steps(run);
    let last = || pointed(run, "latest").filter(|step| steps.contains(step)).or(steps.last().copied());
    let best = || pointed(run, "best").filter(|step| steps.contains(step));
    let step = match wanted {
        None => best().or_else(last),
        Some("best") => best(),
        Some("last" | "latest" | "ema") => last(),
        Some(name) => step_of(name).filter(|step| steps.contains(step)),
    };
    match step {
        Some(step) => Ok(Chosen { path: run.checkpoints().join(folder_name(step)), step }),
        None => Err(Error::NoCheckpoint {
            run: run.path().to_owned(),
            wanted: wanted.unwrap_or("last").to_owned(),
            found: match steps.is_empty() {
                true => "none yet".to_owned(),
                false => steps.iter().map(|step| format!("step-{step}")).collect::<Vec<_>>().join(", "),
            },
        }),
    }
}

/// Reads `state.json` of a checkpoint and checks its version.
///
/// # Errors
/// [`Error::BadCheckpoint`], [`Error::NewerCheckpoint`].
pub fn read_manifest(path: &Path) -> Result<Manifest, Error> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let bad = |reason: String| Error::BadCheckpoint { path: path.to_owned(), reason };
    let bytes = fs::read(path.join(MANIFEST)).map_err(|error| bad(format!("{MANIFEST} cannot be read: {error}")))?;
    let version: Version = serde_json::from_slice(&bytes).map_err(|error| bad(format!("{MANIFEST}: {error}")))?;
    if version.format_version > FORMAT_VERSION {
        return Err(Error::NewerCheckpoint {
            path: path.to_owned(),
            found: version.format_version,
            known: FORMAT_VERSION,
        });
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| bad(format!("{MANIFEST}: {error}")))?;
    if manifest.seal != manifest.expected_seal() {
        return Err(bad(format!("{MANIFEST} is not the file that was written: it is changed")));
    }
    Ok(manifest)
}

fn read_weights(path: &Path, manifest: &Manifest, file: &str) -> Result<Weights, Error> {
    let bad = |reason: String| Error::BadCheckpoint { path: path.to_owned(), reason };
    let expected = manifest.files.get(file).ok_or_else(|| bad(format!("it holds no {file}")))?;
    let bytes = fs::read(path.join(file)).map_err(|error| bad(format!("{file} cannot be read: {error}")))?;
    if hash(&bytes) != *expected {
        return Err(bad(format!("{file} is not the file that was written: it is cut off or changed")));
    }
    Ok(weights::from_bytes(&bytes, &path.join(file))?)
}

/// Whether a checkpoint holds an average of weights.
///
/// # Errors
/// [`Error::BadCheckpoint`].
pub fn has_average(path: &Path) -> Result<bool, Error> {
    Ok(read_manifest(path)?.files.contains_key(AVERAGE))
}

/// The weights to be used of a checkpoint: the average where one was kept and `plain` is not asked for.
///
/// # Errors
/// [`Error::BadCheckpoint`].
pub fn weights_of(path: &Path, plain: bool) -> Result<Weights, Error> {
    let manifest = read_manifest(path)?;
    let file = if manifest.files.contains_key(AVERAGE) && !plain { AVERAGE } else { NETWORK };
    read_weights(path, &manifest, file)
}

/// Every file of tensors in a checkpoint.
///
/// # Errors
/// [`Error::BadCheckpoint`].
pub fn tensors_of(path: &Path) -> Result<BTreeMap<String, Weights>, Error> {
    let manifest = read_manifest(path)?;
    manifest.files.keys().map(|file| Ok((file.clone(), read_weights(path, &manifest, file)?))).collect()
}

/// Puts a checkpoint into a state that was just built from the same experiment.
///
/// # Errors
/// [`Error::BadCheckpoint`] if it is damaged, [`Error::OtherExperiment`] if it belongs to another experiment.
pub fn load<M: Network>(mut state: State<M>, path: &Path, belongs_to: &Identity) -> Result<State<M>, Error> {
    let manifest = read_manifest(path)?;
    if manifest.belongs_to != *belongs_to {
        let differs = |(address, hash): &(&String, &String)| manifest.belongs_to.get(*address) != Some(hash);
        let differing: Vec<&str> = belongs_to.iter().filter(differs).map(|(address, _)| address.as_str()).collect();
        return Err(Error::OtherExperiment { path: path.to_owned(), differing: differing.join("`, `") });
    }
    let network = read_weights(path, &manifest, NETWORK)?;
    state.network = weights::apply(state.network, &network, &path.join(NETWORK))?;
    if state.average.is_some() {
        let average = read_weights(path, &manifest, AVERAGE)?;
        // Begun from the network, so that both know a parameter by the same identity.
        state.average = Some(weights::apply(state.network.valid(), &average, &path.join(AVERAGE))?);
    }
    let optimizer = read_weights(path, &manifest, OPTIMIZER)?;
    Update::restore(state.optimizer.as_mut(), &state.network, &optimizer, path)?;
    state.memory = manifest.memory;
    Ok(state)
}

/// Points `latest` and `best` at what was so when the checkpoint of `memory` was written. Later checkpoints stay until the
/// next one is written.
///
/// # Errors
/// If the disk fails.
pub fn rewind(run: &RunDir, memory: &Memory) -> Result<(), Error> {
    let folder = run.checkpoints();
    atomic::write_file(&folder.join("latest"), folder_name(memory.step).as_bytes())?;
    let best = folder_name(memory.best.step);
    if memory.best.value.is_some() && folder.join(&best).exists() {
        return Ok(atomic::write_file(&folder.join("best"), best.as_bytes())?);
    }
    match fs::remove_file(folder.join("best")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", &folder.join("best"))(error))
        }
        _ => Ok(()),
    }
}

/// Removes what interrupted saves of checkpoints, the bundle or the result left behind; only for whoever holds the run's lock.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_leftovers(run: &RunDir) -> Result<(), Error> {
    atomic::clear_leftovers(run.path())?;
    Ok(atomic::clear_leftovers(&run.checkpoints())?)
}

/// Removes every checkpoint but the newest `keep_last`, those that a pointer names, and what was the best when one of these was
/// written, so that whoever goes on from it finds it. Those of later steps than `step`, which was just written, are of an
/// earlier life of the run, and are removed too.
fn prune(run: &RunDir, keep_last: usize, step: u64) -> Result<(), Error> {
    let (old, later): (Vec<u64>, Vec<u64>) = steps(run).into_iter().partition(|&found| found <= step);
    let (surplus, newest) = old.split_at(old.len().saturating_sub(keep_last));
    let mut kept: BTreeSet<u64> = newest.iter().copied().collect();
    kept.extend([pointed(run, "best"), pointed(run, "latest")].into_iter().flatten());
    if surplus.iter().any(|step| !kept.contains(step)) {
        // A checkpoint that cannot be read has no best one.
        let manifests = kept.iter().filter_map(|&step| read_manifest(&run.checkpoints().join(folder_name(step))).ok());
        let best: Vec<u64> = manifests.map(|manifest| manifest.memory.best.step).collect();
        kept.extend(best);
    }
    for step in surplus.iter().filter(|step| !kept.contains(step)).chain(&later) {
        atomic::remove_folder(&run.checkpoints().join(folder_name(*step)))?;
    }
    Ok(())
}
