//! What does a worker do? It takes one trial after the other, until the budget is used up or someone asks it to end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use data_loader::{Dataset, Part};
use model_zoo::device::Found;
use serde_json::json;

use super::attempt::{self, Attempt, Ended};
use super::leases::{Lease, Next, now};
use super::presence::{BEAT, Watch, Worker};
use super::proposal;
use super::searchers::{Search, Turn};
use super::storage::{Database, rows};
use super::study::Study;
use super::trial::{State, Trial};

use super::{keep, presence};
use crate::{Error, Experiment, origin};

/// How often is looked whether there is work again.
const LOOK: Duration = Duration::from_millis(200);
/// How often is looked whether a trial should end.
const REACTION: Duration = Duration::from_millis(50);

/// What happens, for whoever shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A trial begins, or goes on after so many steps.
    Begun {
        /// The trial.
        trial: Trial,
    },
    /// A trial is no longer this worker's; it is finished if its state says so.
    Left {
        /// The trial.
        trial: Trial,
    },
}

/// Why a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The budget is used up.
    Over,
    /// It was interrupted, or all workers were asked to end.
    Stopped,
}

/// Works on a study until there is nothing left to do, or `interrupt` is set.
///
/// # Errors
/// If the database is gone for long, or the disk fails. What is wrong with a trial is kept with it.
pub fn work(
    study: &mut Study,
    device: &Found,
    interrupt: &Arc<AtomicBool>,
    told: &mut dyn FnMut(&Event),
) -> Result<End, Error> {
    let worker = Worker::new(study.folder())?;
    let pulse = Pulse::start(study, Arc::clone(interrupt))?;
    let mut watch = Watch::default();
    let mut data = Data::default();
    loop {
        let next =
            if interrupt.load(Ordering::Relaxed) { Next::Stopped } else { study.next_for(&worker.id, &mut watch)? };
        match next {
            Next::Stopped => {
                worker.leave();
                return Ok(End::Stopped);
            }
            Next::Over => {
                worker.leave();
                presence::clear(study.folder());
                keep::forget_decoded(study);
                return Ok(End::Over);
            }
            Next::Wait => std::thread::sleep(LOOK),
            Next::Train(lease) => {
                let halt = pulse.hold(&lease);
                train(study, &lease, device, &halt, &mut data, told)?;
                pulse.release();
            }
        }
    }
}

/// One trial, from the hands of the study back into them.
fn train(
    study: &mut Study,
    lease: &Lease,
    device: &Found,
    halt: &Arc<AtomicBool>,
    data: &mut Data,
    told: &mut dyn FnMut(&Event),
) -> Result<(), Error> {
    let mut trial = study.trials[lease.number as usize].clone();
    if trial.settings.is_none() && !study.settle(lease, &mut trial)? {
        return Ok(());
    }
    if let Some(changed) = begin_generation(study, &trial) {
        trial = changed;
        if !study.write(lease, &trial)? {
            return Ok(());
        }
    }
    told(&Event::Begun { trial: trial.clone() });
    let ended = try_out(study, lease, trial, device, halt, data)?;
    let Some(ended) = ended else { return Ok(()) };
    let state = match &ended.1 {
        Ended::Complete => State::Complete,
        Ended::Pruned => State::Pruned,
        Ended::Interrupted | Ended::Between => State::Waiting,
        Ended::Failed(_) if ended.0.errors < study.sweep.retries => State::Waiting,
        Ended::Failed(_) => State::Failed,
    };
    let (mut trial, ended) = ended;
    if let Ended::Failed(error) = ended {
        trial.errors += 1;
        trial.error = Some(error);
    }
    trial.state = state;
    trial.ended = state.is_finished().then(now);
    if study.write(lease, &trial)? {
        if state.is_finished() {
            keep::tidy(study)?;
        }
        told(&Event::Left { trial });
    }
    Ok(())
}

/// Trains a trial; what it dies of, short of the process, is why it failed. Nothing if it is in other hands by now.
fn try_out(
    study: &mut Study,
    lease: &Lease,
    trial: Trial,
    device: &Found,
    halt: &Arc<AtomicBool>,
    data: &mut Data,
) -> Result<Option<(Trial, Ended)>, Error> {
    let settings = trial.settings.clone().unwrap_or_default();
    let made = proposal::apply(&study.experiment, &settings, study.config());
    let open = || made.and_then(|experiment| Ok((data.of(&experiment, study, halt)?, experiment)));
    let (dataset, experiment) = match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(_)) if halt.load(Ordering::Relaxed) => return Ok(Some((trial, Ended::Interrupted))),
        Ok(Err(error)) => return Ok(Some((trial, Ended::Failed(in_words(&error))))),
        Err(panic) => return Ok(Some((trial, Ended::Failed(broke(panic.as_ref()))))),
    };
    let before = trial.clone();
    let mut attempt = Attempt { study, lease, trial, device, halt, dataset };
    let caught = catch_unwind(AssertUnwindSafe(|| attempt::run(&mut attempt, experiment)));
    let trial = attempt.trial;
    match caught {
        Ok(Ok(Some(ended))) => Ok(Some((trial, ended))),
        Ok(Ok(None)) => Ok(None),
        // Without its database a worker cannot even say that a trial failed.
        Ok(Err(error @ (Error::Study { .. } | Error::NoStudy(_)))) => Err(error),
        Ok(Err(error)) => Ok(Some((trial, Ended::Failed(in_words(&error))))),
        Err(panic) => Ok(Some((before, Ended::Failed(broke(panic.as_ref()))))),
    }
}

