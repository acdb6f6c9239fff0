//! In whose hands is a trial, and whose is the next one? Trials go from hand to hand, each finished once, whatever becomes of the workers.
//!
//! There are never more trials than the budget allows to be finished, and every one of them is finished some time: so exactly as many are as
//! were asked for. A worker that has lost its trial to another changes nothing any more.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::dimensions::Point;
use super::presence::Watch;
use super::searchers::Searcher;
use super::storage::{self, Statements, Trouble, rows};
use super::study::{self, Study};
use super::trial::{State, Trial};
use super::worker;
use crate::Error;

/// Where no number of trials is named, a sweep ends once so many in a row have failed.
const MOST_FAILED: usize = 50;

/// A trial in the hands of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which trial.
    pub number: u64,
    /// Whose it is.
    pub worker: String,
    /// How often it was taken, this time included.
    pub attempt: u64,
}

/// What a worker is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Train this trial.
    Train(Lease),
    /// Wait: others train the last ones, and may die of it.
    Wait,
    /// The budget is used up.
    Over,
    /// Someone asked all workers to end.
    Stopped,
}

impl Study {
    /// Gives a worker its next trial: one that waits, one whose worker died, or a new one.
    ///
    /// # Errors
    /// [`Error::Study`].
    pub fn next_for(&mut self, worker: &str, watch: &mut Watch) -> Result<Next, Error> {
        self.refresh()?;
        if self.is_stopped() {
            return Ok(Next::Stopped);
        }
        let (has_work, is_training) = (self.has_work(), self.count(State::Running) > 0);
        if !has_work && !is_training {
            return Ok(Next::Over);
        }
        if is_training {
            self.observe(watch)?;
        }
        // Another worker may take one up meanwhile; then its attempt is another.
        let orphans: Vec<(u64, u64)> = self
            .trials
            .iter()
            .filter(|trial| self.is_orphan(trial, watch))
            .map(|trial| (trial.number, trial.attempt))
            .collect();
        if !has_work && orphans.is_empty() {
            return Ok(Next::Wait);
        }
        let (name, budget, max_crashes) = (self.row.name.clone(), self.open_budget(), self.sweep.max_crashes);
        let Self { database, row, trials, waits, sweep, .. } = self;
        let turn = storage::transact(database.as_mut(), waits, |on| {
            let revision = study::catch_up(on, &name, trials, row)?;
            // A population goes on once all of it is there.
            let gathers = sweep.population.is_some() && (trials.len() as u64) < budget;
            for trial in trials.iter() {
                let may_go_on = match &sweep.population {
                    Some(population) => !(gathers && trial.generations > 0) && population.may_go_on(trial, trials),
                    None => true,
                };
                match trial.state {
                    State::Waiting if may_go_on => return take(on, &name, trial, worker, revision).map(Some),
                    State::Running if orphans.contains(&(trial.number, trial.attempt)) => {
                        let crashed = Trial { crashes: trial.crashes + 1, ..trial.clone() };
                        if crashed.crashes <= max_crashes {
                            return take(on, &name, &crashed, worker, revision).map(Some);
                        }
                        let error = format!("its worker died {} times", crashed.crashes);
                        let failed = Trial { state: State::Failed, error: Some(error), ended: Some(now()), ..crashed };
                        rows::update_trial(on, &name, &failed, revision, held(trial))?;
                    }
                    _ => {}
                }
            }
            if trials.len() as u64 >= budget {
                return Ok(None);
            }
            let new = Trial::new(trials.len() as u64, "searcher");
            rows::insert_trial(on, &name, &new, revision)?;
            take(on, &name, &new, worker, revision).map(Some)
        })?;
        self.refresh()?;
        Ok(turn.map_or(Next::Wait, Next::Train))
    }

    /// Whether a trial waits, or may begin.
    fn has_work(&self) -> bool {
        self.count(State::Waiting) > 0 || self.may_begin()
    }

    /// Whether the budget has room for another trial.
    pub fn may_begin(&self) -> bool {
        (self.trials.len() as u64) < self.open_budget()
    }

    /// How many trials there may be, from what is known now.
    fn open_budget(&self) -> u64 {
        let there = self.trials.len() as u64;
        // What was brought in from elsewhere is no part of the budget.
        let own = || self.trials.iter().filter(|trial| !trial.is_brought());
        let seconds: f64 = own().map(|trial| trial.seconds).sum();
        let spent = self.sweep.hours.is_some_and(|hours| seconds >= 3600.0 * hours);
        let reached = self.sweep.target.is_some_and(|target| self.reaches(target));
        // What fails takes no time and reaches nothing: it would go on for ever.
        let latest = || own().filter(|trial| trial.state.is_finished()).rev().take(MOST_FAILED);
        let in_vain = self.sweep.trials.is_none()
            && latest().count() == MOST_FAILED
            && latest().all(|trial| trial.state == State::Failed);
        if spent || reached || in_vain {
            return there;
        }
        let brought = there - own().count() as u64;
        let wanted = self.sweep.trials.map_or(u64::MAX, |trials| trials.saturating_add(brought));
        wanted.min(self.untried().map_or(u64::MAX, |left| there.saturating_add(left)))
    }

