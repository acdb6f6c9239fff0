//! How do weights that others trained come into a network?
//!
//! A file of named tensors, renamed by rules until the names are the network's. Whatever then is missing, left over or of another
//! shape is an error, unless the config allows it: weights that are half loaded train, and nobody notices. Two misfits are expected and
//! mended, and the user is told: a head for other classes begins anew, and filters that read colours are made to read grey.

use std::io::Read;
use std::path::{Path, PathBuf};

use burn::module::Module;
use data_loader::Pipeline;
use pytorch_reader::{DType, PytorchReader};
use regex::Regex;
use safetensors::tensor::{Dtype, SafeTensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::PROJECTION;
use crate::weights::{self, HostTensor, Weights};
use crate::{Bundle, Error, bundle};

mod card;

pub use card::WeightsCard;

/// `[pretrained]` in a config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pretrained {
    /// A `.safetensors` file, a `.pth`, `.pt`, `.bin` or `.ckpt` file of PyTorch, of which no code is run, the folder of a bundle, or a
    /// card: a `card.toml`, or the folder around it, that says where weights come from, with their checksum and how they are named.
    pub weights: PathBuf,
    /// What the file must be: its SHA-256, in hexadecimal. Not checked if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Regular expressions and what takes the place of what they find in a name, one after the other, as in
    /// `[["^_fc\\.", "classifier.1."]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rename: Vec<(String, String)>,
    /// Parameters of the network that may begin anew, because the file does not have them: regular expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_missing: Vec<String>,
    /// Tensors of the file, under their new names, that may stay unused: regular expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_unused: Vec<String>,
}

/// What PyTorch counts beside the statistics of a batch norm, and nobody needs.
const COUNTER: &str = "num_batches_tracked";
/// Where files of training keep the weights.
const TOP_LEVEL: &[&str] = &["state_dict", "model_state_dict", "model"];
/// How many bytes of tensors there may be to a byte of a file: several may share what is stored, and files may be packed.
const MOST_SHARED: u64 = 16;
/// More bytes than any weights that this program could hold.
const LARGEST: u64 = 64 << 30;

/// Weights that are there, and the rules by which they come into a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The file, or the folder of a bundle.
    pub path: PathBuf,
    /// The rules of the card, if there is one, and of the config.
    pub rules: Pretrained,
    /// The card, if there is one.
    pub card: Option<WeightsCard>,
    /// The transforms of the bundle, if it is one.
    pub pipeline: Option<Pipeline>,
}

/// With which weights training began: what a run and its bundle keep of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeganWith {
    /// What the config names: a file, a bundle or a card.
    pub named: PathBuf,
    /// The file, as it was found.
    pub weights: PathBuf,
    /// The SHA-256 of its bytes.
    pub sha256: String,
    /// The name of its card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// Where the card says that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Under which terms the card says that it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

impl Located {
    /// What is to be kept of where the weights came from, which the config calls `named`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn began_with(&self, named: &Path) -> Result<BeganWith, Error> {
        let weights = file_of(&self.path);
        let read = std::fs::read(&weights);
        let sha256 =
            bundle::hash(&read.map_err(|source| Error::Io { doing: "read", path: weights.clone(), source })?);
        let card = self.card.clone();
        let (card, source, licence) = card
            .map(|card| (card.name, card.source, card.licence))
            .map_or((None, None, None), |(name, source, licence)| (Some(name), Some(source), Some(licence)));
        let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Ok(BeganWith { named: absolute(named), weights: absolute(&weights), sha256, card, source, licence })
    }

    /// Whether the rows of an embedding stand for the same tokens in the bundle, if it is one, as in these transforms.
    ///
    /// # Errors
    /// [`Error::Misfit`].
    pub fn check_tokens(&self, pipeline: &Pipeline) -> Result<(), Error> {
        match &self.pipeline {
            Some(theirs) if !theirs.has_tokens_of(pipeline) => {
                let reason = "its tokens are not those of this data, so that each row of the embedding would mean another token; \
                              give both the same tokenizer, by `method` in [data.transforms.tokenize]";
                Err(Error::Misfit { path: self.path.clone(), reason: reason.into() })
            }
            _ => Ok(()),
        }
    }
}

