//! How do tar shards become records? As `WebDataset` has them: the members of one sample have one name and different endings.
//!
//! The image of a sample is its member `.jpg`, `.jpeg` or `.png`, its text `.txt`, its class `.cls`, and all other columns are
//! keys of the object in its member `.json`.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::jsonl::value_in;
use super::{Purpose, Records, Use, unknown_column, value_of};
use crate::card::SourceFile;
use crate::decode::decode_within;
use crate::error::{Error, listed};
use crate::example::{Record, Value};
use crate::files::content::{Content, Room};
use crate::files::file_tree::spread;
use crate::files::tar_index::members;
use crate::json_object::Object as Unique;
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema};
use crate::split::Part;

pub use crate::tables::columnar::Config;

/// This format in the list of formats.
pub const ENTRY: Entry = Entry { name: "tar", summary: "tar shards in the layout of WebDataset, also packed" };

/// The names that shards end in.
pub(crate) const ENDINGS: &[&str] = &[".tar", ".tar.gz", ".tgz", ".tar.zst"];

/// What a member holds, by its ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Class,
    Image,
    Json,
    Text,
}

impl Kind {
    fn of(ending: &str) -> Option<Self> {
        Some(match ending {
            "cls" => Self::Class,
            "jpg" | "jpeg" | "png" => Self::Image,
            "json" => Self::Json,
            "txt" => Self::Text,
            _ => return None,
        })
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Class => "cls",
            Self::Image => "jpg",
            Self::Json => "json",
            Self::Text => "txt",
        }
    }
}

/// Where a member of a sample lies.
struct Place {
    kind: Kind,
    start: u64,
    size: u64,
}

/// The object of a sample, which is read only where a column needs it.
#[derive(Default)]
enum Object {
    /// Nobody asked for it yet.
    #[default]
    Unread,
    /// What the member holds, or that there is none.
    Read(Option<Map<String, Json>>),
}

impl Object {
    fn get(&self) -> Option<&Map<String, Json>> {
        match self {
            Self::Read(object) => object.as_ref(),
            Self::Unread => None,
        }
    }
}

/// One archive of which the headers were read.
struct Shard {
    file: SourceFile,
    content: Content,
    /// Of each sample its name, and the place of its first member.
    samples: Vec<(Box<str>, usize)>,
    members: Vec<Place>,
}

/// The samples of one or more shards.
pub struct Tar {
    shards: Vec<Shard>,
    /// The number of rows before each shard, and at the end the number of all rows.
    starts: Vec<usize>,
    schema: Schema,
    purpose: Purpose,
    config: Config,
}

impl Tar {
    /// Reads the headers of `files`, and of folders those of the shards below them.
    pub fn open(files: &[SourceFile], config: &Config, schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        config.check(ENTRY.name)?;
        let (mut shards, mut starts, mut room) = (Vec::new(), vec![0], Room::of(0));
        for file in spread(files, ENDINGS)? {
            let shard = Shard::open(file, &mut room, schema, purpose)?;
            starts.push(starts[starts.len() - 1] + shard.samples.len());
            shards.push(shard);
        }
        Ok(Self { shards, starts, schema: schema.clone(), purpose, config: config.clone() })
    }

    /// The shard that holds `row`, and the row within it.
    fn locate(&self, row: usize) -> (&Shard, usize) {
        let shard = self.starts.partition_point(|&start| start <= row) - 1;
        (&self.shards[shard], row - self.starts[shard])
    }

    /// The object of a sample, which is read only where a column needs it; every key must be known, as every column must.
    fn object(&self, shard: &Shard, row: usize) -> Result<Option<Map<String, Json>>, Error> {
        let Some(bytes) = shard.member(row, Kind::Json)? else { return Ok(None) };
        let Unique(object) = serde_json::from_slice(&bytes)
            .map_err(|error| shard.refuse(row, &format!("its member .json is not a JSON object ({error})")))?;
        if self.purpose == Purpose::Training
            && let Some(key) = object.keys().find(|key| !self.schema.knows(key))
        {
            return Err(unknown_column(&format!("The member .json of {}", shard.name(row)), key));
        }
        Ok(Some(object))
    }

