//! Recurrent layers with a memory.
//!
//! Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997, with the forget gate of Gers et al. 2000, in the form and with the
//! parameter names of PyTorch's `nn.LSTM`.

use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use super::{Dropout, Init};
use crate::ops;

/// The sizes of an [`Lstm`].
#[derive(Clone, Copy, Debug)]
pub struct LstmConfig {
    /// Features of each step.
    pub inputs: usize,
    /// Units of each layer, in each direction.
    pub hidden: usize,
    /// Layers above each other.
    pub layers: usize,
    /// Whether each layer reads from right to left as well.
    pub bidirectional: bool,
    /// Probability with which a feature is silenced while training, between two layers.
    pub dropout: f64,
}

impl LstmConfig {
    /// With PyTorch's default weights: uniform with bound `1 / sqrt(hidden)`.
    pub fn init(&self, init: &mut Init) -> Lstm {
        let directions = if self.bidirectional { 2 } else { 1 };
        let mut readers = Vec::new();
        for layer in 0..self.layers {
            let inputs = if layer == 0 { self.inputs } else { directions * self.hidden };
            readers.extend((0..directions).map(|_| Reader::new(inputs, self.hidden, init)));
        }
        Lstm { readers, directions, hidden: self.hidden, dropout: Dropout::new(self.dropout) }
    }
}

/// Layers of long short-term memory, in one or both directions. Its parameters are `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`,
/// `bias_hh_l0`, the same with `_reverse`, then those of `l1`, and so on.
#[derive(Clone, Debug)]
pub struct Lstm {
    /// Layer by layer, from left to right before from right to left.
    readers: Vec<Reader>,
    directions: usize,
    hidden: usize,
    dropout: Dropout,
}

/// One direction of one layer.
#[derive(Module, Debug)]
struct Reader {
    /// `[4 hidden, inputs]`, the gates in the order input, forget, new, output.
    weight_ih: Param<Tensor<2>>,
    /// `[4 hidden, hidden]`.
    weight_hh: Param<Tensor<2>>,
    /// `[4 hidden]`.
    bias_ih: Param<Tensor<1>>,
    /// `[4 hidden]`.
    bias_hh: Param<Tensor<1>>,
}

impl Lstm {
    /// Reads each sequence. Where the mask is 0 the state stays as it was, which is what packing sequences does elsewhere;
    /// without a mask every step is content.
    ///
    /// # Shapes
    /// - `x`: `[batch, length, inputs]`
    /// - `mask`: `[batch, length]`, 1 where there is content and 0 where there is padding
    /// - result: the last layer's state after each step, `[batch, length, directions * hidden]`, and at the end of each direction,
    ///   `[batch, directions * hidden]`
    pub fn forward(&self, x: Tensor<3>, mask: Option<Tensor<2>>) -> (Tensor<3>, Tensor<2>) {
        let mut x = x;
        let mut ends = Vec::new();
        for (layer, readers) in self.readers.chunks(self.directions).enumerate() {
            if layer > 0 {
                x = self.dropout.forward(x);
            }
            let mut states = Vec::new();
            ends.clear();
            for (direction, reader) in readers.iter().enumerate() {
                let (all, end) = reader.read(x.clone(), mask.as_ref(), self.hidden, direction == 1);
                states.push(all);
                ends.push(end);
            }
            x = Tensor::cat(states, 2);
        }
        (x, Tensor::cat(ends, 1))
    }

    /// What PyTorch appends to the names of the parameters of each reader.
    fn suffix(&self, place: usize) -> String {
        let reverse = if place % self.directions == 1 { "_reverse" } else { "" };
        format!("_l{}{reverse}", place / self.directions)
    }
}

impl Reader {
    fn new(inputs: usize, hidden: usize, init: &mut Init) -> Self {
        let gates = hidden.saturating_mul(4);
        Self {
            weight_ih: init.fan_in([gates, inputs], hidden),
            weight_hh: init.fan_in([gates, hidden], hidden),
            bias_ih: init.fan_in([gates], hidden),
            bias_hh: init.fan_in([gates], hidden),
        }
    }

