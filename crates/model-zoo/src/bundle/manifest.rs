//! What does a bundle say of itself? What stands in `manifest.json`, and which versions of it are read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use data_loader::{Lineage, Signature};
use serde::{Deserialize, Serialize};

use crate::anomaly::Reference;
use crate::decision::{Calibration, Decision};
use crate::pretrained::BeganWith;
use crate::{Decoding, Error, atomic};

use super::files::{Files, json};
use super::signature::SIGNATURE;

/// The newest layout that this program writes. Every version from 1 on stays readable: version 2 brought thresholds, calibration
/// and tests, and says nothing else anew.
pub const FORMAT_VERSION: u32 = 2;

/// The file within the bundle.
pub(super) const MANIFEST: &str = "manifest.json";
/// As many bytes as the header of a tar archive has for a name.
const LONGEST_NAME: usize = 100;

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
    /// By what scores are divided so that probabilities hold what they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// From which probability on a class is answered, or from which score on an example is unusual: by the name of the class, or
    /// `anomaly`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, f64>,
    /// How many numbers were learnt.
    pub parameters: usize,
    /// After how many steps.
    pub step: u64,
    /// Scores by split and metric.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, BTreeMap<String, f64>>,
    /// Records of tests that the model went through, as whoever tested wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<serde_json::Value>,
    /// How well examples came back that were not learnt from, where the task is to give them back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly: Option<Reference>,
    /// From what it was learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// With which weights of others training began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_with: Option<BeganWith>,
    /// SHA-256 of every other file of the bundle, but for its signature.
    pub files: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads a manifest that lies at `path`.
    ///
    /// # Errors
    /// [`Error::NewerVersion`], or [`Error::Damaged`]; `path` is only named in them.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u64,
        }
        let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
        // A newer one may have sections of another kind, which would be called damaged.
        let version: Version = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if version.format_version > u64::from(FORMAT_VERSION) {
            let (path, found) = (path.to_owned(), u32::try_from(version.format_version).unwrap_or(u32::MAX));
            return Err(Error::NewerVersion { path, found, known: FORMAT_VERSION });
        }
        if version.format_version == 0 {
            return Err(damaged("its format version is 0, and the first one was 1".to_owned()));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        manifest.check().map_err(damaged)?;
        Ok(manifest)
    }

    /// What scores of classes mean.
    ///
    /// # Errors
    /// Which threshold cannot be meant, a sentence; not of a manifest that was read.
    pub fn decision(&self) -> Result<Decision, String> {
        Decision::new(self.decoding, self.calibration.as_ref(), &self.thresholds, &self.signature)
    }

    /// Whether it can be meant; one that was read from a file may have been tampered with.
    fn check(&self) -> Result<(), String> {
        check_names(self.files.keys())?;
        self.signature.check()?;
        self.anomaly.as_ref().map_or(Ok(()), Reference::check)?;
        self.calibration.as_ref().map_or(Ok(()), Calibration::check)?;
        self.decision().map(drop)
    }
}

/// Refuses names that might lead out of a bundle, or that are one and the same file on some system. What a manifest lists is
/// written and read by these names: whoever made it may have meant harm.
fn check_names<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let plain = |part: &str| {
        // Without a dot at an end: `..` climbs, and Windows takes `a.` for `a`.
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        if name.len() > LONGEST_NAME || !name.split('/').all(plain) {
            return Err(format!(
                "it lists the file `{}`; names have up to {LONGEST_NAME} letters, digits, `-`, `_` and `.`, with `/` between folders",
                name.escape_debug()
            ));
        }
        // Where letters are not told apart by case, two names may be one file.
        let folded = name.to_ascii_lowercase();
        if [MANIFEST, SIGNATURE].contains(&&*folded) {
            return Err(format!("it lists {name}, which cannot hold its own hash"));
        }
        folders.extend(folded.match_indices('/').map(|(end, _)| folded[..end].to_owned()));
        if !files.insert(folded) {
            return Err(format!("it lists `{name}` twice, in capital and small letters"));
        }
    }
    match files.intersection(&folders).next() {
        Some(name) => Err(format!("it lists `{name}` as a file and as a folder")),
        None => Ok(()),
    }
}

/// Changes what the bundle in a folder says of itself, such as by thresholds, or by the record of a test. A manifest of an older
/// version becomes one of [`FORMAT_VERSION`]. A signature does not hold any more then, and stays until it is made anew.
///
/// # Errors
/// [`Error::Io`]; [`Error::Damaged`] if the manifest cannot be read, or would say what cannot be; it is then as it was.
pub fn amend(folder: &Path, change: impl FnOnce(&mut Manifest)) -> Result<(), Error> {
    let mut manifest = Files::in_folder(folder)?.manifest;
    let path = folder.join(MANIFEST);
    change(&mut manifest);
    manifest.format_version = FORMAT_VERSION;
    manifest.check().map_err(|reason| Error::Damaged { path: path.clone(), reason })?;
    atomic::write_file(&path, &json(&manifest))
}
