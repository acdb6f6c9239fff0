//! How does what a network does become operators of ONNX?
//!
//! The network was recorded at several sizes. Its operations are gone through side by side: what is alike in all recordings is written as
//! it is, what changes is written as computed from the sizes of the inputs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use burn::backend::ir::{OperationIr, ScalarIr, TensorIr};
use burn::tensor::TensorId;
use model_zoo::graph::{Axis, Recorded, Sizes};

use super::constant::Constant;
use super::graph::{Attribute, Graph};
use super::size::Size;

mod attention;
mod elements;
mod layers;
mod recurrent;
mod shapes;
mod sizes;

/// Why a network cannot be written, a sentence.
pub type Refusal = String;

/// Where a tensor of the recording stands in the graph.
#[derive(Clone, Debug)]
enum Value {
    /// Under this name.
    Named(String),
    /// It is known; the name it would have.
    Known(Rc<Constant>, String),
    /// It is `of`, repeated along axes of the size 1. Most operators do that by themselves.
    Expanded { of: TensorIr, to: TensorIr },
}

/// The graph as far as it was written.
pub struct Lowering<'a> {
    recorded: &'a [Recorded],
    sizes: Vec<Sizes>,
    /// The shape of each tensor in each recording.
    shapes: HashMap<TensorId, Vec<Vec<usize>>>,
    /// How often each tensor is used.
    uses: HashMap<TensorId, usize>,
    values: HashMap<TensorId, Value>,
    /// Names of numbers that stand in the graph.
    held: HashMap<TensorId, String>,
    /// Inputs with an open axis, and which one it is.
    axes: BTreeMap<Axis, (String, usize)>,
    /// Values that are needed again and again, by what they are.
    once: HashMap<String, String>,
    /// The layer whose parameters are used.
    layer: String,
    graph: Graph,
}

/// A graph, and which of its values are given by which layer.
pub struct Lowered {
    /// The graph; inputs and outputs have still to be described.
    pub graph: Graph,
    /// The name of the answer.
    pub answer: String,
    /// The size of each axis of the answer, as far as it follows from those of the inputs.
    pub answer_sizes: Vec<Option<Size>>,
    /// The size of each axis of each input.
    pub input_sizes: Vec<(String, Vec<Option<Size>>)>,
    /// What each layer gives, in order: its place among the layers that were recorded, and the name of the value.
    pub layers: Vec<(usize, String)>,
}

/// Writes what was recorded; `known` are the numbers by which the network was made, with their names.
///
/// # Errors
/// Which operation has no operator, or what depends on sizes in a way that cannot be written.
pub fn lower(recorded: &[Recorded], known: HashMap<TensorId, (Constant, String)>) -> Result<Lowered, Refusal> {
    let first = recorded.first().ok_or("nothing was recorded")?;
    let mut lowering = Lowering::new(recorded, known)?;
    for at in 0..first.operations.len() {
        lowering.layer.clear();
        lowering.operation(at)?;
    }
    let answer = first
        .operations
        .iter()
        .flat_map(OperationIr::nodes)
        .find(|tensor| tensor.id == first.output)
        .ok_or("the answer is made by no operation")?;
    let name = lowering.name(answer)?;
    let layers = first.layers.iter().enumerate().filter_map(|(at, (_, id))| match lowering.values.get(id) {
        Some(Value::Named(name)) => Some((at, name.clone())),
        _ => None,
    });
    let layers = layers.collect();
    let sizes = |id: &TensorId| lowering.fitted(*id);
    Ok(Lowered {
        answer_sizes: sizes(&first.output),
        input_sizes: first.inputs.iter().map(|(name, id)| (name.clone(), sizes(id))).collect(),
        answer: name,
        layers,
        graph: lowering.graph,
    })
}

/// What an operation is called, for a reader.
fn called(operation: &OperationIr) -> String {
    if let OperationIr::Custom(custom) = operation {
        return custom.id.clone();
    }
    // As in `NumericFloat(F32, MulScalar(ScalarOpIr { ... }))`: the last word before the first brace but one.
    let text = format!("{operation:?}");
    let words = text.split('{').next().unwrap_or_default();
    let mut words = words.split(['(', ',', ' ']).filter(|word| !word.is_empty()).rev();
    let last = words.next().unwrap_or_default();
    words.next().unwrap_or(last).to_owned()
}

