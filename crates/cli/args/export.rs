//! What can be said to `firebox export`, and to what verifies what it writes.

use std::path::PathBuf;

use clap::Args;

/// `firebox export`
#[derive(Debug, Args)]
pub struct Export {
    /// The run, one of its checkpoints (RUN[@best|last|ema|step-N]), or a bundle.
    pub model: String,
    /// The forms, with commas between them; `firebox list forms` says what each is.
    #[arg(long, value_name = "FORM,...", value_delimiter = ',', default_value = "bundle")]
    pub to: Vec<String>,
    /// The folder for the files; `export` beside the run's other files, or beside the bundle, if left out.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Make transforms and labels a part of the graph that `--to onnx` writes, which then reads images and columns as they are.
    #[arg(long)]
    pub with_preprocessing: bool,
    /// Divide scores by a temperature, so that probabilities are as sure as they are right on the validation split.
    #[arg(long)]
    pub calibrate: bool,
    /// From which probability on a class is answered: CLASS=0.3, or CLASS=f1 for the one of two with the best F1 on the validation
    /// split; or from which score on an example is unusual: anomaly=0.8, or anomaly=99% of the examples that were not learnt from.
    #[arg(long = "threshold", value_name = "NAME=WHERE")]
    pub thresholds: Vec<String>,
    /// Sign the bundle with this secret key (Ed25519, PEM), as `firebox keygen` makes it.
    #[arg(long, value_name = "KEY")]
    pub sign: Option<PathBuf>,
}

/// `firebox keygen`
#[derive(Debug, Args)]
pub struct Keygen {
    /// The file for the secret key; the public one lies beside it, with `.pub` behind its name.
    pub file: PathBuf,
}

/// `firebox verify bundle`
#[derive(Debug, Args)]
pub struct VerifyBundle {
    /// The bundle, a folder or a .tar.zst file.
    pub bundle: PathBuf,
    /// The public key by which it must be signed.
    #[arg(long, value_name = "PUB")]
    pub key: Option<PathBuf>,
}

/// `firebox verify export`
#[derive(Debug, Args)]
pub struct VerifyExport {
    /// A bundle, or a folder that `firebox export` wrote.
    pub path: PathBuf,
    /// On what to compute.
    #[arg(long, default_value = "auto")]
    pub device: String,
}