    /// The state after each step, and at the end.
    fn read(&self, x: Tensor<3>, mask: Option<&Tensor<2>>, n: usize, reverse: bool) -> (Tensor<3>, Tensor<2>) {
        let [batch, length, _] = x.dims();
        let (weights, biases) =
            ([ops::trace::applied(&self.weight_ih), self.weight_hh.val()], [self.bias_ih.val(), self.bias_hh.val()]);
        let reading = ops::Reading { cell: ops::Cell::Lstm, reverse };
        if let Some(states) = ops::recorded_states(&x, mask, weights, biases, reading) {
            return states;
        }
        // The input's share of every gate at every step is one matrix product.
        let steps = ops::steps(ops::linear(x, ops::trace::applied(&self.weight_ih), Some(self.bias_ih.val())));
        let bias = self.bias_hh.val();
        let mut state = Tensor::<2>::zeros([batch, n], &bias.device());
        let mut memory = state.clone();
        let mut states = Vec::with_capacity(length);
        let in_order = 0..length;
        let places: Vec<usize> = if reverse { in_order.rev().collect() } else { in_order.collect() };
        for t in places {
            let weight = ops::trace::applied(&self.weight_hh);
            let gates = ops::add(steps[t].clone(), ops::linear(state.clone(), weight, Some(bias.clone())));
            let part = |k: usize| gates.clone().slice_dim(1, k * n..(k + 1) * n);
            let (input, forget) = (ops::sigmoid(part(0)), ops::sigmoid(part(1)));
            let (new, output) = (ops::tanh(part(2)), ops::sigmoid(part(3)));
            let next = ops::add(ops::multiply(forget, memory.clone()), ops::multiply(input, new));
            let shown = ops::multiply(output, ops::tanh(next.clone()));
            (memory, state) = match mask {
                None => (next, shown),
                Some(mask) => {
                    let keep = mask.clone().slice_dim(1, t..t + 1);
                    let memory = ops::add(memory.clone(), ops::multiply(next - memory, keep.clone()));
                    (memory, ops::add(state.clone(), ops::multiply(shown - state, keep)))
                }
            };
            states.push(state.clone().unsqueeze_dim::<3>(1));
        }
        if reverse {
            states.reverse();
        }
        (Tensor::cat(states, 1), state)
    }
}

/// By hand, since names that count layers cannot be the names of fields.
impl Module for Lstm {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (place, reader) in self.readers.iter().enumerate() {
            let suffix = self.suffix(place);
            named(visitor, &format!("weight_ih{suffix}"), |visitor| reader.weight_ih.visit(visitor));
            named(visitor, &format!("weight_hh{suffix}"), |visitor| reader.weight_hh.visit(visitor));
            named(visitor, &format!("bias_ih{suffix}"), |visitor| reader.bias_ih.visit(visitor));
            named(visitor, &format!("bias_hh{suffix}"), |visitor| reader.bias_hh.visit(visitor));
        }
    }

    fn map<M: ModuleMapper>(mut self, mapper: &mut M) -> Self {
        let suffixes: Vec<String> = (0..self.readers.len()).map(|place| self.suffix(place)).collect();
        let mapped = self.readers.into_iter().zip(&suffixes).map(|(reader, suffix)| Reader {
            weight_ih: renamed(mapper, &format!("weight_ih{suffix}"), reader.weight_ih),
            weight_hh: renamed(mapper, &format!("weight_hh{suffix}"), reader.weight_hh),
            bias_ih: renamed(mapper, &format!("bias_ih{suffix}"), reader.bias_ih),
            bias_hh: renamed(mapper, &format!("bias_hh{suffix}"), reader.bias_hh),
        });
        self.readers = mapped.collect();
        self
    }

    fn to_device(self, device: &Device) -> Self {
        Self { readers: self.readers.to_device(device), ..self }
    }

    fn fork(self, device: &Device) -> Self {
        Self { readers: self.readers.fork(device), ..self }
    }

    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        self.readers.collect_devices(devices)
    }

    fn materialize(self) -> Self {
        Self { readers: self.readers.materialize(), ..self }
    }

    fn valid(&self) -> Self {
        Self { readers: self.readers.valid(), dropout: self.dropout.valid(), ..*self }
    }

    fn train(self) -> Self {
        Self { readers: self.readers.train(), ..self }
    }
}

const CONTAINER: &str = "Struct:Lstm";

fn named<V: ModuleVisitor>(visitor: &mut V, name: &str, visit: impl FnOnce(&mut V)) {
    visitor.enter_module(name, CONTAINER);
    visit(visitor);
    visitor.exit_module(name, CONTAINER);
}

fn renamed<M: ModuleMapper, P: Module>(mapper: &mut M, name: &str, parameter: P) -> P {
    mapper.enter_module(name, CONTAINER);
    let mapped = parameter.map(mapper);
    mapper.exit_module(name, CONTAINER);
    mapped
}

impl std::fmt::Display for Lstm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lstm {} x {}", self.readers.len(), self.hidden)
    }
}

impl ModuleDisplayDefault for Lstm {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.to_string()).optional()
    }
}

impl ModuleDisplay for Lstm {}