impl<'a> Lowering<'a> {
    fn new(recorded: &'a [Recorded], known: HashMap<TensorId, (Constant, String)>) -> Result<Self, Refusal> {
        let first = &recorded[0];
        let mut shapes: HashMap<TensorId, Vec<Vec<usize>>> = HashMap::new();
        let mut uses = HashMap::new();
        for (at, operation) in first.operations.iter().enumerate() {
            let alike = |other: &'a Recorded| {
                let other = other.operations.get(at)?;
                (called(other) == called(operation) && other.nodes().len() == operation.nodes().len()).then_some(other)
            };
            let all: Option<Vec<&OperationIr>> = recorded.iter().map(alike).collect();
            let all = all.ok_or_else(|| {
                let found = recorded.iter().map(|other| other.operations.get(at).map_or_else(String::new, called));
                let found: BTreeSet<String> = found.collect();
                let found = found.into_iter().collect::<Vec<_>>().join("`, `");
                format!("the network does other things with inputs of other sizes: `{found}`")
            })?;
            for (place, tensor) in operation.nodes().into_iter().enumerate() {
                shapes.insert(tensor.id, all.iter().map(|other| other.nodes()[place].shape.to_vec()).collect());
            }
            for input in operation.inputs() {
                *uses.entry(input.id).or_insert(0) += 1;
            }
        }
        *uses.entry(first.output).or_insert(0) += 1;
        let mut lowering = Self {
            sizes: recorded.iter().map(|recorded| recorded.sizes.clone()).collect(),
            recorded,
            shapes,
            uses,
            values: HashMap::new(),
            held: HashMap::new(),
            axes: BTreeMap::new(),
            once: HashMap::new(),
            layer: String::new(),
            graph: Graph::default(),
        };
        for (id, (constant, name)) in known {
            lowering.values.insert(id, Value::Known(Rc::new(constant), name));
        }
        for (name, id) in &first.inputs {
            lowering.graph.fresh(name);
            lowering.values.insert(*id, Value::Named(name.clone()));
            for (place, size) in lowering.fitted(*id).iter().enumerate() {
                if let Some(axis) = size.as_ref().and_then(Size::axis) {
                    lowering.axes.entry(axis).or_insert((name.clone(), place));
                }
            }
        }
        Ok(lowering)
    }

    fn operation(&mut self, at: usize) -> Result<(), Refusal> {
        let recorded = self.recorded;
        let operation = &recorded[0].operations[at];
        let done = match operation {
            OperationIr::Init(_) | OperationIr::Drop(_) => true,
            OperationIr::BaseFloat(base) | OperationIr::BaseInt(base) | OperationIr::BaseBool(base) => {
                self.base(at, base)?
            }
            OperationIr::NumericFloat(_, numeric) | OperationIr::NumericInt(_, numeric) => self.numeric(at, numeric)?,
            OperationIr::Float(_, float) => self.float(float)?,
            OperationIr::Int(int) => self.int(int)?,
            OperationIr::Bool(bool) => self.bool(bool)?,
            OperationIr::Activation(activation) => self.activation(activation)?,
            OperationIr::Module(module) => self.module(module)?,
            OperationIr::Custom(custom) => self.custom(custom)?,
            OperationIr::Distributed(_) => false,
        };
        match done {
            true => Ok(()),
            false => Err(format!("there is no operator for `{}`", called(operation))),
        }
    }

    /// The size of each axis of a tensor, as far as it follows from those of the inputs.
    fn fitted(&self, id: TensorId) -> Vec<Option<Size>> {
        let Some(shapes) = self.shapes.get(&id) else { return Vec::new() };
        let axis = |axis: usize| {
            let values: Vec<i64> = shapes.iter().map(|shape| shape[axis] as i64).collect();
            Size::fit(&values, &self.sizes)
        };
        (0..shapes[0].len()).map(axis).collect()
    }

    /// Whether two tensors have the same shape, whatever the sizes.
    fn alike(&self, a: &TensorIr, b: &TensorIr) -> bool {
        self.shapes.get(&a.id).is_some_and(|shapes| self.shapes.get(&b.id) == Some(shapes))
    }

    /// Whether the shape of a tensor does not change.
    fn is_fixed(&self, tensor: &TensorIr) -> bool {
        self.shapes.get(&tensor.id).is_some_and(|shapes| shapes.iter().all(|shape| *shape == shapes[0]))
    }

    /// What an operation holds in each recording.
    fn each<T>(&self, at: usize, pick: impl Fn(&OperationIr) -> Option<T>) -> Result<Vec<T>, Refusal> {
        let all = self.recorded.iter().map(|recorded| pick(&recorded.operations[at])).collect::<Option<_>>();
        all.ok_or_else(|| format!("`{}` is not the same at all sizes", called(&self.recorded[0].operations[at])))
    }

    /// A number that an operation holds, as it follows from the sizes.
    fn size(&self, at: usize, pick: impl Fn(&OperationIr) -> Option<i64>) -> Result<Size, Refusal> {
        let values = self.each(at, pick)?;
        Size::fit(&values, &self.sizes).ok_or_else(|| {
            let operation = called(&self.recorded[0].operations[at]);
            format!("a number of `{operation}` is no sum of products of the inputs' sizes")
        })
    }

    /// What is known of a tensor before anything is computed.
    fn known(&self, tensor: &TensorIr) -> Option<Rc<Constant>> {
        match self.values.get(&tensor.id)? {
            Value::Known(constant, _) => Some(constant.clone()),
            Value::Named(_) | Value::Expanded { .. } => None,
        }
    }

    /// The name that the numbers of a tensor would have.
    fn label(&self, tensor: &TensorIr) -> String {
        match self.values.get(&tensor.id) {
            Some(Value::Known(_, label)) => label.clone(),
            _ => String::new(),
        }
    }

    /// The name of a tensor in the graph.
    fn name(&mut self, tensor: &TensorIr) -> Result<String, Refusal> {
        let value = self.values.get(&tensor.id).cloned();
        match value.ok_or_else(|| format!("{} is used before it is made", tensor.id))? {
            Value::Named(name) => Ok(name),
            Value::Known(constant, label) => {
                self.of_layer(&label);
                if let Some(name) = self.held.get(&tensor.id) {
                    return Ok(name.clone());
                }
                let name = self.graph.hold(if label.is_empty() { "constant" } else { &label }, (*constant).clone());
                self.held.insert(tensor.id, name.clone());
                Ok(name)
            }
            Value::Expanded { of, to } => {
                let name = self.name(&of)?;
                let sizes = self.all_sizes(&to)?;
                let shape = self.sizes_value(&sizes);
                let name = self.graph.add("Expand", &self.layer, vec![name, shape], Vec::new());
                self.values.insert(tensor.id, Value::Named(name.clone()));
                Ok(name)
            }
        }
    }

    /// The name of a tensor for an operator that repeats axes of the size 1 by itself, `other` being what it is used with.
    fn operand(&mut self, tensor: &TensorIr, other: &TensorIr, out: &TensorIr) -> Result<String, Refusal> {
        match self.values.get(&tensor.id).cloned() {
            Some(Value::Expanded { of, .. }) if self.alike(other, out) && tensor.id != other.id => self.name(&of),
            _ => self.name(tensor),
        }
    }

    /// Remembers whose parameters are used.
    fn of_layer(&mut self, label: &str) {
        if let Some((layer, _)) = label.rsplit_once('.').filter(|_| self.layer.is_empty()) {
            layer.clone_into(&mut self.layer);
        }
    }

    /// Adds a node whose output stands for `out`.
    fn put(
        &mut self,
        out: &TensorIr,
        operator: &'static str,
        inputs: Vec<String>,
        attributes: Vec<(&'static str, Attribute)>,
    ) {
        let name = self.graph.add(operator, &self.layer, inputs, attributes);
        self.values.insert(out.id, Value::Named(name));
    }

    /// Lets `out` be known.
    fn put_known(&mut self, out: &TensorIr, constant: Constant, label: String) {
        self.values.insert(out.id, Value::Known(Rc::new(constant), label));
    }

    /// Lets `out` be what `input` is.
    fn put_same(&mut self, out: &TensorIr, input: &TensorIr) -> Result<(), Refusal> {
        let value = match self.values.get(&input.id).cloned() {
            Some(Value::Known(constant, label)) => Value::Known(constant, label),
            _ => Value::Named(self.name(input)?),
        };
        self.values.insert(out.id, value);
        Ok(())
    }
}

/// A scalar as a number.
fn number(scalar: &ScalarIr) -> f64 {
    match scalar {
        ScalarIr::Float(value) => *value,
        ScalarIr::Int(value) => *value as f64,
        ScalarIr::UInt(value) => *value as f64,
        ScalarIr::Bool(value) => f64::from(u8::from(*value)),
    }
}
