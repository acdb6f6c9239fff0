//! Where does the state of a trial lie at the end of a generation, so that others can go on from it? In a copy beside its checkpoints, which
//! stays until everybody has ended the next generation.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run_dir::RunDir;
use crate::{Error, checkpoint};

/// Copies the checkpoints of a run as they are at the beginning of a generation, and removes the copies that nobody needs any more.
///
/// # Errors
/// If the disk fails.
pub fn take(run: &RunDir, generation: u64) -> Result<(), Error> {
    let all = folder(run.path());
    let entries = fs::read_dir(&all).into_iter().flatten().filter_map(Result::ok);
    for entry in entries {
        let number: Option<u64> = entry.file_name().to_string_lossy().parse().ok();
        // Whoever begins this generation has ended the one before, and needs nothing of what lies before that.
        if number.is_none_or(|number| number + 1 < generation) {
            fs::remove_dir_all(entry.path()).map_err(Error::io("remove", &entry.path()))?;
        }
    }
    fs::create_dir_all(&all).map_err(Error::io("create", &all))?;
    replace(&run.checkpoints(), &all.join(generation.to_string()))
}

/// Puts what another trial had at the beginning of a generation in the place of a run's own checkpoints, unless it has gone on from there.
///
/// # Errors
/// If there is no such copy here, or the disk fails.
pub fn go_on_from(run: &RunDir, donor: &Path, generation: u64, step: u64) -> Result<(), Error> {
    if checkpoint::pointed(run, "latest").is_some_and(|latest| latest > step) {
        return Ok(());
    }
    let copy = folder(donor).join(generation.to_string());
    if !copy.is_dir() {
        let source = std::io::Error::new(
            std::io::ErrorKind::NotFound,
            "the checkpoint of another trial is not here; workers of a population must share the folder of the runs",
        );
        return Err(Error::Io { doing: "read", path: copy, source });
    }
    replace(&copy, &run.checkpoints())
}

fn folder(run: &Path) -> PathBuf {
    run.join("generations")
}

/// Copies a folder with its folders of files to a place, where it appears in whole.
fn replace(from: &Path, to: &Path) -> Result<(), Error> {
    let (writing, aside) = (to.with_extension("new.tmp"), to.with_extension("gone.tmp"));
    for path in [&writing, &aside] {
        if path.exists() {
            fs::remove_dir_all(path).map_err(Error::io("remove", path))?;
        }
    }
    copy(from, &writing)?;
    if to.exists() {
        fs::rename(to, &aside).map_err(Error::io("remove", to))?;
    }
    fs::rename(&writing, to).map_err(Error::io("create", to))?;
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(Error::io("remove", &aside))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io("create", to))?;
    for entry in fs::read_dir(from).map_err(Error::io("read", from))? {
        let entry = entry.map_err(Error::io("read", from))?;
        let (source, place) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &place)?;
        } else {
            fs::copy(&source, &place).map_err(Error::io("copy", &source))?;
        }
    }
    Ok(())
}
