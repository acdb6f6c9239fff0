//! What stands in an ONNX file? Nodes between inputs and outputs, and the numbers that they use.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::constant::{Constant, Elements};
use super::proto::{self, Extent, attribute_type, element};

/// The version of the operators: the first with GELU as one of them.
pub const OPSET: i64 = 20;
/// The version of the layout that belongs to it.
const IR_VERSION: i64 = 9;

/// A setting of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A float.
    Float(f32),
    /// A text.
    Text(String),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Texts.
    Texts(Vec<String>),
}

/// An operator applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The operator.
    pub operator: &'static str,
    /// The set of operators it is of; empty for the usual one.
    pub domain: &'static str,
    /// What it is called.
    pub name: String,
    /// Names of what goes in; empty where an optional one is left out.
    pub inputs: Vec<String>,
    /// Names of what comes out.
    pub outputs: Vec<String>,
    /// Settings by name.
    pub attributes: Vec<(&'static str, Attribute)>,
}

impl Node {
    /// The setting `name`, if it is a whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attributes.iter().find_map(|(key, value)| match value {
            Attribute::Int(value) if *key == name => Some(*value),
            _ => None,
        })
    }

    /// The setting `name`, if it is a float.
    pub fn float(&self, name: &str) -> Option<f32> {
        self.attributes.iter().find_map(|(key, value)| match value {
            Attribute::Float(value) if *key == name => Some(*value),
            _ => None,
        })
    }
}

/// The size of an axis of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// Always this.
    Fixed(usize),
    /// Any; what it is called.
    Open(String),
}

/// What an input or output is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floats.
    F32,
    /// 64-bit floats.
    F64,
    /// 64-bit integers.
    I64,
    /// Bytes.
    U8,
    /// Texts.
    Text,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// What it is called.
    pub name: String,
    /// What it is made of.
    pub element: Element,
    /// The size of each axis.
    pub shape: Vec<Span>,
    /// What it means, a sentence.
    pub meaning: String,
}

/// Nodes between inputs and outputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// What goes in.
    pub inputs: Vec<Port>,
    /// What comes out.
    pub outputs: Vec<Port>,
    /// In an order in which each comes behind what it needs.
    pub nodes: Vec<Node>,
    /// Numbers by name.
    pub constants: BTreeMap<String, Constant>,
    taken: BTreeSet<String>,
}

impl Graph {
    /// A name that nothing has yet: `wanted`, or with a number behind it.
    pub fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    /// Adds numbers under a name near `wanted`, which is given back.
    pub fn hold(&mut self, wanted: &str, constant: Constant) -> String {
        let name = self.fresh(wanted);
        self.constants.insert(name.clone(), constant);
        name
    }

