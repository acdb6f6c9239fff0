//! How do IDX files become records? As MNIST is published: one file of images, one of labels.
//!
//! The layout, from <http://yann.lecun.com/exdb/mnist/>: two zero bytes, the number type (8 is unsigned byte), the number
//! of axes, the size of each axis as a big-endian 32-bit integer, then the numbers, row-major.

use serde::{Deserialize, Serialize};

use super::{MAX_BYTES, Records};
use crate::card::{Role, SourceFile};
use crate::error::Error;
use crate::example::{Image, Record, Value};
use crate::files::unpack::Unpacked;
use crate::registry::Entry;
use crate::schema::{FeatureKind, Schema, TargetKind};
use crate::split::Part;

/// This format in the list of formats.
pub const ENTRY: Entry = Entry { name: "idx", summary: "arrays of bytes for images and labels, as MNIST is published" };

/// `[format.idx]`. It has no settings; which file holds images and which labels stands in `[[files]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// An array of bytes.
struct ByteArray {
    file: SourceFile,
    shape: Vec<usize>,
    /// Everything after the header; as many as the product of `shape`.
    bytes: Vec<u8>,
}

impl ByteArray {
    /// Reads the header, and then no more than it promises, so that a small packed file cannot unpack to a huge one.
    fn read(file: &SourceFile) -> Result<Self, Error> {
        let malformed = |message: String| Error::Malformed { path: file.path.clone(), message };
        let mut content = Unpacked::open(&file.path)?;
        let start = content.take(4)?;
        let Some(&[zero, nought, kind, axes]) = start.first_chunk() else {
            return Err(malformed(format!("an IDX file has at least 4 bytes and this one has {}", start.len())));
        };
        if zero != 0 || nought != 0 {
            return Err(malformed("it does not begin with the two zero bytes of an IDX file".into()));
        }
        if kind != 8 {
            return Err(malformed(format!("its numbers are of the type {kind}; only bytes (type 8) are supported")));
        }
        let header = 4 * usize::from(axes);
        let sizes = content.take(header as u64)?;
        if sizes.len() < header {
            return Err(malformed(format!(
                "its header of {axes} axes takes {} bytes and the file has {}",
                4 + header,
                4 + sizes.len()
            )));
        }
        let shape: Vec<usize> = sizes.as_chunks().0.iter().map(|&size| u32::from_be_bytes(size) as usize).collect();
        let claimed = shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size as u64));
        let bytes = content.take(claimed.unwrap_or(MAX_BYTES).min(MAX_BYTES).saturating_add(1))?;
        let found = bytes.len() as u64;
        if found > MAX_BYTES {
            let what = "its size in bytes";
            return Err(Error::TooLarge { path: file.path.clone(), what, size: found, limit: MAX_BYTES });
        }
        if claimed != Some(found) {
            // One byte too many is all that was read of them.
            let follow = if claimed.is_some_and(|claimed| found > claimed) { "or more follow" } else { "follow" };
            let claimed = claimed.map_or("more bytes than a computer can address".into(), |n| format!("{n} bytes"));
            return Err(malformed(format!("its header promises {shape:?}, {claimed}, and {found} bytes {follow}")));
        }
        Ok(Self { file: file.clone(), shape, bytes })
    }

    fn len(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }
}

/// Images and the labels that belong to them.
struct Pair {
    images: ByteArray,
    labels: Option<ByteArray>,
    /// Channels, height, width.
    size: [usize; 3],
}

impl Pair {
    fn new(images: ByteArray, labels: Option<ByteArray>) -> Result<Self, Error> {
        let size = match images.shape[..] {
            [_, height, width] => [1, height, width],
            [_, channels @ (1 | 3), height, width] => [channels, height, width],
            _ => {
                return Err(Error::Malformed {
                    path: images.file.path.clone(),
                    message: format!(
                        "images have the axes [count, height, width] or [count, 1 or 3, height, width], and it has {:?}",
                        images.shape
                    ),
                });
            }
        };
        if size.contains(&0) && images.len() > 0 {
            return Err(Error::Malformed {
                path: images.file.path.clone(),
                message: format!("its images have no pixels, {size:?}"),
            });
        }
        if let Some(labels) = &labels {
            if labels.shape.len() != 1 {
                return Err(Error::Malformed {
                    path: labels.file.path.clone(),
                    message: format!("labels have one axis, and it has {:?}", labels.shape),
                });
            }
            if labels.len() != images.len() {
                return Err(Error::Malformed {
                    path: labels.file.path.clone(),
                    message: format!(
                        "it has {} labels for the {} images of {}",
                        labels.len(),
                        images.len(),
                        images.file.name
                    ),
                });
            }
        }
        Ok(Self { images, labels, size })
    }
}