    /// How many points are left beside those of the trials that are there; nothing if there is no end.
    pub fn untried(&self) -> Option<u64> {
        let Searcher::Grid(grid) = &self.sweep.searcher else { return None };
        let points = self.trials.iter().filter_map(|trial| self.dimensions.point_of(trial, trial.settings.as_ref()?));
        let points: Vec<Point> = points.collect();
        // A trial that has no settings yet will try another one.
        let unsettled = self.trials.iter().filter(|trial| trial.settings.is_none()).count() as u64;
        Some(grid.left(&self.dimensions, points.iter()).saturating_sub(unsettled))
    }

    fn reaches(&self, target: f64) -> bool {
        let Some(first) = self.sweep.objectives.first() else { return false };
        let complete = self.trials.iter().filter(|trial| trial.state == State::Complete && !trial.is_brought());
        complete.filter_map(|trial| trial.scores.get(&first.metric)).any(|&value| first.reaches(value, target))
    }

    fn observe(&mut self, watch: &mut Watch) -> Result<(), Error> {
        let name = self.row.name.clone();
        let beats = storage::transact(self.database.as_mut(), &mut self.waits, |on| rows::beats(on, &name))?;
        watch.observe(&beats, Instant::now());
        Ok(())
    }

    fn is_orphan(&self, trial: &Trial, watch: &Watch) -> bool {
        trial.state == State::Running
            && trial.worker.as_ref().is_none_or(|w| watch.is_dead(self.folder(), w, trial.number, Instant::now()))
    }

    /// Settles what a new trial tries, and writes it down; false if it is in other hands by now. Nobody else settles anything meanwhile: each
    /// proposal knows of all that came before it.
    ///
    /// # Errors
    /// [`Error::Study`].
    pub fn settle(&mut self, lease: &Lease, trial: &mut Trial) -> Result<bool, Error> {
        let name = self.row.name.clone();
        loop {
            let settled = settled(&self.trials);
            trial.settings = Some(worker::propose(self, lease.number));
            let Self { database, row, trials, waits, .. } = self;
            let written = storage::transact(database.as_mut(), waits, |on| {
                let revision = study::catch_up(on, &name, trials, row)?;
                match settled == self::settled(trials) {
                    true => rows::update_trial(on, &name, trial, revision, (&lease.worker, lease.attempt)).map(Some),
                    // Somebody was faster, and this one has to know of it.
                    false => Ok(None),
                }
            })?;
            if let Some(written) = written {
                if written {
                    self.take_over(vec![trial.clone()]);
                }
                return Ok(written);
            }
        }
    }

    /// Writes what came of a trial so far; false if it is in other hands by now.
    ///
    /// # Errors
    /// [`Error::Study`].
    pub fn write(&mut self, lease: &Lease, trial: &Trial) -> Result<bool, Error> {
        let name = self.row.name.clone();
        let Self { database, row, trials, waits, .. } = self;
        let written = storage::transact(database.as_mut(), waits, |on| {
            let revision = study::catch_up(on, &name, trials, row)?;
            rows::update_trial(on, &name, trial, revision, (&lease.worker, lease.attempt))
        })?;
        if written {
            self.take_over(vec![trial.clone()]);
        }
        Ok(written)
    }
}

impl Trial {
    /// Whether it was made elsewhere.
    pub fn is_brought(&self) -> bool {
        !matches!(self.origin.as_str(), "searcher" | "hand" | "lost")
    }
}

/// How many trials have settings.
fn settled(trials: &[Trial]) -> usize {
    trials.iter().filter(|trial| trial.settings.is_some()).count()
}

fn held(trial: &Trial) -> (&str, u64) {
    (trial.worker.as_deref().unwrap_or(""), trial.attempt)
}

/// Puts a trial into the hands of a worker.
fn take(on: &mut dyn Statements, study: &str, trial: &Trial, worker: &str, revision: i64) -> Result<Lease, Trouble> {
    let attempt = trial.attempt + 1;
    let taken = Trial {
        state: State::Running,
        worker: Some(worker.to_owned()),
        attempt,
        began: trial.began.or_else(|| Some(now())),
        ..trial.clone()
    };
    if !rows::update_trial(on, study, &taken, revision, held(trial))? {
        return Err(Trouble::Refused(format!("trial {} changed while it was taken", trial.number)));
    }
    Ok(Lease { number: trial.number, worker: worker.to_owned(), attempt })
}

/// Seconds since 1970, for people to read: nothing is decided by it.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
