//! What can be said to `firebox bench`?

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Settings;

/// `firebox bench`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Bench {
    /// Something else than training.
    #[command(subcommand)]
    pub other: Option<BenchOther>,
    /// Which workloads, separated by commas: mlp, cnn, resnet, gpt.
    #[arg(long, value_delimiter = ',')]
    pub workload: Vec<String>,
    /// On what to compute.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Seconds to measure each.
    #[arg(long, default_value_t = 6.0)]
    pub seconds: f64,
}

/// What `firebox bench` measures besides training.
#[derive(Debug, Subcommand)]
pub enum BenchOther {
    /// Measure how fast the network of a config learns, batch size by batch size.
    Batch(BenchBatch),
    /// Measure how fast a model is in each of its forms, and what each takes.
    Bundle(BenchBundle),
    /// Measure how fast a folder of photographs becomes batches.
    Data(BenchData),
    /// Measure on what the training of a config spends its time.
    Train(BenchTrain),
}

/// `firebox bench batch`
#[derive(Debug, Args)]
pub struct BenchBatch {
    /// The config.
    pub config: PathBuf,
    /// Measure this size alone, in this process; results are JSON.
    #[arg(long, hide = true, value_name = "SIZE")]
    pub only: Option<usize>,
    #[command(flatten)]
    pub settings: Settings,
}

/// `firebox bench bundle`
#[derive(Debug, Args)]
pub struct BenchBundle {
    /// The bundle, a run, or one of its checkpoints (RUN[@best|last|ema|step-N]); with a run accuracy is measured, too.
    pub model: String,
    /// Measure this form alone, in this process; results are JSON.
    #[arg(long, hide = true, value_name = "FORM")]
    pub only: Option<String>,
    /// Seconds to measure each form, and as many again with many examples at once.
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
}

/// `firebox bench train`
#[derive(Debug, Args)]
pub struct BenchTrain {
    /// The config.
    pub config: PathBuf,
    /// Seconds to measure.
    #[arg(long, default_value_t = 6.0)]
    pub seconds: f64,
    #[command(flatten)]
    pub settings: Settings,
}

/// `firebox bench data`
#[derive(Debug, Args)]
pub struct BenchData {
    /// A folder with a folder of images for each class.
    pub folder: PathBuf,
    /// Seconds to measure, but one epoch at least.
    #[arg(long, default_value_t = 6.0)]
    pub seconds: f64,
}
