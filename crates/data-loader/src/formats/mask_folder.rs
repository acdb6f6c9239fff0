//! How do two folders, one of images and one of masks, become records for segmentation? A mask has the name of its image.

use std::collections::HashMap;
use std::path::PathBuf;

use super::Records;
use super::coco::pairs;
use super::image_folder::ENDINGS;
use crate::card::SourceFile;
use crate::decode::decode;
use crate::error::Error;
use crate::example::{Image, Record, Value};
use crate::files::file_tree::files_below;
use crate::masks::decode_mask;
use crate::raster::Kind;
use crate::raster::movement::{Filter, Movement, Rectangle};
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema, TargetKind};
use crate::split::Part;

pub use crate::tables::columnar::Config;

/// This format in the list of formats.
pub const ENTRY: Entry =
    Entry { name: "mask_folder", summary: "a folder of images and one of masks, for segmentation" };

/// An image and its mask.
struct Pair {
    image: PathBuf,
    mask: Option<PathBuf>,
    key: String,
    part: Option<Part>,
}

/// The images of one or more pairs of folders.
pub struct MaskFolder {
    pairs: Vec<Pair>,
    config: Config,
    feature: String,
    target: Option<String>,
}

impl MaskFolder {
    /// Finds the images of `files`: each folder of images goes with the folder of masks (`role = "labels"`) of the same `part`.
    pub fn open(files: &[SourceFile], config: &Config, schema: &Schema) -> Result<Self, Error> {
        config.check(ENTRY.name)?;
        let suits = matches!(&schema.features.0[..], [(_, FeatureKind::Image)])
            && schema.target.as_ref().is_none_or(|target| target.kind == TargetKind::Mask);
        let (Some((feature, _)), true) = (schema.features.0.first(), suits) else {
            return Err(Error::Mismatch {
                message: "Folders of images and masks need a schema with one feature of kind image and a target of kind mask".into(),
                hint: "Write `image = \"image\"` under [schema.features], and `kind = \"mask\"` and `classes = [...]` in [schema.target].".into(),
            });
        };
        let target = schema.target.as_ref().map(|target| target.name.clone());
        let mut found = Vec::new();
        for (images, masks) in pairs(files, "a folder of masks")? {
            let mut by_stem = stems(masks, &[".png"])?.into_iter().collect::<HashMap<_, _>>();
            let of_images = stems(images, ENDINGS)?;
            if of_images.is_empty() {
                return Err(Error::NoExamples {
                    place: format!("in {}: it holds no .png, .jpg or .jpeg image", images.path.display()),
                    hint: "Check the path of the folder.",
                });
            }
            for (stem, image) in of_images {
                let mask = by_stem.remove(&stem);
                if mask.is_none() && target.is_some() {
                    return Err(Error::Mismatch {
                        message: format!("{} has no mask {stem}.png in {}", image.display(), masks.path.display()),
                        hint: "Every image needs a mask of the same name; remove the image if it has none.".into(),
                    });
                }
                let below = image.strip_prefix(&images.path).unwrap_or(&image).to_string_lossy().replace('\\', "/");
                let key = format!("{}/{below}", images.name.trim_end_matches('/'));
                found.push(Pair { image, mask, key, part: images.part });
            }
            if let Some((_, mask)) = by_stem.into_iter().min() {
                return Err(Error::Mismatch {
                    message: format!("{} is the mask of no image in {}", mask.display(), images.path.display()),
                    hint: "Masks and images go together by their names; remove the mask if its image is gone.".into(),
                });
            }
        }
        Ok(Self { pairs: found, config: config.clone(), feature: feature.clone(), target })
    }

    /// The mask of an image, brought to a size as the image is, by nearest neighbour: between two classes there is none.
    fn mask(&self, row: usize) -> Result<Value, Error> {
        let Some(path) = &self.pairs[row].mask else { return Ok(Value::Missing) };
        let mut mask = decode_mask(path)?;
        if let Some([height, width]) = self.config.size {
            let of = Rectangle { top: 0, left: 0, height: mask.height, width: mask.width };
            Movement::Resize { of, height, width, filter: Filter::Nearest }
                .apply(&mut mask, Kind::Mask)
                .map_err(|message| Error::Malformed { path: path.clone(), message })?;
        }
        Ok(Value::Mask(mask))
    }

    fn image(&self, row: usize) -> Result<Image, Error> {
        decode(&self.pairs[row].image, self.config.channels, self.config.size)
    }
}

/// The files of a folder with these endings, by their names without the ending, in order. No two may have one name.
fn stems(folder: &SourceFile, endings: &[&str]) -> Result<Vec<(String, PathBuf)>, Error> {
    let (paths, _) = files_below(&folder.path, endings)?;
    let stem = |path: PathBuf| {
        let below = path.strip_prefix(&folder.path).unwrap_or(&path).with_extension("");
        (below.to_string_lossy().replace('\\', "/"), path)
    };
    let mut stems: Vec<(String, PathBuf)> = paths.into_iter().map(stem).collect();
    stems.sort();
    match stems.windows(2).find(|two| two[0].0 == two[1].0) {
        Some(two) => Err(Error::Mismatch {
            message: format!("{} and {} have one name but for the ending", two[0].1.display(), two[1].1.display()),
            hint: "An image and its mask find each other by that name; rename one.".into(),
        }),
        None => Ok(stems),
    }
}

impl Records for MaskFolder {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn image_size(&self) -> Option<[usize; 2]> {
        self.config.size
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let image = self.image(row)?;
        let target = match &self.target {
            Some(name) => {
                let mask = self.mask(row)?;
                if let Value::Mask(mask) = &mask
                    && (mask.height, mask.width) != (image.height, image.width)
                {
                    return Err(Error::Field {
                        id: self.pairs[row].key.clone(),
                        kind: "mask",
                        column: name.clone(),
                        found: format!(
                            "{} x {} (height, width), and its image is {} x {}",
                            mask.height, mask.width, image.height, image.width
                        ),
                        hint: "A mask has a pixel for every pixel of its image.".into(),
                    });
                }
                Some((name.clone(), mask))
            }
            None => None,
        };
        Ok(Record::new(self.pairs[row].key.clone(), vec![(self.feature.clone(), Value::Image(image))], target))
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        if name == self.feature {
            return self.image(row).map(Value::Image);
        }
        if self.target.as_deref() == Some(name) {
            return self.mask(row);
        }
        Err(Error::ColumnMissing {
            place: self.pairs[row].image.display().to_string(),
            column: name.to_owned(),
            found: std::iter::once(&self.feature).chain(&self.target).cloned().collect(),
        })
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        Ok(self.pairs[row].key.clone())
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.pairs[row].part
    }
}

#[cfg(test)]
#[path = "mask_folder_tests.rs"]
mod tests;
