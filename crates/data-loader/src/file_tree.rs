//! Which files lie below a folder that a card names, and to which parts do they belong?

use std::path::{Path, PathBuf};

use crate::card::SourceFile;
use crate::error::Error;
use crate::hugging_face::part_of;

/// The files of a card, a folder replaced by the files below it whose names have one of these `endings`. Their parts follow
/// from their names, as Hugging Face names them, unless the card states one.
pub(crate) fn spread(files: &[SourceFile], endings: &[&str]) -> Result<Vec<SourceFile>, Error> {
    let mut spread = Vec::with_capacity(files.len());
    for file in files {
        if !file.path.is_dir() {
            spread.push(file.clone());
            continue;
        }
        let mut found = Vec::new();
        files_below(&file.path, endings, &mut found)?;
        found.sort();
        if found.is_empty() {
            return Err(Error::NoExamples {
                place: format!("in {}: it holds no file that ends in {}", file.path.display(), endings.join(", ")),
                hint: "Check the path, or the format that the card states.",
            });
        }
        for path in found {
            let below = path.strip_prefix(&file.path).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            let name = format!("{}/{below}", file.name.trim_end_matches('/'));
            let bytes = path.metadata().map_err(|source| Error::io("data file", &path, source))?.len();
            let part = file.part.or_else(|| part_of(&below));
            spread.push(SourceFile { name, path, bytes, part, ..file.clone() });
        }
    }
    Ok(spread)
}

/// Collects the files below `root` whose names have one of these `endings`, in no order. Links to folders are not followed, and
/// a link to a file outside of `root` is refused, so that nothing else of the machine is read.
pub(crate) fn files_below(root: &Path, endings: &[&str], found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        let failed = |source| Error::io("folder", &folder, source);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (name, path) = (entry.file_name().to_string_lossy().to_lowercase(), entry.path());
            let kind = entry.file_type().map_err(failed)?;
            if name.starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                open.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) && path.is_file() {
                if kind.is_symlink() {
                    let whole =
                        |path: &Path| path.canonicalize().map_err(|source| Error::io("data file", path, source));
                    if !whole(&path)?.starts_with(whole(root)?) {
                        return Err(Error::Mismatch {
                            message: format!("{} is a link to a file outside of {}", path.display(), root.display()),
                            hint: "Put the file itself there; links out of a data set are not followed.".into(),
                        });
                    }
                }
                found.push(path);
            }
        }
    }
    Ok(())
}
