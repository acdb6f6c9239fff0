//! What goes into a network and what must come out: names, shapes, types, and the sizes that only the data knows.
//!
//! A signature is made by fitting the transforms on the training split. Networks are built from it, bundles carry it, and
//! no config ever writes one of its numbers.

use serde::{Deserialize, Serialize};

use crate::task::Task;

/// The number type of an input as it travels in a [`Batch`](crate::batch::Batch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// Bytes.
    U8,
    /// 32-bit floating point.
    F32,
    /// 64-bit integers.
    I64,
}

/// What an input means to a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// Pixels `[channels, height, width]`. They travel as bytes and become `(pixel / 255 - mean) / std` on the device.
    Image {
        /// Mean of each channel, in units of 0 to 1.
        mean: Vec<f32>,
        /// Standard deviation of each channel, in units of 0 to 1; never 0.
        std: Vec<f32>,
    },
    /// Real features `[features]`, already imputed and normalised.
    Numbers {
        /// The name of each feature.
        names: Vec<String>,
    },
    /// Category codes `[features]`; code 0 is the unknown category.
    Categories {
        /// The name of each feature.
        names: Vec<String>,
        /// How many codes each feature has, the unknown one included.
        sizes: Vec<usize>,
    },
    /// Token ids `[length]`, padded to the longest of the batch; id 0 is padding, id 1 is the unknown token.
    Tokens {
        /// How many ids there are, padding and unknown included.
        vocabulary: usize,
        /// The longest sequence that a batch may hold.
        max_length: usize,
    },
    /// Measurements over time, `[time, channels]`.
    Series {
        /// The name of each channel.
        names: Vec<String>,
    },
}

/// One input of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// `image`, `numbers`, `categories`, `tokens` or `series`.
    pub name: String,
    /// The type in which it travels.
    pub dtype: Dtype,
    /// The shape without the batch axis; `None` where the length varies.
    pub shape: Vec<Option<usize>>,
    /// What it means.
    pub kind: InputKind,
}

/// What a network must answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputSpec {
    /// One score for each class.
    Classes {
        /// The name of each class, in the order of the scores.
        labels: Vec<String>,
    },
    /// Real numbers, in the units of the network: `value = mean + std * output` gives the user's units.
    Values {
        /// The name of each number.
        names: Vec<String>,
        /// What was subtracted from each target.
        mean: Vec<f32>,
        /// By what each target was divided; never 0.
        std: Vec<f32>,
    },
    /// One score for each class at each pixel.
    Mask {
        /// The name of each class.
        labels: Vec<String>,
    },
    /// One score for each token at each place.
    Tokens {
        /// How many token ids there are.
        vocabulary: usize,
    },
    /// The inputs themselves.
    Inputs,
}

/// The contract between data and network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// What the model is for.
    pub task: Task,
    /// What goes in, in order.
    pub inputs: Vec<InputSpec>,
    /// What comes out.
    pub output: OutputSpec,
}

impl Signature {
    /// The input called `name`.
    pub fn input(&self, name: &str) -> Option<&InputSpec> {
        self.inputs.iter().find(|input| input.name == name)
    }
}
