//! How does a folder of images become records? The name of a subfolder is the class of the images in it.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageError, ImageReader, Limits, imageops::FilterType};
use serde::{Deserialize, Serialize};

use super::{Records, read_bytes};
use crate::card::SourceFile;
use crate::error::Error;
use crate::example::{Image, Record, Value};
use crate::registry::Entry;
use crate::schema::{FeatureKind, ImageSize, Schema, TargetKind};
use crate::split::Part;

/// This format in the list of formats.
pub const ENTRY: Entry = Entry { name: "image_folder", summary: "PNG and JPEG images in a folder for each class" };

/// The most pixels that an image may claim; 50 million are 150 MB once they are decoded.
const MAX_PIXELS: u64 = 50_000_000;
/// The largest file that is read as an image: 256 MiB.
const MAX_FILE: u64 = 256 << 20;

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
            let mut found = Vec::new();
            for path in sorted_entries(&file.path)? {
                if path.is_dir() {
                    let class = path.file_name().map(|name| name.to_string_lossy().into_owned());
                    find_images(&path, &mut |image| found.push((image, class.clone())))?;
                } else if folder.target.is_none() && is_image(&path) {
                    found.push((path, None));
                }
            }
            if found.is_empty() {
                return Err(Error::NoExamples {
                    place: format!("in {}: no folder in it holds a .png, .jpg or .jpeg image", file.path.display()),
                    hint: "Put the images of each class in a folder named after the class.",
                });
            }
            for (path, class) in found {
                let below = path.strip_prefix(&file.path).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                let key = format!("{}/{below}", file.name.trim_end_matches('/'));
                folder.images.push(Found { path, key, class, part: file.part });
            }
        }
        Ok(folder)
    }

    /// One image, or all images below a folder in whatever subfolders; each is brought to the size that the model was
    /// trained on.
    pub fn open_for_prediction(path: &Path, schema: &Schema) -> Result<Self, Error> {
        let size = schema.image;
        let mut folder = Self::empty(schema, size.map_or(3, |s| s.channels), size.map(|s| [s.height, s.width]))?;
        folder.target = None;
        let mut paths = Vec::new();
        if path.is_dir() {
            find_images(path, &mut |image| paths.push(image))?;
        } else if path.exists() {
            paths.push(path.to_path_buf());
        } else {
            return Err(Error::NotFound { what: "image", path: path.to_path_buf() });
        }
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
        Ok(Self { images: Vec::new(), channels, size, feature: feature.clone(), target })
    }
}

impl Records for ImageFolder {
    fn len(&self) -> usize {
        self.images.len()
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

    fn part(&self, row: usize) -> Option<Part> {
        self.images[row].part
    }
}

/// Whether the name at the end of `path` is that of an image.
pub fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    extension.is_some_and(|extension| ["png", "jpg", "jpeg"].iter().any(|known| extension == *known))
}

/// The entries of a folder in the order of their names, without hidden ones.
fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::io("folder", folder, source);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Calls `found` with every image below `folder`. Links to folders are not followed, so that a circle of links ends.
fn find_images(folder: &Path, found: &mut impl FnMut(PathBuf)) -> Result<(), Error> {
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for path in sorted_entries(&folder)? {
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            } else if is_image(&path) && path.is_file() {
                found(path);
            }
        }
    }
    Ok(())
}

/// Decodes the image at `path`, converts it to `channels`, and brings it to `size` (height, width) if one is given.
fn decode(path: &Path, channels: usize, size: Option<[usize; 2]>) -> Result<Image, Error> {
    let malformed = |message: String| Error::Malformed { path: path.to_path_buf(), message };
    let bytes = read_bytes(path, MAX_FILE)?;
    let reader = || {
        let mut reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format()?;
        let mut limits = Limits::default();
        // Four channels of 16 bits are the most that a pixel can take.
        limits.max_alloc = Some(MAX_PIXELS * 8);
        reader.limits(limits);
        Ok::<_, ImageError>(reader)
    };
    let refused = |error: ImageError| match error {
        ImageError::Limits(_) => malformed(format!("it claims more than the {MAX_PIXELS} pixels that are allowed")),
        error => malformed(format!("it is not a PNG or JPEG image, or only part of one ({error})")),
    };
    let (width, height) = reader().and_then(ImageReader::into_dimensions).map_err(refused)?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(Error::TooLarge {
            path: path.to_path_buf(),
            what: "its number of pixels",
            size: pixels,
            limit: MAX_PIXELS,
        });
    }
    let mut decoded = reader().and_then(ImageReader::decode).map_err(refused)?;
    // Colours are converted before sizes are changed, so that palettes and alpha cannot bleed into each other.
    decoded = match channels {
        1 => DynamicImage::ImageLuma8(decoded.to_luma8()),
        _ => DynamicImage::ImageRgb8(decoded.to_rgb8()),
    };
    if let Some([height, width]) = size
        && (decoded.height() as usize, decoded.width() as usize) != (height, width)
    {
        // The triangle filter is bilinear and averages when it shrinks, so thin lines do not vanish.
        decoded = decoded.resize_exact(width as u32, height as u32, FilterType::Triangle);
    }
    let (height, width) = (decoded.height() as usize, decoded.width() as usize);
    let interleaved = decoded.into_bytes();
    let pixels = if channels == 1 {
        interleaved
    } else {
        (0..channels).flat_map(|channel| interleaved.iter().skip(channel).step_by(channels)).copied().collect()
    };
    Ok(Image { channels, height, width, pixels })
}

