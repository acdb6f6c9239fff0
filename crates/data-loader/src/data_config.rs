//! What does an experiment say about its data? The table `[data]` of a config.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::samplers::Sampler;
use crate::split::SplitConfig;
use crate::survey::Gates;
use crate::transforms::Transforms;
use crate::windows;

/// What happens when an example cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadExamples {
    /// Everything stops, with the example's id and what is wrong with it.
    #[default]
    Error,
    /// It is left out and counted.
    Skip,
}

/// `[data.loader]`: how batches are prepared. Nothing here changes what is in them, except `bad_examples`, `drop_last`, and of
/// data that is not held in memory `window`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderConfig {
    /// How many threads prepare batches; 0 means one for each processor core.
    pub threads: usize,
    /// How many batches each thread prepares ahead, at least 1.
    pub prefetch: usize,
    /// What happens when an example cannot be used: "error" or "skip".
    pub bad_examples: BadExamples,
    /// Whether the last batch of an epoch is left out when it is not full.
    pub drop_last: bool,
    /// About how many examples are shuffled together, where data lies on the disk in blocks because it is too large for memory:
    /// 262144 unless stated, and no more than lie in 16 blocks. More of them mix better and are read from more places.
    pub window: usize,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self { threads: 0, prefetch: 2, bad_examples: BadExamples::Error, drop_last: false, window: 1 << 18 }
    }
}

/// `[data]`: what an experiment learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The data set: a folder with a card.toml in it, or the card itself.
    pub card: PathBuf,
    /// How the examples are split; without it as the card says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitConfig>,
    /// How records become examples, in this order; without it as the card says, or as follows from its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transforms: Option<Transforms>,
    /// Windows over the rows of a series; without it as the card says in [schema.windows].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<windows::Config>,
    /// The order in which training meets its examples: "shuffled", "sequential" or "balanced".
    #[serde(default)]
    pub sampler: Sampler,
    /// At most so many examples of each part, chosen by chance; to try something out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// How batches are prepared.
    #[serde(default)]
    pub loader: LoaderConfig,
    /// Which findings about the data end a training before its first step.
    #[serde(default, skip_serializing_if = "Gates::is_default")]
    pub gates: Gates,
}

impl DataConfig {
    /// The card at `path` with all that follows from it.
    pub fn new(card: impl Into<PathBuf>) -> Self {
        Self {
            card: card.into(),
            split: None,
            transforms: None,
            windows: None,
            sampler: Sampler::default(),
            limit: None,
            loader: LoaderConfig::default(),
            gates: Gates::default(),
        }
    }
}
