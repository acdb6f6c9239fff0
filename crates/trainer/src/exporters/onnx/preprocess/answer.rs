//! What does an answer mean? Probabilities and a label, or numbers in the units of the data.

use data_loader::signature::OutputSpec;
use model_zoo::{Decision, Decoding};

use super::super::Written;
use super::super::constant::{Constant, Elements};
use super::super::graph::{Attribute, Element, Port, Span};
use super::super::proto::element;
use super::cast;

/// What the probabilities of classes are called.
pub const PROBABILITIES: &str = "probabilities";
const LABEL: &str = "label";
/// What numbers in the units of the data are called.
pub const IN_UNITS: &str = "in_units";

/// Names that no column may have.
pub(super) const RESERVED: [&str; 3] = [IN_UNITS, LABEL, PROBABILITIES];

/// Puts what the answer means behind the network.
pub(super) fn embed(written: &mut Written, output: &OutputSpec, decision: &Decision) {
    let graph = &mut written.graph;
    let batch = || Span::Open("batch".to_owned());
    match output {
        OutputSpec::Classes { labels } => {
            let row = |values: &[f64]| Constant {
                shape: vec![values.len()],
                elements: Elements::F32(values.iter().map(|value| *value as f32).collect()),
            };
            let mut scores = written.answer.clone();
            if let Some(temperature) = decision.temperature {
                let temperature = graph.hold("temperature", row(&[temperature]));
                scores = graph.add("Div", "probabilities", vec![scores, temperature], Vec::new());
            }
            let axis = || vec![("axis", Attribute::Int(1))];
            let probabilities = match decision.decoding {
                Decoding::Softmax => graph.add("Softmax", "probabilities", vec![scores.clone()], axis()),
                Decoding::Sigmoid => graph.add("Sigmoid", "probabilities", vec![scores.clone()], Vec::new()),
            };
            let keep = vec![("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))];
            let (compared, meaning) = match &decision.cutoffs {
                Some(cutoffs) => {
                    let cutoffs = graph.hold("thresholds", row(cutoffs));
                    let times = graph.add("Div", "label", vec![probabilities.clone(), cutoffs], Vec::new());
                    (times, "the class whose probability is most times its threshold")
                }
                None => (written.answer.clone(), "the class with the highest score"),
            };
            let best = graph.add("ArgMax", "label", vec![compared], keep);
            let names = Constant { shape: vec![labels.len()], elements: Elements::Text(labels.clone()) };
            let names = graph.hold("labels", names);
            let label = graph.add("Gather", "label", vec![names, best.clone()], vec![("axis", Attribute::Int(0))]);
            written.class = Some(best);
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
                meaning: meaning.into(),
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
