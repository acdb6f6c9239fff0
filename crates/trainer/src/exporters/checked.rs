//! Is what lies in a folder still what was exported into it?

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use model_zoo::bundle::Bundle;
use model_zoo::{atomic, device};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Made;
use crate::Error;

/// What was written, in the folder beside it.
const LIST: &str = "export.json";

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

/// Notes in the folder what was written there, and of which `model`. What was noted of other files of the same model stays.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn note(folder: &Path, model: &str, made: &[Made]) -> Result<(), Error> {
    let path = folder.join(LIST);
    let earlier = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut all: Vec<serde_json::Value> = earlier.unwrap_or_default();
    all.retain(|noted| made.iter().all(|made| noted["file"] != made.file.as_str()));
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
    let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
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
            return Err(damaged(&file, format!("its SHA-256 is not the one in {LIST}")).into());
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
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    Ok(format!("{:x}", Sha256::digest(bytes)))
}