fn broke(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    format!("training broke: {}", said.unwrap_or("no reason was given"))
}

fn in_words(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

/// What a trial of a population becomes that begins a generation; nothing if it is in the middle of one.
fn begin_generation(study: &Study, trial: &Trial) -> Option<Trial> {
    let population = study.sweep.population.as_ref().filter(|population| population.begins_generation(trial))?;
    if trial.course.last().is_some_and(|change| change.generation >= trial.generations) {
        return None;
    }
    let objective = study.objectives().first()?;
    let change = population.change(trial, &study.trials, objective, &study.dimensions, study.experiment.seed);
    let mut changed = Trial { settings: Some(change.settings.clone()), ..trial.clone() };
    if let Some(donor) = change.from.and_then(|donor| study.trials.get(donor as usize)) {
        changed.scores.clone_from(&donor.scores);
    }
    changed.course.push(change);
    Some(changed)
}

/// The settings of a new trial.
pub(super) fn propose(study: &mut Study, number: u64) -> std::collections::BTreeMap<String, serde_json::Value> {
    let known = study.known();
    let turn = Turn { seed: study.experiment.seed, number };
    let point = study.sweep.searcher.propose(&study.dimensions, &known, turn);
    study.dimensions.settings(&point).into_iter().collect()
}

/// The data of the latest trial: the next one learns from the same, unless it varies them.
#[derive(Default)]
struct Data {
    latest: Option<(serde_json::Value, Arc<Dataset>)>,
}

impl Data {
    fn of(&mut self, experiment: &Experiment, study: &Study, halt: &Arc<AtomicBool>) -> Result<Arc<Dataset>, Error> {
        let key = json!([experiment.data, experiment.task, experiment.seed]);
        match &self.latest {
            Some((known, dataset)) if *known == key => Ok(Arc::clone(dataset)),
            _ => {
                let cache = keep::decoded_cache(study, halt);
                let dataset = Arc::new(origin::open_shared(experiment, study.config(), Some(&cache))?);
                if dataset.part(Part::Validation).is_empty() {
                    let reason = "leaves no validation split, and trials are compared on nothing else".to_owned();
                    return Err(Error::Config { path: study.config().to_owned(), key: "data".into(), reason });
                }
                self.latest = Some((key, Arc::clone(&dataset)));
                Ok(dataset)
            }
        }
    }
}

/// Shows that this worker lives, and ends its trial when it should.
struct Pulse {
    to: Sender<Option<(Lease, Arc<AtomicBool>)>>,
    thread: Option<JoinHandle<()>>,
    ended: Arc<AtomicBool>,
}

impl Pulse {
    fn start(study: &Study, interrupt: Arc<AtomicBool>) -> Result<Self, Error> {
        let database = study.reopen_database()?;
        let name = study.name().to_owned();
        let (to, from) = channel();
        let ended = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ended);
        let thread = std::thread::spawn(move || beat(database, &name, &from, &interrupt, &flag));
        Ok(Self { to, thread: Some(thread), ended })
    }

    /// Beats for a trial from now on; what is given back is set once that should end.
    fn hold(&self, lease: &Lease) -> Arc<AtomicBool> {
        let halt = Arc::new(AtomicBool::new(false));
        let _ = self.to.send(Some((lease.clone(), Arc::clone(&halt))));
        halt
    }

    fn release(&self) {
        let _ = self.to.send(None);
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = self.to.send(None);
            let _ = thread.join();
        }
    }
}

fn beat(
    mut database: Box<dyn Database>,
    name: &str,
    from: &Receiver<Option<(Lease, Arc<AtomicBool>)>>,
    interrupt: &AtomicBool,
    ended: &AtomicBool,
) {
    let mut held: Option<(Lease, Arc<AtomicBool>)> = None;
    let mut since = std::time::Instant::now();
    while !ended.load(Ordering::Relaxed) {
        match from.recv_timeout(REACTION) {
            Ok(next) => {
                held = next;
                since = std::time::Instant::now();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some((lease, halt)) = &held else { continue };
        if interrupt.load(Ordering::Relaxed) {
            halt.store(true, Ordering::Relaxed);
        }
        if since.elapsed() < BEAT {
            continue;
        }
        since = std::time::Instant::now();
        let mut ends = false;
        // A database that is gone is asked again at the next beat; training goes on meanwhile.
        let _ = database.transaction(&mut |on| {
            let lives = rows::beat(on, name, lease.number, &lease.worker, lease.attempt)?;
            let stopped = rows::read_study(on, name)?.is_none_or(|study| study.stopped);
            ends = !lives || stopped;
            Ok(())
        });
        if ends {
            halt.store(true, Ordering::Relaxed);
        }
    }
}
