//! How does an experiment become a tested model?
//!
//! Open the data, settle the plan, build or restore the state, run the loop, judge the best weights on the test split, write
//! the bundle and the report.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::module::Module;
use data_loader::{Dataset, Part};
use model_zoo::architectures::WithNetwork;
use model_zoo::bundle;
use model_zoo::device::Found;
use model_zoo::network::NetworkConfig;
use model_zoo::weights::{self, Weights};
use model_zoo::{Network, atomic};

use crate::checkpoint::{self, Chosen};
use crate::contents::{self, Weighed};
use crate::data_gate::{self, Examined};
use crate::environment::Environment;
use crate::evaluate::{Evaluation, evaluate};
use crate::experiment::{Experiment, root_of};
use crate::fit::{Ending, Surroundings, fit, tell};
use crate::recorders::{Event, Recorder, Scores, Started, jsonl, tensorboard};
use crate::result::{RunResult, Verdict, status};
use crate::state::State;
use crate::{Error, Plan, RunDir, beginning, origin, reports};

/// What training needs besides the experiment.
pub struct Request<'a> {
    /// Where the experiment was written; named in errors.
    pub config: &'a Path,
    /// Where everything of the run lies.
    pub run: RunDir,
    /// On what to compute.
    pub device: &'a Found,
    /// Who is told what happens, besides the files of the run.
    pub recorders: Vec<Box<dyn Recorder>>,
    /// Set from outside to end training after the step at hand.
    pub interrupt: &'a AtomicBool,
    /// After how many steps to pause, judged on the validation split and saved. A run that is to pause is never tested.
    pub until: Option<u64>,
}

impl<'a> Request<'a> {
    /// Training that is told to nobody but the files of the run, and that nothing interrupts.
    pub fn new(config: &'a Path, run: RunDir, device: &'a Found) -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self { config, run, device, recorders: Vec::new(), interrupt: &NEVER, until: None }
    }
}

/// What training led to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it ended.
    pub ending: Ending,
    /// How many steps were done.
    pub step: u64,
    /// The verdict; none if it was interrupted.
    pub result: Option<RunResult>,
}

/// Trains a new run.
///
/// # Errors
/// With everything that may be wrong with config, data, device or disk.
pub fn train(experiment: Experiment, request: Request<'_>) -> Result<Outcome, Error> {
    train_any(experiment, request, Beginning::New)
}

/// Goes on with a run from one of its checkpoints, or from its beginning if it was killed before the first.
///
/// # Errors
/// As [`train`], and [`Error::NoCheckpoint`], [`Error::BadCheckpoint`].
pub fn resume(experiment: Experiment, request: Request<'_>, from: Option<Chosen>) -> Result<Outcome, Error> {
    train_any(experiment, request, Beginning::Resumed(from))
}

fn train_any(experiment: Experiment, request: Request<'_>, beginning: Beginning) -> Result<Outcome, Error> {
    let model = experiment.architecture(request.config)?.clone();
    let architecture = serde_json::to_value(&model).expect("our own types have text keys");
    model.with(Job { experiment, architecture, request, beginning })
}

/// Trains a new run of a network that is not in the zoo; the experiment names no model. The bundle names the network by
/// `name`, and whoever opens it must bring the network: see [`Bundle::network_of`](bundle::Bundle::network_of).
///
/// # Errors
/// As [`train`].
pub fn train_network<C: NetworkConfig>(
    config: &C,
    name: &str,
    experiment: Experiment,
    request: Request<'_>,
) -> Result<Outcome, Error> {
    let experiment = Experiment { model: None, ..experiment };
    let architecture = serde_json::json!({ name: {} });
    Job { experiment, architecture, request, beginning: Beginning::New }.run(config)
}

/// Goes on with a run of a network that is not in the zoo.
///
/// # Errors
/// As [`resume`].
pub fn resume_network<C: NetworkConfig>(
    config: &C,
    name: &str,
    experiment: Experiment,
    request: Request<'_>,
    from: Option<Chosen>,
) -> Result<Outcome, Error> {
    let experiment = Experiment { model: None, ..experiment };
    let architecture = serde_json::json!({ name: {} });
    Job { experiment, architecture, request, beginning: Beginning::Resumed(from) }.run(config)
}

/// Whether a run is new.
enum Beginning {
    /// It is.
    New,
    /// It goes on, from a checkpoint or, if there is none yet, from its first step.
    Resumed(Option<Chosen>),
}

struct Job<'a> {
    experiment: Experiment,
    architecture: serde_json::Value,
    request: Request<'a>,
    beginning: Beginning,
}

