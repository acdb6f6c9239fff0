//! Which files lie below a folder that a card names, where do its links lead, and to which parts do they belong?
//!
//! Nothing is left out in silence: a link is followed, or an error that names it. So a folder is read as it looks.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::card::SourceFile;
use crate::error::Error;
use crate::hugging_face::{all_shards, part_of};
use crate::sources::local;

/// What lies below a folder, sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The files, and the links to files.
    pub(crate) files: Vec<PathBuf>,
    /// The folders, and the links to folders.
    pub(crate) folders: Vec<PathBuf>,
}

/// The files of a card, a folder replaced by the files below it whose names have one of these `endings`. Their parts follow
/// from their names, as Hugging Face names them, unless the card states one.
pub(crate) fn spread(files: &[SourceFile], endings: &[&str]) -> Result<Vec<SourceFile>, Error> {
    let mut spread = Vec::with_capacity(files.len());
    for file in files {
        if !file.path.is_dir() {
            spread.push(file.clone());
            continue;
        }
        let (found, _) = files_below(&file.path, endings)?;
        if found.is_empty() {
            return Err(Error::NoExamples {
                place: format!("in {}: it holds no file that ends in {}", file.path.display(), endings.join(", ")),
                hint: "Check the path, or the format that the card states.",
            });
        }
        all_shards(&file.path, &found)?;
        for path in found {
            let below = name_below(&file.path, &path);
            let name = format!("{}/{below}", file.name.trim_end_matches('/'));
            let bytes = path.metadata().map_err(|source| Error::io("data file", &path, source))?.len();
            let part = file.part.or_else(|| part_of(&below));
            spread.push(SourceFile { name, path, bytes, part, ..file.clone() });
        }
    }
    Ok(spread)
}

/// The path of a file below `folder`, with `/` between folders.
pub(crate) fn name_below(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// The files below `root` whose names have one of these `endings`, and the others, both sorted.
pub(crate) fn files_below(root: &Path, endings: &[&str]) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        endings.iter().any(|ending| name.ends_with(ending))
    };
    Ok(walk(root)?.files.into_iter().partition(named))
}

/// What lies below `root` but hidden files and folders. Where links may lead was looked at when the card was opened.
pub(crate) fn walk(root: &Path) -> Result<Tree, Error> {
    descend(root, None, false)
}

/// What lies below `root`, hidden or not. A link out of the folder `within` is refused, so that nothing else of the machine is
/// read.
pub(crate) fn walk_within(root: &Path, within: &Path) -> Result<Tree, Error> {
    descend(root, Some(within), true)
}

/// Links to folders are followed; a folder that is reached twice is refused, which ends every circle of links.
fn descend(root: &Path, within: Option<&Path>, hidden: bool) -> Result<Tree, Error> {
    let mut tree = Tree::default();
    let real = |path: &Path| path.canonicalize().map_err(|source| Error::io("folder", path, source));
    let mut reached: HashMap<PathBuf, PathBuf> = HashMap::from([(real(root)?, root.to_path_buf())]);
    let mut open = vec![(root.to_path_buf(), false)];
    while let Some((folder, secret)) = open.pop() {
        let failed = |source| Error::io("folder", &folder, source);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let secret = secret || entry.file_name().to_string_lossy().starts_with('.');
            if secret && !hidden {
                continue;
            }
            let mut kind = entry.file_type().map_err(failed)?;
            if kind.is_symlink() {
                match std::fs::metadata(&path) {
                    Ok(end) => kind = end.file_type(),
                    // What is hidden is no example; programs leave such links there.
                    Err(_) if secret => {
                        tree.files.push(path);
                        continue;
                    }
                    Err(source) => return Err(leads_nowhere(&path, &source)),
                }
                if let Some(within) = within {
                    local::stays(within, &path)?;
                }
            }
            if kind.is_dir() {
                if let Some(before) = reached.insert(real(&path)?, path.clone()) {
                    return Err(Error::Mismatch {
                        message: format!("{} and {} are one folder", before.display(), path.display()),
                        hint:
                            "Examples that are read twice leak from one part of a split into another; remove the link."
                                .into(),
                    });
                }
                open.push((path.clone(), secret));
                tree.folders.push(path);
            } else if kind.is_file() || secret {
                tree.files.push(path);
            } else {
                return Err(Error::Mismatch {
                    message: format!("{} is neither a file nor a folder", path.display()),
                    hint: "Remove it, or move it out of the data set.".into(),
                });
            }
        }
    }
    tree.files.sort();
    tree.folders.sort();
    Ok(tree)
}

fn leads_nowhere(path: &Path, source: &std::io::Error) -> Error {
    let end = std::fs::read_link(path).map(|end| end.display().to_string()).unwrap_or_default();
    Error::Mismatch {
        message: format!("{} is a link to {end}, which cannot be read ({source})", path.display()),
        hint: "Bring back what it leads to, or remove the link: what it stood for would be left out.".into(),
    }
}

/// The first folder directly below `root` in which none of `files` lies.
pub(crate) fn first_empty<'a>(root: &Path, tree: &'a Tree, files: &[PathBuf]) -> Option<&'a PathBuf> {
    let top = |path: &Path| path.strip_prefix(root).ok()?.components().next().map(|name| root.join(name));
    let filled: HashSet<PathBuf> = files.iter().filter_map(|file| top(file)).collect();
    tree.folders.iter().find(|folder| folder.parent() == Some(root) && !filled.contains(*folder))
}

#[cfg(test)]
#[path = "file_tree_tests.rs"]
mod tests;
