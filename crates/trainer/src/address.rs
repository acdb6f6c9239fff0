//! Which model is meant? `RUN`, `RUN@best`, `RUN@last`, `RUN@ema` or `RUN@step-N`.

use std::path::{Path, PathBuf};

use model_zoo::weights::Weights;

use crate::checkpoint::{self, Chosen};
use crate::{Error, Experiment, RunDir};

/// A run and, after an @, one of its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The folder of the run.
    pub run: PathBuf,
    /// `best`, `last`, `ema` or `step-N`; the best if nothing is said.
    pub checkpoint: Option<String>,
}

impl Address {
    /// Reads an address. A folder whose own name has an @ in it is that folder.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once('@') {
            Some((run, checkpoint)) if !Path::new(text).exists() => {
                Self { run: run.into(), checkpoint: Some(checkpoint.to_owned()) }
            }
            _ => Self { run: text.into(), checkpoint: None },
        }
    }

    /// Opens the run and finds the checkpoint.
    ///
    /// # Errors
    /// [`Error::NotARun`], [`Error::NoCheckpoint`].
    pub fn open(&self) -> Result<(RunDir, Chosen), Error> {
        let run = RunDir::open(&self.run)?;
        let chosen = checkpoint::choose(&run, self.checkpoint.as_deref())?;
        Ok((run, chosen))
    }

    /// The weights that are meant: the average where one was kept.
    ///
    /// # Errors
    /// As [`open`](Self::open), [`Error::BadCheckpoint`], [`Error::NoAverage`].
    pub fn weights(&self) -> Result<Weights, Error> {
        let (run, chosen) = self.open()?;
        if self.checkpoint.as_deref() == Some("ema") && !checkpoint::has_average(&chosen.path)? {
            return Err(Error::NoAverage(self.run.clone()));
        }
        let found = checkpoint::weights_of(&chosen.path, false)?;
        let experiment = Experiment::read(&run.config(), &[])?;
        Ok(match &experiment.fine_tune {
            Some(fine_tune) => fine_tune.merged(found),
            None => found,
        })
    }
}

/// A path as it can be typed into a shell.
pub fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-@+:,".contains(c) || c == std::path::MAIN_SEPARATOR;
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_at_separates_run_and_checkpoint() {
        let address = Address::parse("runs/a@b@step-3");
        assert_eq!(address, Address { run: "runs/a@b".into(), checkpoint: Some("step-3".into()) });
        assert_eq!(Address::parse("runs/a"), Address { run: "runs/a".into(), checkpoint: None });
    }

    #[test]
    fn what_is_typed_reaches_the_path() {
        assert_eq!(typed(Path::new("runs/a-1@b")), "runs/a-1@b");
        assert_eq!(typed(Path::new("my run's")), r"'my run'\''s'");
    }

    #[test]
    fn a_folder_with_an_at_in_its_name_is_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x@best");
        std::fs::create_dir(&path).unwrap();
        assert_eq!(Address::parse(path.to_str().unwrap()), Address { run: path, checkpoint: None });
    }
}
