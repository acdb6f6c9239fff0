//! How is one trial trained? Evaluation by evaluation: after each it is judged beside the others, and goes on or ends.
//!
//! What it finds lies in the study, and its state in checkpoints of its run, both written every few seconds at most: a trial that takes less
//! than that writes what it found once, at its end. Rows come before checkpoints, so that whoever goes on from one finds what led to it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

use data_loader::Dataset;
use model_zoo::Network;
use model_zoo::architectures::WithNetwork;
use model_zoo::device::Found;
use model_zoo::network::NetworkConfig;
use serde_json::Value;

use super::diary::{Diary, Tell};
use super::keep;
use super::leases::Lease;
use super::population::{Change, snapshots};
use super::pruners::{Prune, Track};
use super::study::Study;
use super::trial::{Look, State, Trial};
use crate::checkpoint::{self, Chosen, Identity, Snapshot};
use crate::experiment::{Experiment, Recorders};
use crate::fit::{Ending, Surroundings, fit};
use crate::plan::SAVE_PAUSE;
use crate::recorders::{Event, Scores, Started};
use crate::run_dir::RunDir;
use crate::step::read_back;
use crate::{Error, Plan, beginning, origin};

/// So many steps are done before it is known how long they take.
const FIRST_PORTION: u64 = 16;

/// A trial that is being trained.
pub struct Attempt<'a> {
    /// The study.
    pub study: &'a mut Study,
    /// In whose hands the trial is.
    pub lease: &'a Lease,
    /// What is known of it.
    pub trial: Trial,
    /// On what is computed.
    pub device: &'a Found,
    /// Set once it should end.
    pub halt: &'a Arc<AtomicBool>,
    /// From what is learnt.
    pub dataset: Arc<Dataset>,
}

/// Why a trial is no longer trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It came to its end.
    Complete,
    /// Others were better.
    Pruned,
    /// It should end now, and goes on later.
    Interrupted,
    /// A generation of its population has ended.
    Between,
    /// Something went wrong.
    Failed(String),
}

/// Trains until the trial ends; nothing if it is in other hands by now.
///
/// # Errors
/// Whatever ends training early.
pub fn run(attempt: &mut Attempt<'_>, experiment: Experiment) -> Result<Option<Ended>, Error> {
    let config = attempt.study.config().to_owned();
    let experiment = Experiment { recorders: Recorders { tensorboard: false }, ..experiment };
    let plan = Plan::new(experiment, &config, &attempt.dataset)?;
    let model = plan.experiment.architecture(&config)?.clone();
    let architecture = serde_json::to_value(&model).expect("our own types have text keys");
    model.with(Training { attempt, plan, architecture })
}

struct Training<'a, 'b> {
    attempt: &'a mut Attempt<'b>,
    plan: Plan,
    architecture: Value,
}

impl WithNetwork for Training<'_, '_> {
    type Out = Result<Option<Ended>, Error>;

    fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
        let Self { attempt, plan, architecture } = self;
        let belongs_to = origin::identity(&plan, &attempt.dataset, &architecture);
        let path = attempt.study.run_of(attempt.trial.number);
        attempt.go_on_from_another(&path)?;
        let from = latest(&path, &belongs_to, &attempt.trial, &plan);
        let (device, dataset) = (attempt.device.device.clone(), Arc::clone(&attempt.dataset));
        let earlier = from.as_ref().map(|(run, _)| origin::began_with(run)).transpose()?.flatten();
        let chosen = from.as_ref().map(|(_, chosen)| chosen);
        let begun = beginning::begin(config, &plan, &dataset, &belongs_to, chosen, &device, earlier.as_ref())?;
        let mut state = begun.state;
        attempt.trial.goes_on_after(state.memory.step);
        attempt.trial.planned = plan.total_steps.div_ceil(plan.evaluate_every.max(1));
        let parameters = model_zoo::summary::parameters(&state.network);
        let mut run = match from {
            Some((run, _)) => {
                let lock = run.lock()?;
                checkpoint::rewind(&run, &state.memory)?;
                Some((run, lock))
            }
            None => None,
        };
        // Killed between its checkpoint and what is kept for others.
        if let Some((run, _)) =
            run.as_ref().filter(|_| attempt.ends_generation() && state.memory.step < plan.total_steps)
        {
            return attempt.end_generation(run).map(Some);
        }
        let mut diary = Diary::new(run.as_ref().map(|(run, _)| run), state.memory.step)?;
        diary.note(Event::Started(Started {
            run: path.clone(),
            first_step: state.memory.step,
            total_steps: plan.total_steps,
            steps_per_epoch: plan.steps_per_epoch,
            parameters,
            device: attempt.device.name.clone(),
        }));
        let (tell, told) = channel();
        let place = RunDir::at(&path);
        let every_steps = plan.experiment.checkpoints.every_steps.filter(|&every| every > 0);
        let mut portion = Portion::new();
        let (mut last_save, mut last_row) = (Instant::now(), Instant::now());
        // The best state, as long as it lies in no checkpoint.
        let mut held: Option<Snapshot> = None;
        loop {
            let step = state.memory.step;
            let next_save = every_steps.map_or(u64::MAX, |every| (step / every + 1).saturating_mul(every));
            let until = plan.next_evaluation(step).min(step + portion.steps).min(next_save);
            let mut around = Surroundings {
                dataset: &dataset,
                run: &place,
                belongs_to: &belongs_to,
                recorders: &mut [Box::new(Tell(tell.clone()))],
                interrupt: attempt.halt,
                until: Some(until),
                bare: true,
            };
            let (now, ending) = fit(state, &plan, &mut around)?;
            state = now;
            portion.learn(state.memory.step, state.memory.seconds);
            for event in told.try_iter() {
                if let Event::Scores(scores) = &event {
                    let is_best = state.memory.best.step == scores.step;
                    attempt.look(scores, parameters as f64, is_best);
                    if is_best {
                        held = Some(Snapshot::of(&state)?);
                    }
                }
                diary.note(event);
            }
            attempt.trial.step = state.memory.step;
            attempt.trial.seconds = state.memory.seconds;
            let over = matches!(ending, Ending::Completed | Ending::Stopped);
            let halted = attempt.halt.load(Ordering::Relaxed);
            let judged = !over && plan.evaluates(state.memory.step);
            let between = judged && attempt.ends_generation();
            let compared = judged && attempt.pruner().compares(attempt.trial.history.len());
            let saves = match over {
                true => keep::is_among_the_best(attempt.study, &attempt.trial),
                false if halted || between => true,
                false => every_steps
                    .map_or_else(|| last_save.elapsed() >= SAVE_PAUSE, |every| state.memory.step.is_multiple_of(every)),
            };
            if compared || saves || (!over && last_row.elapsed() >= keep::ROWS) {
                last_row = Instant::now();
                if !attempt.study.write(attempt.lease, &attempt.trial)? {
                    return Ok(None);
                }
            }
            if judged && attempt.is_to_end() {
                return Ok(Some(Ended::Pruned));
            }
            if saves && (between || keep::has_room(attempt.study, &attempt.trial, over)?) {
                if run.is_none() {
                    let began_with = begun.began_with.as_ref();
                    run = Some(keep::begin_run(&path, attempt.device, &plan, &dataset, began_with)?);
                }
                let (run, _) = run.as_ref().expect("it was made above");
                diary.write(run)?;
                read_back(&mut state)?;
                save(&state, held.take(), run, &belongs_to)?;
                state.last_saved = Some(state.memory.step);
                last_save = Instant::now();
                if between {
                    return attempt.end_generation(run).map(Some);
                }
            }
            match (over, halted) {
                (true, _) => return Ok(Some(Ended::Complete)),
                (false, true) => return Ok(Some(Ended::Interrupted)),
                (false, false) => {}
            }
        }
    }
}

/// How many steps are done before it is looked again whether something is to be saved.
struct Portion {
    steps: u64,
    seconds: Option<(u64, f64)>,
}

impl Portion {
    fn new() -> Self {
        Self { steps: FIRST_PORTION, seconds: None }
    }

    /// Takes note of the seconds of all steps so far.
    fn learn(&mut self, step: u64, seconds: f64) {
        if let Some((before, begun)) = self.seconds
            && step > before
            && seconds > begun
        {
            let rate = (step - before) as f64 / (seconds - begun);
            self.steps = ((rate * keep::ROWS.as_secs_f64()) as u64).max(1);
        }
        self.seconds = Some((step, seconds));
    }
}

