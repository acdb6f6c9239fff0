//! What can go wrong in training?

use std::path::PathBuf;

mod sentences;

use sentences::{and_more, begin_again, lines, some_of};

/// An error of the trainer. Each is a sentence that names the culprit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value in the config cannot be used.
    #[error("{}: `{key}` {reason}", path.display())]
    Config {
        /// The config.
        path: PathBuf,
        /// The dotted address of the value.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `--set` was not `path=value`.
    #[error("`--set {text}`: {reason}")]
    Setting {
        /// What stood after `--set`.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, `create` ...
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder for a run is taken.
    #[error("the run folder {} exists already", .0.display())]
    RunExists(PathBuf),
    /// Another process writes into the run.
    #[error("another process is training into {}", .0.display())]
    RunLocked(PathBuf),
    /// There is no run there.
    #[error("{} is not a run: it holds no config.toml", .0.display())]
    NotARun(PathBuf),
    /// The run has no such checkpoint.
    #[error("{} has no checkpoint `{wanted}`; it has: {found}", run.display())]
    NoCheckpoint {
        /// The run.
        run: PathBuf,
        /// The checkpoint asked for.
        wanted: String,
        /// Those there are.
        found: String,
    },
    /// A checkpoint is incomplete or damaged.
    #[error("the checkpoint {} cannot be used: {reason}", path.display())]
    BadCheckpoint {
        /// The folder of the checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint is whole, and of another experiment than this one.
    #[error("the checkpoint {} was made with another `{differing}`", path.display())]
    OtherExperiment {
        /// The folder of the checkpoint.
        path: PathBuf,
        /// The addresses of what differs.
        differing: String,
    },
    /// The average of weights was asked for and none was kept.
    #[error("the run {} keeps no average of weights", .0.display())]
    NoAverage(PathBuf),
    /// A run goes on, and is to do something else than it began with.
    #[error("the run {} is for the task `{began}`, not `{asked}`", run.display())]
    OtherTask {
        /// The run.
        run: PathBuf,
        /// The task with which it began.
        began: data_loader::Task,
        /// The task asked for.
        asked: data_loader::Task,
    },
    /// A checkpoint was written by a newer Firebox.
    #[error("the checkpoint {} has format version {found}; this program reads versions up to {known}", path.display())]
    NewerCheckpoint {
        /// The folder of the checkpoint.
        path: PathBuf,
        /// The version in it.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// A model cannot be written in a form.
    #[error("`{architecture}` cannot be written as {form}: {reason}")]
    NotExported {
        /// The form asked for.
        form: &'static str,
        /// The name of the network.
        architecture: String,
        /// Which operation there is no way for.
        reason: String,
    },
    /// Something lies where a folder is to be written, or someone writes there.
    #[error("{} is not written over: something else lies there, or another process exports into it", .0.display())]
    Taken(PathBuf),
    /// A temperature or a threshold cannot be found.
    #[error("the model keeps its temperature and thresholds: {reason}")]
    NotCalibrated {
        /// Why not.
        reason: String,
        /// What can be done.
        way_out: &'static str,
    },
    /// A file could not be run here.
    #[error("the file could not be run here: {0}")]
    NotRun(String),
    /// A file that was written does not answer as the network does, and was not kept.
    #[error(
        "{} was not written: it would answer otherwise than the network, {}{}",
        path.display(),
        if largest.is_finite() {
            format!("by {largest:.1e} of its largest number")
        } else {
            "with another class, or with what is no number".to_owned()
        },
        layer.as_ref().map_or_else(String::new, |layer| format!(", and the first layer that differs is `{layer}`"))
    )]
    ExportDiffers {
        /// Where it was to lie.
        path: PathBuf,
        /// The largest difference, relative to the largest number of an example (at least 1).
        largest: f32,
        /// The first layer whose numbers differ, if it could be found.
        layer: Option<String>,
    },
    /// The loss is no longer a number.
    #[error(
        "the loss is {loss} at step {step}, on the examples {}; the last good checkpoint is {checkpoint}",
        some_of(examples)
    )]
    NotFinite {
        /// The step, from 1.
        step: u64,
        /// `NaN` or `inf`.
        loss: f64,
        /// The ids of all examples of the step.
        examples: Vec<String>,
        /// The last checkpoint of this process, such as `step-10`; `none` if there is none.
        checkpoint: String,
    },
    /// What would be saved holds numbers that are none.
    #[error("after step {step} `{name}` in {file} is no longer finite; the last good checkpoint is {checkpoint}")]
    NotFiniteState {
        /// The step, from 1.
        step: u64,
        /// The file of the checkpoint that was not written.
        file: &'static str,
        /// The tensor in it.
        name: String,
        /// The last checkpoint of this process, such as `step-10`; `none` if there is none.
        checkpoint: String,
    },
    /// The answer of the network and the target of the data do not go together.
    #[error("the loss `{loss}` cannot judge this: {reason}")]
    WrongLoss {
        /// The name of the loss.
        loss: &'static str,
        /// Which answer met which target.
        reason: String,
    },
    /// The data of a run are no longer those it began with.
    #[error("the data of the run {} have changed since it began: {what}", run.display())]
    DataChanged {
        /// The run.
        run: PathBuf,
        /// What is different.
        what: &'static str,
    },
    /// The weights of others with which a run began are others now, and it has no checkpoint yet.
    #[error("the run began with other weights than those that {} holds now; theirs had the SHA-256 {then}", path.display())]
    WeightsChanged {
        /// The file.
        path: PathBuf,
        /// The SHA-256 of the weights with which it began.
        then: String,
    },
    /// The data fail a gate of the config.
    #[error("the data fail a gate: {message}{}", and_more(*more))]
    DataGate {
        /// The worst that was found, a sentence.
        message: String,
        /// How to go on all the same, a sentence.
        way_out: String,
        /// How many other gates fail.
        more: usize,
    },
    /// A baseline cannot learn from the data.
    #[error("the baseline `{name}` cannot be fitted: {reason}")]
    Baseline {
        /// Its name.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// Candidates cannot be compared.
    #[error("there is no choice to make: {0}")]
    NoChoice(String),
    /// What is known of a selection cannot be read.
    #[error("{} cannot be read: {reason}", path.display())]
    Selection {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The database of a study does not do what was asked.
    #[error("the study at {study}: {reason}")]
    Study {
        /// Where it is, without a password.
        study: String,
        /// Why not.
        reason: String,
        /// What can be done, if that is known.
        way_out: Option<String>,
    },
    /// There is no study.
    #[error("there is no study at {0}")]
    NoStudy(String),
    /// The study that is there is of another config.
    #[error("the study in {study} is of another config:{}", lines(differences))]
    OtherStudy {
        /// Where it is.
        study: String,
        /// The addresses with both values, a line each.
        differences: Vec<String>,
    },
    /// Another tool, or a file of one, does not do what was asked.
    #[error("{place}: {reason}")]
    Interchange {
        /// The file or the address, without a secret.
        place: String,
        /// What is wrong.
        reason: String,
        /// What can be done.
        way_out: String,
        /// Whether the user's words or files are the cause.
        usage: bool,
    },
    /// There are fewer steps than candidates.
    #[error("{steps} steps are less than one for each of {candidates} candidates in each rung")]
    SmallBudget {
        /// How many there are to be.
        steps: u64,
        /// Among how many they are dealt out.
        candidates: usize,
        /// How many there must be.
        least: u64,
    },
    /// Two things that must be equal are not.
    #[error("{0}")]
    NotEqual(String),
    /// The data stage failed.
    #[error(transparent)]
    Data(#[from] data_loader::Error),
    /// A network, a device or a file of weights failed.
    #[error(transparent)]
    Model(#[from] model_zoo::Error),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Config { .. } => "`firebox config schema` describes every key, `firebox list` every word".into(),
            Self::Setting { .. } => "write it as in `--set train.epochs=3` or `--set optimizer.adamw.learning_rate=1e-3`".into(),
            Self::RunExists(path) => {
                format!("`firebox resume {}` goes on with it; `--run` takes another folder", path.display())
            }
            Self::RunLocked(_) => "wait for it, or end it with Ctrl-C: it saves a checkpoint before it stops".into(),
            Self::DataChanged { .. } => {
                "bring the data back as they were, or train anew: scores on other rows would not be those of this run".into()
            }
            Self::WeightsChanged { .. } => "bring them back as they were, or train anew".into(),
            Self::DataGate { way_out, .. } => {
                format!("{way_out} `firebox data check CONFIG` writes a page with everything that it finds")
            }
            Self::NotARun(_) => "`firebox runs` lists the runs".into(),
            Self::NotExported { .. } => {
                "other forms need no graph: `--to bundle,safetensors`; `firebox list forms` says what each is".into()
            }
            Self::Taken(_) => "name another folder by `--out`, or move what lies there".into(),
            Self::NotRun(_) => "`--to onnx` writes it without running it; other programs may run it".into(),
            Self::ExportDiffers { .. } => {
                "this is a fault of this program, and of the model none; `--to bundle,safetensors` holds its weights".into()
            }
            Self::NoCheckpoint { run, found, .. } if found == "none yet" => {
                format!("it never saved; train it first, `firebox resume {}`", crate::address::typed(run))
            }
            Self::NoCheckpoint { .. } => "name one of those, or leave out what stands after the @".into(),
            Self::BadCheckpoint { .. } => "name an earlier one with RUN@step-N; `firebox runs` lists them".into(),
            Self::OtherExperiment { .. } => {
                "leave that setting as it was to go on with the run, or train a new one; epochs, steps, schedule and learning rate may change".into()
            }
            Self::NoAverage(_) => "leave out `@ema`; a training with `train.ema_decay` keeps one".into(),
            Self::OtherTask { .. } => "train a new run for another task".into(),
            Self::NewerCheckpoint { .. } => "update Firebox".into(),
            Self::NotFinite { checkpoint, .. } => format!(
                "lower the learning rate, set `train.clip_norm = 1.0`, or look at those examples, which not_finite.json in the run lists in full; then {}",
                begin_again(checkpoint)
            ),
            Self::NotFiniteState { checkpoint, .. } => {
                format!("lower the learning rate or set `train.clip_norm = 1.0`, then {}", begin_again(checkpoint))
            }
            Self::SmallBudget { least, .. } => format!("give `--steps {least}` at least; a few hundred for each candidate tell them apart"),
            Self::Selection { .. } => "remove the folder in which it lies, and the same command begins anew".into(),
            Self::NotCalibrated { way_out, .. } => (*way_out).into(),
            Self::Study { way_out, .. } => return way_out.clone(),
            Self::Interchange { way_out, .. } => way_out.clone(),
            Self::NoStudy(_) => "`firebox sweep CONFIG` begins one; name its folder, such as runs/sweep-CONFIG".into(),
            Self::OtherStudy { .. } => "`--run DIR` begins another study in another folder; budget and limits may change".into(),
            Self::NoChoice(_) => "`firebox train` trains the network that a config names; `firebox list architectures` shows them".into(),
            Self::WrongLoss { .. } => "`firebox list losses` says what each loss is for".into(),
            Self::Io { source, .. } | Self::Model(model_zoo::Error::Io { source, .. })
                if source.kind() == std::io::ErrorKind::StorageFull =>
            {
                "free some space; if the run has begun, `firebox resume RUN` goes on with it: earlier checkpoints are intact".into()
            }
            Self::Io { source, .. } | Self::Model(model_zoo::Error::Io { source, .. })
                if matches!(
                    source.kind(),
                    std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                "see what you may do there, or name another place".into()
            }
            Self::Io { source, .. } if model_zoo::error::is_wrong_path(source) => "check the path".into(),
            Self::Data(error) => return error.hint(),
            Self::Model(error) => return error.hint(),
            _ => return None,
        })
    }

    /// Whether the user's words or files are the cause, rather than the machine or the training.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Io { source, .. } => model_zoo::error::is_wrong_path(source),
            Self::NotFinite { .. }
            | Self::NotFiniteState { .. }
            | Self::NotEqual(_)
            | Self::Baseline { .. }
            | Self::ExportDiffers { .. }
            | Self::NotRun(_) => false,
            Self::Interchange { usage, .. } => *usage,
            Self::Data(error) => error.is_usage(),
            Self::Model(error) => error.is_usage(),
            _ => true,
        }
    }

    /// Whether a gate failed, which is neither a mistake of the user's nor one of the machine's.
    pub fn is_gate(&self) -> bool {
        matches!(self, Self::DataGate { .. })
    }

    pub(crate) fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
