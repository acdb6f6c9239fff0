//! A file on this machine: which files of its folder does a card name, and how does one from elsewhere come there?
//!
//! What a card names lies in its folder: a card that was made by somebody else must not be able to put the user's keys into a
//! model, be it by `..`, by an absolute path or by a symbolic link.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{SourceConfig, Wanted};
use crate::error::Error;
use crate::fetch::{self, Context, Target};
use crate::files::pattern::{self, is_pattern};
use crate::registry::Entry;

/// The entry of the list.
pub const ENTRY: Entry = Entry { name: "local", summary: "a file, or a pattern of files, elsewhere on this machine" };

/// `[files.from.local]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file to be copied, or a pattern such as `/data/parts/*.csv`; relative to the card's folder unless absolute.
    pub path: PathBuf,
    /// Of how many bytes a file may be.
    #[serde(default = "max_bytes")]
    pub max_bytes: u64,
}

fn max_bytes() -> u64 {
    64 << 30
}

impl Config {
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.path.as_os_str().is_empty() {
            return Err(Error::Setting {
                key: "files.from.local.path".into(),
                message: "is empty".into(),
                hint: "Name the file to be copied.".into(),
            });
        }
        pattern::pattern(&self.path.to_string_lossy()).map(drop)
    }

    /// The files that match the pattern, each with its name.
    pub(super) fn expand(&self, folder: &Path) -> Result<Vec<(String, SourceConfig)>, Error> {
        let found = pattern::files(folder, &self.path)?;
        if found.is_empty() {
            return Err(Error::NoMatch { pattern: self.path.clone(), place: folder.to_path_buf() });
        }
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Relative to the folder of the card they would be looked for twice below it.
        let absolute =
            |path: PathBuf| std::path::absolute(&path).map_err(|source| Error::io("data file", &path, source));
        found
            .into_iter()
            .map(|path| Ok((name(&path), SourceConfig::Local(Self { path: absolute(path)?, ..*self }))))
            .collect()
    }

    pub(super) fn fetch(&self, wanted: &Wanted, target: &mut Target, context: &mut Context) -> Result<(), Error> {
        fetch::copy(&wanted.folder.join(&self.path), self.max_bytes, target, context)
    }
}

/// The files in `folder` that `path` names, each with its name relative to the folder: one, which need not be there, or those
/// that match a pattern, sorted by name.
pub(crate) fn matches(folder: &Path, path: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let name = |path: &Path| path.to_string_lossy().replace('\\', "/");
    inside(path)?;
    let text = path.to_string_lossy();
    // A file may be called `a[1].csv`; then it is meant.
    if !is_pattern(&text) || folder.join(path).exists() {
        let whole = folder.join(path);
        stays(folder, &whole)?;
        return Ok(vec![(name(path), whole)]);
    }
    let mut found = Vec::new();
    for whole in pattern::files(folder, path)? {
        stays(folder, &whole)?;
        found.push((name(whole.strip_prefix(folder).unwrap_or(&whole)), whole));
    }
    if found.is_empty() {
        return Err(Error::NoMatch { pattern: path.to_path_buf(), place: folder.to_path_buf() });
    }
    found.sort();
    Ok(found)
}

/// Where a file that is fetched will lie.
pub(crate) fn target(folder: &Path, path: &Path) -> Result<PathBuf, Error> {
    inside(path)?;
    let hidden = |part: &Component| matches!(part, Component::Normal(name) if name.to_string_lossy().starts_with('.'));
    if path.components().any(|part| hidden(&part)) {
        return Err(refused(format!(
            "is {}, which is refused because it is hidden, and programs such as git run what lies in such files",
            path.display()
        )));
    }
    let whole = folder.join(path);
    // Of what is not there yet, the folders above it must not lead out.
    let there = whole.ancestors().find(|place| place.symlink_metadata().is_ok()).unwrap_or(folder);
    stays(folder, there)?;
    Ok(whole)
}

fn refused(message: String) -> Error {
    Error::Setting {
        key: "files.path".into(),
        message,
        hint: "A card may only read and write below its own folder, so that a card from elsewhere cannot reach other files; move the data there, or copy it with [files.from.local].".into(),
    }
}

/// Refuses a path that is absolute or climbs out by its letters alone.
fn inside(path: &Path) -> Result<(), Error> {
    let mut depth = 0_i64;
    for component in path.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => {
                return Err(refused(format!("is {}, which is refused because it is an absolute path", path.display())));
            }
        }
        if depth < 0 {
            return Err(refused(format!(
                "is {}, which is refused because it climbs out of the card's folder",
                path.display()
            )));
        }
    }
    if depth == 0 {
        return Err(refused(format!(
            "is `{}`, which is refused because it names no file in the card's folder",
            path.display()
        )));
    }
    Ok(())
}

/// Refuses a path that a symbolic link leads out of the folder. What is not there leads nowhere.
pub(crate) fn stays(folder: &Path, path: &Path) -> Result<(), Error> {
    let root = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let real = |path: &Path| path.canonicalize().map_err(|source| Error::io("data file", path, source));
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let (root, end) = match (real(root), real(path)) {
        (Ok(root), Ok(end)) => (root, end),
        // A link to nothing is met as a missing file by whoever opens it.
        (Ok(_), Err(Error::NotFound { .. })) => return Ok(()),
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    if end.starts_with(&root) {
        return Ok(());
    }
    Err(refused(format!(
        "leads to {} by a symbolic link at {}, which is refused because it lies outside of the card's folder",
        end.display(),
        path.display()
    )))
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
