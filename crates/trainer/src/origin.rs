//! From what data does a run learn, and what belongs to it?
//!
//! A run is tied to the data it began with: the same rows in the same splits, prepared by the transforms as they were fitted.

use std::path::{Path, PathBuf};

use data_loader::decoded::DecodedCache;
use data_loader::{Dataset, Lineage, Pipeline};
use model_zoo::pretrained::BeganWith;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::checkpoint::Identity;
use crate::environment::Environment;
use crate::experiment::{Experiment, root_of};
use crate::{Error, Plan, RunDir};

/// Opens the data of a new run.
///
/// # Errors
/// If card or data cannot be used.
pub fn open(experiment: &Experiment, config: &Path) -> Result<Dataset, Error> {
    open_shared(experiment, config, None)
}

/// Opens the data of a new run that is one of many on the same images, which share what the first one decoded.
///
/// # Errors
/// As of [`open`].
pub fn open_shared(experiment: &Experiment, config: &Path, cache: Option<&DecodedCache>) -> Result<Dataset, Error> {
    let root = root_of(config, &experiment.data.card).unwrap_or_default();
    Ok(Dataset::open_shared(&experiment.data, &root, experiment.task, experiment.seed, cache)?)
}

/// Opens the data of a run that has begun, with the transforms as they were fitted then.
///
/// # Errors
/// [`Error::DataChanged`] if rows, files or splits are no longer those of the run, [`Error::OtherTask`].
pub fn reopen(experiment: &Experiment, run: &RunDir) -> Result<Dataset, Error> {
    let pipeline = fitted_pipeline(run)?;
    let began = pipeline.signature().task;
    if let Some(asked) = experiment.task.filter(|&asked| asked != began) {
        return Err(Error::OtherTask { run: run.path().to_owned(), began, asked });
    }
    let root = remembered_root(run, &experiment.data.card);
    let root = root.or_else(|| root_of(&run.config(), &experiment.data.card)).unwrap_or_default();
    let dataset = Dataset::open_with(&experiment.data, &root, pipeline, experiment.seed)?;
    let then: Lineage = read_json(&run.lineage())?;
    let now = dataset.lineage();
    let differs = if now.files != then.files || now.rows != then.rows {
        Some("the files hold other data")
    } else if now.train != then.train || now.validation != then.validation || now.test != then.test {
        Some("the rows fall into other splits")
    } else {
        None
    };
    match differs {
        Some(what) => Err(Error::DataChanged { run: run.path().to_owned(), what }),
        None => Ok(dataset),
    }
}

/// The transforms of a run, as they were fitted when it began.
///
/// # Errors
/// If the file is missing, damaged or contradicts itself.
pub fn fitted_pipeline(run: &RunDir) -> Result<Pipeline, Error> {
    let path = run.pipeline();
    let pipeline: Pipeline = read_json(&path)?;
    pipeline.signature().check().map_err(|reason| model_zoo::Error::Damaged { path, reason })?;
    Ok(pipeline)
}

/// With which weights of others a run began, if with any.
///
/// # Errors
/// If the file that says so is damaged.
pub fn began_with(run: &RunDir) -> Result<Option<BeganWith>, Error> {
    let path = run.pretrained();
    if path.exists() { read_json(&path).map(Some) } else { Ok(None) }
}

/// The folder from which the config's paths started when the run began, if the card still lies there.
fn remembered_root(run: &RunDir, card: &Path) -> Option<PathBuf> {
    let environment = environment(run)?;
    environment.data_root.join(card).exists().then_some(environment.data_root)
}

/// Where the run was begun, if the file that says so is there and whole.
pub fn environment(run: &RunDir) -> Option<Environment> {
    read_json(&run.environment()).ok()
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = std::fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&text)
        .map_err(|error| model_zoo::Error::Damaged { path: path.to_owned(), reason: error.to_string() }.into())
}

/// What must be the same for a checkpoint to be of use: the data and its order, the transforms, the network, the optimizer.
/// How long to train, and at which rate, may change. A hash of each, by its address in the config.
pub fn identity(plan: &Plan, dataset: &Dataset, architecture: &serde_json::Value) -> Identity {
    let train = &plan.experiment.train;
    let data = &plan.experiment.data;
    let parts = [
        ("data", json!([dataset.lineage(), dataset.pipeline()])),
        ("data.transforms", json!(data.transforms)),
        ("data.sampler", json!(data.sampler)),
        ("data.loader.drop_last", json!(data.loader.drop_last)),
        ("model", architecture.clone()),
        ("optimizer", json!(plan.experiment.optimizer.name())),
        ("loss", json!(plan.experiment.loss)),
        ("seed", json!(plan.experiment.seed)),
        ("train.batch_size", json!(train.batch_size)),
        ("train.accumulate", json!(train.accumulate)),
        // Whether there is one; how fast it forgets may change.
        ("train.ema_decay", json!(train.ema_decay.is_some())),
    ];
    // What there is only where it is asked for does not make another run of one that began before it could be.
    let adapters = plan.experiment.fine_tune.as_ref().and_then(|fine_tune| fine_tune.lora.as_ref());
    let adapters = adapters.map(|lora| ("fine_tune.lora", json!(lora)));
    let hash = |part: Value| format!("{:x}", Sha256::digest(part.to_string()));
    parts.into_iter().chain(adapters).map(|(address, part)| (address.to_owned(), hash(part))).collect()
}