impl Pretrained {
    /// Finds the weights at `path`. Where there is a card, its files are verified, and its rules come before those of the config; of a
    /// bundle every file is verified. `architecture` is what the network is called, if it is one of the zoo.
    ///
    /// # Errors
    /// What is wrong with the card, the bundle or their files, or [`Error::Misfit`] if it is for another architecture.
    pub fn locate(&self, path: &Path, architecture: Option<&str>) -> Result<Located, Error> {
        let path = path.to_owned();
        if !WeightsCard::is_at(&path) {
            let pipeline = path.is_dir().then(|| bundle_at(&path)).transpose()?.map(|bundle| bundle.pipeline);
            return Ok(Located { path, rules: self.clone(), card: None, pipeline });
        }
        let card = WeightsCard::read(&path)?;
        if let (Some(theirs), Some(ours)) = (card.architecture.as_deref(), architecture)
            && theirs != ours
        {
            let message = format!("{} has weights of `{theirs}`, and this is `{ours}`", path.display());
            let hint = format!("Train [model.{theirs}] with them, or name weights of `{ours}`.");
            return Err(Error::from(data_loader::Error::Mismatch { message, hint }));
        }
        Ok(Located { path: card.open(&path)?, rules: Self::of_card(&card, self), card: Some(card), pipeline: None })
    }

    /// The rules of a card, and then those of a config.
    fn of_card(card: &WeightsCard, config: &Self) -> Self {
        Self {
            weights: card.weights.clone(),
            sha256: config.sha256.clone(),
            rename: [&card.rename[..], &config.rename].concat(),
            allow_missing: [&card.allow_missing[..], &config.allow_missing].concat(),
            allow_unused: [&card.allow_unused[..], &config.allow_unused].concat(),
        }
    }

