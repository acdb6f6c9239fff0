//! How do plain texts become records? A file for each text in a folder for each class, or one text a line.

use std::path::{Path, PathBuf};

use memchr::memchr_iter;
use serde::{Deserialize, Serialize};

use super::{Purpose, Records};
use crate::card::SourceFile;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::files::content::{Content, IN_MEMORY, PIECE, Room};
use crate::files::file_tree::{files_below, name_below};
use crate::files::unpack::read_bytes;
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema, TargetKind};
use crate::split::Part;
use crate::tables::row_index::{RowIndex, blocks_of};

/// This format in the list of formats.
pub const ENTRY: Entry = Entry { name: "text", summary: "text files in a folder for each class, or one text a line" };

/// The longest text that is read: 64 MiB.
const MAX_TEXT: u64 = 64 << 20;

/// `[format.text]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folders that are classes; without a list, all are. What lies in others, such as texts without a label, is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// Where the texts of one entry of a card lie.
enum Source {
    /// Each in a file of its own: its path, its name below the folder, and its class.
    Files(Vec<(PathBuf, String, Option<String>)>),
    /// Each on a line; empty lines are no texts.
    Lines(Content, RowIndex),
}

/// The texts of one or more folders and files.
pub struct Text {
    sources: Vec<(SourceFile, Source)>,
    /// The number of rows before each source, and at the end the number of all rows.
    starts: Vec<usize>,
    /// The files beside the texts that are none by their names.
    passed_over: Vec<PathBuf>,
    feature: String,
    target: Option<String>,
}

impl Text {
    /// Opens `files`: a folder has a folder for each class, a file a text on each line, which has no class.
    pub fn open(files: &[SourceFile], config: &Config, schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        let [(feature, FeatureKind::Text)] = &schema.features.0[..] else {
            return Err(Error::Mismatch {
                message: "Text files need a schema with one feature of kind text and no other".into(),
                hint: "Write `text = \"text\"` under [schema.features].".into(),
            });
        };
        let target = schema.target.as_ref().filter(|_| purpose == Purpose::Training);
        if target.is_some_and(|target| target.kind != TargetKind::Class) {
            return Err(Error::Mismatch {
                message:
                    "In folders of texts the names of the folders are classes, and the target of the schema is none"
                        .into(),
                hint: "Write `kind = \"class\"`.".into(),
            });
        }
        let target = target.map(|target| target.name.clone());
        let (mut sources, mut starts, mut room) = (Vec::new(), vec![0], Room::of(IN_MEMORY));
        let mut passed_over = Vec::new();
        for file in files {
            let (source, rows) = if file.path.is_dir() {
                let texts = texts_below(&file.path, config, target.is_some(), &mut passed_over)?;
                let rows = texts.len();
                (Source::Files(texts), rows)
            } else if target.is_some() {
                return Err(Error::Mismatch {
                    message: format!("{} has one text a line, and no line says which class it is", file.path.display()),
                    hint: "Use CSV or JSONL, a folder for each class, or leave the target out of the schema.".into(),
                });
            } else {
                let (content, index) = index(&file.path, &mut room)?;
                let rows = index.len();
                (Source::Lines(content, index), rows)
            };
            starts.push(starts[starts.len() - 1] + rows);
            sources.push((file.clone(), source));
        }
        Ok(Self { sources, starts, passed_over, feature: feature.clone(), target })
    }

    /// The source that holds `row`, and the row within it.
    fn locate(&self, row: usize) -> (&SourceFile, &Source, usize) {
        let source = self.starts.partition_point(|&start| start <= row) - 1;
        (&self.sources[source].0, &self.sources[source].1, row - self.starts[source])
    }

    fn text(&self, row: usize) -> Result<Value, Error> {
        let (file, source, row) = self.locate(row);
        let (path, bytes, first) = match source {
            Source::Files(texts) => (&texts[row].0, read_bytes(&texts[row].0, MAX_TEXT)?, 1),
            Source::Lines(content, index) => {
                let range = index.range(row);
                let mut bytes = Vec::new();
                let line = content.bytes(range.start..range.end.min(range.start + MAX_TEXT + 1), &mut bytes)?;
                // A text ends where its line does; empty lines behind it belong to no text.
                let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
                if line.len() as u64 > MAX_TEXT {
                    let what = "the length of a line in bytes";
                    return Err(Error::TooLarge {
                        path: file.path.clone(),
                        what,
                        size: line.len() as u64,
                        limit: MAX_TEXT,
                    });
                }
                (&file.path, line, line_of(content, index, row)?)
            }
        };
        let bytes = if row == 0 || matches!(source, Source::Files(_)) {
            bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)
        } else {
            &bytes
        };
        match std::str::from_utf8(bytes) {
            Ok("") => Ok(Value::Missing),
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(error) => {
                let before = memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count() as u64;
                let message = "it is not UTF-8 text".to_owned();
                Err(Error::Row { path: path.clone(), row, line: first + before, message })
            }
        }
    }

    fn class(&self, row: usize) -> Option<&String> {
        match self.locate(row) {
            (_, Source::Files(texts), row) => texts[row].2.as_ref(),
            _ => None,
        }
    }
}

