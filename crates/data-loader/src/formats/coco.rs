//! How does an annotation file in the style of COCO become records? Each image is an example, and its one category the class.
//!
//! The object has `images` with `id` and `file_name`, `annotations` with `image_id` and `category_id`, and `categories` with `id`
//! and `name`, as <https://cocodataset.org/#format-data> has them; all else in it does not matter here.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::Records;
use crate::card::{Role, SourceFile};
use crate::decode::decode;
use crate::error::{Error, listed};
use crate::example::{Record, Value};
use crate::files::unpack::read_bytes;
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema, TargetKind};
use crate::split::Part;

pub use crate::tables::columnar::Config;

/// This format in the list of formats.
pub const ENTRY: Entry =
    Entry { name: "coco", summary: "a folder of images with their classes in one JSON file, as COCO has them" };

/// The largest annotation file that is read: 2 GiB.
const MAX_JSON: u64 = 2 << 30;

#[derive(Deserialize)]
struct Annotated {
    images: Vec<ImageEntry>,
    #[serde(default)]
    annotations: Vec<Annotation>,
    #[serde(default)]
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct ImageEntry {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    category_id: u64,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// One image that is named.
struct Found {
    path: PathBuf,
    key: String,
    /// Its different categories, in the order of their names.
    classes: Vec<String>,
    part: Option<Part>,
}

/// The images of one or more annotation files.
pub struct Coco {
    images: Vec<Found>,
    config: Config,
    feature: String,
    target: Option<String>,
}

impl Coco {
    /// Reads `files`: each folder of images goes with the annotation file that has the same `part`.
    pub fn open(files: &[SourceFile], config: &Config, schema: &Schema) -> Result<Self, Error> {
        config.check(ENTRY.name)?;
        let [(feature, FeatureKind::Image)] = &schema.features.0[..] else {
            return Err(Error::Mismatch {
                message: "Annotated images need a schema with one feature of kind image and no other".into(),
                hint: "Write `image = \"image\"` under [schema.features].".into(),
            });
        };
        if schema.target.as_ref().is_some_and(|target| target.kind != TargetKind::Class) {
            return Err(Error::Mismatch {
                message: "The categories of an annotation file are classes, and the target of the schema is none"
                    .into(),
                hint: "Write `kind = \"class\"`.".into(),
            });
        }
        let target = schema.target.as_ref().map(|target| target.name.clone());
        let mut coco = Self { images: Vec::new(), config: config.clone(), feature: feature.clone(), target };
        for (images, labels) in pairs(files, "an annotation file")? {
            coco.add(images, labels)?;
        }
        Ok(coco)
    }

    /// Adds the images of one annotation file.
    fn add(&mut self, folder: &SourceFile, file: &SourceFile) -> Result<(), Error> {
        let malformed = |message: String| Error::Malformed { path: file.path.clone(), message };
        let bytes = read_bytes(&file.path, MAX_JSON)?;
        let read: Annotated = serde_json::from_slice(&bytes)
            .map_err(|error| malformed(format!("it is no annotation file in the style of COCO ({error})")))?;
        let mut names = HashMap::new();
        for category in &read.categories {
            if names.insert(category.id, &category.name).is_some_and(|other| *other != category.name) {
                return Err(malformed(format!("two categories have the id {}", category.id)));
            }
        }
        let mut places = HashMap::new();
        let first = self.images.len();
        for image in read.images {
            if places.insert(image.id, self.images.len()).is_some() {
                return Err(malformed(format!("two images have the id {}", image.id)));
            }
            let path = folder.path.join(inside(&image.file_name).ok_or_else(|| {
                malformed(format!("the image `{}` would lie outside of the folder, and is refused", image.file_name))
            })?);
            let key = format!("{}/{}", folder.name.trim_end_matches('/'), image.file_name);
            self.images.push(Found { path, key, classes: Vec::new(), part: file.part });
        }
        for annotation in &read.annotations {
            let (image, category) = (annotation.image_id, annotation.category_id);
            let name = names.get(&category).ok_or_else(|| malformed(format!("no category has the id {category}")))?;
            let place = places.get(&image).ok_or_else(|| malformed(format!("no image has the id {image}")))?;
            let classes = &mut self.images[*place].classes;
            if let Err(place) = classes.binary_search(name) {
                classes.insert(place, (*name).clone());
            }
        }
        let mut seen = std::collections::HashSet::new();
        match self.images[first..].iter().find(|image| !seen.insert(&image.path)) {
            Some(twice) => Err(malformed(format!("the image {} is named twice", twice.path.display()))),
            None => Ok(()),
        }
    }

    /// The class of an image, which is missing where nothing was annotated.
    fn class(&self, row: usize, name: &str) -> Result<Value, Error> {
        let image = &self.images[row];
        match &image.classes[..] {
            [] => Ok(Value::Missing),
            [class] => Ok(Value::Text(class.clone())),
            several => Err(Error::Field {
                id: image.key.clone(),
                kind: "class",
                column: name.to_owned(),
                found: format!("{} at once", listed(several)),
                hint:
                    "A class is one of several; keep one annotation, or set `bad_examples = \"skip\"` in [data.loader]."
                        .into(),
            }),
        }
    }

    fn image(&self, row: usize) -> Result<Value, Error> {
        decode(&self.images[row].path, self.config.channels, self.config.size).map(Value::Image)
    }
}

/// Each folder of images with the entry of the card that has its labels: the one of the same `part`.
pub(super) fn pairs<'a>(files: &'a [SourceFile], what: &str) -> Result<Vec<(&'a SourceFile, &'a SourceFile)>, Error> {
    let (images, mut labels): (Vec<&SourceFile>, Vec<&SourceFile>) =
        files.iter().partition(|file| file.role == Role::Images);
    let mut pairs = Vec::new();
    for folder in images {
        let Some(found) = labels.iter().position(|label| label.part == folder.part) else {
            return Err(Error::Mismatch {
                message: format!(
                    "The card names no {} for the images in {}",
                    what.trim_start_matches("an ").trim_start_matches("a "),
                    folder.name
                ),
                hint: format!("Add a [[files]] table of {what} with `role = \"labels\"` and the same `part`."),
            });
        };
        pairs.push((folder, labels.remove(found)));
    }
    match labels.first() {
        Some(label) => Err(Error::Mismatch {
            message: format!("The card names no folder of images for {}", label.name),
            hint: "Add a [[files]] table of the folder with `role = \"images\"` and the same `part`.".into(),
        }),
        None => Ok(pairs),
    }
}

/// The path, if it stays below the folder to which it is added.
fn inside(name: &str) -> Option<&Path> {
    let path = Path::new(name);
    let stays = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    (stays && !name.is_empty() && !name.contains('\\')).then_some(path)
}

impl Records for Coco {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn image_size(&self) -> Option<[usize; 2]> {
        self.config.size
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let target = match &self.target {
            Some(name) => Some((name.clone(), self.class(row, name)?)),
            None => None,
        };
        Ok(Record::new(self.key(row)?, vec![(self.feature.clone(), self.image(row)?)], target))
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        if name == self.feature {
            return self.image(row);
        }
        if self.target.as_deref() == Some(name) {
            return self.class(row, name);
        }
        Err(Error::ColumnMissing {
            place: self.images[row].path.display().to_string(),
            column: name.to_owned(),
            found: std::iter::once(&self.feature).chain(&self.target).cloned().collect(),
        })
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        Ok(self.images[row].key.clone())
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.images[row].part
    }
}

#[cfg(test)]
#[path = "coco_tests.rs"]
mod tests;
