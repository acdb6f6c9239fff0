//! The temporal convolutional network.
//!
//! Bai, Kolter and Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling", 2018,
//! in the form and with the parameter names of the authors' implementation: residual blocks of two causal convolutions whose filters
//! reach back twice as far in each block, weights by direction and length (Salimans and Kingma 2016), the last step classified.
//! By default each window is read relative to its last value, as in `lstm_forecast`.
//!
//! Shapes: B batch, T known steps, C channels, F filters, H horizon, Q quantiles.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Dropout, Init, Level, Linear};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops, output};

/// One line for `firebox list`.
pub const SUMMARY: &str = "dilated causal convolutions over the known steps of a series (Bai et al. 2018)";

/// In so many blocks filters reach back by millions of steps.
const MOST_BLOCKS: usize = 20;

/// Settings of [`TcnForecast`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TcnConfig {
    /// Filters of each block, first to last; those of block k lie `2^k` steps apart.
    pub channels: Vec<usize>,
    /// Steps that each filter sees.
    pub kernel: usize,
    /// Probability with which a feature is silenced while training, behind each convolution.
    pub dropout: f64,
    /// To what each window is relative: "last", "standard" or "none".
    pub level: Level,
}

impl Default for TcnConfig {
    fn default() -> Self {
        Self { channels: vec![32; 4], kernel: 3, dropout: 0.0, level: Level::Last }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct TcnForecast {
    tcn: TemporalConvNet,
    linear: Linear,
    quantiles: usize,
    #[module(skip)]
    level: Level,
}

impl NetworkConfig for TcnConfig {
    type Network = TcnForecast;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<TcnForecast, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "tcn", reason };
        let blocks = self.channels.len();
        if self.channels.contains(&0) || self.kernel == 0 || !(0.0..1.0).contains(&self.dropout) {
            return Err(unfit("`channels` and `kernel` must be at least 1 and `dropout` from 0 to below 1".into()));
        }
        if blocks == 0 || blocks > MOST_BLOCKS {
            return Err(unfit(format!("`channels` has {blocks} blocks; from 1 to {MOST_BLOCKS} make sense")));
        }
        let task = output::forecast(signature, "tcn")?;
        // Filters that see more than there is would read nothing but zeros.
        if self.kernel > task.length {
            return Err(unfit(format!("a `kernel` of {} does not fit into {} steps", self.kernel, task.length)));
        }
        let mut inputs = task.channels;
        let mut network = Vec::new();
        for (place, &filters) in self.channels.iter().enumerate() {
            network.push(TemporalBlock::new(inputs, filters, 1 << place, self, init));
            inputs = filters;
        }
        Ok(TcnForecast {
            tcn: TemporalConvNet { network },
            linear: Linear::new(inputs, task.horizon * task.quantiles, init),
            quantiles: task.quantiles,
            level: if task.history { self.level } else { Level::None },
        })
    }
}

impl Network for TcnForecast {
    /// # Shapes
    /// - series: `[B, T, C]`
    /// - result: `[B, H, Q]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let (x, taken) = self.level.take(inputs.series()?);
        let [batch, time, _] = x.dims();
        let mut x = x.swap_dims(1, 2);
        for block in &self.tcn.network {
            x = block.forward(x);
        }
        let filters = x.dims()[1];
        let y = self.linear.forward(x.slice_dim(2, time - 1..time).reshape([batch, filters]));
        let numbers = y.dims()[1];
        let y = y.reshape([batch, numbers / self.quantiles, self.quantiles]);
        Ok(Output::Horizon(match taken {
            Some(taken) => taken.give_back(y),
            None => y,
        }))
    }
}

#[derive(Module, Debug)]
struct TemporalConvNet {
    network: Vec<TemporalBlock>,
}

#[derive(Module, Debug)]
struct TemporalBlock {
    conv1: NormedConv,
    conv2: NormedConv,
    /// Where the number of channels changes.
    downsample: Option<PointConv>,
    dropout: Dropout,
}

impl TemporalBlock {
    fn new(inputs: usize, filters: usize, dilation: usize, config: &TcnConfig, init: &mut Init) -> Self {
        Self {
            conv1: NormedConv::new(inputs, filters, config.kernel, dilation, init),
            conv2: NormedConv::new(filters, filters, config.kernel, dilation, init),
            downsample: (inputs != filters).then(|| PointConv {
                weight: init.fan_in([filters, inputs, 1], inputs),
                bias: init.fan_in([filters], inputs),
            }),
            dropout: Dropout::new(config.dropout),
        }
    }

    /// # Shapes
    /// - `x`: `[B, C, T]`
    /// - result: `[B, F, T]`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let y = self.dropout.forward(ops::relu(self.conv1.forward(x.clone())));
        let y = self.dropout.forward(ops::relu(self.conv2.forward(y)));
        let x = match &self.downsample {
            Some(conv) => ops::causal_conv1d(x, ops::trace::applied(&conv.weight), Some(conv.bias.val()), 1),
            None => x,
        };
        ops::relu(ops::add(y, x))
    }
}

/// A convolution that sees one step.
#[derive(Module, Debug)]
struct PointConv {
    /// `[F, C, 1]`.
    weight: Param<Tensor<3>>,
    /// `[F]`.
    bias: Param<Tensor<1>>,
}

/// A causal convolution whose filters are learnt by direction and length.
#[derive(Module, Debug)]
struct NormedConv {
    /// The length of each filter, `[F, 1, 1]`.
    weight_g: Param<Tensor<3>>,
    /// The direction of each filter, of any length, `[F, C, kernel]`.
    weight_v: Param<Tensor<3>>,
    /// `[F]`.
    bias: Param<Tensor<1>>,
    dilation: usize,
}

impl NormedConv {
    /// The filters that PyTorch begins with.
    fn new(inputs: usize, filters: usize, kernel: usize, dilation: usize, init: &mut Init) -> Self {
        let fan_in = inputs.saturating_mul(kernel);
        let weight_v = init.fan_in([filters, inputs, kernel], fan_in);
        let bias = init.fan_in([filters], fan_in);
        Self { weight_g: Param::from_tensor(length(weight_v.val()).detach()), weight_v, bias, dilation }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let direction = ops::trace::applied(&self.weight_v);
        let weight = direction.clone() * (self.weight_g.val() / length(direction));
        ops::causal_conv1d(x, weight, Some(self.bias.val()), self.dilation)
    }
}

/// The length of each filter.
///
/// # Shapes
/// - `filters`: `[F, C, kernel]`
/// - result: `[F, 1, 1]`
fn length(filters: Tensor<3>) -> Tensor<3> {
    filters.square().sum_dim(2).sum_dim(1).sqrt()
}
