//! How does an answer become tensors in JSON?

use data_loader::OutputSpec;
use serde::Serialize;

use super::messages::TensorMetadata;
use super::{Question, binary};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

#[derive(Serialize)]
struct Parameters {
    binary_data_size: usize,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Numbers(&'a [f32]),
    Texts(Vec<&'a str>),
}

impl Data<'_> {
    /// As bytes.
    fn packed(&self) -> Vec<u8> {
        match self {
            Self::Numbers(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Texts(texts) => binary::texts(texts),
        }
    }
}

/// An answer as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// All of it.
    pub bytes: Vec<u8>,
    /// How many of them are JSON, if tensors stand behind it.
    pub json: Option<usize>,
}

/// The answer to a question whose examples were answered with `numbers`; data are flat and row-major, as JSON or as bytes behind it.
pub(crate) fn answer(question: &Question, numbers: &Numbers, served: &Version) -> serde_json::Result<Told> {
    let mut behind = Vec::new();
    let mut outputs = Vec::new();
    for (name, as_bytes) in &question.outputs {
        let mut tensor = tensor(name, numbers, served);
        if *as_bytes && let Some(data) = tensor.data.take() {
            let bytes = data.packed();
            tensor.parameters = Some(Parameters { binary_data_size: bytes.len() });
            behind.push(bytes);
        }
        outputs.push(tensor);
    }
    let Version { name, id: version, .. } = served;
    let answer = Answer { model_name: name, model_version: version, id: question.id.as_deref(), outputs };
    let mut bytes = serde_json::to_vec(&answer)?;
    let json = (!behind.is_empty()).then_some(bytes.len());
    bytes.extend(behind.concat());
    Ok(Told { bytes, json })
}

/// An output that is described in one place and travels as bytes in another.
pub(super) fn packed(name: &'static str, numbers: &Numbers, served: &Version) -> (TensorMetadata, Vec<u8>) {
    let Tensor { name, datatype, shape, data, .. } = tensor(name, numbers, served);
    let shape = shape.into_iter().map(|size| size as i64).collect();
    let bytes = data.map_or_else(Vec::new, |data| data.packed());
    (TensorMetadata { name: name.to_owned(), datatype: datatype.to_owned(), shape }, bytes)
}

fn tensor<'a>(name: &'static str, numbers: &'a Numbers, served: &'a Version) -> Tensor<'a> {
    let of = |datatype, shape, data| Tensor { name, datatype, shape, parameters: None, data: Some(data) };
    let float = |values| of("FP32", numbers.shape.clone(), Data::Numbers(values));
    match (name, &numbers.classes, &served.signature().output) {
        ("probabilities", Some(classes), _) => float(&classes.probabilities),
        ("label", Some(classes), OutputSpec::Classes { labels }) => {
            let label = |place: &usize| labels.get(*place).map_or("", String::as_str);
            let texts: Vec<&str> = classes.answered.iter().map(label).collect();
            of("BYTES", vec![texts.len()], Data::Texts(texts))
        }
        _ => float(&numbers.values),
    }
}
