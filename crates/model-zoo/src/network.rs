//! What must a network be able to do?

use burn::module::Module;
use burn::tensor::Device;
use data_loader::signature::Signature;

use crate::blocks::Init;
use crate::{Error, Inputs, Output};

/// A network: parameters, and a way from inputs to an answer.
///
/// Whoever brings an own network implements this trait for an own `#[derive(Module)]` struct; the trainer is generic over it.
pub trait Network: Module + 'static {
    /// Answers a batch.
    ///
    /// # Errors
    /// [`Error::MissingInput`] if the batch lacks an input that the network was built for.
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error>;
}

/// The settings from which a network is built, as they stand in a config.
pub trait NetworkConfig {
    /// The network that these settings describe.
    type Network: Network;

    /// Builds the network with fresh weights, checking the settings against the data's sizes.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the settings and the signature cannot go together.
    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Self::Network, Error>;

    /// Builds the network on `device` with weights drawn from `seed`.
    ///
    /// # Errors
    /// As [`init`](Self::init), and [`Error::TooLarge`].
    fn build(&self, signature: &Signature, seed: u64, device: &Device) -> Result<Self::Network, Error> {
        let mut init = Init::new(seed, device);
        let network = self.init(signature, &mut init)?;
        if init.is_too_large() { Err(Error::TooLarge) } else { Ok(network) }
    }
}

/// A network whose type is no longer known, ready to answer.
pub trait Answer: Send {
    /// Answers a batch.
    ///
    /// # Errors
    /// As [`Network::forward`].
    fn answer(&self, inputs: &Inputs) -> Result<Output, Error>;
}

impl<N: Network> Answer for N {
    fn answer(&self, inputs: &Inputs) -> Result<Output, Error> {
        self.forward(inputs)
    }
}
