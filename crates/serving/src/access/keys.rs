//! Which keys are known? A file holds the hash of each, never the key itself.
//!
//! ```toml
//! [[keys]]
//! name = "shop"
//! sha256 = "..."              # of the key
//! scopes = ["predict"]
//! models = ["penguins"]       # may be left out: all
//! rate = { per_minute = 600, burst = 50 }          # may be left out
//! ```
//!
//! A key is 32 bytes of the system's randomness, so that its hash needs neither salt nor time to be safe.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Grant, Rate, Scope};
use crate::Error;

/// With what a key begins, so that it is known for one where it was left lying.
const BEGINNING: &str = "fbx_";
/// How many bytes of it are random.
const BYTES: usize = 32;

/// What stands in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    keys: Vec<Key>,
}

/// A key as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Who has it.
    pub name: String,
    /// Its hash, in hexadecimal digits.
    pub sha256: String,
    /// What it grants.
    pub scopes: Vec<Scope>,
    /// For which models; all if none are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// How often its owner may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// Keys by their hash.
pub(super) struct Keys(HashMap<String, Grant>);

/// The hash of a key in hexadecimal digits.
fn hash(key: &str) -> String {
    format!("{:x}", Sha256::digest(key.as_bytes()))
}

/// A new key, and what is to be written down of it.
///
/// # Errors
/// If the system has no randomness.
pub fn new(name: String, scopes: Vec<Scope>, models: Option<Vec<String>>) -> Result<(String, Key), Error> {
    let mut bytes = [0; BYTES];
    let failed = |error: getrandom::Error| Error::Randomness { reason: error.to_string() };
    getrandom::fill(&mut bytes).map_err(failed)?;
    let key = format!("{BEGINNING}{}", URL_SAFE_NO_PAD.encode(bytes));
    let written = Key { name, sha256: hash(&key), scopes, models, rate: None };
    Ok((key, written))
}

/// Adds a key to the file at `path`, which is made if it is not there; nobody but its owner may read it then.
///
/// # Errors
/// If there is such a name already; if the file cannot be read or written.
pub fn add(path: &Path, key: Key) -> Result<(), Error> {
    let wrong = |reason: String| Error::Access { path: path.to_owned(), reason };
    if key.name.trim().is_empty() {
        return Err(wrong("a key needs the name of who has it".into()));
    }
    // Of two who add one at once the second waits.
    let mut beside = path.file_name().unwrap_or_default().to_owned();
    beside.push(".lock");
    let lock = File::create(path.with_file_name(beside)).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(|error| wrong(error.to_string()))?;
    // A link stays one.
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut written = match place.exists() {
        true => read(&place)?,
        false => Written::default(),
    };
    if written.keys.iter().any(|other| other.name == key.name) {
        return Err(wrong(format!("there is a key of the name `{}` already", key.name)));
    }
    written.keys.push(key);
    let text = toml::to_string(&written).map_err(|error| wrong(error.to_string()))?;
    data_loader::atomic::write_secret(&place, text.as_bytes())?;
    Ok(())
}

fn read(path: &Path) -> Result<Written, Error> {
    let wrong = |reason: String| Error::Access { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))
}

impl Keys {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Access`] with what is wrong in it.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Access { path: path.to_owned(), reason };
        let mut keys = HashMap::new();
        let mut names: Vec<String> = Vec::new();
        for Key { name, sha256, scopes, models, rate } in read(path)?.keys {
            if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(wrong(format!("`sha256` of the key `{name}` is no hash of 64 hexadecimal digits")));
            }
            if names.contains(&name) {
                return Err(wrong(format!("two keys have the name `{name}`")));
            }
            names.push(name.clone());
            keys.insert(sha256.to_lowercase(), Grant { name, scopes, models, rate });
        }
        match keys.is_empty() {
            true => Err(wrong("it holds no keys, and nobody could ask".into())),
            false => Ok(Self(keys)),
        }
    }

    /// What a key grants.
    pub(super) fn grant(&self, key: &str) -> Option<Grant> {
        self.0.get(&hash(key)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_hash_and_never_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let (key, written) = new("shop".into(), vec![Scope::Predict], Some(vec!["penguins".into()])).unwrap();
        assert!(key.starts_with(BEGINNING) && key.len() > 40);
        add(&path, written.clone()).unwrap();
        let (other, second) = new("desk".into(), vec![Scope::Metrics, Scope::Control], None).unwrap();
        add(&path, second).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&key) && text.contains(&written.sha256), "{text}");
        let keys = Keys::read(&path).unwrap();
        assert_eq!(keys.grant(&key).unwrap().models, Some(vec!["penguins".into()]));
        assert_eq!(keys.grant(&other).unwrap().scopes, [Scope::Metrics, Scope::Control]);
        assert!(keys.grant(&key[..key.len() - 1]).is_none() && keys.grant("").is_none());
        assert!(keys.grant(&written.sha256).is_none(), "the hash is no key");
        let error = add(&path, written).unwrap_err();
        assert!(error.to_string().contains("already"), "{error}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0);
        }
    }

    #[test]
    fn a_file_that_cannot_be_meant_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let hash = "a".repeat(64);
        for (text, words) in [
            (String::new(), "no keys"),
            ("[[keys]]\nname = \"a\"".into(), "sha256"),
            ("[[keys]]\nname = \"a\"\nsha256 = \"zz\"\nscopes = []".into(), "no hash"),
            (format!("[[keys]]\nname = \"a\"\nsha256 = \"{hash}\"\nscopes = [\"everything\"]"), "everything"),
            (format!("[[keys]]\nname = \"a\"\nsha256 = \"{hash}\"\nscopes = []\n").repeat(2), "two keys have the name"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Keys::read(&path).err().unwrap();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