/// The texts below `folder`, in the order of their paths.
fn texts_below(
    folder: &Path,
    config: &Config,
    classes: bool,
    passed_over: &mut Vec<PathBuf>,
) -> Result<Vec<(PathBuf, String, Option<String>)>, Error> {
    let (paths, others) = files_below(folder, &[".txt"])?;
    passed_over.extend(others);
    let mut texts = Vec::with_capacity(paths.len());
    for path in paths {
        let below = name_below(folder, &path);
        let class = below.split_once('/').map(|(class, _)| class.to_owned());
        if class.is_none() && classes {
            return Err(Error::Mismatch {
                message: format!(
                    "{} lies beside the folders of the classes, so its class is not known",
                    path.display()
                ),
                hint: "Move it into the folder of its class; every .txt file there is read.".into(),
            });
        }
        if config.classes.is_empty() || class.as_ref().is_some_and(|class| config.classes.contains(class)) {
            texts.push((path, below, class));
        }
    }
    let lacks = |class: &&String| !texts.iter().any(|(_, _, found)| found.as_ref() == Some(class));
    if let Some(class) = config.classes.iter().find(lacks) {
        return Err(Error::NoExamples {
            place: format!("of the class `{class}` in {}: its folder holds no .txt file", folder.display()),
            hint: "Check the names in `classes` of [format.text].",
        });
    }
    if texts.is_empty() {
        return Err(Error::NoExamples {
            place: format!("in {}: no folder in it holds a .txt file", folder.display()),
            hint: "Put the texts of each class in a folder named after the class.",
        });
    }
    Ok(texts)
}

/// Finds the lines of a file that have something in them.
fn index(path: &Path, room: &mut Room) -> Result<(Content, RowIndex), Error> {
    let content = Content::open(path, room)?;
    let (mut buffer, mut index) = (Vec::new(), RowIndex::default());
    let (mut place, mut line, mut start, mut is_empty) = (0, 1, 0, true);
    while place < content.len() {
        let piece = content.bytes(place..place + PIECE as u64, &mut buffer)?;
        let mut from = 0;
        for end in memchr_iter(b'\n', piece).chain([piece.len()]) {
            if is_empty && !piece[from..end].trim_ascii().is_empty() {
                index.push(start, line);
                is_empty = false;
            }
            if end < piece.len() {
                (start, line, is_empty) = (place + end as u64 + 1, line + 1, true);
            }
            from = end + 1;
        }
        place += piece.len() as u64;
    }
    index.finish(content.len());
    Ok((content, index))
}

/// The number of the line of a row: those behind the nearest place whose line is known are counted.
fn line_of(content: &Content, index: &RowIndex, row: usize) -> Result<u64, Error> {
    let (place, line) = index.landmark(row);
    let mut buffer = Vec::new();
    let before = content.bytes(place..index.start(row), &mut buffer)?;
    Ok(line + memchr_iter(b'\n', before).count() as u64)
}

impl Records for Text {
    fn len(&self) -> usize {
        self.starts[self.sources.len()]
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let target = self.target.as_ref().zip(self.class(row));
        let target = target.map(|(name, class)| (name.clone(), Value::Text(class.clone())));
        Ok(Record::new(self.key(row)?, vec![(self.feature.clone(), self.text(row)?)], target))
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        if name == self.feature {
            return self.text(row);
        }
        match self.class(row).filter(|_| self.target.as_deref() == Some(name)) {
            Some(class) => Ok(Value::Text(class.clone())),
            None => Err(Error::ColumnMissing {
                place: self.locate(row).0.path.display().to_string(),
                column: name.to_owned(),
                found: std::iter::once(&self.feature).chain(&self.target).cloned().collect(),
            }),
        }
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        let (file, source, row) = self.locate(row);
        Ok(match source {
            Source::Files(texts) => format!("{}/{}", file.name.trim_end_matches('/'), texts[row].1),
            Source::Lines(..) => format!("{}#{row}", file.name),
        })
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.locate(row).0.part
    }

    fn passed_over(&self) -> &[PathBuf] {
        &self.passed_over
    }

    fn blocks(&self) -> Vec<usize> {
        blocks_of(&self.starts, |source| match &self.sources[source].1 {
            Source::Lines(content, index) if !content.is_memory() => Some(index.blocks(PIECE as u64)),
            _ => None,
        })
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
