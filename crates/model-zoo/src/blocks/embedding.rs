//! A learnt vector for each token or category.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

use super::Init;
use crate::ops;

/// A table of vectors, looked up by index.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[vocabulary, features]`.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Normal weights of the given standard deviation (PyTorch's default is 1, transformers use 0.02).
    pub fn new(vocabulary: usize, features: usize, std: f64, init: &mut Init) -> Self {
        Self { weight: init.normal([vocabulary, features], std) }
    }

    /// Looks up each column of `codes` in a table of its own.
    ///
    /// # Shapes
    /// - `codes`: `[batch, columns]`
    /// - result: of each column `[batch, features]`
    pub fn of_columns(tables: &[Self], codes: &Tensor<2, Int>) -> impl Iterator<Item = Tensor<2>> {
        let column = |(at, table): (usize, &Self)| table.forward(codes.clone().slice_dim(1, at..=at)).flatten(1, 2);
        tables.iter().enumerate().map(column)
    }

    /// Looks up each index.
    ///
    /// # Shapes
    /// - `indices`: `[batch, length]`
    /// - result: `[batch, length, features]`
    pub fn forward(&self, indices: Tensor<2, Int>) -> Tensor<3> {
        ops::embedding(ops::trace::applied(&self.weight), indices)
    }
}
