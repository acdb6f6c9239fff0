//! Which model is to leave? A bundle, the bundle of a run, or one of its checkpoints.

use std::path::{Path, PathBuf};

use data_loader::Record;
use model_zoo::bundle::{self, Bundle, Content};
use model_zoo::device::Found;
use model_zoo::{Architecture, Inputs};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::onnx::proof;
use crate::address::Address;
use crate::{Error, RunDir, contents};

/// From what the examples are made that files are tried on.
const SEED: u64 = 0x00F1_7EB0;

/// A model with all that is known of it.
pub struct Source {
    /// Where it lies; named in errors.
    pub path: PathBuf,
    /// What a bundle of it holds.
    pub content: Content,
    /// The bundle, where it is one already.
    pub bundle: Option<PathBuf>,
    /// The run that it came from, whose data can be asked; nothing for a bundle by itself.
    pub run: Option<RunDir>,
}

impl Source {
    /// Opens `RUN[@best|last|ema|step-N]` or a bundle. A checkpoint that is not the one that the run bundled is judged first.
    ///
    /// # Errors
    /// If it is damaged, or a run that never saved; for a checkpoint if the data of the run cannot be read.
    pub fn open(model: &str, device: &Found) -> Result<Self, Error> {
        let address = Address::parse(model);
        if address.checkpoint.is_none() {
            // A file can be nothing else; what is wrong with it is said better then.
            if Bundle::is_at(&address.run) || address.run.is_file() {
                return Self::of_bundle(&address.run, None);
            }
            let run = RunDir::open(&address.run)?;
            if Bundle::is_at(&run.bundle()) {
                return Self::of_bundle(&run.bundle(), Some(run));
            }
        }
        let content = contents::of_checkpoint(&address, device)?;
        let (run, chosen) = address.open()?;
        Ok(Self { path: chosen.path, content, bundle: None, run: Some(run) })
    }

    fn of_bundle(path: &Path, run: Option<RunDir>) -> Result<Self, Error> {
        let bundle = Bundle::read(path)?;
        let manifest = bundle.manifest;
        let content = Content {
            name: manifest.name,
            architecture: manifest.architecture,
            config: manifest.config,
            decoding: manifest.decoding,
            calibration: manifest.calibration,
            thresholds: manifest.thresholds,
            tests: manifest.tests,
            pipeline: bundle.pipeline,
            weights: bundle.weights,
            step: manifest.step,
            metrics: manifest.metrics,
            anomaly: manifest.anomaly,
            lineage: manifest.lineage,
            began_with: manifest.began_with,
            golden: bundle.golden,
        };
        Ok(Self { path: path.to_owned(), content, bundle: Some(path.to_owned()), run })
    }

    /// A digest of the weights and of what decides what they answer: of what is the same model it is the same.
    pub(super) fn sha256(&self) -> String {
        let mut digest = Sha256::new();
        for (name, tensor) in &self.content.weights {
            digest.update(name);
            tensor.values.iter().for_each(|value| digest.update(value.to_le_bytes()));
        }
        // The same weights that answer other classes are another model.
        if self.content.calibration.is_some() || !self.content.thresholds.is_empty() {
            digest.update(json!([self.content.calibration, self.content.thresholds]).to_string());
        }
        format!("{:x}", digest.finalize())
    }

    /// The SHA-256 of the manifest of the bundle, where it is one already.
    pub(super) fn manifest_sha256(&self) -> Option<String> {
        self.bundle.as_ref().and_then(|bundle| bundle::manifest_sha256(bundle).ok())
    }

    /// The network of the zoo that it is.
    ///
    /// # Errors
    /// [`Error::NotExported`] if it is a network that someone brought.
    pub fn architecture(&self) -> Result<Architecture, Error> {
        serde_json::from_value(self.content.architecture.clone()).map_err(|error| Error::NotExported {
            form: "any form",
            architecture: self.content.architecture.to_string(),
            reason: format!("it is none of this program's architectures ({error})"),
        })
    }

    /// The golden samples as they were read.
    ///
    /// # Errors
    /// If one is damaged.
    pub(super) fn golden_records(&self) -> Result<Vec<Record>, Error> {
        let damaged = |reason: String| model_zoo::Error::Damaged { path: self.path.clone(), reason };
        let samples = self.content.golden.iter().flat_map(|golden| &golden.samples);
        Ok(samples.map(|sample| sample.record().map_err(damaged)).collect::<Result<_, _>>()?)
    }

    /// What files are tried on: the golden samples, and examples made at random.
    ///
    /// # Errors
    /// If a golden sample is damaged.
    pub(super) fn asked(&self, device: &Found) -> Result<Vec<Inputs>, Error> {
        let pipeline = &self.content.pipeline;
        let signature = pipeline.signature();
        let mut batches = proof::random_batches(signature, SEED);
        let records = self.golden_records()?;
        if !records.is_empty() {
            batches.insert(0, pipeline.batch(records)?);
        }
        let inputs = batches.iter().map(|batch| Inputs::from_batch(batch, signature, &device.device));
        Ok(inputs.collect::<Result<_, _>>()?)
    }
}
