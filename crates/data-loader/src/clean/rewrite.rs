//! How does a file get its changes, and everything else stay byte for byte? What the formats share.

use std::io::Write;
use std::path::Component::{CurDir, Normal};
use std::path::Path;

use flate2::{Compression, GzBuilder};

use super::edits::Edits;
use super::{idx, image_folder, jsonl};
use crate::atomic::NewFolder;
use crate::card::{Card, Role, SourceFile};
use crate::error::Error;
use crate::files::unpack::read_bytes;
use crate::formats::{FormatConfig, MAX_BYTES};
use crate::split::Part;

/// A file, or folder, of the new data set.
#[derive(Clone, Debug)]
pub(super) struct NewFile {
    /// Relative to the new folder.
    pub name: String,
    /// What it holds.
    pub role: Role,
    /// The part to which its examples belong.
    pub part: Option<Part>,
}

impl NewFile {
    pub(super) fn like(file: &SourceFile) -> Self {
        Self { name: file.name.clone(), role: file.role, part: file.part }
    }
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The files, in the order of the card.
    pub files: Vec<NewFile>,
    /// Of every row that was kept its number and its new place, such as `a.csv#7`, in the order of the new rows where that can
    /// be known before they are read.
    pub places: Vec<(u32, String)>,
}

/// The files of a data set, cut into rows.
pub(super) trait Rewrite {
    /// The place of every row, such as `a.csv#7`.
    fn places(&self) -> Vec<String>;

    /// Writes the files with the changes.
    fn write(&self, edits: &Edits, folder: &NewFolder) -> Result<Written, Error>;
}

/// Opens the files of a card to be written anew.
pub(super) fn open(card: &Card) -> Result<Box<dyn Rewrite>, Error> {
    let schema = card.schema();
    let inside = |file: &&SourceFile| Path::new(&file.name).components().all(|part| matches!(part, CurDir | Normal(_)));
    if let Some(file) = card.files.iter().find(|file| !inside(file)) {
        return Err(Error::Mismatch {
            message: format!("{} lies outside of the folder of its card, so it has no place in a new one", file.name),
            hint: "Move the file into the folder of the card.".into(),
        });
    }
    Ok(match &card.config.format {
        FormatConfig::Csv(config) if config.header.is_none() => {
            Box::new(super::csv::Tables::read(&card.files, config.delimiter as u8)?)
        }
        FormatConfig::Idx(_) => Box::new(idx::Arrays::read(&card.files, schema)?),
        FormatConfig::ImageFolder(config) => Box::new(image_folder::Images::find(&card.files, config, schema)?),
        FormatConfig::Jsonl(_) => Box::new(jsonl::Lines::read(&card.files)?),
        other => {
            return Err(Error::Mismatch {
                message: format!("Files of the format `{}` cannot be written anew yet", written_as(other)),
                hint: "CSV with a header line, JSONL, IDX and folders of images can; write the data in one of these, and clean that.".into(),
            });
        }
    })
}

/// The format as a card names it.
fn written_as(format: &FormatConfig) -> String {
    let json = serde_json::to_value(format).unwrap_or_default();
    let name = json.as_object().and_then(|object| object.keys().next()).cloned();
    name.unwrap_or_default()
}

/// How the bytes of a file are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// A file as it is and as it is unpacked.
pub(super) struct Content {
    packing: Packing,
    /// Unpacked.
    pub bytes: Vec<u8>,
}

impl Content {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let packing = match read_start(path)? {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Packing::Zstd,
            _ => Packing::Plain,
        };
        Ok(Self { packing, bytes: read_bytes(path, MAX_BYTES)? })
    }

    /// Packs other bytes in the same way.
    pub(super) fn repack(&self, bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::write(path, source);
        match self.packing {
            Packing::Plain => Ok(bytes),
            // Without a time in the header, so that the same decisions give the same bytes.
            Packing::Gzip => {
                let mut packer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
                packer.write_all(&bytes).map_err(failed)?;
                packer.finish().map_err(failed)
            }
            Packing::Zstd => zstd::encode_all(&bytes[..], 0).map_err(failed),
        }
    }
}

/// The first four bytes of a file; zeros where it is shorter.
fn read_start(path: &Path) -> Result<[u8; 4], Error> {
    use std::io::Read;
    let failed = |source| Error::io("data file", path, source);
    let mut start = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(4).read_to_end(&mut start).map_err(failed)?;
    start.resize(4, 0);
    Ok([start[0], start[1], start[2], start[3]])
}

/// Writes `bytes` under the name of `file`, or copies the file if they are what it has already.
pub(super) fn put(folder: &NewFolder, file: &SourceFile, content: &Content, bytes: Vec<u8>) -> Result<(), Error> {
    if bytes == content.bytes {
        return Ok(folder.copy(&file.path, &file.name)?);
    }
    let packed = content.repack(bytes, &file.path)?;
    Ok(folder.write(&file.name, &packed)?)
}