/// Writes the best state, if it lies in no checkpoint yet, and the latest.
fn save<M: Network>(
    state: &crate::state::State<M>,
    held: Option<Snapshot>,
    run: &RunDir,
    belongs_to: &Identity,
) -> Result<(), Error> {
    if let Some(held) = held {
        let is_latest = held.memory.step == state.memory.step;
        held.write(run, belongs_to, 1)?;
        if is_latest {
            return Ok(());
        }
    }
    checkpoint::save(state, run, belongs_to, 1).map(drop)
}

/// The checkpoint from which a trial goes on, if there is one that it wrote: with everything that it had found until then.
fn latest(path: &Path, belongs_to: &Identity, trial: &Trial, plan: &Plan) -> Option<(RunDir, Chosen)> {
    let run = RunDir::open(path).ok()?;
    let chosen = checkpoint::choose(&run, Some("last")).ok()?;
    let manifest = checkpoint::read_manifest(&chosen.path).ok()?;
    let step = manifest.memory.step;
    let looks = trial.history.iter().filter(|Look(at, _)| *at <= step).count() as u64;
    (manifest.belongs_to == *belongs_to && looks == plan.evaluations(step)).then_some((run, chosen))
}

impl Attempt<'_> {
    fn pruner(&self) -> &super::pruners::Pruner {
        self.study.sweep.pruner.as_ref().expect("it was settled when the study was made")
    }

    /// Whether a generation of the population has ended.
    fn ends_generation(&self) -> bool {
        self.study.sweep.population.as_ref().is_some_and(|population| population.ends_generation(&self.trial))
    }

    /// Keeps what others may go on from.
    fn end_generation(&mut self, run: &RunDir) -> Result<Ended, Error> {
        snapshots::take(run, self.trial.generations + 1)?;
        self.trial.generations += 1;
        Ok(Ended::Between)
    }

    /// Puts the checkpoint of another trial in the place of its own, if that is what this generation begins with.
    fn go_on_from_another(&self, path: &Path) -> Result<(), Error> {
        let Some(population) = &self.study.sweep.population else { return Ok(()) };
        match self.trial.course.last() {
            Some(Change { generation, from: Some(donor), .. }) if population.begins_generation(&self.trial) => {
                let donor = self.study.run_of(*donor);
                snapshots::go_on_from(&RunDir::at(path), &donor, *generation, self.trial.step)
            }
            _ => Ok(()),
        }
    }

    /// Takes note of an evaluation.
    fn look(&mut self, scores: &Scores, parameters: f64, is_best: bool) {
        let mut all: std::collections::BTreeMap<String, f64> = scores.values.iter().cloned().collect();
        all.insert("parameters".into(), parameters);
        all.insert("seconds".into(), scores.seconds);
        let first = self.study.objectives().first().map(|objective| objective.metric.clone()).unwrap_or_default();
        let value = all.get(&first).copied().filter(|value| value.is_finite());
        self.trial.history.push(Look(scores.step, value));
        if is_best || self.trial.scores.is_empty() {
            self.trial.scores = all;
        }
    }

    /// Whether the trial, which has more before it, should end because others are better.
    fn is_to_end(&self) -> bool {
        let evaluations = self.trial.history.len();
        let Some(objective) = self.study.objectives().first().filter(|_| self.pruner().judges(evaluations)) else {
            return false;
        };
        let own = self.trial.track(objective);
        let rivals = self.study.trials.iter().filter(|trial| trial.number != self.trial.number);
        let others: Vec<Track> = match self.pruner().compares(evaluations) {
            // What was made elsewhere was evaluated at other steps.
            true => rivals
                .filter(|rival| rival.state != State::Failed && !rival.is_brought())
                .map(|rival| rival.track(objective))
                .collect(),
            false => Vec::new(),
        };
        let others: Vec<&Track> = others.iter().collect();
        self.pruner().ends(&own, &others, self.trial.planned as usize)
    }
}

impl Trial {
    /// Forgets what it found after so many steps.
    fn goes_on_after(&mut self, step: u64) {
        self.history.retain(|Look(at, _)| *at <= step);
        self.step = step;
        if self.history.is_empty() {
            self.scores.clear();
            self.seconds = 0.0;
        }
    }
}