/// The images of one or more pairs of files.
pub struct Idx {
    pairs: Vec<Pair>,
    /// The number of rows before each pair, and at the end the number of all rows.
    starts: Vec<usize>,
    feature: String,
    target: Option<(String, TargetKind)>,
}

impl Idx {
    /// Reads `files`: each file of images goes with the file of labels that has the same `part`.
    pub fn open(files: &[SourceFile], schema: &Schema) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        let mut labels: Vec<&SourceFile> = files.iter().filter(|file| file.role == Role::Labels).collect();
        for file in files.iter().filter(|file| file.role != Role::Labels) {
            let images = ByteArray::read(file)?;
            let found = labels.iter().position(|label| label.part == file.part);
            let label = match (found, &schema.target) {
                (Some(found), Some(_)) => Some(ByteArray::read(labels.remove(found))?),
                (None, Some(_)) => {
                    return Err(Error::Mismatch {
                        message: format!("The card names no file of labels for the images in {}", file.name),
                        hint: "Add a [[files]] table with `role = \"labels\"` and the same `part`.".into(),
                    });
                }
                (_, None) => None,
            };
            pairs.push(Pair::new(images, label)?);
        }
        if let (Some(label), Some(_)) = (labels.first(), &schema.target) {
            return Err(Error::Mismatch {
                message: format!("The card names no file of images for the labels in {}", label.name),
                hint: "Add a [[files]] table with `role = \"images\"` and the same `part`, or leave the labels out."
                    .into(),
            });
        }
        Self::new(pairs, schema)
    }

    /// Reads one file of images without labels; they must have the size that the model was trained on, unless its transforms
    /// make it.
    pub fn open_for_prediction(file: &SourceFile, schema: &Schema) -> Result<Self, Error> {
        let pair = Pair::new(ByteArray::read(file)?, None)?;
        if let Some(image) = schema.image
            && (pair.size[0] != image.channels || schema.size_to_read().is_some_and(|size| pair.size[1..] != size))
        {
            return Err(Error::Malformed {
                path: file.path.clone(),
                message: format!(
                    "its images are {:?} (channels, height, width) and the model was trained on {:?}",
                    pair.size,
                    [image.channels, image.height, image.width]
                ),
            });
        }
        Self::new(vec![pair], schema)
    }

    fn new(pairs: Vec<Pair>, schema: &Schema) -> Result<Self, Error> {
        let [(feature, FeatureKind::Image)] = &schema.features.0[..] else {
            return Err(Error::Mismatch {
                message: "IDX files hold images, so the schema must have one feature of kind image and no other".into(),
                hint: "Write `image = \"image\"` under [schema.features].".into(),
            });
        };
        let mut starts = vec![0];
        for pair in &pairs {
            starts.push(starts[starts.len() - 1] + pair.images.len());
        }
        let target = schema.target.as_ref().map(|target| (target.name.clone(), target.kind));
        Ok(Self { pairs, starts, feature: feature.clone(), target })
    }

    /// The pair that holds `row`, and the row within it.
    fn locate(&self, row: usize) -> (&Pair, usize) {
        let pair = self.starts.partition_point(|&start| start <= row) - 1;
        (&self.pairs[pair], row - self.starts[pair])
    }

    fn image(&self, row: usize) -> Value {
        let (pair, row) = self.locate(row);
        let [channels, height, width] = pair.size;
        let size = channels * height * width;
        Value::Image(Image::from_planar(channels, height, width, &pair.images.bytes[row * size..(row + 1) * size]))
    }

    fn label(&self, row: usize, kind: TargetKind) -> Option<Value> {
        let (pair, row) = self.locate(row);
        let label = pair.labels.as_ref()?.bytes[row];
        Some(match kind {
            TargetKind::Class | TargetKind::Mask => Value::Text(label.to_string()),
            TargetKind::Number => Value::Number(f64::from(label)),
        })
    }
}

impl Records for Idx {
    fn len(&self) -> usize {
        self.starts[self.pairs.len()]
    }

    fn image_size(&self) -> Option<[usize; 2]> {
        self.pairs.first().map(|pair| [pair.size[1], pair.size[2]])
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let target = self.target.as_ref().and_then(|(name, kind)| Some((name.clone(), self.label(row, *kind)?)));
        Ok(Record::new(self.key(row)?, vec![(self.feature.clone(), self.image(row))], target))
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        if name == self.feature {
            return Ok(self.image(row));
        }
        let label =
            self.target.as_ref().filter(|(target, _)| target == name).and_then(|(_, kind)| self.label(row, *kind));
        label.ok_or_else(|| Error::ColumnMissing {
            place: self.locate(row).0.images.file.path.display().to_string(),
            column: name.to_owned(),
            found: std::iter::once(&self.feature).chain(self.target.as_ref().map(|(name, _)| name)).cloned().collect(),
        })
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        let (pair, row) = self.locate(row);
        Ok(format!("{}#{row}", pair.images.file.name))
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.locate(row).0.images.file.part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        toml::from_str("target = { name = \"label\", kind = \"class\" }\n[features]\nimage = \"image\"\n").unwrap()
    }

