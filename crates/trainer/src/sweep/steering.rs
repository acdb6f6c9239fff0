//! How does a person change the course of a study? Its budget and space, trials by hand, history from elsewhere, and that it stops.
//!
//! Every change is made of what the study is at that moment, whoever changed it before.

use std::collections::BTreeMap;

use serde_json::Value;

use super::config::Sweep;
use super::proposal;
use super::storage::rows::{self, StudyRow};
use super::storage::{self, Statements, Trouble};
use super::study::{Study, catch_up, read_config};
use super::trial::Trial;
use crate::Error;

impl Study {
    /// Changes how the sweep goes on.
    ///
    /// # Errors
    /// [`Error::Study`].
    pub fn change(&mut self, mut change: impl FnMut(&mut Sweep)) -> Result<(), Error> {
        let name = self.row.name.clone();
        storage::transact(self.database.as_mut(), &mut self.waits, |on| change_config(on, &name, &mut change))?;
        self.refresh()
    }

    /// Asks workers to end with everything saved, or lets them go on.
    ///
    /// # Errors
    /// [`Error::Study`].
    pub fn stop(&mut self, stopped: bool) -> Result<(), Error> {
        let name = self.row.name.clone();
        storage::transact(self.database.as_mut(), &mut self.waits, |on| {
            let row = current(on, &name)?;
            rows::advance(on, &name)?;
            rows::update_study(on, &StudyRow { stopped, ..row })
        })?;
        self.refresh()
    }

    /// Adds a trial with settings that a person chose, and one more to the budget of trials. What is left out is as the config has it.
    ///
    /// # Errors
    /// [`Error::Config`] if the settings make no config; [`Error::Study`].
    pub fn enqueue(&mut self, settings: BTreeMap<String, Value>) -> Result<u64, Error> {
        proposal::check_addresses(settings.keys(), self.config())?;
        proposal::apply(&self.experiment, &settings, self.config())?;
        self.refresh()?;
        self.check_population("takes in nobody")?;
        let settings = self.dimensions.filled(&settings);
        let name = self.row.name.clone();
        let Self { database, row, trials, waits, .. } = self;
        let number = storage::transact(database.as_mut(), waits, |on| {
            let revision = catch_up(on, &name, trials, row)?;
            let trial = Trial { settings: Some(settings.clone()), ..Trial::new(trials.len() as u64, "hand") };
            rows::insert_trial(on, &name, &trial, revision)?;
            change_config(on, &name, &mut |sweep| sweep.trials = sweep.trials.map(|trials| trials + 1))?;
            Ok(trial.number)
        })?;
        self.refresh()?;
        Ok(number)
    }

    /// Refuses to change who belongs to a population that has begun to come to its end: what others would go on from is gone.
    fn check_population(&self, what: &str) -> Result<(), Error> {
        if self.sweep.population.is_none() || self.finished() == 0 {
            return Ok(());
        }
        Err(Error::Study {
            study: self.place().to_owned(),
            reason: format!("it is a population of which some have finished, and {what} any more"),
            way_out: Some("`--run DIR` begins another population in another folder".into()),
        })
    }

    /// Changes how many trials are to be finished.
    ///
    /// # Errors
    /// [`Error::Study`], also if more are finished already.
    pub fn set_budget(&mut self, trials: u64) -> Result<(), Error> {
        self.refresh()?;
        if self.sweep.trials == Some(trials) {
            return Ok(());
        }
        self.check_population("stays as large as it is")?;
        let own = self.trials.iter().filter(|trial| trial.state.is_finished() && !trial.is_brought()).count() as u64;
        if trials < own {
            return Err(Error::Study {
                study: self.place().to_owned(),
                reason: format!("{own} trials are finished already, and {trials} are asked for"),
                way_out: Some(format!("name at least {own}")),
            });
        }
        self.change(|sweep| sweep.trials = Some(trials))
    }

    /// Brings trials in that were made elsewhere, as history from which searchers learn; they count for no budget.
    ///
    /// # Errors
    /// [`Error::Study`].
    pub fn bring_in(&mut self, brought: &[Trial]) -> Result<(), Error> {
        let name = self.row.name.clone();
        let Self { database, row, trials, waits, .. } = self;
        storage::transact(database.as_mut(), waits, |on| {
            let revision = catch_up(on, &name, trials, row)?;
            for (place, trial) in brought.iter().enumerate() {
                let trial = Trial { number: (trials.len() + place) as u64, ..trial.clone() };
                rows::insert_trial(on, &name, &trial, revision)?;
            }
            Ok(())
        })?;
        self.refresh()
    }
}

/// A study as it is now.
fn current(on: &mut dyn Statements, name: &str) -> Result<StudyRow, Trouble> {
    rows::read_study(on, name)?.ok_or_else(|| Trouble::Refused(format!("there is no study `{name}`")))
}

/// Changes how a study goes on, from what it is now, whoever changed it before.
fn change_config(on: &mut dyn Statements, name: &str, change: &mut dyn FnMut(&mut Sweep)) -> Result<(), Trouble> {
    // Others wait from here on.
    rows::advance(on, name)?;
    let row = current(on, name)?;
    let (experiment, mut sweep, _) =
        read_config(&row, name).map_err(|error| Trouble::Refused(format!("its config cannot be read: {error}")))?;
    change(&mut sweep);
    let config = proposal::to_toml(&experiment, &sweep);
    rows::update_study(on, &StudyRow { config, ..row })
}
