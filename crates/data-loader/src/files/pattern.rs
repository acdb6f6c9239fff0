//! Which files match a pattern? A walk that ends, whatever links to folders lie on its way.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::error::Error;

/// How patterns are read: `*` stays within a folder, and passes over hidden files.
pub(crate) const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Whether a path stands for several files.
pub(crate) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The pattern, if it is one that can be read.
pub(crate) fn pattern(text: &str) -> Result<Pattern, Error> {
    Pattern::new(text).map_err(|error| Error::Setting {
        key: "files.path".into(),
        message: format!("is {text}, which is no pattern: {} at character {}", error.msg, error.pos + 1),
        hint: "`*` stands for any letters of a name, `?` for one, `[abc]` for one of these, and `**` for any folders."
            .into(),
    })
}

/// One part of a pattern, between two separators.
enum Step {
    /// A name, or a step up.
    Name(PathBuf),
    /// The names that match.
    Some(Pattern),
    /// Any folders, or none.
    Deep,
}

fn steps(text: &Path) -> Result<Vec<Step>, Error> {
    // As a whole first: the message then counts its characters.
    pattern(&text.to_string_lossy())?;
    let mut steps = Vec::new();
    for component in text.components() {
        let name = component.as_os_str().to_string_lossy();
        match component {
            Component::CurDir => {}
            Component::Normal(_) if name == "**" => {
                if !matches!(steps.last(), Some(Step::Deep)) {
                    steps.push(Step::Deep);
                }
            }
            Component::Normal(_) if is_pattern(&name) => steps.push(Step::Some(pattern(&name)?)),
            _ => steps.push(Step::Name(component.as_os_str().into())),
        }
    }
    if matches!(steps.last(), Some(Step::Deep)) {
        steps.push(Step::Some(pattern("*")?));
    }
    Ok(steps)
}

/// The files that match the pattern `text`, which is relative to `root` unless it is absolute; sorted.
///
/// `**` follows no link to a folder, and of every other part of a pattern a folder is read once, by whichever of its names comes
/// first: links that lead in a circle end.
pub(crate) fn files(root: &Path, text: &Path) -> Result<Vec<PathBuf>, Error> {
    let steps = steps(text)?;
    let mut found = Vec::new();
    let mut read = HashSet::new();
    let mut open = vec![(root.to_path_buf(), 0)];
    while let Some((place, step)) = open.pop() {
        match steps.get(step) {
            None if place.is_dir() => {}
            None => found.push(place),
            Some(Step::Name(name)) => {
                let next = place.join(name);
                if next.symlink_metadata().is_ok() {
                    open.push((next, step + 1));
                }
            }
            Some(kind) => {
                let Some(names) = folder(&place, step, &mut read)? else { continue };
                // The last that is pushed is met first.
                for (path, name, is_link) in names.into_iter().rev() {
                    match kind {
                        Step::Some(pattern) if pattern.matches_with(&name, MATCHING) => open.push((path, step + 1)),
                        Step::Deep if !is_link && !name.starts_with('.') && path.is_dir() => open.push((path, step)),
                        _ => {}
                    }
                }
                if matches!(kind, Step::Deep) {
                    open.push((place, step + 1));
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

/// An entry of a folder: where it lies, its name, and whether it is a link.
type Named = (PathBuf, String, bool);

/// The entries of a folder, sorted; none if it is no folder, or was read for this part of the pattern before.
fn folder(place: &Path, step: usize, read: &mut HashSet<(usize, PathBuf)>) -> Result<Option<Vec<Named>>, Error> {
    let place = if place.as_os_str().is_empty() { Path::new(".") } else { place };
    if !place.is_dir() {
        return Ok(None);
    }
    let failed = |source| Error::io("folder", place, source);
    if !read.insert((step, place.canonicalize().map_err(failed)?)) {
        return Ok(None);
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(place).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_link = entry.file_type().map_err(failed)?.is_symlink();
        names.push((entry.path(), entry.file_name().to_string_lossy().into_owned(), is_link));
    }
    names.sort();
    Ok(Some(names))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Ten folders with ten links to one another, and to themselves: there are more paths through them than can be walked.
    #[test]
    fn links_that_lead_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        for here in 0..10 {
            let place = at.join(format!("d{here}"));
            std::fs::create_dir(&place).unwrap();
            std::fs::write(place.join("a.csv"), "x").unwrap();
            for there in 0..10 {
                symlink(at.join(format!("d{there}")), place.join(format!("l{there}"))).unwrap();
            }
        }
        symlink(".", at.join("loop")).unwrap();
        let begun = std::time::Instant::now();
        let count = |pattern: &str| files(at, Path::new(pattern)).unwrap().len();
        assert_eq!(count("**/*.csv"), 10, "by their own names, and by no link");
        assert_eq!(count("*/*.csv"), 10);
        assert_eq!(count("*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*.csv"), 10, "each folder once");
        assert_eq!(count("**/*/**/*/**/*/**/*/**/a.csv"), 10);
        assert_eq!(count("loop/loop/loop/d1/*"), 1, "what is named is followed");
        assert!(begun.elapsed() < std::time::Duration::from_secs(10));
    }

    #[test]
    fn the_last_part_may_be_any_folders() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b/.c")).unwrap();
        for name in ["a/x", "a/b/y", "a/b/.c/z", "a/.w"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let found = |pattern: &str| -> Vec<String> {
            let found = files(folder.path(), Path::new(pattern)).unwrap();
            found.iter().map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(found("a/**"), ["a/b/y", "a/x"]);
        assert_eq!(found("a/**/**/y"), ["a/b/y"]);
        assert_eq!(found("a/b/.c/*"), ["a/b/.c/z"]);
        assert_eq!(found("a/.*"), ["a/.w"]);
        assert!(found("b/*").is_empty());
        let whole = format!("{}/a/*", folder.path().display());
        assert_eq!(files(Path::new("elsewhere"), Path::new(&whole)).unwrap().len(), 1, "an absolute pattern");
    }
}
