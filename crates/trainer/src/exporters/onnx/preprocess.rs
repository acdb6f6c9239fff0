//! How do fitted transforms become part of the graph, so that it reads records as they are?
//!
//! Each column of a table is an input of its own, numbers in 64 bits, in which transforms compute, and categories as texts; a missing
//! number is NaN and a missing category the empty text. Images come as bytes. Behind the network stand probabilities and the label, or
//! numbers in the units of the data.

use data_loader::Pipeline;
use data_loader::schema::FeatureKind;
use data_loader::signature::{InputKind, InputSpec};
use data_loader::transforms::{FittedTransform as T, log, one_hot, ordinal};
use model_zoo::Decision;

use super::Written;
use super::constant::{Constant, Elements};
use super::graph::{Attribute, Element, Graph, Node, Port, Span};
use super::proof;
use super::proto::element;

mod answer;
mod cuts;
mod images;
mod tables;

pub use answer::{IN_UNITS, PROBABILITIES};

/// Columns side by side.
#[derive(Clone)]
struct Block {
    names: Vec<String>,
    kind: Kind,
    /// `[batch, columns]`.
    value: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Numbers,
    Text,
    Codes,
}

/// The graph that is written, with what stands before and behind the network.
struct Around<'a> {
    graph: &'a mut Graph,
    blocks: Vec<Block>,
    nodes: Vec<Node>,
    columns: Vec<(String, String)>,
    resizes: bool,
}

/// Puts the transforms of `pipeline` before the network and what its answer means behind it.
///
/// # Errors
/// Which transform cannot be part of a graph, a sentence.
pub fn embed(written: &mut Written, pipeline: &Pipeline, decision: &Decision) -> Result<(), String> {
    let signature = pipeline.signature();
    if pipeline.schema().windows.is_some() {
        return Err("windows over a series are cut before the graph".into());
    }
    for name in answer::RESERVED {
        written.graph.fresh(name);
    }
    let network = std::mem::take(&mut written.graph.nodes);
    let mut around = Around {
        graph: &mut written.graph,
        blocks: Vec::new(),
        nodes: Vec::new(),
        columns: Vec::new(),
        resizes: false,
    };
    around.graph.inputs.clear();
    for spec in &signature.inputs {
        if let InputKind::Image { mean, std } = &spec.kind {
            images::embed(&mut around, pipeline, spec, mean, std)?;
        }
    }
    around.columns(pipeline)?;
    for transform in pipeline.transforms() {
        around.transform(transform)?;
    }
    for spec in &signature.inputs {
        around.input(spec)?;
    }
    let mut nodes = std::mem::take(&mut around.nodes);
    nodes.extend(network);
    written.columns = std::mem::take(&mut around.columns);
    if around.resizes {
        written.tolerance = proof::RESIZED;
    }
    written.graph.nodes = nodes;
    answer::embed(written, &signature.output, decision);
    Ok(())
}

