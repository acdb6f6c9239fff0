//! Which network is the right one for this data? A few are proposed, each is trained briefly, and the best ones train on.
//!
//! ```text
//! rules: what to try, and why --> state: what is next --> rung: one process --> state ... --> verdict, winning config
//! ```
//!
//! Candidates are judged on the validation split alone; the test split is never touched. What the networks are compared with needs no
//! network: see [`baselines`](crate::baselines).

use std::path::{Path, PathBuf};

use data_loader::{Dataset, Part};
use model_zoo::architectures::WithNetwork;
use model_zoo::device::Found;
use model_zoo::network::NetworkConfig;
use model_zoo::{Architecture, atomic, device, summary};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::batch_size::{BatchSize, Probe};
use crate::experiment::{Experiment, Recorders, root_of};
use crate::optimizers::Optimizer;
use crate::run_dir::{self, Lock};
use crate::{Error, Plan, baselines, data_gate, origin};

pub mod halving;
pub mod jackknife;
pub mod rules;
pub mod rung;
pub mod state;
pub mod verdict;

use rung::{Measured, Task, Told};
use state::{Baseline, Budget, Candidate, FORMAT_VERSION, Failed, LeftOut, Next, Selection};

/// Checkpoints of a candidate that are kept besides its best.
const KEPT: usize = 1;

/// How often a candidate is judged, if it comes to the end.
const LOOKS: u64 = 10;

/// A selection that is under way.
pub struct Race {
    /// All that is known so far.
    pub selection: Selection,
    folder: PathBuf,
    experiment: Experiment,
    config: PathBuf,
    batch: f64,
    _lock: Lock,
}

impl Race {
    /// Proposes candidates for `experiment`, which was written at `config`, or goes on with a selection that was broken off: its
    /// folder below `root` is named for config, data and budget.
    ///
    /// # Errors
    /// With what may be wrong with config and data; [`Error::NoChoice`], [`Error::SmallBudget`]; [`Error::RunLocked`].
    pub fn open(
        experiment: Experiment,
        config: &Path,
        root: &Path,
        budget: Budget,
        device: &Found,
    ) -> Result<Self, Error> {
        check(&experiment, config)?;
        let dataset = origin::open(&experiment, config)?;
        let plan = Plan::new(experiment.clone(), config, &dataset)?;
        if dataset.part(Part::Validation).is_empty() {
            let reason = "the data has no validation split, and candidates are judged on nothing else";
            return Err(Error::NoChoice(reason.into()));
        }
        if !plan.task.needs_target() {
            let reason = format!("for the task `{}` no score says which network is of more use", plan.task);
            return Err(Error::NoChoice(reason));
        }
        // Otherwise every candidate would be refused for the same reason, one after the other.
        data_gate::examine(&dataset, experiment.seed)?;
        let named = json!([FORMAT_VERSION, experiment, budget, dataset.lineage(), device.name]);
        let key = format!("{:x}", Sha256::digest(named.to_string()));
        let stem = config.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = root.join(format!("select-{stem}-{}", &key[..8]));
        let proposed = propose(&plan, &dataset, budget, device)?;
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let lock = run_dir::lock_folder(&folder)?;
        atomic::clear_leftovers(&folder)?;
        let selection = match std::fs::read(state_file(&folder)) {
            Ok(text) => {
                let mut before = read(&text, &state_file(&folder))?;
                before.forgive();
                before
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => proposed,
            Err(error) => return Err(Error::io("read", &state_file(&folder))(error)),
        };
        let batch = (plan.batch_size * plan.experiment.train.accumulate) as f64;
        let race = Self { selection, folder, experiment, config: config.to_owned(), batch, _lock: lock };
        race.save()?;
        Ok(race)
    }

    /// Where everything of it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What one process is to do next, and for whom; nothing once the race is over.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn next_task(&mut self) -> Result<Option<(Next, Task)>, Error> {
        while let Some(next) = self.selection.next() {
            let task = match next {
                Next::Baseline(baseline) => {
                    let name = self.selection.baselines[baseline].name.clone();
                    Task::Baseline { experiment: self.write_experiment(None)?, name }
                }
                Next::Probe(candidate) => Task::Probe { experiment: self.write_experiment(Some(candidate))? },
                Next::Rung { candidate, rung } => {
                    let runner = &mut self.selection.candidates[candidate];
                    let before = rung.checked_sub(1).map(|before| runner.steps[before]);
                    if before == Some(runner.steps[rung]) {
                        // It has done all that the config asks for.
                        runner.done.extend(runner.done.last().cloned());
                        self.save()?;
                        continue;
                    }
                    let (until, run) = (runner.steps[rung], self.folder.join(&runner.name));
                    Task::Rung { experiment: self.write_experiment(Some(candidate))?, run, until }
                }
            };
            return Ok(Some((next, task)));
        }
        Ok(None)
    }

