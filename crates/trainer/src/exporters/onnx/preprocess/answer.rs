//! What does an answer mean? Probabilities and a label, or numbers in the units of the data.

use data_loader::signature::OutputSpec;
use model_zoo::Decoding;

use super::super::Written;
use super::super::constant::{Constant, Elements};
use super::super::graph::{Attribute, Element, Port, Span};
use super::super::proto::element;
use super::cast;

const PROBABILITIES: &str = "probabilities";
const LABEL: &str = "label";
const IN_UNITS: &str = "in_units";

/// Names that no column may have.
pub(super) const RESERVED: [&str; 3] = [IN_UNITS, LABEL, PROBABILITIES];

/// Puts what the answer means behind the network.
pub(super) fn embed(written: &mut Written, output: &OutputSpec, decoding: Decoding) {
    let graph = &mut written.graph;
    let batch = || Span::Open("batch".to_owned());
    match output {
        OutputSpec::Classes { labels } => {
            let scores = written.answer.clone();
            let axis = || vec![("axis", Attribute::Int(1))];
            let probabilities = match decoding {
                Decoding::Softmax => graph.add("Softmax", "probabilities", vec![scores.clone()], axis()),
                Decoding::Sigmoid => graph.add("Sigmoid", "probabilities", vec![scores.clone()], Vec::new()),
            };
            let keep = vec![("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))];
            let best = graph.add("ArgMax", "label", vec![scores], keep);
            let names = Constant { shape: vec![labels.len()], elements: Elements::Text(labels.clone()) };
            let names = graph.hold("labels", names);
            let label = graph.add("Gather", "label", vec![names, best], vec![("axis", Attribute::Int(0))]);
            graph.rename(&probabilities, PROBABILITIES);
            graph.rename(&label, LABEL);
            let shape = vec![batch(), Span::Fixed(labels.len())];
            graph.outputs.push(Port {
                name: PROBABILITIES.into(),
                element: Element::F32,
                shape,
                meaning: "the probability of each class".into(),
            });
            graph.outputs.push(Port {
                name: LABEL.into(),
                element: Element::Text,
                shape: vec![batch()],
                meaning: "the class with the highest score".into(),
            });
        }
        OutputSpec::Values { names, mean, std } => {
            let row = |values: &[f64]| Constant { shape: vec![values.len()], elements: Elements::F64(values.to_vec()) };
            let (mean, std) = (graph.hold("target.mean", row(mean)), graph.hold("target.std", row(std)));
            let wide = graph.add("Cast", "in_units", vec![written.answer.clone()], cast(element::F64));
            let scaled = graph.add("Mul", "in_units", vec![wide, std], Vec::new());
            let last = graph.add("Add", "in_units", vec![scaled, mean], Vec::new());
            graph.rename(&last, IN_UNITS);
            graph.outputs.push(Port {
                name: IN_UNITS.into(),
                element: Element::F64,
                shape: vec![batch(), Span::Fixed(names.len())],
                meaning: "numbers in the units of the data".into(),
            });
        }
        _ => {}
    }
}
