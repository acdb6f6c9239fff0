//! How does a file come to its place in whole or not at all?

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Context, Event};
use crate::atomic::sync_parent;
use crate::card::hex;
use crate::error::Error;

/// A file that is being written beside its place, under a name that no format reads, and that takes its place when it is
/// complete and is what its card says.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    part: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
    finished: bool,
}

/// What the names of files that are being written end in, behind the process and a number.
const ENDING: &str = ".part";

impl Target {
    /// Begins the file that is to lie at `path`, under a name that no other process writes to.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new(""));
        std::fs::create_dir_all(folder).map_err(|source| Error::write(folder, source))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for number in 0_u64.. {
            let part = folder.join(format!(".{name}.{}-{number}{ENDING}", std::process::id()));
            // Only a name that is free is taken: a link there would lead the bytes elsewhere.
            let file = match File::create_new(&part) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                file => file.map_err(|source| Error::write(&part, source))?,
            };
            // Who finds it unlocked may remove it. Where files cannot be locked nobody does.
            let _ = file.try_lock();
            return Ok(Self { path: path.to_path_buf(), part, file, hash: Sha256::new(), bytes: 0, finished: false });
        }
        Err(Error::write(path, std::io::Error::from(std::io::ErrorKind::AlreadyExists)))
    }

    /// How many bytes were written.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The error for what the system said while this file was written.
    pub(crate) fn failed(&self, source: std::io::Error) -> Error {
        Error::write(&self.part, source)
    }

    /// Puts the file in its place if its checksum is one of `accepted`, of which there may be none; gives checksum and size.
    /// `record` is told the checksum just before.
    pub(crate) fn finish(
        mut self,
        accepted: &[&str],
        record: impl FnOnce(&str) -> Result<(), Error>,
    ) -> Result<(String, u64), Error> {
        let found = hex(&std::mem::take(&mut self.hash).finalize());
        if !accepted.is_empty() && !accepted.iter().any(|sum| sum.eq_ignore_ascii_case(&found)) {
            return Err(Error::Checksum { path: self.path.clone(), expected: accepted.join(" or "), found });
        }
        self.file.sync_all().map_err(|source| Error::write(&self.part, source))?;
        record(&found)?;
        std::fs::rename(&self.part, &self.path).map_err(|source| Error::write(&self.path, source))?;
        self.finished = true;
        // Where folders cannot be flushed the system does it in time.
        let _ = sync_parent(&self.path);
        Ok((found, self.bytes))
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Removes what is left in a folder of processes that are gone: what nobody has locked.
pub(super) fn sweep(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_part(&name) && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            // One that stays takes room and does no harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a name is one that [`Target::create`] gives, such as `.a.csv.4711-0.part`.
fn is_part(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let middle = name.strip_prefix('.').and_then(|name| name.strip_suffix(ENDING));
    let process = middle.and_then(|middle| middle.rsplit_once('.')).filter(|(name, _)| !name.is_empty());
    process.and_then(|(_, process)| process.split_once('-')).is_some_and(|(id, count)| number(id) && number(count))
}

/// Copies the regular file at `path`, which may have `limit` bytes, to `target`.
pub(crate) fn copy(path: &Path, limit: u64, target: &mut Target, context: &mut Context) -> Result<(), Error> {
    let failed = |source| Error::io("data file", path, source);
    let wrong = |message: String| Err(Error::Malformed { path: path.to_path_buf(), message });
    // A device never ends, and to open a pipe may take for ever.
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        let kind = if about.is_dir() { "a folder" } else { "a device or a pipe" };
        return wrong(format!("it is {kind}, and a source gives files"));
    }
    let size = about.len();
    if size > limit {
        return Err(Error::TooLarge { path: path.to_path_buf(), what: "its size in bytes", size, limit });
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        context.go_on()?;
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        target.write_all(&buffer[..read]).map_err(|source| target.failed(source))?;
        let have = target.bytes();
        // What the system makes up while it is read has no size; who we are and which secrets we have is among it.
        if have > size {
            return wrong(format!("it has more than the {size} bytes that the system says it has"));
        }
        context.tell(|file| Event::Bytes { file, have, total: Some(size) });
    }
    if target.bytes() < size {
        return wrong(format!("it ended after {} of {size} bytes; it may be written just now", target.bytes()));
    }
    Ok(())
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
