//! Is what lies in a folder still what was exported into it?

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use model_zoo::{atomic, bundle};

use super::Made;
use crate::Error;

/// What was written, in the folder beside it.
const LIST: &str = "export.json";

/// What was noted of a file.
#[derive(Debug, Deserialize)]
struct Noted {
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

/// Notes in the folder what was written there. What an earlier export noted of other files stays.
///
/// # Errors
/// [`Error::Io`].
pub fn note(folder: &Path, made: &[Made]) -> Result<(), Error> {
    let path = folder.join(LIST);
    let earlier = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut all: Vec<serde_json::Value> = earlier.unwrap_or_default();
    all.retain(|noted| made.iter().all(|made| noted["file"] != made.file.as_str()));
    all.extend(made.iter().map(|made| serde_json::to_value(made).expect("our own types have text keys")));
    let text = serde_json::to_vec_pretty(&all).expect("our own types have text keys");
    Ok(atomic::write_file(&path, &text)?)
}

/// Holds every file of the folder against what was noted of it.
///
/// # Errors
/// [`model_zoo::Error::Damaged`] with the first file that is another one; if nothing was exported there.
pub fn check(folder: &Path) -> Result<Vec<Checked>, Error> {
    let path = folder.join(LIST);
    let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let damaged = |path: &Path, reason: String| model_zoo::Error::Damaged { path: path.to_owned(), reason };
    let all: Vec<Noted> = serde_json::from_slice(&text).map_err(|error| damaged(&path, error.to_string()))?;
    let mut checked = Vec::new();
    for noted in all {
        // A name that leads elsewhere is none that was written here.
        if Path::new(&noted.file).components().count() != 1 || noted.file == ".." {
            return Err(damaged(&path, format!("`{}` is no file of this folder", noted.file)).into());
        }
        let file = folder.join(&noted.file);
        let (sha256, found) = match file.is_dir() {
            true if noted.form == "bundle" => {
                let files = bundle::verify_files(&file)?;
                (bundle::manifest_sha256(&file)?, format!("{files} files are as they were written"))
            }
            true => (hash(&file.join("model.safetensors"))?, "its weights are as they were written".to_owned()),
            false => (hash(&file)?, "is as it was written".to_owned()),
        };
        if sha256 != noted.sha256 {
            return Err(damaged(&file, format!("its SHA-256 is not the one in {LIST}")).into());
        }
        checked.push(Checked { file: noted.file, found });
    }
    Ok(checked)
}

fn hash(path: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    Ok(format!("{:x}", Sha256::digest(bytes)))
}
