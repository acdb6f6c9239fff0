//! How does an experiment become a tested model?
//!
//! Open the data, settle the plan, build or restore the state, run the loop, judge the best weights on the test split, write
//! the bundle and the report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use data_loader::{Dataset, Loader, Part, Pipeline};
use burn::module::Module;
use model_zoo::architectures::WithNetwork;
use model_zoo::bundle;
use model_zoo::device::Found;
use model_zoo::network::NetworkConfig;
use model_zoo::weights::{self, Weights};
use model_zoo::{Network, atomic};
use sha2::{Digest, Sha256};

use crate::checkpoint::{self, Chosen};
use crate::environment::Environment;
use crate::evaluate::{Evaluation, evaluate};
use crate::experiment::{Experiment, root_of};
use crate::fit::{Ending, Surroundings, fit, tell};
use crate::recorders::{Event, Recorder, Scores, Started, jsonl, tensorboard};
use crate::result::{RunResult, Verdict, status};
use crate::run_dir::Lock;
use crate::state::State;
use crate::{Error, Plan, RunDir, reports};

/// How many samples a bundle carries as proof.
const GOLDEN_SAMPLES: usize = 8;

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
}

impl<'a> Request<'a> {
    /// Training that is told to nobody but the files of the run, and that nothing interrupts.
    pub fn new(config: &'a Path, run: RunDir, device: &'a Found) -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self { config, run, device, recorders: Vec::new(), interrupt: &NEVER }
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
    train_any(experiment, request, None)
}

/// Goes on with a run from one of its checkpoints.
///
/// # Errors
/// As [`train`], and [`Error::NoCheckpoint`], [`Error::BadCheckpoint`].
pub fn resume(experiment: Experiment, request: Request<'_>, from: Chosen) -> Result<Outcome, Error> {
    train_any(experiment, request, Some(from))
}

fn train_any(experiment: Experiment, request: Request<'_>, from: Option<Chosen>) -> Result<Outcome, Error> {
    let model = experiment.architecture(request.config)?.clone();
    let architecture = serde_json::to_value(&model).expect("our own types have text keys");
    model.with(Job { experiment, architecture, request, from })
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
    Job { experiment, architecture, request, from: None }.run(config)
}

struct Job<'a> {
    experiment: Experiment,
    architecture: serde_json::Value,
    request: Request<'a>,
    from: Option<Chosen>,
}

impl WithNetwork for Job<'_> {
    type Out = Result<Outcome, Error>;

    fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
        let Job { experiment, architecture, mut request, from } = self;
        let lock = request.run.lock()?;
        if from.is_none() && request.run.config().exists() {
            // Another process came first, and is done already.
            return Err(Error::RunExists(request.run.path().to_owned()));
        }
        let dataset = Arc::new(open_data(&experiment, request.config, &request.run, from.is_some())?);
        let plan = Plan::new(experiment, request.config, &dataset)?;
        let belongs_to = identity(&plan, &dataset);
        let device = request.device.device.clone();
        let seed = plan.experiment.seed;
        let network = config.build(&plan.signature, seed, &device.clone().autodiff())?;

        let position = from.as_ref().map_or(Ok(0), |from| Ok::<_, Error>(checkpoint::read_manifest(&from.path)?.memory.batches))?;
        let batches = Loader::train(Arc::clone(&dataset), plan.experiment.train.batch_size, seed, 0, position)?;
        let mut state = State::new(network, &plan, batches, &device);
        if let Some(from) = &from {
            state = checkpoint::load(state, &from.path, &belongs_to)?;
            state.last_saved = Some(from.step);
            checkpoint::rewind(&request.run, &state.memory)?;
        }
        prepare_run(&request, &plan, &dataset, from.is_some())?;
        let mut recorders = recorders(&request.run, &plan, from.as_ref().map(|from| from.step))?;
        recorders.append(&mut request.recorders);
        let mut around = Surroundings {
            dataset: &dataset,
            run: &request.run,
            belongs_to: &belongs_to,
            recorders: &mut recorders,
            interrupt: request.interrupt,
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
        let (state, ending) = fit(state, &plan, &mut around)?;
        if ending == Ending::Interrupted {
            return Ok(Outcome { ending, step: state.memory.step, result: None });
        }
        let result = finish(state, ending, &plan, &mut around, architecture)?;
        drop::<Lock>(lock);
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
    let dataset = Arc::new(open_data(&experiment, &config, run, true)?);
    if dataset.part(part).is_empty() {
        return Ok(Evaluation { values: Vec::new(), confusion: None, examples: 0 });
    }
    let plan = Plan::new(experiment, &config, &dataset)?;
    let model = plan.experiment.architecture(&config)?.clone();
    model.with(Judge { plan: &plan, weights, part, dataset, device, run })
}

