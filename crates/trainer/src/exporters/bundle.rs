//! The bundle itself, as a folder and as one file. Where there is one already, it is the same bytes at another place.

use std::path::Path;

use data_loader::Entry;
use model_zoo::bundle::{self, Bundle};

use super::checked::folder_sha256;
use super::onnx::proof::Proof;
use super::{Job, Made, Shown, made, may_replace};
use crate::Error;

/// This form in the list of forms.
pub const ENTRY: Entry =
    Entry { name: "bundle", summary: "weights with all that is needed to use them, as a folder and as one file" };

const FOLDER: &str = "bundle";
const FILE: &str = "bundle.tar.zst";

pub(super) fn write(job: &Job<'_>) -> Result<Vec<Made>, Error> {
    let place = job.place(FOLDER);
    let own = bundle::names(&place);
    may_replace(&place, &own.iter().map(String::as_str).collect::<Vec<_>>())?;
    let of_run = job.source.run.as_ref().is_some_and(|run| same_place(&run.bundle(), &place));
    // What a run ended with stays what it ended with.
    if of_run && job.source.bundle.is_none() {
        return Err(Error::Taken(place));
    }
    // Signed and asked out of sight; only then is anything at its name.
    let hidden = Hidden(job.place(&format!("{FOLDER}-unsigned.{}.tmp", std::process::id())));
    match &job.source.bundle {
        Some(bundle) => bundle::copy(bundle, &hidden.0)?,
        None => bundle::write(job.source.content.clone(), &hidden.0)?,
    }
    if let Some(key) = job.key {
        bundle::sign(&hidden.0, key)?;
    }
    let read = Bundle::read(&hidden.0)?;
    read.replay_golden(read.network(&job.device.device)?.as_ref(), &job.device.device)?;
    if !job.source.bundle.as_ref().is_some_and(|bundle| same_place(bundle, &place)) || job.key.is_some() {
        bundle::copy(&hidden.0, &place)?;
    }
    bundle::pack(&hidden.0, &job.place(FILE))?;
    drop(hidden);
    // Read back from the disk, every file held against its hash, and asked once more.
    let mut all = Vec::new();
    for (name, path) in [(FOLDER, place), (FILE, job.place(FILE))] {
        let written = Bundle::read(&path)?;
        let network = written.network(&job.device.device)?;
        let examples = written.replay_golden(network.as_ref(), &job.device.device)?;
        let (bytes, sha256) = size_and_hash(&path)?;
        let proof = match examples {
            0 => Shown::NotRun("it holds no golden samples".to_owned()),
            _ => Shown::Equal(Proof { examples, largest: 0.0 }),
        };
        all.push(Made { form: "bundle", file: name.to_owned(), bytes, sha256, proof, judged: None });
    }
    Ok(all)
}

/// A folder that goes when it is no longer needed.
struct Hidden(std::path::PathBuf);

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How large a bundle is, and its SHA-256.
fn size_and_hash(path: &Path) -> Result<(u64, String), Error> {
    if path.is_file() {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let made = made("bundle", FILE, &bytes, Shown::SameNumbers);
        return Ok((made.bytes, made.sha256));
    }
    folder_sha256(path)
}

fn same_place(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
