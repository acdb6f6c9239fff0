//! What leaves training and is used elsewhere? (DOOR 3)
//!
//! A bundle is a folder that holds a model with everything needed to use it: weights, architecture, the transforms as they
//! were fitted, labels, and golden samples that prove, wherever it is opened, that it still answers as it did.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use data_loader::{Lineage, Pipeline, Record, Signature};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::anomaly::Reference;
use crate::architectures::WithNetwork;
use crate::blocks::Init;
use crate::network::{Answer, NetworkConfig};
use crate::pretrained::BeganWith;
use crate::weights::{self, Weights};
use crate::{Architecture, Decoding, Error, Inputs, atomic};

mod golden;

pub use golden::{Golden, Sample};

/// The newest layout that this program writes. Every version from 1 on stays readable.
pub const FORMAT_VERSION: u32 = 1;

const MANIFEST: &str = "manifest.json";
const PIPELINE: &str = "pipeline.json";
const GOLDEN: &str = "golden.json";
/// How many times as many numbers may be drawn for a network as it holds in the end.
const DRAWN_ANEW: usize = 4;
/// So many numbers are no matter.
const SMALL: usize = 1 << 20;
/// The weights within the folder.
pub(crate) const WEIGHTS: &str = "weights.safetensors";

/// What stands in `manifest.json`. Sections that a bundle lacks are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout of the folder.
    pub format_version: u32,
    /// What the model is called.
    pub name: String,
    /// Which program wrote it.
    pub created_by: String,
    /// When, in UTC.
    pub created_at: String,
    /// The architecture and its settings.
    pub architecture: serde_json::Value,
    /// The experiment from which it came, as it was meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// What goes in and comes out.
    pub signature: Signature,
    /// What the scores of classes mean.
    #[serde(default)]
    pub decoding: Decoding,
    /// How many numbers were learnt.
    pub parameters: usize,
    /// After how many steps.
    pub step: u64,
    /// Scores by split and metric.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, BTreeMap<String, f64>>,
    /// How well examples came back that were not learnt from, where the task is to give them back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly: Option<Reference>,
    /// From what it was learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// With which weights of others training began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_with: Option<BeganWith>,
    /// SHA-256 of every other file of the folder.
    pub files: BTreeMap<String, String>,
}

/// What a bundle is made of.
#[derive(Debug)]
pub struct Content {
    /// What the model is called.
    pub name: String,
    /// The architecture and its settings.
    pub architecture: serde_json::Value,
    /// The experiment from which it came.
    pub config: Option<serde_json::Value>,
    /// What the scores of classes mean.
    pub decoding: Decoding,
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

/// A bundle that was read, every file checked against its hash.
#[derive(Debug)]
pub struct Bundle {
    /// Where it lies.
    pub path: PathBuf,
    /// What stands in `manifest.json`.
    pub manifest: Manifest,
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
        parameters: content
            .weights
            .iter()
            .filter(|(name, _)| !crate::summary::is_buffer(name))
            .map(|(_, tensor)| tensor.values.len())
            .sum(),
        step: content.step,
        metrics: content.metrics,
        anomaly: content.anomaly,
        lineage: content.lineage,
        began_with: content.began_with,
        files,
    };
    folder.write(MANIFEST, &json(&manifest))?;
    folder.commit()
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("our own types have text keys");
    text.push(b'\n');
    text
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

impl Bundle {
    /// Reads a bundle. Nothing in it is used before its hash was found right.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`], [`Error::NewerVersion`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let file = path.join(MANIFEST);
        let damaged = |file: &Path, reason: String| Error::Damaged { path: file.to_owned(), reason };
        let bytes = read_file(&file)?;
        let version: Version = serde_json::from_slice(&bytes).map_err(|error| damaged(&file, error.to_string()))?;
        if version.format_version > FORMAT_VERSION {
            return Err(Error::NewerVersion { path: file, found: version.format_version, known: FORMAT_VERSION });
        }
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| damaged(&file, error.to_string()))?;
        let checked = |name: &str| -> Result<Vec<u8>, Error> {
            let file = path.join(name);
            let expected =
                manifest.files.get(name).ok_or_else(|| damaged(&path.join(MANIFEST), format!("it lists no {name}")))?;
            let bytes = read_file(&file)?;
            match hash(&bytes) == *expected {
                true => Ok(bytes),
                false => Err(damaged(&file, "its SHA-256 is not the one in manifest.json".into())),
            }
        };
        let pipeline: Pipeline = serde_json::from_slice(&checked(PIPELINE)?)
            .map_err(|error| damaged(&path.join(PIPELINE), error.to_string()))?;
        for (signature, file) in [(&manifest.signature, MANIFEST), (pipeline.signature(), PIPELINE)] {
            signature.check().map_err(|reason| damaged(&path.join(file), reason))?;
        }
        if manifest.signature != *pipeline.signature() {
            return Err(damaged(&path.join(MANIFEST), format!("its signature is not the one in {PIPELINE}")));
        }
        if let Some(Err(reason)) = manifest.anomaly.as_ref().map(Reference::check) {
            return Err(damaged(&path.join(MANIFEST), reason));
        }
        let golden = match manifest.files.contains_key(GOLDEN) {
            true => Some(
                serde_json::from_slice(&checked(GOLDEN)?)
                    .map_err(|error| damaged(&path.join(GOLDEN), error.to_string()))?,
            ),
            false => None,
        };
        let weights = weights::from_bytes(&checked(WEIGHTS)?, &path.join(WEIGHTS))?;
        let broken = weights.iter().find(|(_, tensor)| tensor.values.iter().any(|value| !value.is_finite()));
        if let Some((name, _)) = broken {
            return Err(damaged(&path.join(WEIGHTS), format!("a number of `{name}` is not finite")));
        }
        Ok(Self { path: path.to_owned(), manifest, pipeline, weights, golden })
    }

    /// Whether a folder looks like a bundle.
    pub fn is_at(path: &Path) -> bool {
        path.join(MANIFEST).is_file()
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

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Io { doing: "read", path: path.to_owned(), source })
}
