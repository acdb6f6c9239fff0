//! Layers that go from step to step, and functions that are recorded under names of ours.
//!
//! ONNX's operators for recurrent layers take the lengths of sequences, but not every runtime does. So padding is said to the gates
//! instead: each step has one more feature, which is 1 where there is padding, and its weights shut the gates through which a state
//! changes. A sigmoid of [`SHUT`] is 1 in 32 bits, and of its negative 0, whatever else of usual size is added to it.

use burn::backend::ir::{CustomOpIr, OperationIr, TensorIr};
use model_zoo::graph::{GELU_TANH, GRU, HARD_SWISH, LINEAR, LSTM};

use super::super::constant::Constant;
use super::super::graph::Attribute;
use super::super::size::Size;
use super::{Lowering, Refusal, Value, number};

/// What a gate is told to shut it, whatever else it is told.
const SHUT: f32 = 1e4;

impl Lowering<'_> {
    pub(super) fn custom(&mut self, op: &CustomOpIr) -> Result<bool, Refusal> {
        match (op.id.as_str(), op.inputs.as_slice(), op.outputs.as_slice()) {
            (GELU_TANH, [x], [out]) => {
                let x = self.name(x)?;
                let kind = Attribute::Text("tanh".to_owned());
                self.put(out, "Gelu", vec![x], vec![("approximate", kind)]);
            }
            (HARD_SWISH, [x], [out]) => {
                let x = self.name(x)?;
                self.put(out, "HardSwish", vec![x], Vec::new());
            }
            (LINEAR, [x, weight, bias @ ..], [out]) => {
                let is_input_major = op.scalars.first().is_some_and(|scalar| number(scalar) != 0.0);
                self.linear(x, weight, bias.first(), is_input_major, out)?;
            }
            // It was written with the one in the other direction.
            (GRU | LSTM, _, [_, end]) if self.values.contains_key(&end.id) => {}
            (GRU | LSTM, [x, mask, ..], [..]) if !is_reverse(op) => {
                let is_partner = |other: &&CustomOpIr| {
                    other.id == op.id
                        && is_reverse(other)
                        && other.inputs[0].id == x.id
                        && other.inputs[1].id == mask.id
                };
                let recorded = self.recorded;
                let all = recorded[0].operations.iter().filter_map(|operation| match operation {
                    OperationIr::Custom(custom) => Some(custom),
                    _ => None,
                });
                let directions: Vec<&CustomOpIr> = std::iter::once(op).chain(all.filter(is_partner).take(1)).collect();
                self.recurrent(op.id == LSTM, &directions)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A layer in one direction, or in both.
    fn recurrent(&mut self, is_lstm: bool, directions: &[&CustomOpIr]) -> Result<(), Refusal> {
        let [x, mask] = [0, 1].map(|at| &directions[0].inputs[at]);
        let hidden = directions[0].inputs[3].shape[1];
        let mut steps = self.name(x)?;
        let label = self.label(&directions[0].inputs[2]);
        self.layer.clear();
        self.of_layer(&label);
        let layer = self.layer.clone();
        let mask = self.is_padded(mask).then(|| self.name(mask)).transpose()?;
        // The order of the gates there, by their places in PyTorch's.
        let order: &[usize] = if is_lstm { &[0, 3, 1, 2] } else { &[1, 0, 2] };
        // Of a GRU the update gate, of an LSTM the input gate shut; its forget gate opens, so that the memory stays.
        let shut: &[f32] = if is_lstm { &[-SHUT, 0.0, SHUT, 0.0] } else { &[SHUT, 0.0, 0.0] };
        let (mut input_weights, mut state_weights, mut biases) = (Vec::new(), Vec::new(), Vec::new());
        for direction in directions {
            let known = direction.inputs[2..].iter().map(|parameter| self.known(parameter)).collect::<Option<Vec<_>>>();
            let known = known.ok_or("there is no operator for a recurrent layer with weights that are computed")?;
            let [weights, recurrent, of_inputs, of_states] = [0, 1, 2, 3].map(|at| blocks(&known[at], order));
            input_weights.push(if mask.is_some() { with_column(&weights, shut, hidden) } else { weights });
            state_weights.push(recurrent);
            biases.extend([of_inputs, of_states]);
        }
        if let Some(mask) = &mask {
            let padding = self.padding(mask);
            steps = self.graph.add("Concat", &layer, vec![steps, padding], vec![("axis", Attribute::Int(2))]);
        }
        let turn = |order: [i64; 3]| vec![("perm", Attribute::Ints(order.to_vec()))];
        let mut inputs = vec![self.graph.add("Transpose", &layer, vec![steps], turn([1, 0, 2]))];
        for (name, parts) in [("input_weights", input_weights), ("state_weights", state_weights), ("biases", biases)] {
            let mut shape = vec![directions.len()];
            shape.extend(&parts[0].shape);
            if name == "biases" {
                shape[1] *= 2;
            }
            let values = parts.iter().filter_map(Constant::as_floats).flatten().copied().collect();
            inputs.push(self.graph.hold(&format!("{layer}.{name}"), Constant::floats(shape, values)));
        }
        let both = directions.len() == 2;
        let direction = if both { "bidirectional" } else { "forward" };
        let mut attributes =
            vec![("hidden_size", Attribute::Int(hidden as i64)), ("direction", Attribute::Text(direction.to_owned()))];
        if !is_lstm {
            attributes.push(("linear_before_reset", Attribute::Int(1)));
        }
        // `[length, directions, batch, hidden]` and `[directions, batch, hidden]`.
        let outputs = self.graph.add_with(if is_lstm { "LSTM" } else { "GRU" }, &layer, inputs, attributes, 2);
        for (at, direction) in directions.iter().enumerate() {
            self.states(direction, &outputs, at, both, mask.as_deref().filter(|_| is_lstm && at == 0));
        }
        Ok(())
    }

    /// What one direction gives. With a `mask` the state at the end is picked: the gates keep the memory of an LSTM, not what it shows of it.
    fn states(&mut self, direction: &CustomOpIr, outputs: &[String], at: usize, both: bool, mask: Option<&str>) {
        let layer = self.layer.clone();
        let part = |axis: usize| vec![(axis, Size::fixed(at as i64), Size::fixed(at as i64 + 1))];
        let [all, end] = [0, 1].map(|at| &direction.outputs[at]);
        let is_used = |tensor: &TensorIr| self.uses.contains_key(&tensor.id);
        let (all_used, end_used) = (is_used(all), is_used(end));
        if all_used || mask.is_some() {
            let states = if both { self.cut(outputs[0].clone(), part(1)) } else { outputs[0].clone() };
            let axis = self.integers(vec![1]);
            let states = self.graph.add("Squeeze", &layer, vec![states, axis], Vec::new());
            let order = vec![("perm", Attribute::Ints(vec![1, 0, 2]))];
            let states = self.graph.add("Transpose", &layer, vec![states], order);
            self.values.insert(all.id, Value::Named(states.clone()));
            if let Some(mask) = mask.filter(|_| end_used) {
                let last = self.last(mask);
                let picked = self.graph.add("Mul", &layer, vec![states, last], Vec::new());
                let axis = self.integers(vec![1]);
                self.put(end, "ReduceSum", vec![picked, axis], vec![("keepdims", Attribute::Int(0))]);
            }
        }
        if !self.values.contains_key(&end.id) {
            let ends = if both { self.cut(outputs[1].clone(), part(0)) } else { outputs[1].clone() };
            let axis = self.integers(vec![0]);
            self.put(end, "Squeeze", vec![ends, axis], Vec::new());
        }
    }

    /// Whether a mask says anything: it does not where the network made it of ones alone.
    fn is_padded(&self, mask: &TensorIr) -> bool {
        match self.values.get(&mask.id) {
            Some(Value::Known(..)) => false,
            Some(Value::Named(name)) => self.graph.maker(name).is_none_or(|maker| maker.operator != "Expand"),
            _ => true,
        }
    }

    /// 1 where there is padding, `[batch, length, 1]`.
    fn padding(&mut self, mask: &str) -> String {
        if let Some(name) = self.once.get(&format!("padding {mask}")) {
            return name.clone();
        }
        let one = self.scalar(1.0, false);
        let padding = self.graph.add("Sub", "padding", vec![one, mask.to_owned()], Vec::new());
        let axis = self.integers(vec![2]);
        let padding = self.graph.add("Unsqueeze", "padding", vec![padding, axis], Vec::new());
        self.once.insert(format!("padding {mask}"), padding.clone());
        padding
    }

    /// 1 at the last step with content, `[batch, length, 1]`.
    fn last(&mut self, mask: &str) -> String {
        if let Some(name) = self.once.get(&format!("last {mask}")) {
            return name.clone();
        }
        // The mask less the mask one step later, behind whose end there is nothing.
        let mask = mask.to_owned();
        let layer = std::mem::replace(&mut self.layer, "last".to_owned());
        let later = self.cut(mask.clone(), vec![(1, Size::fixed(1), Size::fixed(i64::MAX))]);
        let first = self.cut(mask.clone(), vec![(1, Size::fixed(0), Size::fixed(1))]);
        let zero = self.scalar(0.0, false);
        let nothing = self.graph.add("Mul", "last", vec![first, zero], Vec::new());
        let later = self.graph.add("Concat", "last", vec![later, nothing], vec![("axis", Attribute::Int(1))]);
        let last = self.graph.add("Sub", "last", vec![mask.clone(), later], Vec::new());
        let axis = self.integers(vec![2]);
        let last = self.graph.add("Unsqueeze", "last", vec![last, axis], Vec::new());
        self.layer = layer;
        self.once.insert(format!("last {mask}"), last.clone());
        last
    }
}

/// Whether a layer reads from the end.
fn is_reverse(op: &CustomOpIr) -> bool {
    op.scalars.first().is_some_and(|scalar| number(scalar) != 0.0)
}

/// The blocks of rows that belong to each gate in another order.
fn blocks(constant: &Constant, order: &[usize]) -> Constant {
    let values = constant.as_floats().unwrap_or_default();
    let each = values.len() / order.len().max(1);
    let ordered = order.iter().flat_map(|block| &values[block * each..(block + 1) * each]).copied().collect();
    Constant::floats(constant.shape.clone(), ordered)
}

/// One column more, the same number in all rows of a block.
fn with_column(weights: &Constant, column: &[f32], hidden: usize) -> Constant {
    let values = weights.as_floats().unwrap_or_default();
    let width = weights.shape[1];
    let row = |row: usize| values[row * width..(row + 1) * width].iter().copied().chain([column[row / hidden]]);
    Constant::floats(vec![weights.shape[0], width + 1], (0..weights.shape[0]).flat_map(row).collect())
}
