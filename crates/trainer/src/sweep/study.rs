//! What is a study? Its config, and all that is known of its trials, as it lies in the database.

use std::path::{Path, PathBuf};

use super::config::Sweep;
use super::dimensions::{Dimensions, Point};
use super::interchange::View;
use super::known::Known;
use super::objectives::Objective;
use super::place::Place;
use super::proposal::{self, Proposal};
use super::storage::rows::{self, StudyRow};
use super::storage::{self, Database, Statements, Trouble};
use super::trial::{self, State, Trial};
use crate::experiment::Experiment;
use crate::{Error, RunDir};

/// A study that was opened.
pub struct Study {
    /// The experiment that is varied; its `sweep` is none.
    pub experiment: Experiment,
    /// How the sweep goes.
    pub sweep: Sweep,
    /// The space, as searchers see it.
    pub dimensions: Dimensions,
    /// The trials by their numbers, as they were when the database was asked last.
    pub trials: Vec<Trial>,
    /// The points of trials, as far as they were worked out.
    points: Vec<Option<Point>>,
    pub(super) row: StudyRow,
    pub(super) database: Box<dyn Database>,
    /// Where the runs of the trials lie.
    folder: PathBuf,
    /// Told, once each time, when the database does not answer.
    pub(super) waits: Box<dyn FnMut(&str) + Send>,
}

/// What a study is opened for.
pub struct Opened {
    /// The study.
    pub study: Study,
    /// Whether it was there before.
    pub existed: bool,
}

impl Study {
    /// Opens a study that is there; runs of trials lie in `folder`, or where its place says.
    ///
    /// # Errors
    /// [`Error::NoStudy`], [`Error::Study`].
    pub fn open(place: &Place, folder: Option<&Path>) -> Result<Self, Error> {
        let (mut database, name) = place.open()?;
        let row = storage::transact(
            database.as_mut(),
            |_| (),
            |on| {
                rows::create_tables(on)?;
                rows::read_study(on, &name)
            },
        )?;
        let Some(row) = row else { return Err(Error::NoStudy(format!("{}#{name}", database.place()))) };
        let folder = match (folder, place) {
            (Some(folder), _) => folder.to_owned(),
            (None, Place::Folder(folder)) => folder.clone(),
            (None, Place::Url { .. }) => Path::new("runs").join(&row.name),
        };
        Self::from_row(database, row, folder)
    }

    /// Opens the study of a proposal, or makes it where there is none; the runs of its trials lie in `folder`. One that was there takes over
    /// budget and limits of the proposal.
    ///
    /// # Errors
    /// [`Error::OtherStudy`] if one is there of another config; [`Error::Study`], [`Error::Io`].
    pub fn create(place: &Place, folder: &Path, proposal: &Proposal) -> Result<Opened, Error> {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let (mut database, name) = place.create(folder)?;
        let written_at = proposal.config.canonicalize().unwrap_or_else(|_| proposal.config.clone());
        let wanted = StudyRow {
            name: name.clone(),
            config: proposal::to_toml(&proposal.experiment, &proposal.sweep),
            written_at: written_at.display().to_string(),
            stopped: false,
            revision: 0,
        };
        let (row, existed) = storage::transact(
            database.as_mut(),
            |_| (),
            |on| {
                rows::create_tables(on)?;
                let new = rows::insert_study(on, &wanted)?;
                let row = rows::read_study(on, &name)?.ok_or_else(|| Trouble::Refused("it was removed".into()))?;
                Ok((row, !new))
            },
        )?;
        let mut study = Self::from_row(database, row, folder.to_owned())?;
        if existed {
            let differences = proposal.differences(&study.experiment, &study.sweep);
            if !differences.is_empty() {
                return Err(Error::OtherStudy { study: folder.display().to_string(), differences });
            }
            let sweep = proposal.sweep.clone();
            study.change(|known| {
                // What was raised meanwhile, or queued by hand, is not taken back by the command that began it.
                let trials = known.trials.max(sweep.trials).filter(|_| sweep.trials.is_some());
                *known = Sweep { space: known.space.clone(), trials, ..sweep.clone() };
            })?;
        }
        Ok(Opened { study, existed })
    }

    fn from_row(database: Box<dyn Database>, row: StudyRow, folder: PathBuf) -> Result<Self, Error> {
        let (experiment, sweep, dimensions) = read_config(&row, database.place())?;
        let mut study = Self {
            experiment,
            sweep,
            dimensions,
            trials: Vec::new(),
            points: Vec::new(),
            row: StudyRow { revision: 0, ..row },
            database,
            folder,
            waits: Box::new(|_| ()),
        };
        study.refresh()?;
        Ok(study)
    }

    /// The same study by a second connection, which knows of no trials.
    ///
    /// # Errors
    /// [`Error::Study`].
    pub fn reopen_database(&self) -> Result<Box<dyn Database>, Error> {
        let place = self.database.place();
        self.database.reopen().map_err(|(Trouble::Gone(reason) | Trouble::Refused(reason))| Error::Study {
            study: place.to_owned(),
            reason,
            way_out: None,
        })
    }

    /// Who is told when the database does not answer.
    pub fn when_waiting(&mut self, told: impl FnMut(&str) + Send + 'static) {
        self.waits = Box::new(told);
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.row.name
    }