impl Around<'_> {
    fn add(
        &mut self,
        operator: &'static str,
        layer: &str,
        inputs: Vec<String>,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> String {
        let name = self.graph.add(operator, layer, inputs, attributes);
        self.nodes.extend(self.graph.nodes.pop());
        name
    }

    /// A node whose output has the name that the network reads.
    fn add_as(
        &mut self,
        operator: &'static str,
        name: &str,
        inputs: Vec<String>,
        attributes: Vec<(&'static str, Attribute)>,
    ) {
        let made = self.graph.add(operator, name, inputs, attributes);
        if let Some(mut node) = self.graph.nodes.pop() {
            name.clone_into(&mut node.outputs[0]);
            self.nodes.push(node);
        }
        self.graph.replace(&made, name);
    }

    fn numbers(&mut self, label: &str, values: Vec<f64>) -> String {
        self.graph.hold(label, Constant { shape: vec![values.len()], elements: Elements::F64(values) })
    }

    fn texts(&mut self, label: &str, values: Vec<String>) -> String {
        self.graph.hold(label, Constant { shape: vec![values.len()], elements: Elements::Text(values) })
    }

    /// An input for each column.
    fn columns(&mut self, pipeline: &Pipeline) -> Result<(), String> {
        for (name, kind) in &pipeline.schema().features.0 {
            let (element, kind) = match kind {
                FeatureKind::Number => (Element::F64, Kind::Numbers),
                FeatureKind::Category => (Element::Text, Kind::Text),
                FeatureKind::Image => continue,
                FeatureKind::Date | FeatureKind::Text => {
                    return Err(format!("the column `{name}` is a {}, which is read before the graph", kind.name()));
                }
            };
            let input = self.graph.fresh(if name.is_empty() { "column" } else { name });
            self.columns.push((input.clone(), name.clone()));
            let meaning = match kind {
                Kind::Numbers => "a column as it is read; NaN where it is missing",
                Kind::Text | Kind::Codes => "a column as it is read; empty where it is missing",
            };
            let shape = vec![Span::Open("batch".into()), Span::Fixed(1)];
            self.graph.inputs.push(Port { name: input.clone(), element, shape, meaning: meaning.into() });
            self.blocks.push(Block { names: vec![name.clone()], kind, value: input });
        }
        Ok(())
    }

    fn transform(&mut self, transform: &T) -> Result<(), String> {
        match transform {
            T::Impute(impute) => {
                let flags: Vec<Block> = impute.indicators.iter().filter_map(|name| self.missing(name)).collect();
                self.fill(&impute.values.0, &impute.categories.0);
                self.blocks.extend(flags);
            }
            T::Normalize(normalize) => self.scale(&scales(&normalize.numbers.0), None),
            T::Standardize(fitted) => self.scale(&scales(&fitted.scales.0), None),
            T::Robust(fitted) => self.scale(&scales(&fitted.scales.0), None),
            T::MinMax(fitted) => self.scale(&scales(&fitted.scales.0), fitted.clip),
            T::Log(fitted) => self.log(fitted),
            T::Encode(fitted) => {
                for (name, known) in &fitted.categories.0 {
                    let places: Vec<f64> = (1..=known.len()).map(|place| place as f64).collect();
                    self.number_of(name, known, &places, 0.0, Kind::Codes);
                }
            }
            T::Ordinal(fitted) if fitted.unknown == ordinal::Unknown::Missing => {
                for (name, order) in &fitted.orders.0 {
                    let places: Vec<f64> = (0..order.len()).map(|place| place as f64).collect();
                    self.number_of(name, order, &places, f64::NAN, Kind::Numbers);
                }
            }
            T::OneHot(fitted) if fitted.unknown != one_hot::Unknown::Error => {
                for (name, known) in &fitted.categories.0 {
                    self.one_hot(name, known, fitted.unknown == one_hot::Unknown::Column);
                }
            }
            T::Ordinal(_) | T::OneHot(_) => {
                return Err(
                    "a category that training never saw is an error, which a graph cannot tell; set `unknown`".into()
                );
            }
            T::Dates(_) => return Err("`dates` reads texts, which a graph cannot".into()),
            T::Quantile(fitted) => self.quantile(fitted),
            T::TargetEncode(fitted) => {
                for (name, column) in &fitted.columns.0 {
                    self.mean_of(name, fitted.names(name), &column.all);
                }
            }
            T::Tokenize(_) => return Err("`tokenize` cuts texts into pieces, which a graph cannot".into()),
            // They change images, which is done already, or nothing at all where nothing is learnt.
            _ => {}
        }
        Ok(())
    }

    /// 1 where a column is missing.
    fn missing(&mut self, column: &str) -> Option<Block> {
        let block = self.blocks.iter().find(|block| block.names == [column.to_owned()])?.clone();
        let is_missing = match block.kind {
            Kind::Numbers => {
                let is_there = self.is_number(column, block.value);
                self.add("Not", column, vec![is_there], Vec::new())
            }
            Kind::Text | Kind::Codes => {
                let empty = self.texts(&format!("{column}.empty"), vec![String::new()]);
                self.add("Equal", column, vec![block.value, empty], Vec::new())
            }
        };
        let value = self.add("Cast", column, vec![is_missing], cast(element::F64));
        let names = vec![data_loader::transforms::impute::indicator_name(column)];
        Some(Block { names, kind: Kind::Numbers, value })
    }

    /// Stand-ins in the place of what is missing.
    fn fill(&mut self, numbers: &[(String, f64)], categories: &[(String, String)]) {
        for at in 0..self.blocks.len() {
            let block = self.blocks[at].clone();
            let find = |name: &String| numbers.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
            self.blocks[at].value = match block.kind {
                Kind::Numbers if block.names.iter().any(|name| find(name).is_some()) => {
                    let values = block.names.iter().map(|name| find(name).unwrap_or(f64::NAN)).collect();
                    let stand_in = self.numbers(&format!("{}.stand_in", block.names[0]), values);
                    let is_there = self.is_number(&block.names[0], block.value.clone());
                    self.add("Where", &block.names[0], vec![is_there, block.value, stand_in], Vec::new())
                }
                Kind::Text => {
                    let Some((_, text)) = categories.iter().find(|(name, _)| *name == block.names[0]) else { continue };
                    let empty = self.texts(&format!("{}.empty", block.names[0]), vec![String::new()]);
                    let stand_in = self.texts(&format!("{}.stand_in", block.names[0]), vec![text.clone()]);
                    let missing = self.add("Equal", &block.names[0], vec![block.value.clone(), empty], Vec::new());
                    self.add("Where", &block.names[0], vec![missing, stand_in, block.value], Vec::new())
                }
                _ => continue,
            };
        }
    }

    /// Whether there is a number: only what is none differs from itself.
    fn is_number(&mut self, column: &str, value: String) -> String {
        self.add("Equal", column, vec![value.clone(), value], Vec::new())
    }

    /// `(value - centre) / spread` of the columns that have a scale.
    fn scale(&mut self, scales: &[(String, f64, f64)], clip: Option<[f64; 2]>) {
        for at in 0..self.blocks.len() {
            let block = self.blocks[at].clone();
            let find = |name: &String| scales.iter().find(|(known, ..)| known == name);
            if block.kind != Kind::Numbers || !block.names.iter().any(|name| find(name).is_some()) {
                continue;
            }
            let of = |pick: fn(&(String, f64, f64)) -> f64, other: f64| {
                block.names.iter().map(|name| find(name).map_or(other, pick)).collect::<Vec<f64>>()
            };
            let label = block.names[0].clone();
            let centre = self.numbers(&format!("{label}.centre"), of(|scale| scale.1, 0.0));
            let spread = self.numbers(&format!("{label}.spread"), of(|scale| scale.2, 1.0));
            let centred = self.add("Sub", &label, vec![block.value, centre], Vec::new());
            let mut value = self.add("Div", &label, vec![centred, spread], Vec::new());
            let unclipped = value.clone();
            if let Some([low, high]) = clip {
                for (operator, bound) in [("Max", low), ("Min", high)] {
                    let bound = self.numbers(&format!("{label}.bound"), vec![bound]);
                    value = self.add(operator, &label, vec![value, bound], Vec::new());
                }
                // Not every runtime leaves a gap a gap here.
                let is_there = self.is_number(&label, unclipped.clone());
                value = self.add("Where", &label, vec![is_there, value, unclipped], Vec::new());
            }
            self.blocks[at].value = value;
        }
    }

    fn log(&mut self, fitted: &log::Log) {
        for at in 0..self.blocks.len() {
            let block = self.blocks[at].clone();
            // Columns that one_hot made stand side by side, and no logarithm is taken of some of them alone.
            if block.names.len() != 1 || block.kind != Kind::Numbers || !fitted.columns.contains(&block.names[0]) {
                continue;
            }
            let label = block.names[0].clone();
            let one = self.numbers(&format!("{label}.one"), vec![1.0]);
            let is_signed = fitted.method == log::Method::Signed;
            let x = match is_signed {
                true => self.add("Abs", &label, vec![block.value.clone()], Vec::new()),
                false => block.value.clone(),
            };
            let sum = self.add("Add", &label, vec![one, x], Vec::new());
            let mut value = self.add("Log", &label, vec![sum], Vec::new());
            if is_signed {
                let sign = self.add("Sign", &label, vec![block.value], Vec::new());
                value = self.add("Mul", &label, vec![value, sign], Vec::new());
            }
            self.blocks[at].value = value;
        }
    }

    /// Which of the `known` categories a column holds, `[batch, known]`.
    fn equal(&mut self, column: &str, known: &[String], to: i32) -> Option<(usize, String)> {
        let at = self.blocks.iter().position(|block| block.names == [column.to_owned()] && block.kind == Kind::Text)?;
        let value = self.blocks[at].value.clone();
        let known = self.texts(&format!("{column}.known"), known.to_vec());
        let equal = self.add("Equal", column, vec![value, known], Vec::new());
        Some((at, self.add("Cast", column, vec![equal], cast(to))))
    }

    /// The number that belongs to the category of a column; `other` for what is not known.
    fn number_of(&mut self, column: &str, known: &[String], numbers: &[f64], other: f64, kind: Kind) {
        // Of no category there is nothing to compare with.
        let never = ["\u{0}".to_owned()];
        let (known, numbers) = if known.is_empty() { (&never[..], &[0.0][..]) } else { (known, numbers) };
        let Some((at, equal)) = self.equal(column, known, element::F64) else { return };
        let row = self.numbers(&format!("{column}.numbers"), numbers.to_vec());
        let axis = self.graph.hold("[1]", Constant::integers(vec![1]));
        let keep = || vec![("keepdims", Attribute::Int(1))];
        let each = self.add("Mul", column, vec![equal.clone(), row], Vec::new());
        let mut value = self.add("ReduceSum", column, vec![each, axis.clone()], keep());
        if other.is_nan() {
            let any = self.add("ReduceSum", column, vec![equal, axis], keep());
            let half = self.numbers(&format!("{column}.half"), vec![0.5]);
            let is_known = self.add("Greater", column, vec![any, half], Vec::new());
            let other = self.numbers(&format!("{column}.unknown"), vec![other]);
            value = self.add("Where", column, vec![is_known, value, other], Vec::new());
        }
        self.blocks[at] = Block { names: vec![column.to_owned()], kind, value };
    }

    fn one_hot(&mut self, column: &str, known: &[String], unknown: bool) {
        let never = ["\u{0}".to_owned()];
        let Some((at, mut value)) = self.equal(column, if known.is_empty() { &never } else { known }, element::F64)
        else {
            return;
        };
        if unknown {
            let axis = self.graph.hold("[1]", Constant::integers(vec![1]));
            let any = self.add("ReduceSum", column, vec![value.clone(), axis], vec![("keepdims", Attribute::Int(1))]);
            let one = self.numbers(&format!("{column}.one"), vec![1.0]);
            let none = self.add("Sub", column, vec![one, any], Vec::new());
            value = self.add("Concat", column, vec![value, none], vec![("axis", Attribute::Int(1))]);
        }
        let last = unknown.then_some("");
        let names =
            known.iter().map(String::as_str).chain(last).map(|category| format!("{column}={category}")).collect();
        self.blocks[at] = Block { names, kind: Kind::Numbers, value };
    }

    /// The columns that the network reads, side by side, under the name of its input.
    fn input(&mut self, spec: &InputSpec) -> Result<(), String> {
        let (kind, names, to) = match &spec.kind {
            InputKind::Numbers { names } => (Kind::Numbers, names, element::F32),
            InputKind::Categories { names, .. } => (Kind::Codes, names, element::I64),
            InputKind::Image { .. } => return Ok(()),
            InputKind::Tokens { .. } | InputKind::Series { .. } => {
                return Err(format!("the input `{}` is made before the graph", spec.name));
            }
        };
        let of_kind: Vec<&Block> = self.blocks.iter().filter(|block| block.kind == kind).collect();
        if !of_kind.iter().flat_map(|block| &block.names).eq(names) {
            return Err(format!("the columns of `{}` come in another order than the transforms make them", spec.name));
        }
        let parts: Vec<String> = of_kind.iter().map(|block| block.value.clone()).collect();
        let whole = match parts.as_slice() {
            [only] => only.clone(),
            _ => self.add("Concat", &spec.name, parts, vec![("axis", Attribute::Int(1))]),
        };
        self.add_as("Cast", &spec.name, vec![whole], cast(to));
        Ok(())
    }
}

fn scales(scales: &[(String, data_loader::scale::Scale)]) -> Vec<(String, f64, f64)> {
    scales.iter().map(|(name, scale)| (name.clone(), scale.centre, scale.spread)).collect()
}

fn cast(to: i32) -> Vec<(&'static str, Attribute)> {
    vec![("to", Attribute::Int(i64::from(to)))]
}