    /// Whether the patterns can be read.
    ///
    /// # Errors
    /// The key, and a sentence.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let rename = self.rename.iter().map(|(pattern, _)| ("rename", pattern));
        let missing = self.allow_missing.iter().map(|pattern| ("allow_missing", pattern));
        let unused = self.allow_unused.iter().map(|pattern| ("allow_unused", pattern));
        for (key, pattern) in rename.chain(missing).chain(unused) {
            Regex::new(pattern).map_err(|error| (key, no_pattern(pattern, &error)))?;
        }
        if let Some(hash) = &self.sha256
            && !(hash.len() == 64 && hash.chars().all(|digit| digit.is_ascii_hexdigit()))
        {
            return Err(("sha256", "must be 64 hexadecimal digits".to_owned()));
        }
        Ok(())
    }

    /// Gives `network`, whose answers come from its module `head`, the weights of the file at `path`, and says what was done to them.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`] or [`Error::Misfit`] with every name that does not fit.
    pub fn load<M: Module>(&self, network: M, head: Option<&str>, path: &Path) -> Result<(M, Vec<String>), Error> {
        let mut tensors = self.renamed(read(path, self.sha256.as_deref())?, path)?;
        let count = tensors.len();
        let shapes = weights::shapes(&network);
        let mut known = weights::collect(&network)?;
        let mut notices = Vec::new();
        let (mut missing, mut misshapen) = (Vec::new(), Vec::new());
        let anew = other_head(&tensors, &shapes, head);
        notices.extend(anew.clone());
        let begins_anew = |name: &str| anew.is_some() && (in_module(name, head) || in_module(name, Some(PROJECTION)));
        tensors.retain(|name, _| !begins_anew(name));
        let first = shapes.iter().find(|(_, shape)| shape.len() == 4).map(|(name, _)| name.clone());
        for (name, shape) in &shapes {
            if begins_anew(name) {
                continue;
            }
            let Some(found) = tensors.remove(name) else {
                missing.push(name.clone());
                continue;
            };
            if found.values.iter().any(|value| !value.is_finite()) {
                return Err(Error::Damaged { path: path.to_owned(), reason: format!("a number of `{name}` is not finite") });
            }
            if found.shape == *shape {
                known.insert(name.clone(), found);
            } else if let Some(turned) =
                first.as_ref().filter(|first| *first == name).and_then(|_| other_colours(&found, shape))
            {
                notices.push(format!(
                    "The filters `{name}` were trained on {} channels and now read {}: {}.",
                    found.shape[1],
                    shape[1],
                    if shape[1] == 1 { "the channels were added up" } else { "each channel gets its share" }
                ));
                known.insert(name.clone(), turned);
            } else {
                misshapen.push(format!("{name} {:?} instead of {shape:?}", found.shape));
            }
        }
        let (anew, missing) = parted(missing, &self.allow_missing);
        let (idle, unused) = parted(tensors.into_keys().collect(), &self.allow_unused);
        let mut reasons = Vec::new();
        if missing.is_empty() && misshapen.is_empty() && unused.is_empty() && idle.len() == count {
            reasons.push("not one of its tensors has a place in the network".to_owned());
        }
        for (what, names) in [("begin anew, as is allowed", anew), ("stay unused, as is allowed", idle)] {
            if !names.is_empty() {
                notices.push(format!("Of the weights {} {what}: {}.", names.len(), some_of(&names)));
            }
        }
        for (what, names) in [("missing in the file", missing), ("of another shape", misshapen), ("unused", unused)] {
            if !names.is_empty() {
                reasons.push(format!("{what}: {}", names.join(", ")));
            }
        }
        if !reasons.is_empty() {
            return Err(Error::Misfit { path: path.to_owned(), reason: reasons.join("; ") });
        }
        Ok((weights::apply(network, &known, path)?, notices))
    }

    /// The tensors under the names that the rules give them.
    fn renamed(&self, tensors: Weights, path: &Path) -> Result<Weights, Error> {
        let rules: Vec<(Regex, &str)> =
            self.rename.iter().filter_map(|(from, to)| Some((Regex::new(from).ok()?, to.as_str()))).collect();
        // A network that was spread over several cards saves every name with this in front.
        let spread = tensors.keys().all(|name| name.starts_with("module."));
        let mut renamed = Weights::new();
        for (old, tensor) in tensors {
            let name = old.strip_prefix("module.").filter(|_| spread).unwrap_or(&old);
            let name = rules.iter().fold(name.to_owned(), |name, (from, to)| from.replace(&name, *to).into_owned());
            if renamed.insert(name.clone(), tensor).is_some() {
                let reason = format!("two tensors are called `{name}` once they are renamed, `{old}` is one of them");
                return Err(Error::Misfit { path: path.to_owned(), reason });
            }
        }
        Ok(renamed)
    }
}

/// Why the head begins anew, and what lies behind it, if it does: it was trained for other answers, or without labels.
fn other_head(tensors: &Weights, shapes: &[(String, Vec<usize>)], head: Option<&str>) -> Option<String> {
    let name = head?;
    let theirs = tensors.keys().any(|name| in_module(name, Some(PROJECTION)));
    let ours = shapes.iter().any(|(name, _)| in_module(name, Some(PROJECTION)));
    if theirs != ours {
        return Some(format!("Of learning without labels the head `{name}` is another: it begins anew."));
    }
    shapes.iter().filter(|(parameter, _)| in_module(parameter, head)).find_map(|(parameter, shape)| {
        let found = &tensors.get(parameter)?.shape;
        let (then, now) = (found.first()?, shape.first()?);
        let differs = then != now && found[1..] == shape[1..];
        let why = format!("The head `{name}` was trained for {then} answers, and {now} are needed: it begins anew.");
        differs.then_some(why)
    })
}

/// The module that holds the last matrix, or filters, of a network, but for what lies behind it while it learns without labels.
pub fn head(shapes: &[(String, Vec<usize>)]) -> Option<String> {
    let mut layers = shapes.iter().rev().filter(|(name, _)| !in_module(name, Some(PROJECTION)));
    let (name, _) = layers.find(|(_, shape)| shape.len() >= 2)?;
    name.rsplit_once('.').map(|(module, _)| module.to_owned())
}

/// Whether a parameter belongs to a module.
pub fn in_module(parameter: &str, module: Option<&str>) -> bool {
    module.is_some_and(|module| parameter.strip_prefix(module).is_some_and(|rest| rest.starts_with('.')))
}

