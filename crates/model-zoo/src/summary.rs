//! What does a network consist of?

use burn::module::Module;

use crate::weights;

/// A line of a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The path of the parameter or buffer.
    pub name: String,
    /// The size of each axis.
    pub shape: Vec<usize>,
    /// How many numbers it holds.
    pub count: usize,
}

/// Every parameter and buffer of a network, in its order.
pub fn lines<M: Module>(network: &M) -> Vec<Line> {
    weights::shapes(network)
        .into_iter()
        .map(|(name, shape)| Line { count: shape.iter().product(), name, shape })
        .collect()
}

/// How many numbers are learnt. Buffers such as running means do not count, which is how papers count too.
pub fn parameters<M: Module>(network: &M) -> usize {
    lines(network).iter().filter(|line| !is_buffer(&line.name)).map(|line| line.count).sum()
}

/// Whether a path names a buffer, which is remembered but not learnt.
pub fn is_buffer(name: &str) -> bool {
    name.ends_with("running_mean") || name.ends_with("running_var")
}
