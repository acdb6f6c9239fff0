//! How does a package come to lie in a folder? In whole or not at all, and never over what lies there.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use data_loader::atomic::NewFolder;

use super::Deployment;
use super::bundle_files::{self, BundleFile};
use crate::Error;

/// A folder that is being filled.
pub struct Folder {
    new: NewFolder,
    place: PathBuf,
    written: Vec<(String, u64)>,
}

impl Folder {
    /// Begins a folder where there is none, or an empty one.
    pub fn begin(place: &Path) -> Result<Self, Error> {
        let is_empty = match fs::read_dir(place) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(Error::io("write to", place)(error)),
        };
        if place.file_name().is_none() || !is_empty {
            return Err(Error::package(
                format!("anything into {}", place.display()),
                "something lies there already",
                "name a folder that is not there yet, or remove it",
            ));
        }
        Ok(Self { new: NewFolder::begin(place)?, place: place.to_owned(), written: Vec::new() })
    }

    /// Where the folder will lie.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Writes a file that everybody may read.
    pub fn text(&mut self, name: &str, text: &str) -> Result<(), Error> {
        self.bytes(name, text.as_bytes())
    }

    /// The same of what is no text.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.stream(name, |to| to.write_all(bytes).map_err(Error::io("write", Path::new(name))))
    }

    /// Copies the bundle to a folder within, and checks it on the way.
    pub fn bundle(&mut self, deployment: &Deployment, to: &str) -> Result<(), Error> {
        for file in &deployment.files {
            self.bundle_file(&deployment.bundle, file, &format!("{to}/{}", file.name))?;
        }
        Ok(())
    }

    fn bundle_file(&mut self, bundle: &Path, file: &BundleFile, name: &str) -> Result<(), Error> {
        self.stream(name, |mut to| bundle_files::copy(bundle, file, &mut to)).map(|_| ())
    }

    /// Lets `write` make a file at a place of its own.
    pub fn file(&mut self, name: &str, write: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
        let path = self.new.path().join(name);
        write(&path)?;
        let file = File::options().write(true).open(&path).map_err(Error::io("open", &path))?;
        readable(&file).and_then(|()| file.sync_all()).map_err(Error::io("flush", &path))?;
        let bytes = file.metadata().map_err(Error::io("read", &path))?.len();
        self.written.push((name.to_owned(), bytes));
        Ok(())
    }

    /// Writes a file by whatever `write` gives to it.
    pub fn stream<T>(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let path = self.new.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        let mut buffered = BufWriter::new(file);
        let told = write(&mut buffered)?;
        let file = buffered.into_inner().map_err(|error| Error::io("write", &path)(error.into_error()))?;
        readable(&file).and_then(|()| file.sync_all()).map_err(Error::io("flush", &path))?;
        let bytes = file.metadata().map_err(Error::io("read", &path))?.len();
        self.written.push((name.to_owned(), bytes));
        Ok(told)
    }

    /// Gives a file that was written another name.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        let path = self.new.path().join(to);
        fs::rename(self.new.path().join(from), &path).map_err(Error::io("rename to", &path))?;
        // Of two files with one name the second takes the place of the first.
        self.written.retain(|(name, _)| name != to);
        self.written.iter_mut().filter(|(name, _)| name == from).for_each(|(name, _)| to.clone_into(name));
        Ok(())
    }

    /// Puts the folder in its place, and says which files are in it, with their sizes in bytes.
    pub fn commit(mut self) -> Result<Vec<(String, u64)>, Error> {
        self.new.commit()?;
        self.written.sort();
        Ok(self.written)
    }
}

/// Whoever builds an image or serves from it is another user.
fn readable(file: &File) -> std::io::Result<()> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    let _ = file;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::plan::tests::{bundle, full};

    #[test]
    fn a_folder_is_there_in_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("package");
        let mut folder = Folder::begin(&place).unwrap();
        folder.text("a/b.txt", "text").unwrap();
        assert!(!place.exists());
        drop(folder);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        let mut folder = Folder::begin(&place).unwrap();
        folder.text("a/b.txt", "text").unwrap();
        folder.text("c", "").unwrap();
        folder.rename("c", "a/c").unwrap();
        assert_eq!(folder.commit().unwrap(), [("a/b.txt".to_owned(), 4), ("a/c".to_owned(), 0)]);
        assert_eq!(fs::read_to_string(place.join("a/b.txt")).unwrap(), "text");
    }

    #[test]
    fn nothing_is_written_over() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("mine"), "").unwrap();
        let error = Folder::begin(root.path()).err().unwrap();
        assert!(error.to_string().contains("something lies there already") && error.hint().is_some());
        assert!(Folder::begin(&root.path().join("mine")).err().unwrap().hint().is_some());
        assert!(Folder::begin(Path::new("/")).is_err());
    }

    #[test]
    fn a_bundle_that_changes_meanwhile_is_found_out() {
        let (root, bundle) = (tempfile::tempdir().unwrap(), bundle("penguins"));
        let deployment = full(bundle.path());
        fs::write(bundle.path().join("weights.safetensors"), "other").unwrap();
        let mut folder = Folder::begin(&root.path().join("package")).unwrap();
        let error = folder.bundle(&deployment, "models").unwrap_err();
        assert!(error.to_string().contains("SHA-256"), "{error}");
    }
}
