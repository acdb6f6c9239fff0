//! How does a data set become a cleaner one? Reviewed decisions are applied to copies of its files; the source is never touched.
//!
//! The new data set is a folder of its own: files of the same formats, a card that says what they were made of, the decisions,
//! and, where there is no key column, which old row became which new one. It is read back and compared, row by row, before it
//! gets its name.

mod csv;
pub mod decisions;
mod derived;
mod edits;
mod idx;
mod image_folder;
mod jsonl;
pub mod proposals;
mod rewrite;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::atomic::NewFolder;
use crate::card::Card;
use crate::error::Error;
use crate::example::Value;
use crate::formats::{self, FormatConfig, Records};
use crate::schema::FeatureKind;

pub use decisions::{Action, Decision, Decisions};
pub use derived::{Counts, Derived};
use edits::Edits;
use rewrite::Written;

/// What is to be cleaned, and where the result shall lie.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The card of the source, or the folder around it.
    pub card: &'a Path,
    /// The file of decisions.
    pub decisions: &'a Path,
    /// The new folder; there must be nothing there yet, or an empty folder.
    pub out: &'a Path,
    /// Whether decisions count that nobody has reviewed.
    pub unreviewed: bool,
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Cleaned {
    /// The new folder.
    pub folder: PathBuf,
    /// How many examples the source has.
    pub before: usize,
    /// How many the new data set has.
    pub after: usize,
    /// How often each action changed something.
    pub counts: Counts,
}

/// Applies a file of decisions to a data set and writes a new one.
///
/// # Errors
/// With the line of the decision that cannot be meant; with the file that cannot be read or written. Nothing is left behind then.
pub fn clean(request: &Request<'_>) -> Result<Cleaned, Error> {
    let card = Card::open(request.card)?;
    let name = new_name(&card, request.out)?;
    let decisions = Decisions::read(request.decisions)?;
    if !request.unreviewed {
        refuse_unreviewed(&decisions)?;
    }
    let source = rewrite::open(&card)?;
    let records = formats::open(&card)?;
    let places = source.places();
    if places.len() != records.len() {
        return Err(Error::Mismatch {
            message: format!("{} has {} rows, of which {} were found again", card.name(), records.len(), places.len()),
            hint: "The files may have changed meanwhile: try again.".into(),
        });
    }
    let by_place: HashMap<String, u32> =
        places.iter().zip(0..).map(|(place, row)| (format!("{}/{place}", card.name()), row)).collect();
    let edits = edits::resolve(&card, records.as_ref(), &decisions, &by_place)?;

    let folder = NewFolder::begin(request.out)?;
    let written = source.write(&edits, &folder)?;
    let counts = Counts::of(&edits);
    derived::write_card(&card, &name, &decisions, &written, &edits, &folder)?;
    if card.schema().key.is_none() {
        derived::write_rows(&card, &name, &places, &written, &folder)?;
    }
    compare(records.as_ref(), &card, &edits, &written, &name, folder.path())?;
    folder.commit()?;
    Ok(Cleaned { folder: request.out.to_path_buf(), before: records.len(), after: written.places.len(), counts })
}

/// The name of the new data set, which is that of its folder.
fn new_name(card: &Card, out: &Path) -> Result<String, Error> {
    let refuse = |message: &str, hint: &str| {
        Err(Error::Mismatch { message: format!("{} {message}", out.display()), hint: hint.into() })
    };
    let occupied = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(_) => true,
    };
    if occupied {
        return refuse("exists already and is not an empty folder", "Name a folder that is not there yet.");
    }
    let Some(name) = out.file_name().and_then(|name| name.to_str()) else {
        return refuse(
            "has no name that a data set could have",
            "Name a new folder, such as `datasets/penguins_clean`.",
        );
    };
    // A folder that is not there yet has no canonical path, but the nearest one above it has.
    let absolute = std::path::absolute(out).map_err(|source| Error::io("folder", out, source))?;
    let above = absolute.ancestors().find_map(|above| above.canonicalize().ok());
    let source = if card.folder.as_os_str().is_empty() { Path::new(".") } else { &card.folder };
    let source = source.canonicalize().map_err(|error| Error::io("folder", source, error))?;
    if above.is_some_and(|above| above.starts_with(source)) {
        return refuse("lies inside of the data set that is to be cleaned", "Name a folder beside it.");
    }
    Ok(name.to_owned())
}

fn refuse_unreviewed(decisions: &Decisions) -> Result<(), Error> {
    let open: Vec<usize> = decisions.list.iter().filter(|(_, one)| !one.reviewed).map(|(line, _)| *line).collect();
    let Some(&first) = open.first() else { return Ok(()) };
    Err(Error::Mismatch {
        message: format!(
            "{} of {} decisions in {} are not reviewed, the first on line {first}",
            open.len(),
            decisions.list.len(),
            decisions.path.display()
        ),
        hint: "Look at each and write `reviewed = true`, or apply all as they are with `--unreviewed`.".into(),
    })
}

/// Reads the new data set and compares it with what it should be.
fn compare(
    old: &dyn Records,
    card: &Card,
    edits: &Edits,
    written: &Written,
    name: &str,
    folder: &Path,
) -> Result<(), Error> {
    let new_card = Card::open(folder)?;
    let new = formats::open(&new_card)?;
    let differs = |what: String| Error::Mismatch {
        message: format!("The new data set is not what it should be: {what}; it was not kept"),
        hint: "Please report this with the decision file.".into(),
    };
    if new.len() != written.places.len() {
        return Err(differs(format!("it has {} examples instead of {}", new.len(), written.places.len())));
    }
    let keyed = card.schema().key.is_some();
    let mut rows = HashMap::new();
    for row in 0..if keyed { 0 } else { new.len() } {
        rows.insert(new.key(row)?, row);
    }
    let schema = card.schema();
    // Images in folders were copied; to decode them again would only take time.
    let images = matches!(card.config.format, FormatConfig::ImageFolder(_));
    let columns = schema.features.0.iter().filter(|(_, kind)| !(images && *kind == FeatureKind::Image));
    let columns = columns.map(|(name, _)| name).chain(schema.target.as_ref().map(|target| &target.name));
    let columns: Vec<&String> = columns.filter(|column| !edits.columns.contains_key(*column)).collect();
    for (position, (row, place)) in written.places.iter().enumerate() {
        let found = if keyed { Some(position) } else { rows.get(&format!("{name}/{place}")).copied() };
        let Some(found) = found else { return Err(differs(format!("{place} is not in it"))) };
        if keyed && old.key(*row as usize).ok() != new.key(found).ok() {
            return Err(differs(format!("row {found} has another id than row {row} of the source")));
        }
        for column in &columns {
            let cell = edits.cells.get(row).and_then(|cells| cells.get(*column));
            let now = new.field(found, column);
            let same = match (cell, &now) {
                (Some(cell), Ok(Value::Number(number))) => cell.value.as_f64() == Some(*number),
                (Some(cell), Ok(Value::Text(text))) => cell.text() == *text,
                (Some(_), _) => false,
                (None, now) => match (old.field(*row as usize, column), now) {
                    (Ok(before), Ok(now)) => before == *now,
                    // What could not be read before cannot be read now.
                    (Err(_), Err(_)) => true,
                    _ => false,
                },
            };
            if !same {
                let line = cell.map_or(String::new(), |cell| format!(" after the decision on line {}", cell.line));
                return Err(differs(format!("`{column}` of {place} reads otherwise{line}")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod refusals_tests;
#[cfg(test)]
#[path = "clean_tests.rs"]
mod tests;