    /// The value of one column, if the sample has it. `object` is read once a sample.
    fn value(&self, shard: &Shard, row: usize, name: &str, object: &mut Object) -> Result<Option<Value>, Error> {
        let used = Use::of(name, &self.schema);
        let id = || shard.name(row);
        let text = |bytes: Vec<u8>, kind: Kind| {
            String::from_utf8(bytes)
                .map_err(|_| shard.refuse(row, &format!("its member .{} is not UTF-8 text", kind.ending())))
        };
        let kind = match used {
            Use::Feature(FeatureKind::Image) => Some(Kind::Image),
            Use::Feature(FeatureKind::Text) => Some(Kind::Text),
            Use::Target(_) => Some(Kind::Class),
            _ => None,
        };
        match (kind, kind.map(|kind| shard.member(row, kind)).transpose()?.flatten()) {
            (Some(Kind::Image), Some(bytes)) => {
                let path = std::path::PathBuf::from(format!("The image of {}", shard.name(row)));
                return decode_within(&bytes, &path, self.config.channels, self.config.size)
                    .map(Value::Image)
                    .map(Some);
            }
            (Some(kind), Some(bytes)) => return value_of(&text(bytes, kind)?, name, used, &self.schema, &id).map(Some),
            _ => {}
        }
        if let Object::Unread = object {
            *object = Object::Read(self.object(shard, row)?);
        }
        let json = object.get().and_then(|object| object.get(name));
        json.map(|json| value_in(json, name, used, &self.schema, &id)).transpose()
    }

    fn missing(&self, shard: &Shard, row: usize, name: &str) -> Error {
        let found: Vec<&str> = shard.places(row).iter().map(|place| place.kind.ending()).collect();
        let kind = self.schema.features.get(name).map_or("column", |kind| kind.name());
        Error::Field {
            id: shard.name(row),
            kind,
            column: name.to_owned(),
            found: format!("not there: the sample has the members {}", listed(&found)),
            hint: "Images are members .jpg, .jpeg or .png, texts .txt, classes .cls, other columns keys in .json."
                .into(),
        }
    }

    fn key_of(&self, shard: &Shard, row: usize, object: &mut Object) -> Result<String, Error> {
        let Some(column) = &self.schema.key else { return Ok(shard.name(row)) };
        match self.value(shard, row, column, object)? {
            Some(Value::Text(key)) if !key.trim().is_empty() => Ok(key.trim().to_owned()),
            _ if self.purpose == Purpose::Training => {
                Err(shard.refuse(row, &format!("it has no text or number for the key `{column}`")))
            }
            _ => Ok(shard.name(row)),
        }
    }
}

impl Shard {
    fn open(file: SourceFile, room: &mut Room, schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        // Packed shards are unpacked once, into a temporary file; nothing is held in memory.
        let content = Content::open(&file.path, room)?;
        let (mut samples, mut places): (Vec<(Box<str>, usize)>, Vec<Place>) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        let found = members(&content, |member| {
            let (folder, name) =
                member.name.rsplit_once('/').map_or(("", &*member.name), |(folder, name)| (folder, name));
            // Systems, and WebDataset itself, put files of their own there.
            if name.starts_with('.') || name.starts_with("__") {
                return Ok(());
            }
            let Some((stem, ending)) = name.split_once('.') else {
                return Err(format!("the member `{}` has no ending that says what it holds", member.name));
            };
            let key = if folder.is_empty() { stem.to_owned() } else { format!("{folder}/{stem}") };
            let ending = ending.to_lowercase();
            let kind = Kind::of(&ending).filter(|_| !schema.ignore.contains(&ending));
            let Some(kind) = kind else {
                if purpose == Purpose::Prediction || schema.ignore.contains(&ending) {
                    return Ok(());
                }
                let known =
                    "cls, jpg, jpeg, json, png and txt are known; name it in `ignore` of [schema] to leave it out";
                return Err(format!("the member `{}` ends in `{ending}`: {known}", member.name));
            };
            if samples.last().is_none_or(|(last, _)| **last != *key) {
                if !seen.insert(key.clone()) {
                    return Err(format!("the members of the sample `{key}` do not follow each other"));
                }
                samples.push((key.into(), places.len()));
            }
            let first = samples.last().map_or(0, |(_, first)| *first);
            if places[first..].iter().any(|place: &Place| place.kind == kind) {
                return Err(format!("the sample of `{}` has two members of that kind", member.name));
            }
            places.push(Place { kind, start: member.place, size: member.size });
            Ok(())
        });
        found.map_err(|message| Error::Malformed { path: file.path.clone(), message })?;
        Ok(Self { file, content, samples, members: places })
    }