/// The size of an image.
pub(crate) fn size_of(image: &Image) -> ImageSize {
    ImageSize { channels: image.channels, height: image.height, width: image.width }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        toml::from_str("target = { name = \"class\", kind = \"class\" }\n[features]\nimage = \"image\"\n").unwrap()
    }

    fn save(path: &Path, pixel: [u8; 3], width: u32, height: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(width, height, image::Rgb(pixel)).save(path).unwrap();
    }

    fn open(root: &Path, config: &Config) -> Result<ImageFolder, Error> {
        let file = SourceFile {
            name: "root".into(),
            path: root.into(),
            sha256: String::new(),
            bytes: 0,
            role: crate::card::Role::default(),
            part: None,
        };
        ImageFolder::open(&[file], config, &schema())
    }

    #[test]
    fn images_are_found_in_order_and_decoded_channel_by_channel() {
        let root = tempfile::tempdir().unwrap();
        save(&root.path().join("dog/b.png"), [1, 2, 3], 2, 1);
        save(&root.path().join("cat/deep/a.png"), [9, 9, 9], 2, 1);
        save(&root.path().join("dog/.hidden.png"), [0; 3], 2, 1);
        std::fs::write(root.path().join("dog/notes.txt"), "x").unwrap();
        let folder = open(root.path(), &Config::default()).unwrap();
        assert_eq!(folder.len(), 2);
        assert_eq!(folder.read(0).unwrap().id.key, "root/cat/deep/a.png");
        let record = folder.read(1).unwrap();
        let image = Image { channels: 3, height: 1, width: 2, pixels: vec![1, 1, 2, 2, 3, 3] };
        assert_eq!(record.field("image"), Some(&Value::Image(image)));
        assert_eq!(folder.field(0, "class").unwrap(), Value::Text("cat".into()));
    }

    #[test]
    fn images_are_resized_and_made_grey() {
        let root = tempfile::tempdir().unwrap();
        save(&root.path().join("a/x.png"), [200, 200, 200], 40, 30);
        save(&root.path().join("a/y.jpg"), [200, 200, 200], 40, 30);
        let folder = open(root.path(), &Config { channels: 1, size: Some([5, 4]) }).unwrap();
        for row in 0..2 {
            let Value::Image(image) = folder.field(row, "image").unwrap() else { panic!("no image") };
            assert_eq!((image.channels, image.height, image.width), (1, 5, 4));
            assert!(image.pixels.iter().all(|&p| p.abs_diff(200) <= 1));
        }
    }

    #[test]
    fn prediction_takes_one_image_or_any_folder_and_brings_them_to_size() {
        let root = tempfile::tempdir().unwrap();
        save(&root.path().join("x.png"), [1, 2, 3], 7, 7);
        let mut schema = schema();
        schema.image = Some(ImageSize { channels: 1, height: 3, width: 2 });
        for path in [root.path().join("x.png"), root.path().to_path_buf()] {
            let record = ImageFolder::open_for_prediction(&path, &schema).unwrap().read(0).unwrap();
            let Some(Value::Image(image)) = record.field("image") else { panic!("no image") };
            assert_eq!(size_of(image), schema.image.unwrap());
            assert_eq!(record.fields.len(), 1);
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(ImageFolder::open_for_prediction(empty.path(), &schema), Err(Error::NoExamples { .. })));
    }

    #[test]
    fn what_is_not_an_image_is_an_error_with_its_path() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/x.png");
        save(&path, [1, 2, 3], 50, 50);
        let whole = std::fs::read(&path).unwrap();
        for bytes in [b"<html>".to_vec(), vec![], whole[..20].to_vec(), whole[..whole.len() / 2].to_vec()] {
            std::fs::write(&path, &bytes).unwrap();
            let error = open(root.path(), &Config::default()).unwrap().read(0).unwrap_err();
            assert!(error.to_string().contains("x.png") && error.is_bad_example(), "{error}");
        }
        // A header that claims 4 billion by 1 billion pixels.
        let mut huge = whole;
        huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x3b, 0x9a, 0xca, 0]);
        let crc = crc32(&huge[12..29]).to_be_bytes();
        huge[29..33].copy_from_slice(&crc);
        std::fs::write(&path, &huge).unwrap();
        let error = open(root.path(), &Config::default()).unwrap().read(0).unwrap_err();
        assert!(error.to_string().contains("more than the 50000000 pixels") && error.is_bad_example(), "{error}");
    }

    /// The checksum of PNG chunks, bit by bit (ISO 3309).
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }

    #[test]
    fn folders_and_settings_that_cannot_be_used_are_refused() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(open(root.path(), &Config::default()), Err(Error::NoExamples { .. })));
        assert!(matches!(open(&root.path().join("none"), &Config::default()), Err(Error::NotFound { .. })));
        assert!(open(root.path(), &Config { channels: 2, size: None }).is_err());
        assert!(open(root.path(), &Config { channels: 1, size: Some([0, 1]) }).is_err());
        assert!(open(root.path(), &Config { channels: 1, size: Some([usize::MAX, 3]) }).is_err());
    }
}