    /// Takes note of what came of a task; `failed` is why nothing did.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn record(&mut self, next: Next, came: Result<Told, Failed>) -> Result<(), Error> {
        match (next, came) {
            (_, Ok(Told::Interrupted)) => return Ok(()),
            (Next::Baseline(baseline), Ok(Told::Measured(measured))) => {
                self.selection.baselines[baseline].done = Some(measured);
            }
            (Next::Probe(candidate), Ok(Told::Probe(probe))) => self.settle(candidate, &probe),
            (Next::Rung { candidate, .. }, Ok(Told::Measured(measured))) => {
                let done = &mut self.selection.candidates[candidate].done;
                let peak_memory = done.iter().map(|before| before.peak_memory).fold(measured.peak_memory, Option::max);
                done.push(Measured { peak_memory, ..measured });
            }
            (Next::Baseline(baseline), came) => {
                self.selection.baselines[baseline].failed = Some(failed(came));
            }
            (Next::Probe(candidate) | Next::Rung { candidate, .. }, came) => {
                self.selection.candidates[candidate].failed = Some(failed(came));
            }
        }
        self.save()
    }

    /// How many steps a candidate can do in its share of the time.
    fn settle(&mut self, candidate: usize, probe: &Probe) {
        let Budget::Minutes(minutes) = self.selection.budget else { return };
        let rate = probe.examples_per_second / self.batch;
        let shares = halving::shares(60.0 * minutes, self.selection.candidates.len());
        let most = self.selection.most_steps;
        let steps: Vec<u64> = shares.iter().map(|seconds| ((seconds * rate) as u64).min(most)).collect();
        let runner = &mut self.selection.candidates[candidate];
        if steps[0] == 0 {
            let reason = format!("a step takes {:.1} s, and its share of the time is {:.1} s", 1.0 / rate, shares[0]);
            runner.failed = Some(Failed::itself(reason));
        }
        runner.steps = steps;
    }

    /// The config of a candidate within the race, in a file; without one, the data alone.
    fn write_experiment(&self, candidate: Option<usize>) -> Result<PathBuf, Error> {
        let candidate = candidate.map(|candidate| &self.selection.candidates[candidate]);
        let mut experiment = candidate.map_or_else(|| self.experiment.clone(), |c| with_network(&self.experiment, c));
        experiment.goal = None;
        experiment.stopping = None;
        experiment.recorders = Recorders { tensorboard: false };
        experiment.checkpoints.keep_last = KEPT;
        if let Some(candidate) = candidate.filter(|candidate| !candidate.steps.is_empty()) {
            experiment.train.steps = candidate.steps.last().copied();
            // Whoever learns by heart is best on the way; the more often it is looked, the better its best is known.
            let looks = candidate.steps.last().map(|last| last.div_ceil(LOOKS));
            experiment.train.evaluate_every = candidate.steps.first().copied().min(looks).map(|every| every.max(1));
        }
        let name = candidate.map_or("baselines", |candidate| &candidate.name);
        let path = self.folder.join(format!("{name}.toml"));
        atomic::write_file(&path, experiment.to_toml().as_bytes())?;
        Ok(path)
    }

    /// The config of the best network, as `firebox train` takes it, to be written to `out`; none if no network came through.
    pub fn winning_config(&self, out: &Path) -> Option<String> {
        let winner = self.selection.winner()?;
        let mut experiment = with_network(&self.experiment, winner);
        let card = &self.experiment.data.card;
        let root = root_of(&self.config, card);
        if let Some(root) = root.filter(|root| root_of(out, card).as_ref() != Some(root)) {
            experiment.data.card = root.join(card);
        }
        let score = winner.done.last().map_or(f64::NAN, |measured| measured.score.value);
        let (best, all) = winner.done.last().map_or((0, 0), |measured| (measured.judged_step, measured.step));
        let header = format!(
            "# Chosen by `firebox select` for {}: {}.\n# At step {best} of {all} its {} on the validation split was {score:.4}.\n",
            self.config.display(),
            winner.reason,
            self.selection.watch,
        );
        Some(header + &experiment.to_toml())
    }

    /// Where the winning config is written if nothing else is said.
    pub fn winning_path(&self) -> PathBuf {
        self.folder.join("winner.toml")
    }

    /// Whether the run of a candidate is held by a process of a selection that was killed, and that has not noticed yet.
    pub fn is_held(&self, task: &Task) -> bool {
        matches!(task, Task::Rung { run, .. } if run_dir::is_locked(run))
    }

    fn save(&self) -> Result<(), Error> {
        let mut text = serde_json::to_vec_pretty(&self.selection).expect("our own types have text keys");
        text.push(b'\n');
        Ok(atomic::write_file(&state_file(&self.folder), &text)?)
    }
}

fn state_file(folder: &Path) -> PathBuf {
    folder.join("selection.json")
}

fn read(text: &[u8], path: &Path) -> Result<Selection, Error> {
    serde_json::from_slice(text).map_err(|error| Error::Selection { path: path.to_owned(), reason: error.to_string() })
}