/// Opens the data. A resumed run uses the transforms as they were fitted when it began.
fn open_data(experiment: &Experiment, config: &Path, run: &RunDir, resumed: bool) -> Result<Dataset, Error> {
    let root = data_root(experiment, config, run);
    if !resumed {
        return Ok(Dataset::open(&experiment.data, &root, experiment.task, experiment.seed)?);
    }
    let pipeline = fitted_pipeline(run)?;
    Ok(Dataset::open_with(&experiment.data, &root, pipeline, experiment.seed)?)
}

/// The transforms of a run, as they were fitted when it began.
///
/// # Errors
/// If the file is missing, damaged or contradicts itself.
pub fn fitted_pipeline(run: &RunDir) -> Result<Pipeline, Error> {
    let path = run.pipeline();
    let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let damaged = |reason: String| model_zoo::Error::Damaged { path: path.clone(), reason };
    let pipeline: Pipeline = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    pipeline.signature().check().map_err(damaged)?;
    Ok(pipeline)
}

/// The folder from which the paths of the config start. A run that was moved, or is resumed from elsewhere, remembers it.
fn data_root(experiment: &Experiment, config: &Path, run: &RunDir) -> PathBuf {
    root_of(config, &experiment.data.card).unwrap_or_else(|| {
        let remembered = std::fs::read(run.environment()).ok();
        let environment = remembered.and_then(|text| serde_json::from_slice::<Environment>(&text).ok());
        environment.map_or_else(PathBuf::new, |environment| environment.data_root)
    })
}

/// What must be the same for a checkpoint to be of use: the data and its order, the transforms, the network, the optimizer.
/// How long to train, and at which rate, may change.
fn identity(plan: &Plan, dataset: &Dataset) -> String {
    let train = &plan.experiment.train;
    let parts = serde_json::json!({
        "lineage": dataset.lineage(),
        "pipeline": dataset.pipeline(),
        "model": plan.experiment.model,
        "optimizer": plan.experiment.optimizer.name(),
        "seed": plan.experiment.seed,
        "batch_size": train.batch_size,
        "accumulate": train.accumulate,
        "ema": train.ema_decay.is_some(),
        "sampler": plan.experiment.data.sampler,
    });
    format!("{:x}", Sha256::digest(parts.to_string()))
}

/// Writes what describes the run.
fn prepare_run(request: &Request<'_>, plan: &Plan, dataset: &Dataset, resumed: bool) -> Result<(), Error> {
    let run = &request.run;
    if resumed {
        checkpoint::remove_leftovers(run)?;
    } else {
        run.write_json(&run.pipeline(), dataset.pipeline())?;
        run.write_json(&run.lineage(), dataset.lineage())?;
        let root = data_root(&plan.experiment, request.config, run);
        let root = root.canonicalize().unwrap_or(root);
        run.write_json(&run.environment(), &Environment::here(request.device, &root))?;
    }
    // Last, since a folder with a config is a run.
    Ok(atomic::write_file(&run.config(), plan.experiment.to_toml().as_bytes())?)
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
    let network = weights::apply(state.network.valid(), &best, &chosen.path)?;
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
    let rows = [Part::Test, Part::Validation, Part::Train].into_iter().map(|part| dataset.part(part));
    let rows: Vec<u32> = rows.flatten().take(GOLDEN_SAMPLES).copied().collect();
    let records = rows.into_iter().map(|row| dataset.record(row)).collect::<Result<Vec<_>, _>>()?;
    let content = bundle::Content {
        name: around.run.name(),
        architecture,
        golden: Some(bundle::record_golden(records, dataset.pipeline(), &network, &state.device)?),
        pipeline: dataset.pipeline().clone(),
        weights: best,
        step: chosen.step,
        metrics: BTreeMap::from([(part.name().to_owned(), result.scores.clone())]),
        lineage: Some(dataset.lineage().clone()),
    };
    bundle::write(content, &around.run.bundle())?;
    around.run.write_json(&around.run.result(), &result)?;
    reports::write(around.run)?;
    Ok(result)
}