/// Those that are allowed, and the others.
fn parted(names: Vec<String>, allowed: &[String]) -> (Vec<String>, Vec<String>) {
    let allowed: Vec<Regex> = allowed.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect();
    names.into_iter().partition(|name| allowed.iter().any(|pattern| pattern.is_match(name)))
}

/// The first few names.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Why a pattern is none, in one line.
pub fn no_pattern(pattern: &str, error: &regex::Error) -> String {
    let error = error.to_string();
    let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("`{pattern}` is no regular expression: {why}")
}

/// Filters `[filters, channels, height, width]` that read one channel instead of several, or several instead of one, so that a grey
/// image gives what it gave as a colour image.
fn other_colours(found: &HostTensor, shape: &[usize]) -> Option<HostTensor> {
    let (&[filters, from, down, across], &[wanted, to, height, width]) = (&found.shape[..], shape) else { return None };
    if filters != wanted || [down, across] != [height, width] || !(from == 1 || to == 1) || from == 0 || to == 0 {
        return None;
    }
    let area = down * across;
    let mut values = Vec::with_capacity(filters * to * area);
    for filter in found.values.chunks_exact(from * area) {
        let sums = (0..area).map(|place| filter.iter().skip(place).step_by(area).sum::<f32>());
        let shares: Vec<f32> = sums.map(|sum| sum / to as f32).collect();
        (0..to).for_each(|_| values.extend(&shares));
    }
    Some(HostTensor { shape: shape.to_vec(), values })
}

/// The bundle in a folder, every file of it verified.
fn bundle_at(path: &Path) -> Result<Bundle, Error> {
    if Bundle::is_at(path) {
        return Bundle::read(path);
    }
    let of_run = path.join("bundle");
    let message = format!("{} is a folder, and neither a bundle nor one with a card of weights", path.display());
    let hint = match Bundle::is_at(&of_run) {
        true => format!("The bundle of the run is {}.", of_run.display()),
        false => "Name a file of weights, a bundle, or a folder with a card.toml.".into(),
    };
    Err(Error::from(data_loader::Error::Mismatch { message, hint }))
}

/// The file that holds the weights at `path`, which may be the folder of a bundle.
fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(bundle::WEIGHTS) } else { path.to_owned() }
}

/// Every tensor of real numbers in a file, as f32.
fn read(path: &Path, sha256: Option<&str>) -> Result<Weights, Error> {
    let path = file_of(path);
    let io = |source| Error::Io { doing: "read", path: path.clone(), source };
    let metadata = std::fs::metadata(&path).map_err(io)?;
    let size = metadata.len();
    if !metadata.is_file() {
        return Err(Error::Damaged { path, reason: "it is no file".into() });
    }
    if size > LARGEST {
        return Err(Error::Damaged {
            path: path.clone(),
            reason: format!("it has {size} bytes, more than any weights"),
        });
    }
    if let Some(expected) = sha256 {
        let found = bundle::hash(&std::fs::read(&path).map_err(io)?);
        if !found.eq_ignore_ascii_case(expected) {
            let reason = format!("its SHA-256 is {found}, and the config says {expected}");
            return Err(Error::Damaged { path: path.clone(), reason });
        }
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let tensors = match ending.as_str() {
        "safetensors" => from_safetensors(&whole_safetensors(&path, size)?, &path)?,
        "pth" | "pt" | "bin" | "ckpt" => from_pytorch(&path)?,
        _ => {
            let reason = format!("weights end in .safetensors, .pth, .pt, .bin or .ckpt, and not in `.{ending}`");
            return Err(Error::Misfit { path: path.clone(), reason });
        }
    };
    match tensors.is_empty() {
        true => Err(Error::Damaged { path, reason: "there is no tensor of real numbers in it".into() }),
        false => Ok(tensors),
    }
}

/// The bytes of a file, once its first ones say that it may be what it is called: a file of other things may have any size.
fn whole_safetensors(path: &Path, size: u64) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Io { doing: "read", path: path.to_owned(), source };
    let mut file = std::fs::File::open(path).map_err(io)?;
    let mut first = [0; 8];
    let header = file.read_exact(&mut first).map(|()| u64::from_le_bytes(first));
    if header.as_ref().is_ok_and(|header| !(2..=size.saturating_sub(8)).contains(header)) {
        let reason = format!("its header would have {} bytes, and the file has {size}", header.unwrap_or_default());
        return Err(Error::Damaged { path: path.to_owned(), reason });
    }
    std::fs::read(path).map_err(io)
}

