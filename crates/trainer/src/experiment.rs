//! What did the user ask for? The config, exactly as written.
//!
//! What it means for this data and this machine is settled in [`plan`](crate::plan).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use data_loader::{DataConfig, Task};
use model_zoo::Architecture;
use model_zoo::pretrained::Pretrained;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::batch_size::BatchSize;
use crate::fine_tune::FineTune;
use crate::losses::Loss;
use crate::optimizers::Optimizer;
use crate::out_of_fold::LabelErrors;
use crate::schedules::Schedule;
use crate::setting;
use crate::sweep::config::Sweep;

/// A whole experiment, as a TOML file says it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// What the model is for; the data card's task if left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub task: Option<Task>,
    /// From which every random number is derived: the split, the order of examples, the first weights, dropout.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// On what to compute: `auto`, `cpu`, `wgpu`, `wgpu:N`, `vulkan`, `vulkan:N` or `ndarray`.
    #[serde(default = "default_device")]
    pub device: String,
    /// From what to learn.
    pub data: DataConfig,
    /// What learns; left out only by code that brings a network of its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<Architecture>,
    /// The weights to begin with, trained by others; fresh ones if left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pretrained: Option<Pretrained>,
    /// Which weights learn, from when on, and how fast; all of them alike if left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fine_tune: Option<FineTune>,
    /// How long and in what portions to learn.
    #[serde(default)]
    pub train: Train,
    /// What is made small; the task's usual loss if left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub loss: Option<Loss>,
    /// How the weights are changed.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// How the learning rate goes over time.
    #[serde(default)]
    pub schedule: Schedule,
    /// When to stop before the end; never if left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stopping: Option<Stopping>,
    /// When to write checkpoints and how many to keep.
    #[serde(default)]
    pub checkpoints: Checkpoints,
    /// What the model must reach to be of use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub goal: Option<Goal>,
    /// Who is told what happens.
    #[serde(default)]
    pub recorders: Recorders,
    /// The quick model by which `firebox data check` looks for wrong labels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label_errors: Option<LabelErrors>,
    /// The search for better settings, which `firebox sweep` does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sweep: Option<Sweep>,
}

fn default_seed() -> u64 {
    42
}

fn default_device() -> String {
    "auto".into()
}

/// How long and in what portions to learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Passes over the training split.
    pub epochs: u64,
    /// Ends after this many steps, whatever `epochs` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Examples in a batch, or "auto": the largest power of two that fits into memory and still learns faster.
    pub batch_size: BatchSize,
    /// Whether what the backward pass needs is computed again instead of kept, where that is cheap: less memory, more time.
    pub gradient_checkpointing: bool,
    /// Batches whose gradients are averaged before a step.
    pub accumulate: usize,
    /// The largest norm of all gradients together; longer ones are shortened to it. Not clipped if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// How much of the average of weights stays in each step, such as 0.999; no average is kept if left out. The average
    /// is what is evaluated and shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema_decay: Option<f64>,
    /// Steps between evaluations on the validation split; once an epoch if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluate_every: Option<u64>,
    /// Steps between records of loss and learning rate.
    pub record_every: u64,
    /// The metric by which checkpoints are compared; accuracy, or the loss where there is none, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<String>,
    /// Examples in a batch of an evaluation; `batch_size` or 256, whichever is more, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation_batch_size: Option<usize>,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            epochs: 10,
            steps: None,
            batch_size: BatchSize::Examples(64),
            gradient_checkpointing: false,
            accumulate: 1,
            clip_norm: None,
            ema_decay: None,
            evaluate_every: None,
            record_every: 50,
            watch: None,
            evaluation_batch_size: None,
        }
    }
}

/// When to stop before the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stopping {
    /// Evaluations without a better value of the watched metric after which training stops.
    pub patience: u64,
    /// By how much a value must be better to count as better.
    #[serde(default)]
    pub min_delta: f64,
}

/// When to write checkpoints and how many to keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoints {
    /// Steps between checkpoints; if left out once an epoch, but not more often than every 5 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_steps: Option<u64>,
    /// Minutes between checkpoints, in addition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_minutes: Option<f64>,
    /// How many of the newest are kept, besides the best.
    pub keep_last: usize,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self { every_steps: None, every_minutes: Some(10.0), keep_last: 2 }
    }
}

/// What the model must reach to be of use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// A metric of the test split.
    pub metric: String,
    /// The value it must reach: at least this where more is better, at most this where less is.
    pub minimum: f64,
    /// Why it matters, for whoever reads the report.
    #[serde(default)]
    pub why: String,
}

/// Who is told what happens. `metrics.jsonl` is always written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recorders {
    /// Whether TensorBoard event files are written.
    pub tensorboard: bool,
}

impl Default for Recorders {
    fn default() -> Self {
        Self { tensorboard: true }
    }
}

impl Experiment {
    /// The training of `model` on `data`, with every default.
    pub fn new(data: DataConfig, model: Option<Architecture>) -> Self {
        Self {
            task: None,
            seed: default_seed(),
            device: default_device(),
            data,
            model,
            pretrained: None,
            fine_tune: None,
            train: Train::default(),
            loss: None,
            optimizer: Optimizer::default(),
            schedule: Schedule::default(),
            stopping: None,
            checkpoints: Checkpoints::default(),
            goal: None,
            recorders: Recorders::default(),
            label_errors: None,
            sweep: None,
        }
    }