fn failed(came: Result<Told, Failed>) -> Failed {
    came.map_or_else(|failed| failed, |told| Failed::itself(format!("it answered what nobody asked for: {told:?}")))
}

/// What a selection cannot mean.
fn check(experiment: &Experiment, config: &Path) -> Result<(), Error> {
    let wrong = |key: &str, reason: &str| {
        Err(Error::Config { path: config.to_owned(), key: key.into(), reason: reason.into() })
    };
    if experiment.pretrained.is_some() {
        return wrong("pretrained", "names weights of one network, and a selection tries several; leave it out");
    }
    if experiment.fine_tune.is_some() {
        return wrong("fine_tune", "names parameters of one network, and a selection tries several; leave it out");
    }
    if experiment.train.batch_size == BatchSize::Auto {
        return wrong(
            "train.batch_size",
            "is \"auto\", and candidates are compared on batches of one size; give a number",
        );
    }
    Ok(())
}

/// The experiment with the network of a candidate, and a rate at which it learns.
fn with_network(experiment: &Experiment, candidate: &Candidate) -> Experiment {
    let mut experiment = Experiment { model: Some(candidate.architecture.clone()), ..experiment.clone() };
    if let Some(most) = candidate.most_rate {
        match &mut experiment.optimizer {
            Optimizer::Adam(adam) => adam.learning_rate = adam.learning_rate.min(most),
            Optimizer::Adamw(adamw) => adamw.learning_rate = adamw.learning_rate.min(most),
            Optimizer::Lion(_) | Optimizer::Muon(_) | Optimizer::Sgd(_) => {}
        }
    }
    experiment
}

/// Whether a network can be built for the data.
struct Fits<'a>(&'a Plan, &'a Found);

impl WithNetwork for Fits<'_> {
    type Out = Result<usize, model_zoo::Error>;
    fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
        Ok(summary::parameters(&config.build(&self.0.signature, 0, &self.1.device)?))
    }
}

/// The race before its first step.
fn propose(plan: &Plan, dataset: &Dataset, budget: Budget, found: &Found) -> Result<Selection, Error> {
    let examples = dataset.part(Part::Train).len();
    let mut proposals = rules::propose_for(&plan.signature, examples, device::is_processor(&found.device));
    if let Some(own) = &plan.experiment.model {
        // What the config names is tried first, with its own settings; the rule's variant of them would be a second one of the name.
        proposals.retain(|proposal| proposal.name != own.name());
        let reason = "the config names it".to_owned();
        let own = rules::Proposal { name: own.name().into(), reason, architecture: Some(own.clone()), most_rate: None };
        proposals.insert(0, own);
    }
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut left_out = Vec::new();
    for proposal in proposals {
        match tried(&proposal, plan, found, candidates.len()) {
            Ok(architecture) => candidates.push(Candidate {
                name: proposal.name,
                reason: proposal.reason,
                architecture,
                most_rate: proposal.most_rate,
                steps: Vec::new(),
                done: Vec::new(),
                failed: None,
            }),
            Err(reason) => left_out.push(LeftOut { name: proposal.name, reason }),
        }
    }
    if candidates.len() < 2 {
        let found = match &candidates[..] {
            [only] => format!("only `{}` suits the task `{}` on such data", only.name, plan.task),
            _ => format!("no network suits the task `{}` on such data", plan.task),
        };
        return Err(Error::NoChoice(found));
    }
    if let Budget::Steps(total) = budget {
        let steps = halving::steps(total as f64, candidates.len(), plan.total_steps);
        if steps[0] == 0 {
            let least = (candidates.len() * halving::rungs(candidates.len()).len()) as u64;
            return Err(Error::SmallBudget { steps: total, candidates: candidates.len(), least });
        }
        for candidate in &mut candidates {
            candidate.steps.clone_from(&steps);
        }
    }
    let summary = |name: &str| baselines::MEMBERS.iter().find(|entry| entry.name == name).map_or("", |e| e.summary);
    let baseline = |name: &str| Baseline { name: name.into(), reason: summary(name).into(), done: None, failed: None };
    Ok(Selection {
        format_version: FORMAT_VERSION,
        watch: plan.watch.clone(),
        budget,
        most_steps: plan.total_steps,
        candidates,
        baselines: baselines::for_data(&plan.signature).into_iter().map(baseline).collect(),
        left_out,
    })
}

/// The network that is tried, or why none is.
fn tried(proposal: &rules::Proposal, plan: &Plan, found: &Found, before: usize) -> Result<Architecture, String> {
    let architecture = proposal.architecture.as_ref().ok_or_else(|| proposal.reason.clone())?;
    if before >= rules::MOST {
        return Err(format!("{before} are in the race already; name it in the config to have it tried"));
    }
    architecture.with(Fits(plan, found)).map_err(|error| match error {
        model_zoo::Error::Unfit { reason, .. } => reason,
        error => error.to_string(),
    })?;
    Ok(architecture.clone())
}
