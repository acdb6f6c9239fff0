//! Is what lies in a folder still what was exported into it?

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use model_zoo::bundle::{self, Bundle};
use model_zoo::{atomic, device};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Made, NAMES};
use crate::Error;

/// What was written, in the folder beside it.
pub(super) const LIST: &str = "export.json";
/// The longest list that is read, and the largest file.
const LONGEST_LIST: u64 = 1 << 20;
const LARGEST_FILE: u64 = 1 << 40;

/// What was noted of a file.
#[derive(Debug, Deserialize)]
struct Noted {
    model: String,
    form: String,
    file: String,
    sha256: String,
}

/// A file that is as it was.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// Its name within the folder.
    pub file: String,
    /// What was looked at.
    pub found: String,
}

/// Keeps others from exporting into the folder as long as what it gives is there.
///
/// # Errors
/// [`Error::Taken`] if someone does already.
pub(super) fn lock(folder: &Path) -> Result<Option<File>, Error> {
    // Where a folder cannot be opened as a file, nobody is kept away.
    let Ok(file) = File::open(folder) else { return Ok(None) };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Taken(folder.to_owned())),
        Err(std::fs::TryLockError::Error(_)) => Ok(None),
    }
}

/// Whether files may be written into a folder: it has the list of what was exported into it, or nothing of ours has its name in it. The
/// list is begun then, if it was not; `known` may lie there whatever it is.
///
/// # Errors
/// [`Error::Taken`] with what lies there.
pub(super) fn begin<'a>(folder: &'a Path, known: Option<&Path>) -> Result<Begun<'a>, Error> {
    let path = folder.join(LIST);
    if path.symlink_metadata().is_ok() {
        let list = bundle::read_file(&path, LONGEST_LIST).map(|text| serde_json::from_slice::<Vec<Noted>>(&text));
        return if matches!(list, Ok(Ok(_))) { Ok(Begun(folder)) } else { Err(Error::Taken(path)) };
    }
    let is_known = |place: &Path| known.is_some_and(|known| known.canonicalize().ok() == place.canonicalize().ok());
    let is_empty = |place: &Path| std::fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_none());
    let taken = NAMES.iter().map(|name| folder.join(name)).find(|place| {
        // Folders are asked about when they are written.
        place.symlink_metadata().is_ok() && !place.is_dir() && !is_known(place) && !is_empty(place)
    });
    if let Some(place) = taken {
        return Err(Error::Taken(place));
    }
    atomic::write_file(&path, b"[]")?;
    Ok(Begun(folder))
}

/// A folder whose list was begun. If nothing stands in it in the end, the list goes.
pub(super) struct Begun<'a>(&'a Path);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let path = self.0.join(LIST);
        if bundle::read_file(&path, 8).is_ok_and(|text| text == b"[]") {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Notes in the folder what was written there, and of which `model`. What was noted of other files of the same model stays.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn note(folder: &Path, model: &str, made: &[Made]) -> Result<(), Error> {
    let path = folder.join(LIST);
    let earlier = bundle::read_file(&path, LONGEST_LIST).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut all: Vec<serde_json::Value> = earlier.unwrap_or_default();
    all.retain(|noted| noted["model"] == model && made.iter().all(|made| noted["file"] != made.file.as_str()));
    all.extend(made.iter().map(|made| {
        let mut noted = serde_json::to_value(made).expect("our own types have text keys");
        noted["model"] = model.into();
        noted
    }));
    let text = serde_json::to_vec_pretty(&all).expect("our own types have text keys");
    Ok(atomic::write_file(&path, &text)?)
}

/// Holds every file of the folder against what was noted of it, and replays the golden samples of a bundle.
///
/// # Errors
/// [`model_zoo::Error::Damaged`] with the first file that is another one; if nothing was exported there.
pub fn check(folder: &Path) -> Result<Vec<Checked>, Error> {
    let path = folder.join(LIST);
    let text = bundle::read_file(&path, LONGEST_LIST)?;
    let damaged = |path: &Path, reason: String| model_zoo::Error::Damaged { path: path.to_owned(), reason };
    let all: Vec<Noted> = serde_json::from_slice(&text).map_err(|error| damaged(&path, error.to_string()))?;
    let Some(first) = all.first() else { return Err(damaged(&path, "it names no file".into()).into()) };
    if let Some(other) = all.iter().find(|noted| noted.model != first.model) {
        let reason = format!("`{}` and `{}` are of different models", first.file, other.file);
        return Err(damaged(&path, reason).into());
    }
    let mut checked = Vec::new();
    for noted in &all {
        // A name that leads elsewhere is none that was written here.
        let mut parts = Path::new(&noted.file).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(damaged(&path, format!("`{}` is no file of this folder", noted.file)).into());
        }
        let file = folder.join(&noted.file);
        let (sha256, found) = match (noted.form.as_str(), file.is_dir()) {
            ("bundle", is_folder) => {
                let found = bundle_found(&file)?;
                (if is_folder { folder_sha256(&file)?.1 } else { hash(&file)? }, found)
            }
            (_, true) => (folder_sha256(&file)?.1, "every file is as it was written".to_owned()),
            _ => (hash(&file)?, "is as it was written".to_owned()),
        };
        if sha256 != noted.sha256 {
            let reason = format!(
                "its SHA-256 is not the one in {LIST}; if an export was ended before it noted what it wrote, export it once more"
            );
            return Err(damaged(&file, reason).into());
        }
        checked.push(Checked { file: noted.file.clone(), found });
    }
    Ok(checked)
}

/// What is found of a bundle whose golden samples were asked once more.
fn bundle_found(path: &Path) -> Result<String, Error> {
    let processor = device::open("cpu")?.device;
    let bundle = Bundle::read(path)?;
    let network = bundle.network(&processor)?;
    let samples = bundle.replay_golden(network.as_ref(), &processor)?;
    Ok(format!("is as it was written, and {samples} golden samples are answered as they were"))
}

/// How large the files of a folder are, and the SHA-256 of those of all of them, in the order of their names.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn folder_sha256(folder: &Path) -> Result<(u64, String), Error> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    let (mut bytes, mut all) = (0, Sha256::new());
    for path in paths {
        bytes += path.metadata().map_err(Error::io("read", &path))?.len();
        all.update(format!("{} {}\n", hash(&path)?, path.file_name().unwrap_or_default().display()));
    }
    Ok((bytes, format!("{:x}", all.finalize())))
}

fn hash(path: &Path) -> Result<String, Error> {
    Ok(format!("{:x}", Sha256::digest(bundle::read_file(path, LARGEST_FILE)?)))
}
