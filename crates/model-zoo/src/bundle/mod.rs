//! What leaves training and is used elsewhere? (DOOR 3)
//!
//! A bundle is a folder that holds a model with everything needed to use it: weights, architecture, the transforms as they
//! were fitted, labels, and golden samples that prove, wherever it is opened, that it still answers as it did. It can be packed
//! into one file, and signed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use data_loader::{Lineage, Pipeline, Record, Signature};

use crate::anomaly::Reference;
use crate::architectures::WithNetwork;
use crate::blocks::Init;
use crate::decision::Calibration;
use crate::network::{Answer, NetworkConfig};
use crate::pretrained::BeganWith;
use crate::weights::{self, Weights};
use crate::{Architecture, Decision, Decoding, Error, Inputs, atomic};

mod archive;
mod files;
mod golden;
mod manifest;
mod signature;

use files::{Files, json};
use manifest::MANIFEST;

pub use archive::{pack, unpack};
pub(crate) use files::hash;
pub use files::{copy, is_signed, manifest_sha256, name, names, read_file, verify_files};
pub use golden::{Golden, Sample};
pub use manifest::{FORMAT_VERSION, Manifest, amend};
pub use signature::{PublicKey, Signed, generate_key, sign, verify};

const PIPELINE: &str = "pipeline.json";
const GOLDEN: &str = "golden.json";
/// How many times as many numbers may be drawn for a network as it holds in the end.
const DRAWN_ANEW: usize = 4;
/// So many numbers are no matter.
const SMALL: usize = 1 << 20;
/// The weights within the folder.
pub(crate) const WEIGHTS: &str = "weights.safetensors";

/// What a bundle is made of.
#[derive(Clone, Debug)]
pub struct Content {
    /// What the model is called.
    pub name: String,
    /// The architecture and its settings.
    pub architecture: serde_json::Value,
    /// The experiment from which it came.
    pub config: Option<serde_json::Value>,
    /// What the scores of classes mean.
    pub decoding: Decoding,
    /// By what scores are divided so that probabilities hold what they say.
    pub calibration: Option<Calibration>,
    /// From where on a class is answered, or an example is unusual; see [`Decision`].
    pub thresholds: BTreeMap<String, f64>,
    /// Records of tests that the model went through.
    pub tests: Vec<serde_json::Value>,
    /// The transforms as they were fitted.
    pub pipeline: Pipeline,
    /// The numbers of the network.
    pub weights: Weights,
    /// After how many steps.
    pub step: u64,
    /// Scores by split and metric.
    pub metrics: BTreeMap<String, BTreeMap<String, f64>>,
    /// How well examples came back that were not learnt from, where the task is to give them back.
    pub anomaly: Option<Reference>,
    /// From what it was learnt.
    pub lineage: Option<Lineage>,
    /// With which weights of others training began.
    pub began_with: Option<BeganWith>,
    /// Inputs and the answers to them.
    pub golden: Option<Golden>,
}

impl Content {
    /// What scores of classes mean.
    ///
    /// # Errors
    /// Which threshold cannot be meant, a sentence.
    pub fn decision(&self) -> Result<Decision, String> {
        Decision::new(self.decoding, self.calibration.as_ref(), &self.thresholds, self.pipeline.signature())
    }
}

/// A bundle that was read, every file checked against its hash.
#[derive(Debug)]
pub struct Bundle {
    /// Where it lies: a folder, or one file.
    pub path: PathBuf,
    /// What stands in `manifest.json`.
    pub manifest: Manifest,
    /// The SHA-256 of that file, as [`manifest_sha256`] gives it.
    pub manifest_sha256: String,
    /// The transforms as they were fitted.
    pub pipeline: Pipeline,
    /// The numbers of the network.
    pub weights: Weights,
    /// Inputs and the answers to them.
    pub golden: Option<Golden>,
}

