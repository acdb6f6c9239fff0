//! What do the numbers of an image network's last layer become?

use burn::module::Module;
use burn::tensor::Tensor;
use data_loader::signature::{OutputSpec, Signature};

use super::{Init, Linear};
use crate::{Error, Output, ops, output};

/// The parameters of a second layer have this in their names; whoever goes on with a network for another task leaves them out.
pub const PROJECTION: &str = "ending.projection";

/// Scores of classes and values are what the last layer gives. An embedding needs a second layer behind it: what views of one image have
/// in common forgets what tells images apart, and this way the features before both layers need not forget it (Chen et al., "A
/// Simple Framework for Contrastive Learning of Visual Representations", 2020, section 4.2).
#[derive(Module, Debug)]
pub struct Ending {
    projection: Option<Linear>,
    #[module(skip)]
    classify: bool,
}

impl Ending {
    /// The ending that a signature asks for, and how many numbers the last layer of the network called `architecture` must give, which
    /// reads `features` of them.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the task asks for something else.
    pub fn new(
        signature: &Signature,
        architecture: &'static str,
        features: usize,
        init: &mut Init,
    ) -> Result<(usize, Self), Error> {
        if let OutputSpec::Embedding { size } = signature.output {
            let projection = Some(Linear::new(features, size, init));
            return Ok((features, Self { projection, classify: false }));
        }
        let (outputs, classify) = output::row(signature, architecture)?;
        Ok((outputs, Self { projection: None, classify }))
    }

    /// # Shapes
    /// - `numbers`: `[batch, numbers of the last layer]`
    pub fn forward(&self, numbers: Tensor<2>) -> Output {
        match &self.projection {
            Some(projection) => Output::Embedding(projection.forward(ops::relu(numbers))),
            None => Output::of_rows(numbers, self.classify),
        }
    }
}
