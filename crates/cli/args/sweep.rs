//! What can be said to `firebox sweep`?

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Settings;

/// `firebox sweep`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Sweep {
    /// What is to be done with a study that is there.
    #[command(subcommand)]
    pub command: Option<SweepCommand>,
    /// The config, a TOML file; what it does not say under [sweep] is chosen to suit it.
    #[arg(required = true)]
    pub config: Option<PathBuf>,
    /// How many trials are to be finished; short for `--set sweep.trials=N`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=trainer::sweep::config::MOST_TRIALS))]
    pub trials: Option<u64>,
    /// How many processes train trials beside each other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// The folder of the study; `runs/sweep-<config>` if left out.
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// A database instead of a file: `postgres://USER@HOST/DATABASE#NAME`, which workers of many machines can share.
    #[arg(long, value_name = "URL")]
    pub storage: Option<String>,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub settings: Settings,
}

/// Who runs the workers.
#[derive(Debug, Args)]
pub struct EngineArgs {
    /// An engine that runs the workers on many machines; the study must lie in a database.
    #[arg(long, value_enum)]
    pub engine: Option<EngineName>,
    /// Where the engine is: for Ray `http://HOST:8265`.
    #[arg(long, value_name = "URL")]
    pub address: Option<String>,
}

/// An engine that runs workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// The pods of an indexed job.
    Kubernetes,
    /// The jobs of a Ray cluster.
    Ray,
}

/// What a study is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportTo {
    /// Event files for the view `HParams` of TensorBoard.
    Hparams,
    /// An experiment of Katib, which searches the space itself.
    Katib,
    /// A pipeline of Kubeflow: check, sweep, train, evaluate.
    Kubeflow,
    /// An indexed job of workers, for `kubectl apply -f`.
    Kubernetes,
    /// Runs on an `MLflow` server.
    Mlflow,
    /// A database file of Optuna.
    Optuna,
}

/// What can be done with a study.
#[derive(Debug, Subcommand)]
pub enum SweepCommand {
    /// Show the best trial and its settings.
    Best(SweepBest),
    /// Add a trial with settings of your own.
    Enqueue(SweepEnqueue),
    /// Write a study for another tool, or tell it to one.
    Export(SweepExport),
    /// Bring in the trials of a study of Optuna, from which searchers learn.
    Import(SweepImport),
    /// Write a page about a study: how the search went, what matters, every trial.
    Report(SweepReport),
    /// Go on with a study, with a larger budget or another space if you like.
    Resume(SweepResume),
    /// Show how a study stands.
    Status(SweepName),
    /// Ask all workers of a study to save and end.
    Stop(SweepName),
    /// Train trials of a study in this process, beside others on this machine or elsewhere.
    Worker(SweepWorker),
}

/// `firebox sweep best`
#[derive(Debug, Args)]
pub struct SweepBest {
    /// The study: its folder, its file, or `postgres://...#NAME`.
    pub study: String,
    /// Write the config with these settings into a file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `firebox sweep enqueue`
#[derive(Debug, Args)]
pub struct SweepEnqueue {
    /// The study: its folder, its file, or `postgres://...#NAME`.
    pub study: String,
    /// A setting of the trial, as in `optimizer.adamw.learning_rate=1e-3`; what is left out is as the config has it.
    #[arg(long = "set", value_name = "PATH=VALUE", required = true)]
    pub set: Vec<String>,
}

/// `firebox sweep export`
#[derive(Debug, Args)]
pub struct SweepExport {
    /// The study: its folder, its file, or `postgres://...#NAME`.
    pub study: String,
    /// For what.
    #[arg(long, value_enum)]
    pub to: ExportTo,
    /// The file, or for TensorBoard the folder; beside the study if left out.
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// The `MLflow` server; `MLFLOW_TRACKING_URI` if left out.
    #[arg(long, value_name = "URL")]
    pub address: Option<String>,
    /// The experiment of the server; the name of the study if left out.
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// How many workers are to work beside each other.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: u16,
    /// Replace what lies there.
    #[arg(long)]
    pub replace: bool,
}

/// `firebox sweep import`
#[derive(Debug, Args)]
pub struct SweepImport {
    /// The study: its folder, its file, or `postgres://...#NAME`.
    pub study: String,
    /// The database file of Optuna.
    pub file: PathBuf,
    /// The study in it; the only one if left out.
    #[arg(long)]
    pub name: Option<String>,
}

/// `firebox sweep report`
#[derive(Debug, Args)]
pub struct SweepReport {
    /// The study: its folder, its file, or `postgres://...#NAME`.
    pub study: String,
    /// The file; `study.html` in the folder of the study if left out.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `firebox sweep resume`
#[derive(Debug, Args)]
pub struct SweepResume {
    /// The study: its folder, its file, or `postgres://...#NAME`.
    pub study: String,
    /// How many trials are to be finished in all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=trainer::sweep::config::MOST_TRIALS))]
    pub trials: Option<u64>,
    /// How many processes train trials beside each other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// The folder for the runs of trials, where the study lies in a database.
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Another range or other choices of a parameter from now on, or a new parameter: ADDRESS={ low = 1e-4, high = 1e-1, log = true }.
    #[arg(long = "space", value_name = "PATH=VALUES")]
    pub space: Vec<String>,
    /// On what to compute; as the config says if left out.
    #[arg(long)]
    pub device: Option<String>,
}

/// `firebox sweep status` and `firebox sweep stop`
#[derive(Debug, Args)]
pub struct SweepName {
    /// The study: its folder, its file, or `postgres://...#NAME`.
    pub study: String,
}

/// `firebox sweep worker`
#[derive(Debug, Args)]
pub struct SweepWorker {
    /// The study: its folder, its file, or `postgres://...#NAME`; what `FIREBOX_STUDY` says if left out.
    pub study: Option<String>,
    /// The folder for the runs of trials, where the study lies in a database; workers that share it go on with each other's trials.
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// On what to compute; as the config says if left out.
    #[arg(long)]
    pub device: Option<String>,
    /// End, with everything saved, once standard input is closed: whoever started it has died then.
    #[arg(long, hide = true)]
    pub attended: bool,
}
