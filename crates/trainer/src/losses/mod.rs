//! How wrong is an answer?
//!
//! One file each, listed once below; `[loss.cross_entropy]` in a config is `cross_entropy.rs`. Every loss gives one number a
//! row (an example, a pixel or a token); weights are applied and the mean is taken here, once for all.

use burn::tensor::{Device, Tensor, TensorData};
use data_loader::{Batch, Entry, OutputSpec, Task};
use model_zoo::{Decoding, Output};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;

pub mod bce;
pub mod cross_entropy;
pub mod huber;
pub mod mse;
pub mod nt_xent;
pub mod quantile;

/// Every loss, alphabetically.
pub const MEMBERS: &[Entry] = &[
    Entry { name: "bce", summary: bce::SUMMARY },
    Entry { name: "cross_entropy", summary: cross_entropy::SUMMARY },
    Entry { name: "huber", summary: huber::SUMMARY },
    Entry { name: "mse", summary: mse::SUMMARY },
    Entry { name: "nt_xent", summary: nt_xent::SUMMARY },
    Entry { name: "quantile", summary: quantile::SUMMARY },
];

/// A loss with its settings, as it stands under `[loss.<name>]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Each class yes or no on its own.
    Bce(bce::Bce),
    /// One class out of several.
    CrossEntropy(cross_entropy::CrossEntropy),
    /// Squared near 0, linear far away.
    Huber(huber::Huber),
    /// Squared distance.
    Mse(mse::Mse),
    /// Which of all other views is of the same image.
    NtXent(nt_xent::NtXent),
    /// Quantiles of what is to come.
    Quantile(quantile::Quantile),
}

/// The losses of the rows of a batch.
pub struct RowLosses {
    /// `[rows]`, each already multiplied by its weight.
    pub weighted: Tensor<1>,
    /// `[rows]`, how much each row counts; 0 for a row without a target.
    pub weights: Tensor<1>,
}

impl RowLosses {
    /// The mean over the rows, each counted by its weight. On the device, `[1]`.
    pub fn mean(self) -> Tensor<1> {
        self.weighted.sum() * inverse(self.weights.sum())
    }
}

/// One over a sum of weights, `[1]`; 0 where nothing weighs anything, so that nothing is learnt from it.
pub fn inverse(weight: Tensor<1>) -> Tensor<1> {
    weight.clone().sign() * weight.clamp_min(f32::MIN_POSITIVE).recip()
}

impl Loss {
    /// The loss that suits a task.
    pub fn for_task(task: Task) -> Self {
        match task {
            Task::Classify | Task::Segment | Task::Generate => {
                Self::CrossEntropy(cross_entropy::CrossEntropy::default())
            }
            Task::Regress | Task::Reconstruct => Self::Mse(mse::Mse::default()),
            Task::Forecast => Self::Huber(huber::Huber::default()),
            Task::Contrast => Self::NtXent(nt_xent::NtXent::default()),
        }
    }

    /// The loss that suits an output: of quantiles that are to be told their own, else that of the task.
    pub fn for_output(task: Task, output: &OutputSpec) -> Self {
        match output {
            OutputSpec::Horizon { quantiles, .. } if !quantiles.is_empty() => {
                Self::Quantile(quantile::Quantile::default())
            }
            _ => Self::for_task(task),
        }
    }

    /// Lets a loss know what only the data knows: which quantiles are told.
    pub fn of_output(self, output: &OutputSpec) -> Self {
        match (self, output) {
            (Self::Quantile(_), OutputSpec::Horizon { quantiles, .. }) => {
                Self::Quantile(quantile::Quantile { levels: quantiles.clone() })
            }
            (loss, _) => loss,
        }
    }

