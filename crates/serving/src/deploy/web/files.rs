//! Where does the graph of a bundle lie, and is it of this bundle?

use std::fs;
use std::path::PathBuf;

use super::Deployment;
use crate::Error;

const GRAPH: &str = "model.onnx";
/// The key under which an export says from which bundle it was made, by the hash of its manifest.
const OF_BUNDLE: &[u8] = b"firebox.bundle_sha256";
/// A key that every export has.
const OF_FIREBOX: &[u8] = b"firebox.signature";
/// How many digits a hash has.
const DIGITS: usize = 64;

/// The bytes of the graph: of the file that is named, or of what lies where `firebox export` puts it.
pub fn graph(deployment: &Deployment) -> Result<Vec<u8>, Error> {
    let way_out = "`firebox export RUN --to onnx` writes it; name the file if it lies elsewhere";
    let places = places(deployment);
    let Some(path) = places.iter().find(|path| path.is_file()) else {
        let looked: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
        let reason = format!("the network's graph is not at {}", looked.join(", nor at "));
        return Err(Error::package(format!("{} for browsers", deployment.name), reason, way_out));
    };
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let what = format!("the graph {}", path.display());
    if find(&bytes, OF_FIREBOX).is_none() {
        return Err(Error::package(
            what,
            "`firebox export` did not write it, so that its inputs are not known",
            way_out,
        ));
    }
    let manifest = deployment.files.iter().find(|file| file.name == "manifest.json").map(|file| file.hash.as_bytes());
    match (bundle_of(&bytes), manifest) {
        (Some(found), Some(wanted)) if found != wanted => {
            Err(Error::package(what, "it was made of another bundle, or of this one before it was changed", way_out))
        }
        _ => Ok(bytes),
    }
}

/// Where the graph may lie: beside the bundle, or in the folder for exports of the run whose bundle it is.
fn places(deployment: &Deployment) -> Vec<PathBuf> {
    match &deployment.graph {
        Some(given) if given.is_dir() => vec![given.join(GRAPH)],
        Some(given) => vec![given.clone()],
        None => {
            let bundle = &deployment.bundle;
            let beside = bundle.canonicalize().unwrap_or_else(|_| bundle.clone());
            let beside = beside.parent().unwrap_or(bundle);
            vec![beside.join(GRAPH), beside.join("export").join(GRAPH)]
        }
    }
}

/// The hash of the manifest from which a graph was made. The value stands behind its key, after a mark and its length.
fn bundle_of(bytes: &[u8]) -> Option<&[u8]> {
    let behind = bytes.get(find(bytes, OF_BUNDLE)? + OF_BUNDLE.len()..)?;
    behind.strip_prefix(&[0x12, DIGITS as u8])?.get(..DIGITS)
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).rposition(|window| window == word)
}
