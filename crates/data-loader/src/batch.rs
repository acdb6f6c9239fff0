//! What passes from the data to the network? (DOOR 1)
//!
//! A [`Batch`] holds host arrays only: bytes stay bytes until they lie on the device. It names every example it was made
//! of, so that an error, a wrong label or a drifting feature can be traced to a row in a file.

use crate::example::ExampleId;
use crate::signature::{OutputSpec, Signature};
use crate::{reconstruction, views};

/// The numbers of an array, row-major, in the type in which they travel.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrayData {
    /// Bytes: pixels as they were decoded, 0 to 255.
    U8(Vec<u8>),
    /// Real numbers.
    F32(Vec<f32>),
    /// Whole numbers: token ids, category codes.
    I64(Vec<i64>),
}

impl ArrayData {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::I64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A host array.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The size of each axis; in a batch the first is the batch axis.
    pub shape: Vec<usize>,
    /// The numbers, row-major; as many as the product of `shape`.
    pub data: ArrayData,
}

/// One named input of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct InputArray {
    /// The name of the input in the [`Signature`](crate::signature::Signature).
    pub name: String,
    /// `[batch, ...]`.
    pub array: Array,
    /// `[batch, length]`, 1 where there is content and 0 where there is padding; only for inputs of varying length.
    pub mask: Option<Vec<u8>>,
    /// The true length of each example; only for inputs of varying length.
    pub lengths: Option<Vec<usize>>,
}

/// What the network should have answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The index of the right class, one an example.
    Classes(Vec<i64>),
    /// A distribution over the classes, `[batch, classes]` row-major.
    SoftLabels {
        /// How many classes there are.
        classes: usize,
        /// Probabilities; each row sums to 1.
        values: Vec<f32>,
    },
    /// Real numbers, `shape[0]` being the batch axis.
    Values {
        /// `[batch, ...]`.
        shape: Vec<usize>,
        /// Row-major.
        values: Vec<f32>,
    },
    /// The class of each pixel.
    Mask {
        /// `[batch, height, width]`.
        shape: [usize; 3],
        /// Row-major class indices; negative means that the pixel does not count.
        classes: Vec<i64>,
    },
    /// The token expected at each place.
    Tokens {
        /// `[batch, length]`.
        shape: [usize; 2],
        /// Row-major token ids; negative means that the place does not count.
        ids: Vec<i64>,
    },
    /// Nothing is expected: unlabelled data, or prediction.
    None,
}

/// A number of examples, ready for a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The inputs, in the order of the signature.
    pub inputs: Vec<InputArray>,
    /// What is expected.
    pub target: Target,
    /// Which examples these are, in order; as many as the batch axis is long.
    pub ids: Vec<ExampleId>,
    /// How much each example counts; `None` when all count 1.
    pub weights: Option<Vec<f32>>,
    /// The pass over the data to which this batch belongs, from 0.
    pub epoch: u64,
    /// Which batch of that pass this is, from 0.
    pub index: u64,
    /// How many examples were left out of this batch because they could not be read.
    pub skipped: usize,
}

impl Batch {
    /// A batch of examples that count alike, of no particular place in an epoch.
    pub fn of(inputs: Vec<InputArray>, target: Target, ids: Vec<ExampleId>) -> Self {
        Self { inputs, target, ids, weights: None, epoch: 0, index: 0, skipped: 0 }
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Where examples are their own answer the target that follows from them, after everything that chance did to them; other batches
    /// stay as they are.
    #[must_use]
    pub fn with_own_target(mut self, signature: &Signature) -> Self {
        let own = match signature.output {
            OutputSpec::Inputs => reconstruction::target(&self, signature),
            OutputSpec::Embedding { .. } => Some(views::target(&self)),
            _ => None,
        };
        self.target = own.unwrap_or(self.target);
        self
    }

    /// The input called `name`.
    pub fn input(&self, name: &str) -> Option<&InputArray> {
        self.inputs.iter().find(|input| input.name == name)
    }
}