    /// Reads a config and applies `--set path=value` changes, in order.
    ///
    /// # Errors
    /// With the file, the line and the closest known key.
    pub fn read(path: &Path, settings: &[String]) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                data_loader::Error::NotFound { what: "config", path: path.to_owned() }.into()
            }
            std::io::ErrorKind::InvalidData => {
                Error::Config { path: path.to_owned(), key: "the file".into(), reason: "is not UTF-8 text".into() }
            }
            _ => Error::io("read", path)(error),
        })?;
        Self::parse(&text, path, settings)
    }

    /// The same from a text; `path` is where it came from.
    ///
    /// # Errors
    /// With the file, the line and the closest known key.
    pub fn parse(text: &str, path: &Path, settings: &[String]) -> Result<Self, Error> {
        if settings.is_empty() {
            return Ok(data_loader::config::parse_toml(text, path)?);
        }
        let mut table: toml::Table = data_loader::config::parse_toml(text, path)?;
        for text in settings {
            setting::set(&mut table, text)?;
        }
        Ok(data_loader::config::from_table(table, path)?)
    }

    /// The architecture that the config names; `config` is where it was written.
    ///
    /// # Errors
    /// [`Error::Config`] if it names none.
    pub fn architecture(&self, config: &Path) -> Result<&Architecture, Error> {
        let reason = "is missing; name an architecture, as in `[model.mlp]`: `firebox list architectures` shows them";
        self.model.as_ref().ok_or_else(|| Error::Config {
            path: config.to_owned(),
            key: "model".into(),
            reason: reason.into(),
        })
    }

    /// The config with every default filled in, as TOML. Reading it again gives the same experiment.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("an experiment holds nothing that TOML cannot say")
    }

    /// The JSON Schema of configs, for editors.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Experiment).to_value()
    }
}

/// The folder that relative paths of a config start from: the nearest one, from the working directory upwards and then from
/// the config upwards, under which the data card lies.
pub fn root_of(config: &Path, card: &Path) -> Option<PathBuf> {
    let from_here = std::env::current_dir().ok();
    let from_config = config.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
    [from_here, from_config]
        .iter()
        .flatten()
        .flat_map(|start| start.ancestors())
        .find(|folder| folder.join(card).exists())
        .map(Path::to_owned)
}

/// The experiment with other values at some addresses, what others lie in first.
///
/// # Errors
/// [`Error::Setting`], or what is wrong with the config that comes out; `path` is where it was written.
pub fn with_values(
    experiment: &Experiment,
    values: &BTreeMap<String, serde_json::Value>,
    path: &Path,
) -> Result<Experiment, Error> {
    let mut table = toml::Table::try_from(experiment).expect("an experiment holds nothing that TOML cannot say");
    // In the order of the alphabet a table comes before what lies in it.
    for (address, value) in values {
        let error = |reason: String| Error::Setting { text: format!("{address}={value}"), reason };
        let value = toml::Value::try_from(value).map_err(|reason| error(format!("is no value of TOML: {reason}")))?;
        setting::place(&mut table, address, value).map_err(error)?;
    }
    Ok(data_loader::config::from_table(table, path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[data]\ncard = \"datasets/mnist\"\n[model.lenet]\ndropout = 0.5\n";

    fn parse(settings: &[&str]) -> Result<Experiment, Error> {
        let settings: Vec<String> = settings.iter().map(|&s| s.to_owned()).collect();
        Experiment::parse(TEXT, Path::new("c.toml"), &settings)
    }

    #[test]
    fn settings_change_values_and_replace_choices() {
        let experiment = parse(&[
            "train.epochs=3",
            "optimizer.sgd.momentum=0.5",
            "schedule=cosine",
            "device=cpu",
            "train.clip_norm = 1",
            "model.mlp.hidden=[7, 5]",
            "sweep.space.\"train.epochs\"={ low = 1, high = 3 }",
        ])
        .unwrap();
        assert!(experiment.sweep.as_ref().unwrap().space.contains_key("train.epochs"));
        assert_eq!(experiment.train.epochs, 3);
        assert_eq!(experiment.train.clip_norm, Some(1.0));
        assert_eq!(experiment.device, "cpu");
        assert_eq!(experiment.optimizer.name(), "sgd");
        assert_eq!(experiment.schedule.name(), "cosine");
        assert_eq!(experiment.architecture(Path::new("c.toml")).unwrap().name(), "mlp");
    }

    #[test]
    fn a_resolved_config_reads_back_as_itself() {
        let text = parse(&["goal.metric=accuracy", "goal.minimum=0.99"]).unwrap().to_toml();
        let again = Experiment::parse(&text, Path::new("r.toml"), &[]).unwrap();
        assert_eq!(again.to_toml(), text);
    }

    #[test]
    fn mistakes_are_errors_with_hints() {
        for setting in ["train.epochs", "=3", "train..epochs=3", "seed.x=1"] {
            assert!(parse(&[setting]).is_err(), "{setting}");
        }
        let error = parse(&["train.epoch=3"]).unwrap_err();
        assert!(error.to_string().contains("`epoch`"), "{error}");
        assert!(error.hint().unwrap().contains("epochs"), "{:?}", error.hint());
        assert!(error.is_usage());
    }
}