impl WithNetwork for Job<'_> {
    type Out = Result<Outcome, Error>;

    fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
        let run = self.request.run.clone();
        let lock = run.lock()?;
        let led_to = self.run_locked(config);
        if led_to.is_err() {
            run.remove_if_unbegun(&lock);
        }
        led_to
    }
}

impl Job<'_> {
    /// The run being this process's own.
    fn run_locked<C: NetworkConfig>(self, config: &C) -> Result<Outcome, Error> {
        let Job { experiment, architecture, mut request, beginning } = self;
        let dataset = Arc::new(match &beginning {
            // Another process came first, and is done already.
            Beginning::New if request.run.config().exists() => {
                return Err(Error::RunExists(request.run.path().to_owned()));
            }
            Beginning::New => origin::open(&experiment, request.config)?,
            Beginning::Resumed(_) => origin::reopen(&experiment, &request.run)?,
        });
        // A run that goes on learns from the data that it began with, which were checked then.
        let examined = match &beginning {
            Beginning::New => data_gate::examine(&dataset, experiment.seed)?,
            Beginning::Resumed(_) => Examined::default(),
        };
        let plan = Plan::new(experiment, request.config, &dataset)?;
        let belongs_to = origin::identity(&plan, &dataset, &architecture);
        let from = match &beginning {
            Beginning::Resumed(from) => from.as_ref(),
            Beginning::New => None,
        };
        let earlier = match &beginning {
            Beginning::New => None,
            Beginning::Resumed(_) => origin::began_with(&request.run)?,
        };
        let begun =
            beginning::begin(config, &plan, &dataset, &belongs_to, from, &request.device.device, earlier.as_ref())?;
        let state = begun.state;
        if from.is_some() {
            checkpoint::rewind(&request.run, &state.memory)?;
        }
        let resumed = matches!(beginning, Beginning::Resumed(_));
        if let Some(report) = &examined.report {
            request.run.write_json(&request.run.data_report(), report)?;
        }
        if let Some(began_with) = &begun.began_with {
            request.run.write_json(&request.run.pretrained(), began_with)?;
        }
        let (run, resumed_at) = (&request.run, resumed.then_some(state.memory.step));
        prepare_run(run, request.device, &plan, &dataset, resumed_at)?;
        let mut recorders = recorders(&request.run, &plan, resumed_at)?;
        recorders.append(&mut request.recorders);
        let mut around = Surroundings {
            dataset: &dataset,
            run: &request.run,
            belongs_to: &belongs_to,
            recorders: &mut recorders,
            interrupt: request.interrupt,
            until: request.until,
            bare: false,
        };
        let parameters = model_zoo::summary::parameters(&state.network);
        let started = Started {
            run: request.run.path().to_owned(),
            first_step: state.memory.step,
            total_steps: plan.total_steps,
            steps_per_epoch: plan.steps_per_epoch,
            parameters,
            device: request.device.name.clone(),
        };
        tell(&mut around, &Event::Started(started))?;
        for text in examined.notices.into_iter().chain(begun.notices) {
            tell(&mut around, &Event::Notice(text))?;
        }
        if plan.evaluate_every == 0 {
            let text =
                "There is no validation split: nothing is watched while training, and the last weights are kept.";
            tell(&mut around, &Event::Notice(text.to_owned()))?;
        }
        let (state, ending) = fit(state, &plan, &mut around).map_err(|error| explain(error, &request.run))?;
        if ending == Ending::Interrupted || request.until.is_some() {
            return Ok(Outcome { ending, step: state.memory.step, result: None });
        }
        let result = finish(state, ending, &plan, &mut around, architecture)?;
        Ok(Outcome { ending, step: result.step, result: Some(result) })
    }
}

/// Judges weights of a run on a split of its data, which is prepared with the transforms as they were fitted.
///
/// # Errors
/// As [`train`].
pub fn judge(
    run: &RunDir,
    experiment: Experiment,
    weights: &Weights,
    part: Part,
    device: &Found,
) -> Result<Evaluation, Error> {
    struct Judge<'a> {
        plan: &'a Plan,
        weights: &'a Weights,
        part: Part,
        dataset: Arc<Dataset>,
        device: &'a Found,
        run: &'a RunDir,
    }
    impl WithNetwork for Judge<'_> {
        type Out = Result<Evaluation, Error>;
        fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
            let device = &self.device.device;
            let network = config.build(&self.plan.signature, 0, device)?;
            let network = weights::apply(network.no_grad(), self.weights, self.run.path())?;
            evaluate(&network, &self.dataset, self.part, self.plan, device)
        }
    }
    let config = run.config();
    let dataset = Arc::new(origin::reopen(&experiment, run)?);
    if dataset.part(part).is_empty() {
        return Ok(Evaluation { values: Vec::new(), confusion: None, examples: 0 });
    }
    let plan = Plan::new(experiment, &config, &dataset)?;
    let model = plan.experiment.architecture(&config)?.clone();
    model.with(Judge { plan: &plan, weights, part, dataset, device, run })
}

