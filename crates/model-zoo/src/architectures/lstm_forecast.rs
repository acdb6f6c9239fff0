//! A recurrent forecaster.
//!
//! Layers of long short-term memory (Hochreiter and Schmidhuber 1997) read the steps that are known, and their last state tells
//! all coming steps at once. By default each window is read relative to its last value, so that the level of a series does not
//! matter; where the series does not hold the history of what is to be told, it is read as it is.
//!
//! Shapes: B batch, T known steps, C channels, H horizon, Q quantiles.

use burn::module::Module;
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Dropout, Init, Level, Linear, Lstm, LstmConfig};
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, output};

/// One line for `firebox list`.
pub const SUMMARY: &str = "long short-term memory over the known steps of a series (Hochreiter and Schmidhuber 1997)";

/// More layers than this are a slip of the pen.
const MOST_LAYERS: usize = 100;

/// Settings of [`LstmForecast`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LstmForecastConfig {
    /// Layers above each other.
    pub layers: usize,
    /// Units of each layer.
    pub hidden: usize,
    /// Probability with which a feature is silenced while training, between two layers and before the head.
    pub dropout: f64,
    /// To what each window is relative: "last", "standard" or "none".
    pub level: Level,
}

impl Default for LstmForecastConfig {
    fn default() -> Self {
        Self { layers: 1, hidden: 64, dropout: 0.0, level: Level::Last }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct LstmForecast {
    lstm: Lstm,
    dropout: Dropout,
    head: Linear,
    quantiles: usize,
    #[module(skip)]
    level: Level,
}

impl NetworkConfig for LstmForecastConfig {
    type Network = LstmForecast;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<LstmForecast, Error> {
        let unfit = |reason: &str| Error::Unfit { architecture: "lstm_forecast", reason: reason.into() };
        if self.layers == 0 || self.hidden == 0 || !(0.0..1.0).contains(&self.dropout) {
            return Err(unfit("`layers` and `hidden` must be at least 1 and `dropout` from 0 to below 1"));
        }
        if self.layers > MOST_LAYERS {
            return Err(unfit("more than 100 `layers` make no sense"));
        }
        let task = output::forecast(signature, "lstm_forecast")?;
        let config = LstmConfig {
            inputs: task.channels,
            hidden: self.hidden,
            layers: self.layers,
            bidirectional: false,
            dropout: self.dropout,
        };
        Ok(LstmForecast {
            lstm: config.init(init),
            dropout: Dropout::new(self.dropout),
            head: Linear::new(self.hidden, task.horizon * task.quantiles, init),
            quantiles: task.quantiles,
            level: if task.history { self.level } else { Level::None },
        })
    }
}

impl Network for LstmForecast {
    /// # Shapes
    /// - series: `[B, T, C]`
    /// - result: `[B, H, Q]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let (x, taken) = self.level.take(inputs.series()?);
        let (_, state) = self.lstm.forward(x, None);
        let y = self.head.forward(self.dropout.forward(state));
        let [batch, numbers] = y.dims();
        let y = y.reshape([batch, numbers / self.quantiles, self.quantiles]);
        Ok(Output::Horizon(match taken {
            Some(taken) => taken.give_back(y),
            None => y,
        }))
    }
}
