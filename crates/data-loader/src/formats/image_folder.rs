//! How does a folder of images become records? The name of a subfolder is the class of the images in it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Records;
use crate::card::SourceFile;
use crate::decode::{MAX_PIXELS, decode, decode_sent};
use crate::error::Error;
use crate::example::{Record, Value};
use crate::files::file_tree::{first_empty, name_below, walk};
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema, TargetKind};
use crate::split::Part;

/// This format in the list of formats.
pub const ENTRY: Entry = Entry { name: "image_folder", summary: "PNG and JPEG images in a folder for each class" };

/// `[format.image_folder]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// 1 for grey, 3 for red, green and blue; images of another kind are converted.
    pub channels: usize,
    /// `[height, width]` in pixels to which every image is brought; without it images keep their size.
    pub size: Option<[usize; 2]>,
}

impl Default for Config {
    fn default() -> Self {
        Self { channels: 3, size: None }
    }
}

/// One image that was found; it is decoded when it is read.
struct Found {
    path: PathBuf,
    key: String,
    class: Option<String>,
    part: Option<Part>,
}

/// The images below one or more folders, in the order of their paths.
pub struct ImageFolder {
    images: Vec<Found>,
    /// The files beside them that are no images by their names.
    passed_over: Vec<PathBuf>,
    channels: usize,
    size: Option<[usize; 2]>,
    feature: String,
    target: Option<String>,
}

impl ImageFolder {
    /// Finds the images in the folders of a card: `folder/class/image.png`, or without a target `folder/image.png` too.
    pub fn open(files: &[SourceFile], config: &Config, schema: &Schema) -> Result<Self, Error> {
        let mut folder = Self::empty(schema, config.channels, config.size)?;
        if let Some(target) = &schema.target
            && target.kind != TargetKind::Class
        {
            return Err(Error::Mismatch {
                message: "In a folder of images the names of the subfolders are classes, and the target of the schema is a number".into(),
                hint: "Write `kind = \"class\"`.".into(),
            });
        }
        for file in files {
            let tree = walk(&file.path)?;
            let (found, others): (Vec<PathBuf>, Vec<PathBuf>) =
                tree.files.iter().cloned().partition(|path| is_image(path));
            if folder.target.is_some()
                && let Some(class) = first_empty(&file.path, &tree, &found)
            {
                return Err(Error::NoExamples {
                    place: format!("of the class in {}: it holds no image", class.display()),
                    hint: "The endings .png, .jpg and .jpeg are known; remove the folder if the class has no images.",
                });
            }
            if found.is_empty() {
                return Err(Error::NoExamples {
                    place: format!("in {}: no folder in it holds a .png, .jpg or .jpeg image", file.path.display()),
                    hint: "Put the images of each class in a folder named after the class.",
                });
            }
            for path in found {
                let below = name_below(&file.path, &path);
                let class = below.split_once('/').map(|(class, _)| class.to_owned());
                if class.is_none() && folder.target.is_some() {
                    return Err(Error::Mismatch {
                        message: format!(
                            "{} lies beside the folders of the classes, so its class is not known",
                            path.display()
                        ),
                        hint: "Move it into the folder of its class; every .png, .jpg and .jpeg image there is read."
                            .into(),
                    });
                }
                let key = format!("{}/{below}", file.name.trim_end_matches('/'));
                folder.images.push(Found { path, key, class, part: file.part });
            }
            folder.passed_over.extend(others);
        }
        Ok(folder)
    }

    /// One image, or all images below a folder in whatever subfolders; each is brought to the size that the model was
    /// trained on, unless the model's own transforms do that.
    pub fn open_for_prediction(path: &Path, schema: &Schema) -> Result<Self, Error> {
        let channels = schema.image.map_or(3, |size| size.channels);
        let mut folder = Self::empty(schema, channels, schema.size_to_read())?;
        folder.target = None;
        let paths = if path.is_dir() {
            // Whoever asks about a folder of photographs wants answers for those that can be read.
            let (found, others) = walk(path)?.files.into_iter().partition(|path| has_ending(path, &ENDINGS[..READ]));
            folder.passed_over = others;
            found
        } else if path.exists() {
            vec![path.to_path_buf()]
        } else {
            return Err(Error::NotFound { what: "image", path: path.to_path_buf() });
        };
        if paths.is_empty() {
            return Err(Error::NoExamples {
                place: format!("in {}: it holds no .png, .jpg or .jpeg image", path.display()),
                hint: "Give an image, or a folder with images in it.",
            });
        }
        folder.images = paths
            .into_iter()
            .map(|path| Found { key: path.to_string_lossy().replace('\\', "/"), path, class: None, part: None })
            .collect();
        Ok(folder)
    }