/// Writes a bundle in whole or not at all, replacing an older one at `path`.
///
/// # Errors
/// [`Error::Io`].
pub fn write(content: Content, path: &Path) -> Result<(), Error> {
    let folder = atomic::Folder::begin(path)?;
    let mut files = BTreeMap::new();
    let mut add = |name: &str, bytes: Vec<u8>| {
        files.insert(name.to_owned(), hash(&bytes));
        folder.write(name, &bytes)
    };
    add(WEIGHTS, weights::to_bytes(&content.weights, &path.join(WEIGHTS))?)?;
    add(PIPELINE, json(&content.pipeline))?;
    if let Some(golden) = &content.golden {
        add(GOLDEN, json(golden))?;
    }
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        name: content.name,
        created_by: format!("firebox {}", env!("CARGO_PKG_VERSION")),
        created_at: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
        architecture: content.architecture,
        config: content.config,
        signature: content.pipeline.signature().clone(),
        decoding: content.decoding,
        calibration: content.calibration,
        thresholds: content.thresholds,
        parameters: content
            .weights
            .iter()
            .filter(|(name, _)| !crate::summary::is_buffer(name))
            .map(|(_, tensor)| tensor.values.len())
            .sum(),
        step: content.step,
        metrics: content.metrics,
        tests: content.tests,
        anomaly: content.anomaly,
        lineage: content.lineage,
        began_with: content.began_with,
        files,
    };
    folder.write(MANIFEST, &json(&manifest))?;
    folder.commit()
}

impl Bundle {
    /// Reads a bundle, which is a folder, or one file that was packed from it. Nothing in it is used before its hash was found
    /// right; a signature is not asked for.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`], [`Error::NewerVersion`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::of(Files::open(path)?)
    }

    /// The same of a bundle that must be signed by `key`. What was verified is what is read: nobody comes between.
    ///
    /// # Errors
    /// Those of [`read`](Self::read) and [`verify`].
    pub fn read_signed(path: &Path, key: &PublicKey) -> Result<Self, Error> {
        let files = Files::open(path)?;
        signature::check(&files, Some(key))?;
        Self::of(files)
    }

    fn of(mut files: Files) -> Result<Self, Error> {
        let path = files.path.clone();
        let damaged = |name: &str, reason: String| Error::Damaged { path: path.join(name), reason };
        let pipeline: Pipeline =
            serde_json::from_slice(&files.take(PIPELINE)?).map_err(|error| damaged(PIPELINE, error.to_string()))?;
        pipeline.signature().check().map_err(|reason| damaged(PIPELINE, reason))?;
        if files.manifest.signature != *pipeline.signature() {
            return Err(damaged(MANIFEST, format!("its signature is not the one in {PIPELINE}")));
        }
        let golden = match files.manifest.files.contains_key(GOLDEN) {
            true => {
                Some(serde_json::from_slice(&files.take(GOLDEN)?).map_err(|error| damaged(GOLDEN, error.to_string()))?)
            }
            false => None,
        };
        let weights = weights::from_bytes(&files.take(WEIGHTS)?, &path.join(WEIGHTS))?;
        let broken = weights.iter().find(|(_, tensor)| tensor.values.iter().any(|value| !value.is_finite()));
        if let Some((name, _)) = broken {
            return Err(damaged(WEIGHTS, format!("a number of `{name}` is not finite")));
        }
        let manifest_sha256 = hash(&files.manifest_bytes);
        Ok(Self { path, manifest: files.manifest, manifest_sha256, pipeline, weights, golden })
    }

    /// Whether a folder looks like a bundle, or a file like one that was packed.
    pub fn is_at(path: &Path) -> bool {
        path.join(MANIFEST).is_file() || archive::is_packed(path)
    }

    /// The network of the zoo that it holds.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the architecture is not one of ours.
    pub fn architecture(&self) -> Result<Architecture, Error> {
        serde_json::from_value(self.manifest.architecture.clone()).map_err(|error| Error::Damaged {
            path: self.path.join(MANIFEST),
            reason: format!("architecture: {error}"),
        })
    }

    /// The network with its weights on a device without gradients.
    ///
    /// # Errors
    /// As [`architecture`](Self::architecture); [`Error::WrongWeights`].
    pub fn network(&self, device: &Device) -> Result<Box<dyn Answer>, Error> {
        let file = self.path.join(WEIGHTS);
        load(&self.architecture()?, &self.manifest.signature, &self.weights, &file, device)
    }

    /// The same for a network that is not in the zoo, built from its own settings.
    ///
    /// # Errors
    /// [`Error::Unfit`], [`Error::WrongWeights`].
    pub fn network_of<C: NetworkConfig>(&self, config: &C, device: &Device) -> Result<C::Network, Error> {
        let network = config.build(&self.manifest.signature, 0, device)?;
        weights::apply(network.no_grad(), &self.weights, &self.path.join(WEIGHTS))
    }

    /// Answers every golden sample and compares; gives how many there are.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the first sample whose answer differs by more than the tolerance.
    pub fn replay_golden(&self, network: &dyn Answer, device: &Device) -> Result<usize, Error> {
        let Some(golden) = &self.golden else { return Ok(0) };
        let records: Vec<Record> = golden
            .samples
            .iter()
            .map(Sample::record)
            .collect::<Result<_, _>>()
            .map_err(|reason| Error::Damaged { path: self.path.join(GOLDEN), reason })?;
        if records.is_empty() {
            return Ok(0);
        }
        let batch = self.pipeline.batch(records)?;
        let inputs = Inputs::from_batch(&batch, &self.manifest.signature, device)?;
        let answers = golden::answers(network.answer(&inputs)?, golden.samples.len())?;
        for (sample, found) in golden.samples.iter().zip(&answers) {
            golden.check(sample, found).map_err(|reason| Error::Damaged { path: self.path.clone(), reason })?;
        }
        Ok(golden.samples.len())
    }
}

