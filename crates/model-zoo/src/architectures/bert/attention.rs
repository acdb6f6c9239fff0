//! How does every place of a text look at all others? Attention in the layout of BERT, whose parameters lie in `self` and `output`.

use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::tensor::{Bool, Device, Tensor};

use super::{Added, linear};
use crate::blocks::{Dropout, Init, Linear, attend};

/// Multi-head attention to every place that is no padding, added to its input.
#[derive(Clone, Debug)]
pub(super) struct Attention {
    /// `self` in the names of parameters.
    heads: Heads,
    output: Added,
}

/// What the places ask, what they are asked for, and what they answer.
#[derive(Module, Debug)]
struct Heads {
    query: Linear,
    key: Linear,
    value: Linear,
    dropout: Dropout,
    count: usize,
}

impl Attention {
    /// `heads` must divide `features`.
    pub(super) fn new(features: usize, heads: usize, dropout: f64, init: &mut Init) -> Self {
        Self {
            heads: Heads {
                query: linear(features, features, init),
                key: linear(features, features, init),
                value: linear(features, features, init),
                dropout: Dropout::new(dropout),
                count: heads,
            },
            output: Added::new(features, features, dropout, init),
        }
    }

    /// # Shapes
    /// - `x`: `[B, L, F]`
    /// - `padding`: `[B, L]`, true where there is padding
    /// - result: as `x`
    pub(super) fn forward(&self, x: Tensor<3>, padding: &Tensor<2, Bool>) -> Tensor<3> {
        self.output.forward(self.heads.forward(x.clone(), padding), x)
    }
}

impl Heads {
    /// # Shapes
    /// - `x`: `[B, L, F]`
    /// - `padding`: `[B, L]`, true where there is padding
    /// - result: as `x`
    fn forward(&self, x: Tensor<3>, padding: &Tensor<2, Bool>) -> Tensor<3> {
        let [batch, length, features] = x.dims();
        let each = features / self.count;
        let split = |x: Tensor<3>| x.reshape([batch, length, self.count, each]).swap_dims(1, 2);
        let [query, key, value] =
            [self.query.forward(x.clone()), self.key.forward(x.clone()), self.value.forward(x)].map(split);
        let padding = padding.clone().reshape([batch, 1, 1, length]).expand([batch, self.count, length, length]);
        let mixed = attend(query, key, value, Some(padding), &self.dropout);
        mixed.swap_dims(1, 2).reshape([batch, length, features])
    }
}

const CONTAINER: &str = "Struct:Attention";
const HEADS: &str = "self";
const OUTPUT: &str = "output";

/// By hand, since `self` cannot be the name of a field.
impl Module for Attention {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visitor.enter_module(HEADS, CONTAINER);
        self.heads.visit(visitor);
        visitor.exit_module(HEADS, CONTAINER);
        visitor.enter_module(OUTPUT, CONTAINER);
        self.output.visit(visitor);
        visitor.exit_module(OUTPUT, CONTAINER);
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        mapper.enter_module(HEADS, CONTAINER);
        let heads = self.heads.map(mapper);
        mapper.exit_module(HEADS, CONTAINER);
        mapper.enter_module(OUTPUT, CONTAINER);
        let output = self.output.map(mapper);
        mapper.exit_module(OUTPUT, CONTAINER);
        Self { heads, output }
    }

    fn to_device(self, device: &Device) -> Self {
        Self { heads: self.heads.to_device(device), output: self.output.to_device(device) }
    }

    fn fork(self, device: &Device) -> Self {
        Self { heads: self.heads.fork(device), output: self.output.fork(device) }
    }

    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        self.output.collect_devices(self.heads.collect_devices(devices))
    }

    fn materialize(self) -> Self {
        Self { heads: self.heads.materialize(), output: self.output.materialize() }
    }

    fn valid(&self) -> Self {
        Self { heads: self.heads.valid(), output: self.output.valid() }
    }

    fn train(self) -> Self {
        Self { heads: self.heads.train(), output: self.output.train() }
    }
}

impl ModuleDisplayDefault for Attention {
    fn content(&self, content: Content) -> Option<Content> {
        content.add(HEADS, &self.heads).add(OUTPUT, &self.output).optional()
    }
}

impl ModuleDisplay for Attention {}