    fn places(&self, row: usize) -> &[Place] {
        let end = self.samples.get(row + 1).map_or(self.members.len(), |(_, first)| *first);
        &self.members[self.samples[row].1..end]
    }

    /// The bytes of one member of a sample, if it has it.
    fn member(&self, row: usize, kind: Kind) -> Result<Option<Vec<u8>>, Error> {
        let Some(place) = self.places(row).iter().find(|place| place.kind == kind) else { return Ok(None) };
        let bytes = self.content.exact(place.start, place.size)?;
        bytes.map(Some).ok_or_else(|| self.refuse(row, "the archive became shorter"))
    }

    /// What names a sample: its shard, and its name within it.
    fn name(&self, row: usize) -> String {
        format!("{}/{}", self.file.name, self.samples[row].0)
    }

    fn refuse(&self, row: usize, message: &str) -> Error {
        Error::Malformed {
            path: self.file.path.clone(),
            message: format!("sample `{}`: {message}", self.samples[row].0),
        }
    }
}

impl Records for Tar {
    fn len(&self) -> usize {
        self.starts[self.shards.len()]
    }

    fn image_size(&self) -> Option<[usize; 2]> {
        self.config.size
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let (shard, row) = self.locate(row);
        let mut object = Object::default();
        let key = self.key_of(shard, row, &mut object)?;
        let mut features = Vec::with_capacity(self.schema.features.0.len());
        for (name, _) in &self.schema.features.0 {
            let value = self.value(shard, row, name, &mut object)?;
            features.push((name.clone(), value.ok_or_else(|| self.missing(shard, row, name))?));
        }
        let target = match &self.schema.target {
            Some(target) if self.purpose == Purpose::Training => {
                let value = self.value(shard, row, &target.name, &mut object)?;
                Some((target.name.clone(), value.unwrap_or(Value::Missing)))
            }
            _ => None,
        };
        Ok(Record::new(key, features, target))
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        let (shard, row) = self.locate(row);
        let mut object = Object::default();
        match self.value(shard, row, name, &mut object)? {
            Some(value) => Ok(value),
            None if self.schema.target.as_ref().is_some_and(|target| target.name == name) => Ok(Value::Missing),
            None if self.schema.features.get(name).is_some() => Err(self.missing(shard, row, name)),
            None => Err(Error::ColumnMissing {
                place: format!("Example {}", shard.name(row)),
                column: name.to_owned(),
                found: object.get().map(|object| object.keys().cloned().collect()).unwrap_or_default(),
            }),
        }
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        let (shard, row) = self.locate(row);
        self.key_of(shard, row, &mut Object::default())
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.locate(row).0.file.part
    }

    fn blocks(&self) -> Vec<usize> {
        let mut blocks = self.starts.clone();
        blocks.dedup();
        if blocks.len() > 1 {
            blocks.pop();
        }
        blocks
    }
}

#[cfg(test)]
#[path = "tar_tests.rs"]
mod tests;