    fn idx(shape: &[u32], content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(content);
        bytes
    }

    fn open(images: &[u8], labels: &[u8]) -> Result<Idx, Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, role, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            SourceFile { name: name.into(), path, sha256: String::new(), bytes: 0, role, part: None }
        };
        Idx::open(&[file("labels", Role::Labels, labels), file("images", Role::Images, images)], &schema())
    }

    #[test]
    fn images_go_with_their_labels() {
        let idx = open(&idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]), &idx(&[2], &[9, 7])).unwrap();
        let record = idx.read(1).unwrap();
        assert_eq!((idx.len(), record.id.key.as_str()), (2, "images#1"));
        let image = Image { channels: 1, height: 1, width: 3, pixels: vec![4, 5, 6] };
        assert_eq!(record.field("image"), Some(&Value::Image(image)));
        assert_eq!(idx.field(1, "label").unwrap(), Value::Text("7".into()));
        assert!(matches!(idx.field(1, "x"), Err(Error::ColumnMissing { .. })));
    }

    #[test]
    fn files_that_lie_are_refused_without_allocating() {
        let labels = idx(&[1], &[0]);
        for (images, word) in [
            (vec![], "at least 4 bytes"),
            (vec![0, 0, 8], "at least 4 bytes"),
            (b"<html>404".to_vec(), "two zero bytes"),
            (vec![0, 0, 13, 1, 0, 0, 0, 0], "type 13"),
            (vec![0, 0, 8, 3, 0, 0], "header of 3 axes"),
            (vec![0, 0, 8, 255, 0, 0], "header of 255 axes"),
            (idx(&[u32::MAX, u32::MAX, u32::MAX], &[1]), "more bytes than"),
            (idx(&[4_000_000_000, 28, 28], &[1]), "and 1 bytes follow"),
            (idx(&[1, 2, 2], &[1, 2, 3]), "and 3 bytes follow"),
            (idx(&[1, 2, 2], &[1, 2, 3, 4, 5]), "and 5 bytes or more follow"),
            (idx(&[1, 2, 2, 2], &[0; 8]), "[count, height, width]"),
            (idx(&[], &[0]), "[count, height, width]"),
            (idx(&[1, 0, 2], &[]), "no pixels"),
            (idx(&[2, 1, 1], &[1, 2]), "1 labels for the 2 images"),
        ] {
            let Err(error) = open(&images, &labels) else { panic!("{word}: opened") };
            assert!(error.to_string().contains(word) && error.is_usage(), "{word}: {error}");
        }
        assert!(open(&idx(&[1, 1, 1], &[1]), &idx(&[1, 1], &[1])).is_err());
        assert!(open(&idx(&[0, 28, 28], &[]), &idx(&[0], &[])).unwrap().is_empty());
    }

    #[test]
    fn a_packed_file_is_unpacked_no_further_than_its_header_promises() {
        use std::io::Write;
        // 64 MiB of zeros behind a header for four bytes: 64 KB on disk.
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(&idx(&[4], &[0; 4])).unwrap();
        (0..64).for_each(|_| packer.write_all(&vec![0; 1 << 20]).unwrap());
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), packer.finish().unwrap()).unwrap();
        let mut content = Unpacked::open(path.path()).unwrap();
        assert_eq!((content.take(8).unwrap().len(), content.take(5).unwrap().capacity() < 1024), (8, true));
        let file = SourceFile {
            name: "bomb".into(),
            path: path.path().into(),
            sha256: String::new(),
            bytes: 0,
            role: Role::Labels,
            part: None,
        };
        let Err(error) = ByteArray::read(&file) else { panic!("opened") };
        assert!(error.to_string().contains("promises [4], 4 bytes, and 5 bytes or more follow"), "{error}");
    }

    #[test]
    fn labels_without_images_are_refused_where_labels_matter() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, role, bytes: &[u8], part| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            SourceFile { name: name.into(), path, sha256: String::new(), bytes: 0, role, part: Some(part) }
        };
        let files = [
            file("images", Role::Images, &idx(&[1, 1, 1], &[1]), Part::Train),
            file("labels", Role::Labels, &idx(&[1], &[1]), Part::Train),
            file("lonely", Role::Labels, &idx(&[1], &[1]), Part::Test),
        ];
        let Err(error) = Idx::open(&files, &schema()) else { panic!("opened") };
        assert!(error.to_string().contains("no file of images for the labels in lonely"), "{error}");
        assert!(Idx::open(&files[..2], &schema()).is_ok());
        let unlabelled = Schema { target: None, ..schema() };
        assert!(Idx::open(&files, &unlabelled).is_ok());
    }
}