    /// Adds a node of one output, whose name is given back; the node is called `layer/operator`.
    pub fn add(
        &mut self,
        operator: &'static str,
        layer: &str,
        inputs: Vec<String>,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> String {
        self.add_with(operator, layer, inputs, attributes, 1).remove(0)
    }

    /// The same of several outputs.
    pub fn add_with(
        &mut self,
        operator: &'static str,
        layer: &str,
        inputs: Vec<String>,
        attributes: Vec<(&'static str, Attribute)>,
        outputs: usize,
    ) -> Vec<String> {
        let name = self.fresh(&if layer.is_empty() { operator.to_owned() } else { format!("{layer}/{operator}") });
        let outputs: Vec<String> = (0..outputs)
            .map(|place| if place == 0 { name.clone() } else { self.fresh(&format!("{name}.{place}")) })
            .collect();
        self.nodes.push(Node { operator, domain: "", name, inputs, outputs: outputs.clone(), attributes });
        outputs
    }

    /// How many nodes and outputs use `name`.
    pub fn uses(&self, name: &str) -> usize {
        let of_nodes = self.nodes.iter().flat_map(|node| &node.inputs).filter(|input| *input == name).count();
        of_nodes + self.outputs.iter().filter(|port| port.name == name).count()
    }

    /// Lets everything that used `old` use `new`.
    pub fn replace(&mut self, old: &str, new: &str) {
        for input in self.nodes.iter_mut().flat_map(|node| &mut node.inputs).filter(|input| *input == old) {
            new.clone_into(input);
        }
    }

    /// Gives what is made as `old` another name, wherever it is used.
    pub fn rename(&mut self, old: &str, new: &str) {
        self.replace(old, new);
        for output in self.nodes.iter_mut().flat_map(|node| &mut node.outputs).filter(|output| *output == old) {
            new.clone_into(output);
        }
    }

    /// Whether every name is made once and before it is used, and every output is made.
    ///
    /// # Errors
    /// Which name is not, a sentence.
    pub fn check(&self) -> Result<(), String> {
        let mut made: BTreeSet<&str> = BTreeSet::new();
        let given = self.inputs.iter().map(|port| port.name.as_str()).chain(self.constants.keys().map(String::as_str));
        let twice = |name: &str| match name {
            "" => "something has no name".to_owned(),
            name => format!("`{name}` is made twice"),
        };
        for name in given {
            if name.is_empty() || !made.insert(name) {
                return Err(twice(name));
            }
        }
        for node in &self.nodes {
            if let Some(missing) = node.inputs.iter().find(|name| !name.is_empty() && !made.contains(name.as_str())) {
                return Err(format!("`{missing}` is used by `{}` before it is made", node.name));
            }
            // An output that nobody needs has no name.
            if let Some(name) = node.outputs.iter().find(|name| !name.is_empty() && !made.insert(name.as_str())) {
                return Err(twice(name));
            }
        }
        match self.outputs.iter().find(|port| !made.contains(port.name.as_str())) {
            Some(port) => Err(format!("the output `{}` is not made", port.name)),
            None => Ok(()),
        }
    }

    /// The node that makes `name`.
    pub fn maker(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.outputs.iter().any(|output| output == name))
    }

    /// The bytes of the file.
    pub fn to_bytes(&self, name: &str, about: &str, metadata: &[(String, String)]) -> Vec<u8> {
        let domains: BTreeSet<&str> = self.nodes.iter().map(|node| node.domain).collect();
        let version = |domain: &str| if domain.is_empty() { OPSET } else { 3 };
        let sets = domains.into_iter().chain([""]).collect::<BTreeSet<_>>().into_iter();
        let model = proto::Model {
            ir_version: IR_VERSION,
            producer_name: "firebox".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            doc_string: about.into(),
            graph: Some(proto::Graph {
                node: self.nodes.iter().map(node).collect(),
                name: name.into(),
                initializer: self.constants.iter().map(|(name, constant)| tensor(name, constant)).collect(),
                input: self.inputs.iter().map(value).collect(),
                output: self.outputs.iter().map(value).collect(),
            }),
            opset_import: sets
                .map(|domain| proto::OperatorSet { domain: domain.into(), version: version(domain) })
                .collect(),
            metadata_props: metadata
                .iter()
                .map(|(key, value)| proto::Entry { key: key.clone(), value: value.clone() })
                .collect(),
        };
        model.encode_to_vec()
    }
}

fn node(node: &Node) -> proto::Node {
    proto::Node {
        input: node.inputs.clone(),
        output: node.outputs.clone(),
        name: node.name.clone(),
        op_type: node.operator.into(),
        attribute: node.attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
        domain: node.domain.into(),
    }
}

fn attribute(name: &str, value: &Attribute) -> proto::Attribute {
    let empty = proto::Attribute { name: name.into(), ..proto::Attribute::default() };
    match value {
        Attribute::Int(i) => proto::Attribute { i: *i, r#type: attribute_type::INT, ..empty },
        Attribute::Float(f) => proto::Attribute { f: *f, r#type: attribute_type::FLOAT, ..empty },
        Attribute::Text(s) => proto::Attribute { s: s.clone().into_bytes(), r#type: attribute_type::STRING, ..empty },
        Attribute::Ints(ints) => proto::Attribute { ints: ints.clone(), r#type: attribute_type::INTS, ..empty },
        Attribute::Texts(texts) => {
            let strings = texts.iter().map(|text| text.clone().into_bytes()).collect();
            proto::Attribute { strings, r#type: attribute_type::STRINGS, ..empty }
        }
    }
}

fn tensor(name: &str, constant: &Constant) -> proto::Tensor {
    let mut text = Vec::new();
    let (data_type, raw_data) = match &constant.elements {
        Elements::F32(values) => (element::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Elements::F64(values) => (element::F64, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Elements::I64(values) => (element::I64, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Elements::I32(values) => (element::I32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Elements::I8(values) => (element::I8, values.iter().map(|value| *value as u8).collect()),
        Elements::U8(values) => (element::U8, values.clone()),
        Elements::Bool(values) => (element::BOOL, values.iter().map(|value| u8::from(*value)).collect()),
        Elements::Text(values) => {
            text = values.iter().map(|value| value.clone().into_bytes()).collect();
            (element::TEXT, Vec::new())
        }
    };
    let dims = constant.shape.iter().map(|size| *size as i64).collect();
    proto::Tensor { dims, data_type, string_data: text, name: name.into(), raw_data }
}

fn value(port: &Port) -> proto::ValueInfo {
    let dimension = |extent: &Span| proto::Dimension {
        extent: Some(match extent {
            Span::Fixed(size) => Extent::Value(*size as i64),
            Span::Open(name) => Extent::Param(name.clone()),
        }),
    };
    let elem_type = match port.element {
        Element::F32 => element::F32,
        Element::F64 => element::F64,
        Element::I64 => element::I64,
        Element::U8 => element::U8,
        Element::Text => element::TEXT,
    };
    let shape = Some(proto::Shape { dim: port.shape.iter().map(dimension).collect() });
    let tensor_type = Some(proto::TensorType { elem_type, shape });
    let r#type = Some(proto::Type { tensor_type });
    proto::ValueInfo { name: port.name.clone(), r#type, doc_string: port.meaning.clone() }
}
