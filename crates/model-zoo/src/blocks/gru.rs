//! A recurrent layer with gates.
//!
//! Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014, in the form and with the parameter names
//! of PyTorch's `nn.GRU` with one layer.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::Init;
use crate::ops;

/// One layer of gated recurrent units, in one or both directions.
#[derive(Module, Debug)]
pub struct Gru {
    /// `[3 hidden, inputs]`, the gates in the order reset, update, new.
    pub weight_ih_l0: Param<Tensor<2>>,
    /// `[3 hidden, hidden]`.
    pub weight_hh_l0: Param<Tensor<2>>,
    /// `[3 hidden]`.
    pub bias_ih_l0: Param<Tensor<1>>,
    /// `[3 hidden]`.
    pub bias_hh_l0: Param<Tensor<1>>,
    /// As above, from right to left.
    pub weight_ih_l0_reverse: Option<Param<Tensor<2>>>,
    /// As above, from right to left.
    pub weight_hh_l0_reverse: Option<Param<Tensor<2>>>,
    /// As above, from right to left.
    pub bias_ih_l0_reverse: Option<Param<Tensor<1>>>,
    /// As above, from right to left.
    pub bias_hh_l0_reverse: Option<Param<Tensor<1>>>,
    hidden: usize,
}

impl Gru {
    /// With PyTorch's default weights: uniform with bound `1 / sqrt(hidden)`.
    pub fn new(inputs: usize, hidden: usize, bidirectional: bool, init: &mut Init) -> Self {
        let gates = 3 * hidden;
        Self {
            weight_ih_l0: init.fan_in([gates, inputs], hidden),
            weight_hh_l0: init.fan_in([gates, hidden], hidden),
            bias_ih_l0: init.fan_in([gates], hidden),
            bias_hh_l0: init.fan_in([gates], hidden),
            weight_ih_l0_reverse: bidirectional.then(|| init.fan_in([gates, inputs], hidden)),
            weight_hh_l0_reverse: bidirectional.then(|| init.fan_in([gates, hidden], hidden)),
            bias_ih_l0_reverse: bidirectional.then(|| init.fan_in([gates], hidden)),
            bias_hh_l0_reverse: bidirectional.then(|| init.fan_in([gates], hidden)),
            hidden,
        }
    }

    /// Reads each sequence and returns the state at its end, both directions side by side.
    ///
    /// # Shapes
    /// - `x`: `[batch, length, inputs]`
    /// - `mask`: `[batch, length]`, 1 where there is content and 0 where there is padding
    /// - result: `[batch, hidden]`, or `[batch, 2 hidden]` in both directions
    pub fn final_state(&self, x: Tensor<3>, mask: Tensor<2>) -> Tensor<2> {
        let forward = self.run(
            x.clone(),
            mask.clone(),
            [&self.weight_ih_l0, &self.weight_hh_l0],
            [self.bias_ih_l0.val(), self.bias_hh_l0.val()],
            false,
        );
        let reverse = match (
            &self.weight_ih_l0_reverse,
            &self.weight_hh_l0_reverse,
            &self.bias_ih_l0_reverse,
            &self.bias_hh_l0_reverse,
        ) {
            (Some(wi), Some(wh), Some(bi), Some(bh)) => self.run(x, mask, [wi, wh], [bi.val(), bh.val()], true),
            _ => return forward,
        };
        Tensor::cat(vec![forward, reverse], 1)
    }

    /// Where the mask is 0 the state stays as it was, which is what packing sequences does elsewhere.
    fn run(
        &self,
        x: Tensor<3>,
        mask: Tensor<2>,
        [weight_ih, weight_hh]: [&Param<Tensor<2>>; 2],
        [bias_ih, bias_hh]: [Tensor<1>; 2],
        reverse: bool,
    ) -> Tensor<2> {
        let [batch, length, _] = x.dims();
        let n = self.hidden;
        let (weights, biases) = ([ops::trace::applied(weight_ih), weight_hh.val()], [bias_ih.clone(), bias_hh.clone()]);
        let reading = ops::Reading { cell: ops::Cell::Gru, reverse };
        if let Some((_, end)) = ops::recorded_states(&x, Some(&mask), weights, biases, reading) {
            return end;
        }
        // The input's share of every gate at every step is one matrix product.
        let from_input = ops::linear(x, ops::trace::applied(weight_ih), Some(bias_ih));
        let mut state = Tensor::zeros([batch, n], &from_input.device());
        for step in 0..length {
            let t = if reverse { length - 1 - step } else { step };
            let gates_x: Tensor<2> = from_input.clone().slice_dim(1, t..t + 1).reshape([batch, 3 * n]);
            let keep: Tensor<2> = mask.clone().slice_dim(1, t..t + 1);
            let gates_h = ops::linear(state.clone(), ops::trace::applied(weight_hh), Some(bias_hh.clone()));
            let part = |gates: &Tensor<2>, k: usize| gates.clone().slice_dim(1, k * n..(k + 1) * n);
            let both = |k| ops::add(part(&gates_x, k), part(&gates_h, k));
            let (reset, update) = (ops::sigmoid(both(0)), ops::sigmoid(both(1)));
            let new = ops::tanh(ops::add(part(&gates_x, 2), ops::multiply(reset, part(&gates_h, 2))));
            let next = ops::add(new.clone(), ops::multiply(update, state.clone() - new));
            state = ops::add(state.clone(), ops::multiply(next - state, keep));
        }
        state
    }
}
