//! How do other tools learn of a study, and a study of theirs? Files and servers of Optuna, MLflow and TensorBoard.
//!
//! ```text
//! study --> view --> optuna: a database file       optuna file --> trials from which searchers learn
//!                --> mlflow: runs on a server
//!                --> hparams: event files
//! ```

use std::path::Path;

use serde_json::Value;

use super::config::Sweep;
use super::dimensions::{Dimension, Dimensions, Part};
use super::trial::Trial;
use crate::Error;

pub mod hparams;
pub mod mlflow;
pub mod optuna;

/// A study as other tools are told of it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Its name.
    pub name: &'a str,
    /// How the sweep goes.
    pub sweep: &'a Sweep,
    /// The space, as searchers see it.
    pub dimensions: &'a Dimensions,
    /// The trials by their numbers.
    pub trials: &'a [Trial],
}

/// What was written somewhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// How many trials.
    pub trials: usize,
    /// What could not be said there, a sentence each.
    pub remarks: Vec<String>,
}

/// Under which name a dimension is known elsewhere: its address, and behind that the part of a list.
pub fn name_of(dimension: &Dimension) -> String {
    match dimension.part {
        Part::Whole => dimension.address.clone(),
        Part::Each => format!("{}.each", dimension.address),
        Part::Count => format!("{}.count", dimension.address),
    }
}

/// A setting as it is written in a config: texts bare, everything else as JSON.
pub(super) fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A number of things, in words.
pub(super) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("one {one}") } else { format!("{count} {one}s") }
}

/// The user's words or files are wrong.
pub(super) fn refused(place: impl Into<String>, reason: impl Into<String>, way_out: impl Into<String>) -> Error {
    Error::Interchange { place: place.into(), reason: reason.into(), way_out: way_out.into(), usage: true }
}

/// Something fails that is not in the user's hands.
pub(super) fn failed(place: impl Into<String>, reason: impl Into<String>, way_out: impl Into<String>) -> Error {
    Error::Interchange { place: place.into(), reason: reason.into(), way_out: way_out.into(), usage: false }
}

/// An error at a file.
pub(super) fn refused_at(path: &Path, reason: impl Into<String>, way_out: impl Into<String>) -> Error {
    refused(path.display().to_string(), reason, way_out)
}

#[cfg(test)]
pub(in crate::sweep) mod tests;
