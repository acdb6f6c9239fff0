//! What is the model for? One word, from which target, output, loss, metrics and decoding follow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a model does with an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Names the class of the example.
    Classify,
    /// Estimates one or more numbers.
    Regress,
    /// Names the class of every pixel.
    Segment,
    /// Continues a sequence of tokens.
    Generate,
    /// Continues a series of numbers.
    Forecast,
    /// Gives the example back.
    Reconstruct,
    /// Tells which views are of one image, for a network that goes on to another task.
    Contrast,
}

impl Task {
    /// Every task, with the summary shown by `firebox list`.
    pub const ALL: &[(Task, &str)] = &[
        (Task::Classify, "name the class of an example"),
        (Task::Contrast, "tell which views are of one image, to learn without labels"),
        (Task::Forecast, "continue a series of numbers"),
        (Task::Generate, "continue a sequence of tokens"),
        (Task::Reconstruct, "give the example back"),
        (Task::Regress, "estimate numbers"),
        (Task::Segment, "name the class of every pixel"),
    ];

    /// The word used in configs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classify => "classify",
            Self::Regress => "regress",
            Self::Segment => "segment",
            Self::Generate => "generate",
            Self::Forecast => "forecast",
            Self::Reconstruct => "reconstruct",
            Self::Contrast => "contrast",
        }
    }

    /// Whether an example must say what is to be answered; else it is its own answer.
    pub fn needs_target(self) -> bool {
        !matches!(self, Self::Reconstruct | Self::Contrast)
    }
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