    /// Where its database is, without a password.
    pub fn place(&self) -> &str {
        self.database.place()
    }

    /// Where the runs of its trials lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the run of a trial lies, if one is kept.
    pub fn run_of(&self, number: u64) -> PathBuf {
        self.folder.join("trials").join(format!("{number:05}"))
    }

    /// Where the page about it lies.
    pub fn page(&self) -> PathBuf {
        self.folder.join("study.html")
    }

    /// The run of a trial, if it lies here.
    pub fn kept_run(&self, number: u64) -> Option<RunDir> {
        RunDir::open(&self.run_of(number)).ok()
    }

    /// The file in which its config was written.
    pub fn config(&self) -> &Path {
        Path::new(&self.row.written_at)
    }

    /// Whether its workers were asked to end.
    pub fn is_stopped(&self) -> bool {
        self.row.stopped
    }

    /// What is made good, the first one deciding about pruning.
    pub fn objectives(&self) -> &[Objective] {
        &self.sweep.objectives
    }

    /// What other tools are told of it.
    pub fn view(&self) -> View<'_> {
        View { name: &self.row.name, sweep: &self.sweep, dimensions: &self.dimensions, trials: &self.trials }
    }

    /// The complete trials, the best first.
    pub fn ranked(&self) -> Vec<&Trial> {
        trial::ranked(&self.trials, &self.sweep.objectives)
    }

    /// The best trial, or with several objectives all that none beats.
    pub fn front(&self) -> Vec<&Trial> {
        trial::front(&self.trials, &self.sweep.objectives)
    }

    /// How many trials are in a state.
    pub fn count(&self, state: State) -> u64 {
        self.trials.iter().filter(|trial| trial.state == state).count() as u64
    }

    /// How many trials are finished.
    pub fn finished(&self) -> u64 {
        self.trials.iter().filter(|trial| trial.state.is_finished()).count() as u64
    }

    /// Asks the database what has changed.
    ///
    /// # Errors
    /// [`Error::Study`].
    pub fn refresh(&mut self) -> Result<(), Error> {
        let (name, seen) = (self.row.name.clone(), self.row.revision);
        let (row, changed) = storage::transact(self.database.as_mut(), &mut self.waits, |on| {
            let row =
                rows::read_study(on, &name)?.ok_or_else(|| Trouble::Refused(format!("there is no study `{name}`")))?;
            let changed = if row.revision == seen { Vec::new() } else { rows::trials_since(on, &name, seen)? };
            Ok((row, changed))
        })?;
        self.take_over(changed);
        if row.config != self.row.config {
            (self.experiment, self.sweep, self.dimensions) = read_config(&row, self.database.place())?;
            self.points.clear();
        }
        self.row = row;
        Ok(())
    }

    /// The trials as searchers see them.
    pub fn known(&mut self) -> Vec<Known> {
        // Settings stay what they are, but for those of a population.
        if self.sweep.population.is_some() {
            self.points.clear();
        }
        self.points.resize(self.trials.len(), None);
        let each = self.trials.iter().zip(&mut self.points);
        each.filter_map(|(trial, point)| {
            if point.is_none() {
                *point = trial.settings.as_ref().and_then(|settings| self.dimensions.point_of(trial, settings));
            }
            trial.known_at(point.clone()?, &self.sweep.objectives)
        })
        .collect()
    }

    /// Takes note of trials as they are in the database.
    pub(super) fn take_over(&mut self, changed: Vec<Trial>) {
        put(&mut self.trials, changed);
    }
}

/// Moves the revision of a study on and reads what others changed before; what was read was written by others, and stays so whatever becomes of
/// the transaction.
pub(super) fn catch_up(
    on: &mut dyn Statements,
    name: &str,
    trials: &mut Vec<Trial>,
    row: &mut StudyRow,
) -> Result<i64, Trouble> {
    let revision = rows::advance(on, name)?;
    put(trials, rows::trials_since(on, name, row.revision)?);
    row.revision = revision - 1;
    Ok(revision)
}

fn put(trials: &mut Vec<Trial>, changed: Vec<Trial>) {
    for trial in changed {
        let number = trial.number as usize;
        match number.cmp(&trials.len()) {
            std::cmp::Ordering::Less => trials[number] = trial,
            std::cmp::Ordering::Equal => trials.push(trial),
            // A row that someone removed by hand: numbers stay what they are.
            std::cmp::Ordering::Greater => {
                while trials.len() < number {
                    let lost = Trial::new(trials.len() as u64, "lost");
                    trials.push(Trial { state: State::Failed, error: Some("its row is gone".into()), ..lost });
                }
                trials.push(trial);
            }
        }
    }
}

pub(super) fn read_config(row: &StudyRow, place: &str) -> Result<(Experiment, Sweep, Dimensions), Error> {
    let odd = |reason: String| Error::Study { study: place.to_owned(), reason, way_out: None };
    let mut experiment = Experiment::parse(&row.config, Path::new(&row.written_at), &[])?;
    let sweep = experiment.sweep.take().ok_or_else(|| odd("its config holds no sweep".into()))?;
    let dimensions = Dimensions::new(&sweep.space)
        .map_err(|(address, reason)| odd(format!("its parameter `{address}` {reason}")))?;
    let dimensions = dimensions.of(&experiment);
    Ok((experiment, sweep, dimensions))
}
