//! How does an answer become tensors in JSON?

use data_loader::OutputSpec;
use serde::Serialize;

use super::Question;
use crate::predictor::Numbers;
use crate::registry::Version;

#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: Vec<Tensor<'a>>,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'static str,
    datatype: &'static str,
    shape: Vec<usize>,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Numbers(&'a [f32]),
    Texts(Vec<&'a str>),
}

/// The answer to a question whose examples were answered with `numbers`, as JSON; data are flat and row-major.
pub(crate) fn answer(question: &Question, numbers: &Numbers, served: &Version) -> serde_json::Result<Vec<u8>> {
    let outputs = question.outputs.iter().map(|name| tensor(name, numbers, served)).collect();
    let Version { name, id: version, .. } = served;
    serde_json::to_vec(&Answer { model_name: name, model_version: version, id: question.id.as_deref(), outputs })
}

fn tensor<'a>(name: &'static str, numbers: &'a Numbers, served: &'a Version) -> Tensor<'a> {
    let float = |values| Tensor { name, datatype: "FP32", shape: numbers.shape.clone(), data: Data::Numbers(values) };
    match (name, &numbers.classes, &served.signature().output) {
        ("probabilities", Some(classes), _) => float(&classes.probabilities),
        ("label", Some(classes), OutputSpec::Classes { labels }) => {
            let label = |place: &usize| labels.get(*place).map_or("", String::as_str);
            let texts: Vec<&str> = classes.answered.iter().map(label).collect();
            Tensor { name, datatype: "BYTES", shape: vec![texts.len()], data: Data::Texts(texts) }
        }
        _ => float(&numbers.values),
    }
}
