//! What could a person decide about what the checks found? A file of proposals, none of which is reviewed yet.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::decisions::{Action, Decision, Decisions};
use super::rewrite;
use crate::atomic;
use crate::checks::label_errors::LabelErrors;
use crate::dataset::Dataset;
use crate::error::Error;

/// Two examples of equal contents: the first stays, the second may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicate {
    /// The id of the example that stays.
    pub stays: String,
    /// The id of the example that may be dropped.
    pub goes: String,
    /// Its row.
    pub row: u32,
}

/// The places in files of rows whose id is not theirs alone, by which a decision can name them all the same.
#[derive(Clone, Debug, Default)]
pub struct Places(HashMap<u32, String>);

impl Places {
    /// Looks for ids that stand more than once. Without a key column there are none, since an id is a place then.
    ///
    /// # Errors
    /// If the files can no longer be read.
    pub fn of(dataset: &Dataset) -> Result<Self, Error> {
        let mut rows = HashMap::<String, Vec<u32>>::new();
        if dataset.card().schema().key.is_some() {
            for row in 0..dataset.records.len() as u32 {
                if let Ok(key) = dataset.key(row) {
                    rows.entry(key).or_default().push(row);
                }
            }
        }
        let several: Vec<u32> = rows.into_values().filter(|rows| rows.len() > 1).flatten().collect();
        if several.is_empty() {
            return Ok(Self::default());
        }
        let places = match rewrite::open(dataset.card()) {
            Ok(source) => source.places(),
            // Decisions cannot be applied to such files, so that it does not matter how they name a row.
            Err(Error::Mismatch { .. }) => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let name = dataset.card().name();
        let of = |row: u32| Some((row, format!("{name}/{}", places.get(row as usize)?)));
        Ok(Self(several.into_iter().filter_map(of).collect()))
    }

    fn name(&self, row: u32, id: &str) -> String {
        self.0.get(&row).cloned().unwrap_or_else(|| id.to_owned())
    }
}

/// Proposals to drop the second of each pair of duplicates, and to relabel the suspects, the most suspicious first. An example
/// that is dropped is not relabelled as well.
pub fn propose(labels: Option<&LabelErrors>, duplicates: &[Duplicate], places: &Places) -> Vec<Decision> {
    let mut dropped = BTreeSet::new();
    let mut list = Vec::new();
    for Duplicate { stays, goes, row } in duplicates {
        // Of three equal ones the third is a duplicate of both others.
        if dropped.insert(*row) {
            let id = places.name(*row, goes);
            list.push(Decision::proposal(id, Action::Drop, format!("the same as {stays}")));
        }
    }
    for suspect in labels.iter().flat_map(|labels| &labels.suspects) {
        if dropped.contains(&suspect.row) {
            continue;
        }
        let why = format!(
            "labelled {}, which a model that never saw it gives {:.3}; margin {:.3}",
            suspect.given, suspect.self_confidence, suspect.margin
        );
        let mut decision = Decision::proposal(places.name(suspect.row, &suspect.id), Action::Relabel, why);
        decision.label = Some(suspect.suggested.clone());
        list.push(decision);
    }
    list
}

#[derive(Serialize)]
struct Written<'a> {
    decisions: &'a [Decision],
}

/// Writes proposals to `path` as TOML, with a comment that says what to do with them. Decisions there that someone has reviewed
/// are not overwritten; then nothing is written, and the answer is `false`.
///
/// # Errors
/// If the file cannot be written.
pub fn write(proposals: &[Decision], path: &Path) -> Result<bool, Error> {
    if path.exists() {
        // A file that cannot be read as proposals is someone's work as well.
        let untouched = Decisions::read(path).is_ok_and(|there| there.list.iter().all(|(_, one)| !one.reviewed));
        if !untouched {
            return Ok(false);
        }
    }
    let head = "# Proposals of `firebox data check`. Look at each: change it, remove it, or write `reviewed = true`.\n\
                # `firebox data clean CONFIG --decisions FILE --out DIR` then writes a new data set.\n\n";
    let tables =
        toml::to_string(&Written { decisions: proposals }).expect("decisions hold nothing that TOML cannot say");
    atomic::write_file(path, format!("{head}{tables}").as_bytes())?;
    Ok(true)
}
