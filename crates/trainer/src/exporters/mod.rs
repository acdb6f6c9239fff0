//! In which forms does a model leave, for other programs?
//!
//! One file a form, listed once below. Each writes its files in whole or not at all, and says what proves that they hold the model.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use data_loader::Entry;
use model_zoo::device::Found;
use model_zoo::network::Answer;
use model_zoo::{Inputs, atomic, bundle as bundles};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Error, RunDir, contents};

pub mod bundle;
pub mod burnpack;
pub mod checked;
pub mod f16;
pub mod hugging_face;
pub mod int8;
pub mod int8_static;
pub mod judged;
pub mod measured;
pub mod onnx;
pub mod safetensors;
mod source;

pub use judged::{Beside, Judge, Judged, Scores};
pub use onnx::proof::Proof;
pub use source::Source;

/// Every form, in alphabetical order.
pub const MEMBERS: &[Entry] = &[
    bundle::ENTRY,
    burnpack::ENTRY,
    f16::ENTRY,
    hugging_face::ENTRY,
    int8::ENTRY,
    int8_static::ENTRY,
    onnx::ENTRY,
    safetensors::ENTRY,
];

/// How a form is written.
type Write = fn(&Job<'_>) -> Result<Vec<Made>, Error>;

/// The names under which files and folders are written, and what is written out of sight before.
const NAMES: &[&str] = &[
    "bundle",
    "bundle-unsigned",
    "bundle.tar.zst",
    checked::LIST,
    "hugging_face",
    "model.bpk",
    "model.f16.safetensors",
    "model.int8-static.onnx",
    "model.int8.onnx",
    "model.onnx",
    "model.safetensors",
];

/// The members in the order of the list.
const WRITERS: &[(&str, Write)] = &[
    ("bundle", bundle::write),
    ("burnpack", burnpack::write),
    ("f16", f16::write),
    ("hugging_face", hugging_face::write),
    ("int8", int8::write),
    ("int8_static", int8_static::write),
    ("onnx", onnx::export::write),
    ("safetensors", safetensors::write),
];

/// A form in which a model can leave.
#[derive(Clone, Copy, Debug)]
pub struct Form(Write);

/// The form called `name`, if there is one.
pub fn form(name: &str) -> Option<Form> {
    WRITERS.iter().find(|(known, _)| *known == name).map(|(_, write)| Form(*write))
}

/// What is to be written, and where.
pub struct Job<'a> {
    /// The model.
    pub source: &'a Source,
    /// The folder for the files.
    pub out: &'a Path,
    /// The network with its weights on the processor, against which files are held.
    pub network: &'a dyn Answer,
    /// What it is asked for that: the golden samples, and examples made at random.
    pub asked: &'a [Inputs],
    /// On what to compute.
    pub device: &'a Found,
    /// The data by which rounded forms are judged, opened once it is needed.
    judge: OnceCell<Option<Judge>>,
    /// How the network itself does on it.
    network_scores: OnceCell<Scores>,
    /// The secret key with which a bundle is signed, if it is to be.
    pub key: Option<&'a Path>,
    /// Whether transforms and labels become part of the graph.
    pub with_preprocessing: bool,
}

/// What may be asked of an export besides its forms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// The secret key with which a bundle is signed, if it is to be.
    pub key: Option<&'a Path>,
    /// Whether transforms and labels become part of the graph of the form `onnx`.
    pub with_preprocessing: bool,
}

/// A file that was written, or a folder.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    /// The form.
    pub form: &'static str,
    /// Its name within the folder.
    pub file: String,
    /// How large it is.
    pub bytes: u64,
    /// SHA-256 of a file; of a folder that of the list of its files with theirs.
    pub sha256: String,
    /// What shows that it holds the model.
    pub proof: Shown,
    /// How well it does beside the network, where numbers were rounded and the data of the run is at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
}

/// What shows that a file holds the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Every number was read back from it and is the same, bit for bit.
    SameNumbers,
    /// It was run, and answers as the network does.
    Equal(Proof),
    /// The network was asked with the numbers as they are in the file.
    Rounded(Proof),
    /// It was not run here.
    NotRun(String),
}

