//! How are IDX files written anew? Images and labels without what is dropped, labels with what is relabelled.

use std::path::Path;

use super::edits::Edits;
use super::rewrite::{Content, NewFile, Rewrite, Written, put};
use crate::atomic::NewFolder;
use crate::card::{Role, SourceFile};
use crate::error::Error;
use crate::schema::Schema;

/// One file: a header, and items of equal length.
struct Array {
    file: SourceFile,
    content: Content,
    header: usize,
    count: usize,
    item: usize,
}

/// The files of a card.
pub(super) struct Arrays {
    /// In the order of the card.
    files: Vec<Array>,
    /// Of every file of images its place and that of its labels, in the order of the rows.
    pairs: Vec<(usize, Option<usize>)>,
    /// The name of the target.
    target: Option<String>,
}

impl Array {
    fn read(file: &SourceFile) -> Result<Self, Error> {
        let content = Content::read(&file.path)?;
        let malformed = |message: &str| Error::Malformed { path: file.path.clone(), message: message.to_owned() };
        let axes = match content.bytes[..] {
            [0, 0, 8, axes, ..] if axes > 0 => usize::from(axes),
            _ => return Err(malformed("it does not begin as an IDX file of bytes does")),
        };
        let header = 4 + 4 * axes;
        let sizes = content.bytes.get(4..header).ok_or_else(|| malformed("its header is cut short"))?;
        let sizes: Vec<usize> = sizes.as_chunks().0.iter().map(|&size| u32::from_be_bytes(size) as usize).collect();
        let item = sizes[1..].iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let whole = item.and_then(|item| item.checked_mul(sizes[0])).and_then(|bytes| bytes.checked_add(header));
        match item {
            Some(item) if whole == Some(content.bytes.len()) => {
                Ok(Self { file: file.clone(), content, header, count: sizes[0], item })
            }
            _ => Err(malformed("its header promises another number of bytes than it has")),
        }
    }

    fn item(&self, place: usize) -> &[u8] {
        &self.content.bytes[self.header + place * self.item..self.header + (place + 1) * self.item]
    }

    /// The file with the items in `kept`, each by its place and perhaps with other bytes.
    fn with<'a>(&'a self, kept: impl Iterator<Item = (usize, Option<&'a [u8]>)>) -> Vec<u8> {
        let mut bytes = self.content.bytes[..self.header].to_vec();
        let mut count = 0_u32;
        for (place, item) in kept {
            bytes.extend(item.unwrap_or_else(|| self.item(place)));
            count += 1;
        }
        bytes[4..8].copy_from_slice(&count.to_be_bytes());
        bytes
    }
}

impl Arrays {
    pub(super) fn read(files: &[SourceFile], schema: &Schema) -> Result<Self, Error> {
        let arrays = files.iter().map(Array::read).collect::<Result<Vec<_>, _>>()?;
        let mut labels: Vec<usize> = (0..files.len()).filter(|&place| files[place].role == Role::Labels).collect();
        let mut pairs = Vec::new();
        for images in (0..files.len()).filter(|&place| files[place].role != Role::Labels) {
            let belongs = |label: &usize| {
                files[*label].part == files[images].part && arrays[*label].count == arrays[images].count
            };
            let found = labels.iter().position(belongs);
            pairs.push((images, found.map(|found| labels.remove(found))));
        }
        Ok(Self { files: arrays, pairs, target: schema.target.as_ref().map(|target| target.name.clone()) })
    }

    /// The label that a row gets, if it gets another one.
    fn label(&self, edits: &Edits, row: u32, path: &Path) -> Result<Option<u8>, Error> {
        let (Some(target), Some(cells)) = (&self.target, edits.cells.get(&row)) else { return Ok(None) };
        let Some(cell) = cells.get(target) else { return Ok(None) };
        let label = cell.text();
        label.parse().map(Some).map_err(|_| Error::Malformed {
            path: path.to_path_buf(),
            message: format!("the label {label} of line {} is no whole number from 0 to 255", cell.line),
        })
    }
}

impl Rewrite for Arrays {
    fn places(&self) -> Vec<String> {
        let of = |&(images, _): &(usize, Option<usize>)| {
            let array = &self.files[images];
            (0..array.count).map(|row| format!("{}#{row}", array.file.name)).collect::<Vec<_>>()
        };
        self.pairs.iter().flat_map(of).collect()
    }

    fn write(&self, edits: &Edits, folder: &NewFolder) -> Result<Written, Error> {
        let mut written = Written::default();
        let mut contents: Vec<Option<Vec<u8>>> = self.files.iter().map(|_| None).collect();
        let mut number = 0_u32;
        for &(images, labels) in &self.pairs {
            let array = &self.files[images];
            let (first, count) = (number, array.count as u32);
            number += count;
            let kept: Vec<u32> = (first..number).filter(|row| !edits.dropped.contains_key(row)).collect();
            let places = kept.iter().zip(0..).map(|(&row, new)| (row, format!("{}#{new}", array.file.name)));
            written.places.extend(places);
            contents[images] = Some(array.with(kept.iter().map(|row| ((row - first) as usize, None))));
            if let Some(labels) = labels {
                let array = &self.files[labels];
                let new = |&row: &u32| Ok(((row - first) as usize, self.label(edits, row, &array.file.path)?));
                let new: Vec<(usize, Option<u8>)> = kept.iter().map(new).collect::<Result<_, Error>>()?;
                let items = new.iter().map(|(place, label)| (*place, label.as_ref().map(std::slice::from_ref)));
                contents[labels] = Some(array.with(items));
            }
        }
        for (array, content) in self.files.iter().zip(contents) {
            let bytes = content.unwrap_or_else(|| array.content.bytes.clone());
            put(folder, &array.file, &array.content, bytes)?;
            written.files.push(NewFile::like(&array.file));
        }
        Ok(written)
    }
}