/// Writes what describes the run, which is new or goes on after some steps.
pub(crate) fn prepare_run(
    run: &RunDir,
    device: &Found,
    plan: &Plan,
    dataset: &Dataset,
    resumed: Option<u64>,
) -> Result<(), Error> {
    checkpoint::remove_leftovers(run)?;
    if let Some(step) = resumed {
        // The verdict on an earlier end of the run is not the verdict on this one.
        run.forget_verdict()?;
        if let Some(begun) = origin::environment(run) {
            let now = Environment::here(device, &begun.data_root);
            run.write_json(&run.environment(), &begun.gone_on(step, now))?;
        }
    } else {
        run.write_json(&run.pipeline(), dataset.pipeline())?;
        run.write_json(&run.lineage(), dataset.lineage())?;
        let root = root_of(&plan.config, &plan.experiment.data.card).unwrap_or_default();
        let root = root.canonicalize().unwrap_or(root);
        run.write_json(&run.environment(), &Environment::here(device, &root))?;
    }
    // Last, since a folder with a config is a run.
    Ok(atomic::write_file(&run.config(), plan.experiment.to_toml().as_bytes())?)
}

/// Writes beside the run which examples a step that went wrong had learnt from; a message has room for a few of them only.
fn explain(error: Error, run: &RunDir) -> Error {
    if let Error::NotFinite { step, loss, examples, .. } = &error {
        let record = serde_json::json!({ "step": step, "loss": loss.to_string(), "examples": examples });
        // The loss is what went wrong; a disk that is full as well would only hide it.
        let _ = run.write_json(&run.not_finite(), &record);
    }
    error
}

fn recorders(run: &RunDir, plan: &Plan, resume_at: Option<u64>) -> Result<Vec<Box<dyn Recorder>>, Error> {
    let mut recorders: Vec<Box<dyn Recorder>> = vec![Box::new(jsonl::open(&run.metrics(), resume_at)?)];
    if plan.experiment.recorders.tensorboard {
        recorders.push(Box::new(tensorboard::open(&run.tensorboard(), resume_at)?));
    }
    Ok(recorders)
}

/// Judges the best weights, and writes what is to be kept of the run.
fn finish<M: Network>(
    state: State<M>,
    ending: Ending,
    plan: &Plan,
    around: &mut Surroundings<'_>,
    architecture: serde_json::Value,
) -> Result<RunResult, Error> {
    let chosen = checkpoint::choose(around.run, None)?;
    let best = checkpoint::weights_of(&chosen.path, false)?;
    let best = plan.experiment.fine_tune.as_ref().map_or_else(|| best.clone(), |tuned| tuned.merged(best.clone()));
    let network = weights::apply(state.network.valid().materialize(), &best, &chosen.path)?;
    let dataset = Arc::clone(around.dataset);
    let part = match dataset.part(Part::Test).len() {
        0 => Part::Validation,
        _ => Part::Test,
    };
    let found = match dataset.part(part).len() {
        0 => Evaluation { values: Vec::new(), confusion: None, examples: 0 },
        _ => evaluate(&network, &dataset, part, plan, &state.device)?,
    };
    let scores = Scores {
        step: chosen.step,
        epoch: plan.epoch(chosen.step),
        part,
        values: found.values.clone(),
        seconds: state.memory.seconds,
    };
    tell(around, &Event::Scores(scores))?;

    let tests = vec![contents::test_record(part, &found)];
    let scores: BTreeMap<String, f64> = found.values.iter().filter(|(_, value)| value.is_finite()).cloned().collect();
    let result = RunResult {
        status: status(ending).to_owned(),
        step: state.memory.step,
        chosen_step: chosen.step,
        seconds: state.memory.seconds,
        judged_on: part.name().to_owned(),
        examples: found.examples,
        confusion: found.confusion,
        goal: plan.experiment.goal.as_ref().map(|goal| Verdict::new(goal, scores.get(&goal.metric).copied())),
        parameters: model_zoo::summary::parameters(&network),
        skipped: state.memory.skipped,
        scores,
    };
    let metrics = BTreeMap::from([(part.name().to_owned(), result.scores.clone())]);
    let checkpoint = Weighed { step: chosen.step, weights: best, metrics, tests };
    let content = contents::content(&network, checkpoint, around.run, plan, &dataset, &state.device, architecture)?;
    bundle::write(content, &around.run.bundle())?;
    around.run.write_json(&around.run.result(), &result)?;
    reports::write(around.run)?;
    Ok(result)
}
