//! How is a folder of images written anew? Each image is copied into the folder of its class, byte for byte.
//!
//! Copies and not links: a link would be the source itself under another name, and whoever changes the one changes the other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::edits::Edits;
use super::rewrite::{NewFile, Rewrite, Written};
use crate::atomic::NewFolder;
use crate::card::SourceFile;
use crate::error::Error;
use crate::formats::image_folder::{Config, ImageFolder};
use crate::schema::Schema;

/// One image.
struct Image {
    path: PathBuf,
    /// Which folder of the card it lies in.
    folder: usize,
    /// The path below that folder, with `/` between folders.
    below: String,
}

/// The images of a card.
pub(super) struct Images {
    folders: Vec<SourceFile>,
    found: Vec<Image>,
    target: Option<String>,
}

impl Images {
    pub(super) fn find(files: &[SourceFile], config: &Config, schema: &Schema) -> Result<Self, Error> {
        let mut all = Vec::new();
        for path in ImageFolder::open(files, config, schema)?.paths() {
            let inside = |file: &SourceFile| path.strip_prefix(&file.path).ok().map(Path::to_path_buf);
            let found = files.iter().enumerate().find_map(|(folder, file)| Some((folder, inside(file)?)));
            // A name that is no Unicode could not be written down, and would come out as another one.
            let named = found.as_ref().and_then(|(folder, below)| Some((*folder, below.to_str()?.replace('\\', "/"))));
            let (folder, below) = named.ok_or_else(|| Error::Malformed {
                path: path.to_path_buf(),
                message: "its name is not Unicode".into(),
            })?;
            all.push(Image { path: path.to_path_buf(), folder, below });
        }
        let target = schema.target.as_ref().map(|target| target.name.clone());
        Ok(Self { folders: files.to_vec(), found: all, target })
    }

    fn place(&self, folder: usize, below: &str) -> String {
        format!("{}/{below}", self.folders[folder].name.trim_end_matches('/'))
    }
}

impl Rewrite for Images {
    fn places(&self) -> Vec<String> {
        self.found.iter().map(|image| self.place(image.folder, &image.below)).collect()
    }

    fn write(&self, edits: &Edits, folder: &NewFolder) -> Result<Written, Error> {
        let mut written = Written { files: self.folders.iter().map(NewFile::like).collect(), ..Written::default() };
        let kept = |row: &u32| !edits.dropped.contains_key(row);
        let label = |row: &u32| self.target.as_ref().and_then(|target| edits.cells.get(row)?.get(target));
        // Names are taken first by the images that stay where they are.
        let rows: Vec<u32> = (0..self.found.len() as u32).filter(kept).collect();
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut places: Vec<(u32, String)> = Vec::with_capacity(rows.len());
        let (moving, staying): (Vec<u32>, Vec<u32>) = rows.into_iter().partition(|row| label(row).is_some());
        for row in staying {
            let image = &self.found[row as usize];
            let place = self.place(image.folder, &image.below);
            taken.insert(place.to_lowercase());
            places.push((row, place));
        }
        for row in moving {
            let image = &self.found[row as usize];
            let Some(cell) = label(&row) else { continue };
            let (class, rest) = image.below.split_once('/').unwrap_or(("", &image.below));
            let new = cell.text();
            let mut place = self.place(image.folder, &format!("{new}/{rest}"));
            // Exports number their images anew in each class, so that the name may be taken there.
            let (stem, ending) = place.rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap_or_default();
            let mut number = 1;
            while !taken.insert(place.to_lowercase()) {
                let more = if number == 1 { String::new() } else { format!("-{number}") };
                place = format!("{stem}-from-{class}{more}.{ending}");
                number += 1;
            }
            places.push((row, place));
        }
        for (row, place) in &places {
            folder.copy(&self.found[*row as usize].path, place)?;
        }
        // A folder that lost its last image would be no folder of the new data set.
        written.files.retain(|file| {
            let inside = format!("{}/", file.name.trim_end_matches('/'));
            places.iter().any(|(_, place)| place.starts_with(&inside))
        });
        written.places = places;
        Ok(written)
    }
}
