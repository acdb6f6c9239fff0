//! How do the files of CIFAR-10 and CIFAR-100 become records? A row is one or two bytes of labels, then 32 x 32 pixels.
//!
//! The layout, from <https://www.cs.toronto.edu/~kriz/cifar.html>, "binary version": the labels, then 1024 bytes of red, 1024
//! of green and 1024 of blue, each row by row. CIFAR-100 has a coarse label, of 20, before the fine one, of 100.

use serde::{Deserialize, Serialize};

use super::Records;
use crate::card::SourceFile;
use crate::error::Error;
use crate::example::{Image, Record, Value};
use crate::files::content::{Content, IN_MEMORY, Room};
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema, TargetKind};
use crate::split::Part;

/// This format in the list of formats.
pub const ENTRY: Entry =
    Entry { name: "cifar", summary: "labels and 32 x 32 pixels in bytes, as CIFAR-10 and CIFAR-100 are published" };

/// Channels, height, width.
const SIZE: [usize; 3] = [3, 32, 32];
const PIXELS: u64 = 3 * 32 * 32;

/// Which of the two labels of CIFAR-100 is the class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// One of 20 groups.
    Coarse,
    /// One of 100 things.
    #[default]
    Fine,
}

/// `[format.cifar]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many bytes of labels stand before the pixels: 1 as in CIFAR-10, or 2 as in CIFAR-100.
    pub labels: usize,
    /// Where there are two labels, which of them is the class.
    #[serde(rename = "use")]
    pub label: Label,
    /// The names of the classes, in the order of their numbers; without them the number is the name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { labels: 1, label: Label::default(), classes: Vec::new() }
    }
}

/// The rows of one or more files.
pub struct Cifar {
    files: Vec<(SourceFile, Content)>,
    /// The number of rows before each file, and at the end the number of all rows.
    starts: Vec<usize>,
    config: Config,
    feature: String,
    target: Option<(String, TargetKind)>,
}

impl Cifar {
    /// Opens `files`.
    pub fn open(files: &[SourceFile], config: &Config, schema: &Schema) -> Result<Self, Error> {
        let [(feature, FeatureKind::Image)] = &schema.features.0[..] else {
            return Err(Error::Mismatch {
                message: "CIFAR files hold images, so the schema must have one feature of kind image and no other"
                    .into(),
                hint: "Write `image = \"image\"` under [schema.features].".into(),
            });
        };
        if !matches!(config.labels, 1 | 2) {
            return Err(Error::Setting {
                key: "format.cifar.labels".into(),
                message: format!("is {}", config.labels),
                hint: "CIFAR-10 has 1 label before each image, CIFAR-100 has 2.".into(),
            });
        }
        let target = schema.target.as_ref().map(|target| (target.name.clone(), target.kind));
        let (mut opened, mut starts, mut room) = (Vec::new(), vec![0], Room::of(IN_MEMORY));
        let row = config.labels as u64 + PIXELS;
        for file in files {
            let content = Content::open(&file.path, &mut room)?;
            if content.len() % row != 0 {
                return Err(Error::Malformed {
                    path: file.path.clone(),
                    message: format!("its {} bytes are no multiple of the {row} bytes of a row", content.len()),
                });
            }
            starts.push(starts[starts.len() - 1] + (content.len() / row) as usize);
            opened.push((file.clone(), content));
        }
        Ok(Self { files: opened, starts, config: config.clone(), feature: feature.clone(), target })
    }

    /// The file that holds `row`, and the row within it.
    fn locate(&self, row: usize) -> (&SourceFile, &Content, usize) {
        let file = self.starts.partition_point(|&start| start <= row) - 1;
        (&self.files[file].0, &self.files[file].1, row - self.starts[file])
    }

    /// `length` bytes of a row from `from` on.
    fn bytes(&self, row: usize, from: u64, length: u64) -> Result<Vec<u8>, Error> {
        let (file, content, row) = self.locate(row);
        let start = row as u64 * (self.config.labels as u64 + PIXELS) + from;
        let bytes = content.exact(start, length)?;
        bytes.ok_or_else(|| Error::Malformed { path: file.path.clone(), message: "it became shorter".into() })
    }

    fn image(&self, row: usize) -> Result<Value, Error> {
        let planes = self.bytes(row, self.config.labels as u64, PIXELS)?;
        let [channels, height, width] = SIZE;
        Ok(Value::Image(Image::from_planar(channels, height, width, &planes)))
    }

    fn label(&self, row: usize, name: &str, kind: TargetKind) -> Result<Value, Error> {
        let place = u64::from(self.config.labels == 2 && self.config.label == Label::Fine);
        let label = self.bytes(row, place, 1)?.first().copied().unwrap_or_default();
        let classes = &self.config.classes;
        match (kind, classes.get(usize::from(label))) {
            (TargetKind::Number, _) => Ok(Value::Number(f64::from(label))),
            (_, Some(class)) => Ok(Value::Text(class.clone())),
            (_, None) if classes.is_empty() => Ok(Value::Text(label.to_string())),
            (_, None) => Err(Error::Field {
                id: self.key(row)?,
                kind: "class",
                column: name.to_owned(),
                found: format!("{label}, and the card names {} classes, counted from 0", classes.len()),
                hint: "Name every class in `classes` of [format.cifar]; `labels` must be 1 for CIFAR-10 and 2 for CIFAR-100.".into(),
            }),
        }
    }
}

impl Records for Cifar {
    fn len(&self) -> usize {
        self.starts[self.files.len()]
    }

    fn image_size(&self) -> Option<[usize; 2]> {
        Some([SIZE[1], SIZE[2]])
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let target = match &self.target {
            Some((name, kind)) => Some((name.clone(), self.label(row, name, *kind)?)),
            None => None,
        };
        Ok(Record::new(self.key(row)?, vec![(self.feature.clone(), self.image(row)?)], target))
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        if name == self.feature {
            return self.image(row);
        }
        match &self.target {
            Some((target, kind)) if target == name => self.label(row, name, *kind),
            _ => Err(Error::ColumnMissing {
                place: self.locate(row).0.path.display().to_string(),
                column: name.to_owned(),
                found: std::iter::once(&self.feature)
                    .chain(self.target.iter().map(|(name, _)| name))
                    .cloned()
                    .collect(),
            }),
        }
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        let (file, _, row) = self.locate(row);
        Ok(format!("{}#{row}", file.name))
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.locate(row).0.part
    }
}

#[cfg(test)]
#[path = "cifar_tests.rs"]
mod tests;
