//! What could a person decide about what the checks found? A file of proposals, none of which is reviewed yet.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::decisions::{Action, Decision};
use crate::atomic;
use crate::checks::label_errors::LabelErrors;
use crate::error::Error;

/// Two examples of equal contents: the first stays, the second may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicate {
    /// The id of the example that stays.
    pub stays: String,
    /// The id of the example that may be dropped.
    pub goes: String,
}

/// Proposals to drop the second of each pair of duplicates, and to relabel the suspects, the most suspicious first. An example
/// that is dropped is not relabelled as well.
pub fn propose(labels: Option<&LabelErrors>, duplicates: &[Duplicate]) -> Vec<Decision> {
    let mut dropped = BTreeSet::new();
    let mut list = Vec::new();
    for Duplicate { stays, goes } in duplicates {
        // Of three equal ones the third is a duplicate of both others.
        if !dropped.contains(stays) && dropped.insert(goes.clone()) {
            list.push(Decision::proposal(goes.clone(), Action::Drop, format!("the same as {stays}")));
        }
    }
    for suspect in labels.iter().flat_map(|labels| &labels.suspects) {
        if dropped.contains(&suspect.id) {
            continue;
        }
        let why = format!(
            "labelled {}, which a model that never saw it gives {:.3}; margin {:.3}",
            suspect.given, suspect.self_confidence, suspect.margin
        );
        let mut decision = Decision::proposal(suspect.id.clone(), Action::Relabel, why);
        decision.label = Some(suspect.suggested.clone());
        list.push(decision);
    }
    list
}

#[derive(Serialize)]
struct Written<'a> {
    decisions: &'a [Decision],
}

/// Writes proposals to `path` as TOML, with a comment that says what to do with them.
///
/// # Errors
/// If the file cannot be written.
pub fn write(proposals: &[Decision], path: &Path) -> Result<(), Error> {
    let head = "# Proposals of `firebox data check`. Look at each: change it, remove it, or write `reviewed = true`.\n\
                # `firebox data clean CONFIG --decisions FILE --out DIR` then writes a new data set.\n\n";
    let tables =
        toml::to_string(&Written { decisions: proposals }).expect("decisions hold nothing that TOML cannot say");
    Ok(atomic::write_file(path, format!("{head}{tables}").as_bytes())?)
}
