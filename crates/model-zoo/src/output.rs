//! What does a network answer? (DOOR 2)

use burn::tensor::Tensor;
use data_loader::signature::{InputKind, InputSpec, OutputSpec, Signature};
use data_loader::task::Task;
use serde::{Deserialize, Serialize};

use crate::{Error, ops};

/// What the scores of classes mean; it follows from the loss that they were trained with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// One class out of several: probabilities that sum to 1.
    #[default]
    Softmax,
    /// Each class yes or no on its own: probabilities that need not.
    Sigmoid,
}

impl Decoding {
    /// The probability of each class.
    ///
    /// # Shapes
    /// - `scores`: `[batch, classes]`
    /// - result: `[batch, classes]`
    pub fn probabilities(self, scores: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Softmax => ops::softmax(scores, 1),
            Self::Sigmoid => ops::sigmoid(scores),
        }
    }
}

/// The answer of a network, one variant a task.
#[derive(Clone, Debug)]
pub enum Output {
    /// `classify`: one score for each class, `[batch, classes]`; [`Decoding`] makes them probabilities.
    Classes(Tensor<2>),
    /// `regress`: numbers in the network's units, `[batch, values]`.
    Values(Tensor<2>),
    /// `segment`: one score for each class at each pixel, `[batch, classes, height, width]`.
    Mask(Tensor<4>),
    /// `generate`: one score for each token at each place, `[batch, length, vocabulary]`.
    Tokens(Tensor<3>),
    /// `forecast`: the coming values, `[batch, horizon, quantiles]`.
    Horizon(Tensor<3>),
    /// `reconstruct`: the inputs given back, `[batch, features]`.
    Reconstruction(Tensor<2>),
    /// `contrast`: where each view lies among others, `[batch, size]`; only the direction counts.
    Embedding(Tensor<2>),
}

/// How many numbers a network called `architecture` answers to each example, and whether they are the scores of classes.
///
/// # Errors
/// [`Error::Unfit`] if the task asks for something else.
pub(crate) fn row(signature: &Signature, architecture: &'static str) -> Result<(usize, bool), Error> {
    match &signature.output {
        OutputSpec::Classes { labels } => Ok((labels.len(), true)),
        OutputSpec::Values { names, .. } => Ok((names.len(), false)),
        _ => Err(Error::Unfit { architecture, reason: format!("it cannot do the task `{}`", signature.task) }),
    }
}

/// What a forecaster is built for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forecast {
    /// How many steps are known.
    pub(crate) length: usize,
    /// Numbers at each known step.
    pub(crate) channels: usize,
    /// How many steps are to be told.
    pub(crate) horizon: usize,
    /// How many numbers are to be told of each.
    pub(crate) quantiles: usize,
    /// Whether the last channel is what is to be told.
    pub(crate) history: bool,
}

/// What a forecaster called `architecture` must do.
///
/// # Errors
/// [`Error::Unfit`] if the data is no series, or something else is to be told of it.
pub(crate) fn forecast(signature: &Signature, architecture: &'static str) -> Result<Forecast, Error> {
    let unfit = |reason: String| Error::Unfit { architecture, reason };
    let [InputSpec { kind: InputKind::Series { .. }, shape, .. }] = signature.inputs.as_slice() else {
        return Err(unfit("it reads a series and nothing else".into()));
    };
    let [Some(length), Some(channels)] = shape[..] else {
        return Err(unfit("it needs windows of one length".into()));
    };
    let OutputSpec::Horizon { names, quantiles, history, .. } = &signature.output else {
        return Err(unfit(format!("it cannot do the task `{}`", signature.task)));
    };
    Ok(Forecast { length, channels, horizon: names.len(), quantiles: quantiles.len().max(1), history: *history })
}

impl Output {
    /// What [`row`] promises of each example, `[batch, numbers]`.
    pub(crate) fn of_rows(numbers: Tensor<2>, classify: bool) -> Self {
        if classify { Self::Classes(numbers) } else { Self::Values(numbers) }
    }

    /// The task to which this answer belongs.
    pub fn task(&self) -> Task {
        match self {
            Self::Classes(_) => Task::Classify,
            Self::Values(_) => Task::Regress,
            Self::Mask(_) => Task::Segment,
            Self::Tokens(_) => Task::Generate,
            Self::Horizon(_) => Task::Forecast,
            Self::Reconstruction(_) => Task::Reconstruct,
            Self::Embedding(_) => Task::Contrast,
        }
    }

    /// The size of each axis, the batch first.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Classes(t) | Self::Values(t) | Self::Reconstruction(t) | Self::Embedding(t) => t.dims().to_vec(),
            Self::Mask(t) => t.dims().to_vec(),
            Self::Tokens(t) | Self::Horizon(t) => t.dims().to_vec(),
        }
    }

    /// All numbers on the host, the last axis running fastest.
    ///
    /// # Errors
    /// [`Error::DeviceFailed`].
    pub fn numbers(self) -> Result<Vec<f32>, Error> {
        let numbers = match self {
            Self::Classes(t) | Self::Values(t) | Self::Reconstruction(t) | Self::Embedding(t) => t.try_into_vec_as(),
            Self::Mask(t) => t.try_into_vec_as(),
            Self::Tokens(t) | Self::Horizon(t) => t.try_into_vec_as(),
        };
        numbers.map_err(|error| Error::DeviceFailed { doing: "reading the answer", reason: error.to_string() })
    }

    /// The scores as rows of one score vector each, `[rows, scores]`: an example, a pixel or a token a row.
    pub fn rows(self) -> Tensor<2> {
        match self {
            Self::Classes(t) | Self::Values(t) | Self::Reconstruction(t) | Self::Embedding(t) => t,
            Self::Mask(t) => {
                let [batch, classes, height, width] = t.dims();
                t.permute([0, 2, 3, 1]).reshape([batch * height * width, classes])
            }
            Self::Tokens(t) | Self::Horizon(t) => {
                let [batch, length, scores] = t.dims();
                t.reshape([batch * length, scores])
            }
        }
    }
}