    /// Where the images lie, in the order of their rows.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.images.iter().map(|image| image.path.as_path())
    }

    fn empty(schema: &Schema, channels: usize, size: Option<[usize; 2]>) -> Result<Self, Error> {
        let [(feature, FeatureKind::Image)] = &schema.features.0[..] else {
            return Err(Error::Mismatch {
                message: "A folder of images needs a schema with one feature of kind image and no other".into(),
                hint: "Write `image = \"image\"` under [schema.features].".into(),
            });
        };
        let wrong = |key: &str, message: String, hint: &str| {
            Err(Error::Setting { key: format!("format.image_folder.{key}"), message, hint: hint.into() })
        };
        if !matches!(channels, 1 | 3) {
            return wrong("channels", format!("is {channels}"), "Use 1 for grey, or 3 for red, green and blue.");
        }
        if let Some([height, width]) = size
            && (height == 0 || width == 0 || (height as u64).saturating_mul(width as u64) > MAX_PIXELS)
        {
            return wrong(
                "size",
                format!("is [{height}, {width}]"),
                "Use [height, width] in pixels, at most 50 million in all.",
            );
        }
        let target = schema.target.as_ref().map(|target| target.name.clone());
        Ok(Self { images: Vec::new(), passed_over: Vec::new(), channels, size, feature: feature.clone(), target })
    }
}

impl Records for ImageFolder {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn image_size(&self) -> Option<[usize; 2]> {
        self.size
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let entry = &self.images[row];
        let image = Value::Image(decode(&entry.path, self.channels, self.size)?);
        let target = self.target.as_ref().zip(entry.class.as_ref());
        let target = target.map(|(name, class)| (name.clone(), Value::Text(class.clone())));
        Ok(Record::new(entry.key.clone(), vec![(self.feature.clone(), image)], target))
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        let entry = &self.images[row];
        if name == self.feature {
            return decode(&entry.path, self.channels, self.size).map(Value::Image);
        }
        match (&self.target, &entry.class) {
            (Some(target), Some(class)) if target == name => Ok(Value::Text(class.clone())),
            _ => Err(Error::ColumnMissing {
                place: entry.path.display().to_string(),
                column: name.to_owned(),
                found: std::iter::once(&self.feature).chain(&self.target).cloned().collect(),
            }),
        }
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        Ok(self.images[row].key.clone())
    }

    /// Of the bytes of the file: decoding would cost a hundred times as much.
    fn content(&self, row: usize, _target: Option<&str>) -> Result<[u8; 16], Error> {
        let path = &self.images[row].path;
        let mut file = std::fs::File::open(path).map_err(|source| Error::io("image", path, source))?;
        let mut hash = Sha256::new();
        std::io::copy(&mut file, &mut hash).map_err(|source| Error::io("image", path, source))?;
        let digest = hash.finalize();
        Ok(std::array::from_fn(|i| digest[i]))
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.images[row].part
    }

    fn passed_over(&self) -> &[PathBuf] {
        &self.passed_over
    }
}

/// The record of an image as a server receives it, PNG or JPEG, of at most `most` pixels; it is brought to the size that the model was
/// trained on, unless the model's own transforms do that. It is called `called`.
///
/// # Errors
/// [`Error::Mismatch`] for a schema with other features; if it is no image, or too large.
pub fn record_from_image(bytes: &[u8], schema: &Schema, most: u64, called: &str) -> Result<Record, Error> {
    let channels = schema.image.map_or(3, |size| size.channels);
    let folder = ImageFolder::empty(schema, channels, schema.size_to_read())?;
    let image = decode_sent(bytes, most, folder.channels, folder.size)?;
    Ok(Record::new(called.to_owned(), vec![(folder.feature, Value::Image(image))], None))
}

/// The endings of images. Those that cannot be decoded are among them: such an image is an example that cannot be read, which a
/// check counts and training stops at, while one that is passed over would be missed by nobody.
pub(crate) const ENDINGS: &[&str] = &[
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".jp2", ".jxl",
    ".ppm", ".tif", ".tiff", ".webp",
];

/// The first so many of these are those of images that can be decoded.
const READ: usize = 5;

/// Whether the name at the end of `path` is that of an image, be it one that can be decoded or not.
pub fn is_image(path: &Path) -> bool {
    has_ending(path, ENDINGS)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    endings.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
#[path = "image_folder_tests.rs"]
mod tests;
