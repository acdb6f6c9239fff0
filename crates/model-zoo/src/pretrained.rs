//! How do weights that others trained come into a network?
//!
//! A file of named tensors, renamed by rules until the names are the network's. Whatever then is missing, left over or of another
//! shape is an error, unless the config allows it: weights that are half loaded train, and nobody notices. Two misfits are expected and
//! mended, and the user is told: a head for other classes begins anew, and filters that read colours are made to read grey.

use std::path::{Path, PathBuf};

use burn::module::Module;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::blocks::PROJECTION;
use crate::weights::{self, HostTensor, Weights};

mod card;
mod file;
mod located;

pub use card::WeightsCard;
pub use located::{BeganWith, Located};

use file::{bundle_at, read};

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

/// What a file of weights holds.
#[derive(Debug)]
pub struct Found {
    path: PathBuf,
    tensors: Weights,
    /// The SHA-256 of its bytes. Of a file of PyTorch, which is read piece by piece, it is taken just before.
    pub sha256: String,
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

    /// Reads the file at `path`, once: what is found in it and what it is belong together.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`] or, if it is of another kind, [`Error::Misfit`].
    pub fn read(&self, path: &Path) -> Result<Found, Error> {
        let (tensors, sha256) = read(path, self.sha256.as_deref())?;
        Ok(Found { path: path.to_owned(), tensors, sha256 })
    }

    /// Gives `network`, whose answers come from its module `head`, the weights that were found in a file, and says what was done to them.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a number is not finite, or [`Error::Misfit`] with every name that does not fit.
    pub fn load<M: Module>(&self, network: M, head: Option<&str>, found: Found) -> Result<(M, Vec<String>), Error> {
        let path = &found.path;
        let mut tensors = self.renamed(found.tensors, path)?;
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
                return Err(Error::Damaged {
                    path: path.to_owned(),
                    reason: format!("a number of `{name}` is not finite"),
                });
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

#[cfg(test)]
mod tests;