/// Writes a model in each of `forms` into the folder `out`, and calls `told` with each file as soon as it is there.
///
/// # Errors
/// [`Error::NotExported`], [`Error::ExportDiffers`]; if a file cannot be written, of which then nothing is at its name.
pub fn export(
    source: &Source,
    forms: &[Form],
    out: &Path,
    device: &Found,
    options: Options<'_>,
    told: &mut dyn FnMut(&Made),
) -> Result<Vec<Made>, Error> {
    std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let _lock = checked::lock(out)?;
    atomic::clear_leftovers_of(out, NAMES)?;
    let _list = checked::begin(out, source.run.as_ref().map(RunDir::bundle).as_deref())?;
    let model = source.sha256();
    let architecture = source.architecture()?;
    let content = &source.content;
    let signature = content.pipeline.signature();
    let network = bundles::load(&architecture, signature, &content.weights, &source.path, &device.device)?;
    let asked = source.asked(device)?;
    let Options { key, with_preprocessing } = options;
    let (judge, network_scores) = (OnceCell::new(), OnceCell::new());
    let network = network.as_ref();
    let job = Job { source, out, network, asked: &asked, device, judge, network_scores, key, with_preprocessing };
    let mut all = Vec::new();
    for form in forms {
        // Noted as soon as it is there: what comes next may fail.
        let made = (form.0)(&job)?;
        checked::note(out, &model, &made)?;
        made.iter().for_each(&mut *told);
        all.extend(made);
    }
    Ok(all)
}

impl Job<'_> {
    /// Where the file called `name` is to lie.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    /// The data of the run; nothing for a bundle by itself.
    ///
    /// # Errors
    /// If the run's data are no longer those it learnt from.
    pub(crate) fn judge(&self) -> Result<Option<&Judge>, Error> {
        if self.judge.get().is_none() {
            let data = self.source.run.as_ref().map(contents::data_of).transpose()?;
            let _ = self.judge.set(data.and_then(|data| Judge::new(data, None)));
        }
        Ok(self.judge.get().and_then(Option::as_ref))
    }

    /// How a file does beside the network.
    ///
    /// # Errors
    /// As [`judge`](Self::judge), and what `of_file` says.
    pub(crate) fn judged(
        &self,
        of_file: impl FnOnce(&Judge) -> Result<Scores, Error>,
    ) -> Result<Option<Judged>, Error> {
        let Some(judge) = self.judge()? else { return Ok(None) };
        let network = if let Some(known) = self.network_scores.get() {
            known
        } else {
            let found = judge.of_network(self.network, &self.device.device)?;
            self.network_scores.get_or_init(|| found)
        };
        let beside = |((metric, file), (_, network)): ((String, f64), &(String, f64))| Beside {
            metric,
            file,
            network: *network,
        };
        let scores = of_file(judge)?.into_iter().zip(network).map(beside).collect();
        Ok(Some(Judged { split: judge.split().to_owned(), scores }))
    }
}

/// What is said of a file that was written with these bytes.
pub(crate) fn made(form: &'static str, file: &str, bytes: &[u8], proof: Shown) -> Made {
    let sha256 = format!("{:x}", Sha256::digest(bytes));
    Made { form, file: file.to_owned(), bytes: bytes.len() as u64, sha256, proof, judged: None }
}

/// Whether the folder at `place`, if there is one, may make room: nothing lies in it but what is ours to replace, `ours`.
///
/// # Errors
/// [`Error::Taken`] with what lies there.
pub(crate) fn may_replace(place: &Path, ours: &[&str]) -> Result<(), Error> {
    if place.symlink_metadata().is_err() {
        return Ok(());
    }
    let Ok(entries) = std::fs::read_dir(place) else { return Err(Error::Taken(place.to_owned())) };
    let is_ours = |name: &std::ffi::OsStr| ours.iter().any(|known| *known == name);
    match entries.filter_map(Result::ok).find(|entry| !is_ours(&entry.file_name())) {
        Some(other) => Err(Error::Taken(other.path())),
        None => Ok(()),
    }
}
