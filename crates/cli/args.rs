//! What can be said on the command line?
//!
//! The set of flags is frozen: what can be set stands in a config, and `--set path=value` reaches all of it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod bench;
mod export;
mod package;
mod serve;
mod sweep;

pub use bench::{Bench, BenchBatch, BenchBundle, BenchData, BenchOther, BenchTrain};
pub use export::{Export, Keygen, VerifyBundle, VerifyExport};
pub use package::PackageArgs;
pub use serve::Serve;
pub use sweep::{
    EngineArgs, EngineName, ExportTo, Sweep, SweepBest, SweepCommand, SweepEnqueue, SweepExport, SweepImport,
    SweepName, SweepReport, SweepResume, SweepWorker,
};

/// Train deep-learning models from one command, and carry them through their whole life.
#[derive(Debug, Parser)]
#[command(name = "firebox", version, max_term_width = 100, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Threads that compute, or for `bench data` that read; as many as there are cores if left out. In training those that read are
    /// `data.loader.threads`.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// What Firebox can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model as a config says.
    Train(Train),
    /// Find the network that suits the data: several are tried under one budget.
    Select(Select),
    /// Find better settings: many trials under one budget, which go on after any kill.
    Sweep(Sweep),
    /// Go on with a run that was interrupted.
    Resume(Resume),
    /// Judge a trained model on a split of its data.
    Evaluate(Evaluate),
    /// Answer new data with a trained model.
    Predict(Predict),
    /// Continue a text with a trained model.
    Generate(Generate),
    /// Let a model leave in forms that other programs read, each proven to hold it.
    Export(Export),
    /// Serve models over HTTP until Ctrl-C.
    Serve(Serve),
    /// Write what it takes to run a server of a bundle elsewhere: an image, manifests, a chart, a unit.
    Package(PackageArgs),
    /// Make a pair of keys, with which bundles are signed and verified.
    Keygen(Keygen),
    /// Gather, judge and clean data.
    #[command(subcommand)]
    Data(Data),
    /// Show the layers of a network with their sizes and their work.
    Inspect(Inspect),
    /// List what a config can name: architectures, losses, optimizers ...
    List(List),
    /// Show a config, or the schema of all configs.
    #[command(subcommand)]
    Config(Config),
    /// List the devices of this machine.
    Devices,
    /// List the runs and how they did.
    Runs(Runs),
    /// Prove a promise on your own config.
    #[command(subcommand)]
    Verify(Verify),
    /// Measure training speed on four reference workloads.
    Bench(Bench),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// `firebox train`
#[derive(Debug, Args)]
pub struct Train {
    /// The config, a TOML file.
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    pub config: Option<PathBuf>,
    /// Instead of a config a trial of a study: STUDY[:best], or STUDY:N by its number.
    #[arg(long, value_name = "STUDY")]
    pub from: Option<String>,
    #[command(flatten)]
    pub settings: Settings,
    /// The folder of the run; `runs/<config>-<time>-<4 hex>` if left out.
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    #[command(flatten)]
    pub view: View,
}

/// `firebox select`
#[derive(Debug, Args)]
pub struct Select {
    /// The config, a TOML file; its [model] may be left out.
    pub config: PathBuf,
    /// Minutes of training, over all candidates.
    #[arg(long, default_value_t = 10.0, conflicts_with = "steps")]
    pub minutes: f64,
    /// Steps instead of minutes, over all candidates; equal seeds then give equal scores.
    #[arg(long)]
    pub steps: Option<u64>,
    /// The file for the winning config; `winner.toml` beside the runs if left out.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Do one task of a selection in this process; results are JSON.
    #[arg(long, hide = true, value_name = "TASK")]
    pub task: Option<String>,
    #[command(flatten)]
    pub settings: Settings,
}

/// `firebox resume`
#[derive(Debug, Args)]
pub struct Resume {
    /// The run, or one of its checkpoints: RUN[@last|best|step-N].
    pub run: String,
    #[command(flatten)]
    pub settings: Settings,
    #[command(flatten)]
    pub view: View,
}

/// `firebox evaluate`
#[derive(Debug, Args)]
pub struct Evaluate {
    /// The run, or one of its checkpoints: RUN[@best|last|ema|step-N].
    pub run: String,
    /// The split.
    #[arg(long, value_enum, default_value = "test")]
    pub part: PartName,
    /// On what to compute; as the run did if left out.
    #[arg(long)]
    pub device: Option<String>,
}

/// `firebox predict`
#[derive(Debug, Args)]
pub struct Predict {
    /// The run, one of its checkpoints (RUN[@best|last|ema|step-N]), or a bundle.
    pub model: String,
    /// What to answer: a CSV or JSONL file, an image, a folder of images, an IDX file; with --query a database of `SQLite`, or the name
    /// of the environment variable that holds the address of one of `PostgreSQL`.
    pub input: PathBuf,
    /// One SELECT, whose rows are answered.
    #[arg(long, value_name = "SQL")]
    pub query: Option<String>,
    /// Write the answers there: .csv, .jsonl, .parquet, or the table `predictions` of a database of `SQLite` (.db). Interrupted, the same
    /// command goes on where it was.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// On what to compute.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Records answered at once.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: u32,
}

