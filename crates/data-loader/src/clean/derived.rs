//! What does the card of a cleaned data set say? From what it was made, by which decisions, and which row became which.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::decisions::{Action, Decisions};
use super::edits::Edits;
use super::rewrite::Written;
use crate::atomic::NewFolder;
use crate::card::{Card, digest};
use crate::error::Error;
use crate::lineage::FileLineage;

/// The file that says which old row became which new one.
const ROWS: &str = "rows.csv";

/// How often each action changed something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Examples that were left out.
    pub dropped: usize,
    /// Columns that were left out.
    pub columns: usize,
    /// Examples that got another class.
    pub relabelled: usize,
    /// Values that were replaced.
    pub fixed: usize,
    /// Gaps that were filled.
    pub imputed: usize,
}

impl Counts {
    pub(super) fn of(edits: &Edits) -> Self {
        Self {
            dropped: edits.count(Action::Drop),
            columns: edits.columns.len(),
            relabelled: edits.count(Action::Relabel),
            fixed: edits.count(Action::Fix),
            imputed: edits.count(Action::Impute),
        }
    }

    /// As a phrase: `3 dropped, 1 relabelled`.
    pub fn phrase(&self) -> String {
        let counts = [
            (self.dropped, "dropped"),
            (self.columns, "columns dropped"),
            (self.relabelled, "relabelled"),
            (self.fixed, "fixed"),
            (self.imputed, "imputed"),
        ];
        let done: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if done.is_empty() { "nothing changed".to_owned() } else { done.join(", ") }
    }
}

/// `[derived]` of a card: from what the data set was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// The name of the card of the source.
    pub from: String,
    /// The file of decisions, a copy of which lies beside the card.
    pub decisions: PathBuf,
    /// Its SHA-256.
    pub decisions_sha256: String,
    /// The file with the old and the new id of every row, where ids follow from places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<PathBuf>,
    /// What was done.
    pub counts: Counts,
    /// The files of the source as they were.
    pub files: Vec<FileLineage>,
    /// From what the source itself was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Derived>>,
}

/// Writes the card of the new data set, and the decisions beside it.
pub(super) fn write_card(
    card: &Card,
    name: &str,
    decisions: &Decisions,
    written: &Written,
    edits: &Edits,
    folder: &NewFolder,
) -> Result<(), Error> {
    let counts = Counts::of(edits);
    let ending = if decisions.path.extension().is_some_and(|ending| ending == "jsonl") { "jsonl" } else { "toml" };
    let copy = format!("decisions.{ending}");
    folder.copy(&decisions.path, &copy)?;
    let derived = Derived {
        from: card.name().to_owned(),
        decisions_sha256: digest(&folder.path().join(&copy))?,
        decisions: copy.into(),
        rows: card.schema().key.is_none().then(|| ROWS.into()),
        counts: counts.clone(),
        files: card
            .files
            .iter()
            .map(|file| FileLineage { path: file.name.clone(), sha256: file.sha256.clone(), bytes: file.bytes })
            .collect(),
        before: card.config.derived.clone().map(Box::new),
    };
    let mut config = card.config.clone();
    name.clone_into(&mut config.name);
    config.title = format!("{}, cleaned", config.title);
    config.summary = format!("{} examples; {}. Before: {}", written.places.len(), counts.phrase(), config.summary);
    config.source = format!("{}, cleaned by {}; {}", card.name(), derived.decisions.display(), config.source);
    config.derived = Some(derived);
    config.schema.features.0.retain(|(column, _)| !edits.columns.contains_key(column));
    config.schema.ignore.retain(|column| !edits.columns.contains_key(column));
    let mut text = toml::Table::try_from(&config).expect("a card holds nothing that TOML cannot say");
    text.insert("files".into(), files(written, folder.path())?);
    let text = toml::to_string(&text).expect("a table is TOML");
    Ok(folder.write("card.toml", text.as_bytes())?)
}

/// The list of the new files, with their checksums.
fn files(written: &Written, folder: &Path) -> Result<Value, Error> {
    let mut list = Vec::with_capacity(written.files.len());
    for file in &written.files {
        let mut entry = Table::new();
        entry.insert("path".into(), file.name.clone().into());
        // A card cannot state the checksum of the folder in which it lies itself.
        if folder.join(&file.name).canonicalize().ok() != folder.canonicalize().ok() {
            entry.insert("sha256".into(), digest(&folder.join(&file.name))?.into());
        }
        let role = Value::try_from(file.role).expect("a role is a word");
        entry.insert("role".into(), role);
        if let Some(part) = file.part {
            entry.insert("part".into(), part.name().into());
        }
        list.push(Value::Table(entry));
    }
    Ok(Value::Array(list))
}

/// Writes which old row became which new one; a row that was dropped has no new id.
pub(super) fn write_rows(
    card: &Card,
    name: &str,
    places: &[String],
    written: &Written,
    folder: &NewFolder,
) -> Result<(), Error> {
    let mut new = vec![None; places.len()];
    for (row, place) in &written.places {
        new[*row as usize] = Some(place);
    }
    let failed = |error: csv::Error| Error::write(&folder.path().join(ROWS), error.into());
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["old", "new"]).map_err(failed)?;
    for (old, new) in places.iter().zip(new) {
        let new = new.map_or(String::new(), |place| format!("{name}/{place}"));
        table.write_record([format!("{}/{old}", card.name()), new]).map_err(failed)?;
    }
    let bytes = table.into_inner().map_err(|error| Error::write(&folder.path().join(ROWS), error.into_error()))?;
    Ok(folder.write(ROWS, &bytes)?)
}