fn from_safetensors(bytes: &[u8], path: &Path) -> Result<Weights, Error> {
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    let mut tensors = Weights::new();
    for (name, view) in file.iter() {
        let width = match view.dtype() {
            Dtype::F64 => Width::Double,
            Dtype::F32 => Width::Single,
            Dtype::F16 => Width::Half,
            Dtype::BF16 => Width::Brain,
            _ => continue,
        };
        if !name.ends_with(COUNTER) {
            tensors
                .insert(name.to_owned(), HostTensor { shape: view.shape().to_vec(), values: width.read(view.data()) });
        }
    }
    Ok(tensors)
}

/// Reads the pickle as a list of tensors; what it would call is not called.
fn from_pytorch(path: &Path) -> Result<Weights, Error> {
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let mut opened = PytorchReader::new(path);
    if !opened.as_ref().is_ok_and(|reader| reader.tensors().values().any(|tensor| width_of(tensor.dtype()).is_some())) {
        let nested = TOP_LEVEL
            .iter()
            .find_map(|key| PytorchReader::with_top_level_key(path, key).ok().filter(|reader| !reader.is_empty()));
        opened = nested.map_or(opened, Ok);
    }
    let reader = opened.map_err(|error| damaged(error.to_string()))?;
    let mut names = reader.keys();
    names.sort();
    // Files of training hold the weights beside the state of the optimizer. A module may be called `model` as well.
    let trained = names.iter().any(|name| name.starts_with("optimizer"));
    let within = TOP_LEVEL.iter().filter(|key| trained || **key != "model").map(|key| format!("{key}."));
    let within = within.into_iter().find(|key| names.iter().any(|name| name.starts_with(key)));
    let mut tensors = Weights::new();
    // Views of one number may say that they are thousands of millions: what is shared is counted as often as it is read.
    let most = std::fs::metadata(path).map_or(0, |file| file.len()).saturating_mul(MOST_SHARED);
    let mut bytes_read = 0_u64;
    for name in names {
        let Some(tensor) = reader.get(&name) else { continue };
        let inner = match &within {
            None => name.as_str(),
            Some(key) => match name.strip_prefix(key.as_str()) {
                Some(inner) => inner,
                None => continue,
            },
        };
        let Some(width) = width_of(tensor.dtype()).filter(|_| !inner.ends_with(COUNTER)) else { continue };
        bytes_read = bytes_read.saturating_add(tensor.byte_len() as u64);
        if bytes_read > most {
            return Err(damaged(format!("its tensors have more than {MOST_SHARED} times the bytes of the file")));
        }
        let bytes = tensor.read().map_err(|error| damaged(format!("`{name}`: {error}")))?;
        let values = width.read(&bytes);
        if values.len() != tensor.num_elements() {
            return Err(damaged(format!("`{name}` has {} of {} numbers", values.len(), tensor.num_elements())));
        }
        tensors.insert(inner.to_owned(), HostTensor { shape: tensor.shape().to_vec(), values });
    }
    Ok(tensors)
}

fn width_of(dtype: DType) -> Option<Width> {
    Some(match dtype {
        DType::F64 => Width::Double,
        DType::F32 => Width::Single,
        DType::F16 => Width::Half,
        DType::BF16 => Width::Brain,
        _ => return None,
    })
}

/// In how many bits a real number is written.
#[derive(Clone, Copy)]
enum Width {
    Double,
    Single,
    Half,
    Brain,
}

impl Width {
    /// Numbers of this width, the least significant byte first.
    fn read(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::Double => each(bytes, |b: [u8; 8]| f64::from_le_bytes(b) as f32),
            Self::Single => each(bytes, f32::from_le_bytes),
            Self::Half => each(bytes, |b: [u8; 2]| half::f16::from_le_bytes(b).to_f32()),
            Self::Brain => each(bytes, |b: [u8; 2]| half::bf16::from_le_bytes(b).to_f32()),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect()
}

#[cfg(test)]
mod tests;