/// `firebox inspect`
#[derive(Debug, Args)]
pub struct Inspect {
    /// A config, a run, a bundle, or the name of an architecture.
    pub what: String,
    /// How many examples are answered at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// What goes in where the data does not say: 3x224x224, numbers:8, categories:5x3, tokens:128x1000 or series:96x1.
    #[arg(long)]
    pub input: Option<String>,
    /// How many outputs an architecture that is only named is built for.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub classes: Option<u32>,
    /// Change a value of the config, as in `model.vit.size=small`; may be given several times.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

/// `firebox generate`
#[derive(Debug, Args)]
pub struct Generate {
    /// The run, one of its checkpoints (RUN[@best|last|ema|step-N]), or a bundle.
    pub model: String,
    /// The text to continue; a new one is begun if left out.
    #[arg(default_value = "")]
    pub prompt: String,
    /// How many tokens are written at most; a text may end before.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub tokens: u32,
    /// Below 1 likely tokens become more likely; at 0 the most likely one is taken.
    #[arg(long, default_value_t = 1.0)]
    pub temperature: f64,
    /// Draw from so many of the most likely tokens; 0 for all.
    #[arg(long, default_value_t = 0)]
    pub top_k: usize,
    /// Draw from the fewest tokens whose probabilities sum up to this.
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f64,
    /// Equal seeds give equal texts.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How many texts are written.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub samples: u32,
    /// On what to compute.
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// `firebox data`
#[derive(Debug, Subcommand)]
pub enum Data {
    /// Find what is wrong with the data: duplicates across splits, broken files, leaking columns ...
    Check(DataCheck),
    /// Apply reviewed decisions (drop, fix, relabel, impute) and write a new data set; the source stays as it is.
    Clean(DataClean),
    /// Fetch the files of a data set, or of weights, from where their card says, and verify them.
    Fetch(DataFetch),
}

/// `firebox data fetch`
#[derive(Debug, Args)]
pub struct DataFetch {
    /// The data set, or the weights: a folder with a card.toml in it, or the card itself.
    pub card: PathBuf,
}

/// `firebox data check`
#[derive(Debug, Args)]
pub struct DataCheck {
    /// The config, a TOML file.
    pub config: PathBuf,
    /// Change a value of the config, as in `data.gates.leakage=error`; may be given several times.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// The folder for data-report.html, data-report.json and the proposals in data-decisions.toml.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
}

/// `firebox data clean`
#[derive(Debug, Args)]
pub struct DataClean {
    /// The config, a TOML file, whose data are to be cleaned.
    pub config: PathBuf,
    /// The decisions: a TOML file with [[decisions]] tables, or a JSON object a line where the name ends in .jsonl.
    #[arg(long, value_name = "FILE")]
    pub decisions: PathBuf,
    /// The folder of the new data set; there must be nothing in it yet.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Apply decisions too that say `reviewed = false`.
    #[arg(long)]
    pub unreviewed: bool,
    /// Change a value of the config, as in `data.card=datasets/mnist`; may be given several times.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

/// `firebox list`
#[derive(Debug, Args)]
pub struct List {
    /// Only this kind.
    pub kind: Option<String>,
}

/// `firebox config`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print a config with every default filled in.
    Show {
        /// The config, a TOML file.
        config: PathBuf,
        #[command(flatten)]
        settings: Settings,
    },
    /// Print the JSON Schema of configs, for editors.
    Schema,
}

/// `firebox runs`
#[derive(Debug, Args)]
pub struct Runs {
    /// Where the runs lie.
    #[arg(default_value = "runs")]
    pub root: PathBuf,
}

/// `firebox verify`
#[derive(Debug, Subcommand)]
pub enum Verify {
    /// Hold every file of a bundle against its hash, and its signature against a key.
    Bundle(VerifyBundle),
    /// Replay the golden samples of a bundle, or run exported files again.
    Export(VerifyExport),
    /// Prove that a run that is killed and resumed ends as one that never was, bit for bit.
    Resume(VerifyResume),
}

/// `firebox verify resume`
#[derive(Debug, Args)]
pub struct VerifyResume {
    /// The config, a TOML file.
    pub config: PathBuf,
    /// Steps before the checkpoint from which is resumed, and again after it.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub steps: u64,
    #[command(flatten)]
    pub settings: Settings,
}

/// Changes to a config.
#[derive(Debug, Args)]
pub struct Settings {
    /// Change a value of the config, as in `train.epochs=3`; may be given several times.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// On what to compute: auto, cpu, wgpu[:N], vulkan[:N] or ndarray; short for `--set device=...`.
    #[arg(long)]
    pub device: Option<String>,
}

impl Settings {
    /// All changes as `path=value`.
    pub fn all(&self) -> Vec<String> {
        let device = self.device.iter().map(|device| format!("device=\"{device}\""));
        self.set.iter().cloned().chain(device).collect()
    }
}

/// How progress is shown.
#[derive(Debug, Args)]
pub struct View {
    /// Show a dashboard in the terminal (needs the cargo feature `tui`).
    #[arg(long)]
    pub tui: bool,
    /// Wait at this step to be killed; `verify resume` uses it.
    #[arg(long, hide = true, value_name = "STEP")]
    pub pause_at: Option<u64>,
}

/// A split by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PartName {
    /// What was learnt from.
    Train,
    /// What was watched while training.
    Validation,
    /// What judges the finished model.
    Test,
}

impl From<PartName> for data_loader::Part {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Train => Self::Train,
            PartName::Validation => Self::Validation,
            PartName::Test => Self::Test,
        }
    }
}