    /// The name under `[loss.<name>]`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bce(_) => "bce",
            Self::CrossEntropy(_) => "cross_entropy",
            Self::Huber(_) => "huber",
            Self::Mse(_) => "mse",
            Self::NtXent(_) => "nt_xent",
            Self::Quantile(_) => "quantile",
        }
    }

    /// What the scores of classes mean to it.
    pub fn decoding(&self) -> Decoding {
        match self {
            Self::Bce(_) => Decoding::Sigmoid,
            Self::CrossEntropy(_) | Self::Huber(_) | Self::Mse(_) | Self::NtXent(_) | Self::Quantile(_) => {
                Decoding::Softmax
            }
        }
    }

    /// Whether it can judge what a network of this output answers.
    pub fn suits(&self, output: &OutputSpec) -> bool {
        match (self, output) {
            (Self::Quantile(_), OutputSpec::Horizon { quantiles, .. }) => !quantiles.is_empty(),
            (Self::Huber(_) | Self::Mse(_), OutputSpec::Horizon { quantiles, .. }) => quantiles.is_empty(),
            (Self::Huber(_) | Self::Mse(_), OutputSpec::Values { .. } | OutputSpec::Inputs) => true,
            (Self::Bce(_) | Self::CrossEntropy(_), _) => {
                matches!(output, OutputSpec::Classes { .. } | OutputSpec::Mask { .. } | OutputSpec::Tokens { .. })
            }
            (Self::NtXent(_), _) => matches!(output, OutputSpec::Embedding { .. }),
            (Self::Huber(_) | Self::Mse(_) | Self::Quantile(_), _) => false,
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// A sentence that says which do not.
    pub fn check(&self, classes: Option<usize>) -> Result<(), String> {
        match self {
            Self::CrossEntropy(loss) => loss.check(classes),
            Self::Huber(loss) => loss.check(),
            Self::NtXent(loss) => loss.check(),
            Self::Bce(_) | Self::Mse(_) | Self::Quantile(_) => Ok(()),
        }
    }

    /// Judges the answer to a batch, row by row. The target is laid on the answer's device.
    ///
    /// # Errors
    /// [`Error::WrongLoss`] if answer, target and loss do not go together.
    pub fn rows(&self, output: Output, batch: &Batch) -> Result<RowLosses, Error> {
        let forecast = matches!(output, Output::Horizon(_));
        let scores = match self {
            Self::NtXent(loss) => loss.scores(output.rows()),
            _ => output.rows(),
        };
        let rows = scores.dims()[0];
        let device = scores.device();
        // Of each coming step one number will be known, however many are told of it.
        let width = if forecast && matches!(self, Self::Quantile(_)) { 1 } else { scores.dims()[1] };
        let expected = expected(&batch.target, rows, width, self.name(), &device)?;
        let losses = match self {
            Self::Bce(loss) => Some(loss.rows(scores, &expected)),
            Self::CrossEntropy(loss) => loss.rows(scores, &expected),
            Self::Huber(loss) => loss.rows(scores, &expected),
            Self::Mse(loss) => loss.rows(scores, &expected),
            Self::NtXent(loss) => loss.rows(scores, &expected),
            Self::Quantile(loss) => loss.rows(scores, &expected),
        };
        let losses = losses.ok_or_else(|| Error::WrongLoss {
            loss: self.name(),
            reason: format!("the target is {}", expected.kind()),
        })?;
        // An example's weight counts for each of its rows.
        let per_example = rows / batch.len().max(1);
        let mut weights: Vec<f32> = match &batch.weights {
            Some(weights) => weights.iter().flat_map(|&w| std::iter::repeat_n(w, per_example)).collect(),
            None => vec![1.0; rows],
        };
        if let Expected::Classes { ignored, .. } = &expected {
            for &row in ignored {
                weights[row] = 0.0;
            }
        }
        let weights = Tensor::<1>::from_data(TensorData::new(weights, [rows]), &device);
        let weighted = losses * weights.clone();
        let by_class = match self {
            Self::CrossEntropy(loss) => loss.row_weights(&expected, &device),
            _ => None,
        };
        Ok(RowLosses { weighted, weights: by_class.map_or(weights.clone(), |by_class| weights * by_class) })
    }
}

/// A target on the device, next to the scores of an answer.
pub enum Expected {
    /// One class a row.
    Classes {
        /// `[rows]`; a row without a target has class 0 here.
        indices: Tensor<1, burn::tensor::Int>,
        /// The same on the host.
        host: Vec<i64>,
        /// The rows without a target.
        ignored: Vec<usize>,
    },
    /// Probabilities, `[rows, classes]`.
    SoftLabels(Tensor<2>),
    /// Numbers, `[rows, values]`.
    Values(Tensor<2>),
}

impl Expected {
    fn kind(&self) -> &'static str {
        match self {
            Self::Classes { .. } => "a class",
            Self::SoftLabels(_) => "a distribution over classes",
            Self::Values(_) => "numbers",
        }
    }
}

fn expected(
    target: &data_loader::Target,
    rows: usize,
    width: usize,
    loss: &'static str,
    device: &Device,
) -> Result<Expected, Error> {
    use data_loader::Target;
    let wrong = |reason: String| Error::WrongLoss { loss, reason };
    let classes = |classes: &[i64]| {
        if classes.len() != rows {
            return Err(wrong(format!("{rows} answers met {} targets", classes.len())));
        }
        if let Some(class) = classes.iter().find(|&&class| class >= width as i64) {
            return Err(wrong(format!("the class {class} is outside of the network's {width} classes")));
        }
        let ignored: Vec<usize> = (0..rows).filter(|&row| classes[row] < 0).collect();
        let host: Vec<i64> = classes.iter().map(|&class| class.max(0)).collect();
        let indices = Tensor::from_data(TensorData::new(host.clone(), [rows]), device);
        Ok(Expected::Classes { indices, host, ignored })
    };
    let matrix = |values: &[f32], columns: usize| {
        if values.len() != rows * width || columns != width {
            return Err(wrong(format!("{rows} x {width} answers met {} numbers", values.len())));
        }
        Ok(Tensor::from_data(TensorData::new(values.to_vec(), [rows, width]), device))
    };
    match target {
        Target::Classes(indices) | Target::Mask { classes: indices, .. } | Target::Tokens { ids: indices, .. } => {
            classes(indices)
        }
        Target::SoftLabels { classes, values } => Ok(Expected::SoftLabels(matrix(values, *classes)?)),
        Target::Values { values, .. } => Ok(Expected::Values(matrix(values, width)?)),
        Target::None => Err(wrong("the data has no target".into())),
    }
}
