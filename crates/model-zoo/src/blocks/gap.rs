//! What stands where a PyTorch sequence has a layer without weights?

use burn::module::Module;

/// Nothing: it only keeps the number of a place, so that the layers behind it have PyTorch's names.
#[derive(Module, Debug)]
pub struct Gap {}