/// Answers `records` and keeps both, to be replayed wherever the bundle is opened.
///
/// # Errors
/// If the records do not suit the pipeline, or the device fails.
pub fn record_golden(
    records: Vec<Record>,
    pipeline: &Pipeline,
    network: &dyn Answer,
    device: &Device,
) -> Result<Golden, Error> {
    let samples: Vec<Sample> = records.iter().map(Sample::new).collect();
    let batch = pipeline.batch(records)?;
    let inputs = Inputs::from_batch(&batch, pipeline.signature(), device)?;
    let answers = golden::answers(network.answer(&inputs)?, samples.len())?;
    Ok(Golden::new(samples, answers))
}

/// Builds a network of one of our architectures and gives it its weights, on a device without gradients.
///
/// # Errors
/// [`Error::Unfit`], [`Error::WrongWeights`]; `file` is only named in them.
pub fn load(
    architecture: &Architecture,
    signature: &Signature,
    weights: &Weights,
    file: &Path,
    device: &Device,
) -> Result<Box<dyn Answer>, Error> {
    struct Load<'a> {
        signature: &'a Signature,
        weights: &'a Weights,
        file: &'a Path,
        device: &'a Device,
    }
    impl WithNetwork for Load<'_> {
        type Out = Result<Box<dyn Answer>, Error>;
        fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
            // A network that would be far larger than its weights does not fit them: it is not built to find that out. Some
            // draw a layer's weights before they give it others.
            let held: usize = self.weights.values().map(|tensor| tensor.values.len()).sum();
            let most = held.saturating_mul(DRAWN_ANEW).saturating_add(SMALL);
            let mut init = Init::at_most(most, self.device);
            let network = config.init(self.signature, &mut init)?;
            if init.is_too_large() {
                let reason = "the architecture asks for more numbers than there are".to_owned();
                return Err(Error::WrongWeights { path: self.file.to_owned(), reason });
            }
            Ok(Box::new(weights::apply(network.no_grad(), self.weights, self.file)?))
        }
    }
    architecture.with(Load { signature, weights, file, device })
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
