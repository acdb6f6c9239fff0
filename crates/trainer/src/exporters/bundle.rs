//! The bundle itself, as a folder and as one file. Where there is one already, it is the same bytes at another place.

use std::path::Path;

use data_loader::Entry;
use model_zoo::bundle::{self, Bundle};

use super::onnx::proof::Proof;
use super::{Job, Made, Shown, made};
use crate::Error;

/// This form in the list of forms.
pub const ENTRY: Entry =
    Entry { name: "bundle", summary: "weights with all that is needed to use them, as a folder and as one file" };

const FOLDER: &str = "bundle";
const FILE: &str = "bundle.tar.zst";

pub(super) fn write(job: &Job<'_>) -> Result<Vec<Made>, Error> {
    let place = job.place(FOLDER);
    match &job.source.bundle {
        Some(bundle) if same_place(bundle, &place) => {}
        Some(bundle) => bundle::copy(bundle, &place)?,
        None => bundle::write(job.source.content.clone(), &place)?,
    }
    if let Some(key) = job.key {
        bundle::sign(&place, key)?;
    }
    bundle::pack(&place, &job.place(FILE))?;
    // Read back from the disk, every file held against its hash, and asked once more.
    let mut all = Vec::new();
    for (name, path) in [(FOLDER, place), (FILE, job.place(FILE))] {
        let written = Bundle::read(&path)?;
        let network = written.network(&job.device.device)?;
        let examples = written.replay_golden(network.as_ref(), &job.device.device)?;
        let (bytes, sha256) = size_and_hash(&path)?;
        let proof = Shown::Equal(Proof { examples, largest: 0.0 });
        all.push(Made { form: "bundle", file: name.to_owned(), bytes, sha256, proof, judged: None });
    }
    Ok(all)
}

/// How large a bundle is, and the SHA-256 of its manifest, or of the file that it is.
fn size_and_hash(path: &Path) -> Result<(u64, String), Error> {
    if path.is_file() {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let made = made("bundle", FILE, &bytes, Shown::SameNumbers);
        return Ok((made.bytes, made.sha256));
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).map_err(Error::io("read", path))?.filter_map(Result::ok) {
        bytes += entry.metadata().map_err(Error::io("read", path))?.len();
    }
    Ok((bytes, bundle::manifest_sha256(path)?))
}

fn same_place(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
