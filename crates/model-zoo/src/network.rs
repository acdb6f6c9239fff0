//! What must a network be able to do?

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use data_loader::signature::Signature;

use crate::blocks::Init;
use crate::generator::Cache;
use crate::{Error, Inputs, Output, graph};

/// A network: parameters, and a way from inputs to an answer.
///
/// Whoever brings an own network implements this trait for an own `#[derive(Module)]` struct; the trainer is generic over it.
pub trait Network: Module + 'static {
    /// Answers a batch.
    ///
    /// # Errors
    /// [`Error::MissingInput`] if the batch lacks an input that the network was built for.
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error>;

    /// Modules and parameters on which weight decay does not pull although they have several axes, by the beginnings of their paths, where
    /// the reference leaves them out.
    fn spared(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether the matrix that gives the answer is the one that embeds the input, so that there is no head of its own.
    fn answers_by_its_embedding(&self) -> bool {
        false
    }

    /// The longest sequence that can be read, of a network that continues texts.
    fn context(&self) -> Option<usize> {
        None
    }

    /// Reads tokens behind those in the cache, and puts them there; the scores are those that [`forward`](Self::forward) gives of
    /// the whole. Only of a network that has a [`context`](Self::context).
    ///
    /// # Shapes
    /// - `ids`: `[batch, length]`
    /// - result: `[batch, length, vocabulary]`
    ///
    /// # Errors
    /// [`Error::CannotGenerate`]; [`Error::Unfit`] beyond the context.
    fn continue_from(&self, _ids: Tensor<2, Int>, _cache: &mut Cache) -> Result<Tensor<3>, Error> {
        Err(Error::CannotGenerate)
    }
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

    /// The numbers that each layer gives, in order, to find out where two ways of computing them part.
    ///
    /// # Errors
    /// As [`Network::forward`].
    fn layers(&self, inputs: &Inputs) -> Result<Vec<(String, TensorData)>, Error>;

    /// As [`Network::context`].
    fn context(&self) -> Option<usize>;

    /// As [`Network::continue_from`].
    ///
    /// # Errors
    /// As there.
    fn continue_from(&self, ids: Tensor<2, Int>, cache: &mut Cache) -> Result<Tensor<3>, Error>;
}

impl<N: Network> Answer for N {
    fn answer(&self, inputs: &Inputs) -> Result<Output, Error> {
        self.forward(inputs)
    }

    fn layers(&self, inputs: &Inputs) -> Result<Vec<(String, TensorData)>, Error> {
        graph::numbers_of_layers(self, inputs)
    }

    fn context(&self) -> Option<usize> {
        Network::context(self)
    }

    fn continue_from(&self, ids: Tensor<2, Int>, cache: &mut Cache) -> Result<Tensor<3>, Error> {
        Network::continue_from(self, ids, cache)
    }
}
