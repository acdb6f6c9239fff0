//! How does a call over gRPC become a batch, and an answer a message? In the words of [`messages`](super::messages).

use data_loader::{Batch, Signature};
use tonic::{Code, Status};

use super::messages::{self, Contents, InferRequest, InferResponse, ModelMetadata, ServerMetadata, TensorMetadata};
use super::tensors::{Given, Question, Wanted, batch, wanted};
use super::{Refusal, metadata, outputs, shown};
use crate::predictor::Numbers;
use crate::registry::Version;

/// What is asked by a call.
///
/// # Errors
/// What does not suit the protocol, the signature, or `rows`, the most examples.
pub(crate) fn called(request: InferRequest, signature: &Signature, rows: usize) -> Result<(Question, Batch), Refusal> {
    let InferRequest { id, inputs, outputs, raw_input_contents: raw, .. } = request;
    let lists: Vec<Option<Vec<u8>>> = match raw.as_slice() {
        [] => inputs
            .iter()
            .map(|input| packed(&input.name, &input.datatype, input.contents.as_ref()))
            .collect::<Result<_, _>>()?,
        raw if raw.len() == inputs.len() => {
            if let Some(input) = inputs.iter().find(|input| input.contents.is_some()) {
                let error = format!("the input `{}` has `contents`, and bytes too", shown(&input.name));
                return Err(Refusal::bad(error));
            }
            vec![None; inputs.len()]
        }
        raw => {
            let error = format!("there are {} inputs, and the bytes of {}", inputs.len(), raw.len());
            return Err(
                Refusal::bad(error).with_hint("`raw_input_contents` has an entry for each input, or none at all")
            );
        }
    };
    let given = inputs.into_iter().zip(&lists).enumerate().map(|(place, (input, list))| {
        let bytes = list.as_deref().or_else(|| raw.get(place).map(AsRef::as_ref)).unwrap_or_default();
        Given::of_bytes(input.name, input.datatype, input.shape, bytes)
    });
    let batch = batch(&given.collect::<Vec<_>>(), signature, rows)?;
    let asked = outputs.into_iter().map(|output| Wanted::as_bytes(output.name)).collect();
    let outputs = wanted(Some(asked), &metadata::outputs(signature), true)?;
    Ok((Question { id: Some(id), outputs }, batch))
}

/// The list of `contents` that belongs to a type, as bytes.
fn packed(name: &str, datatype: &str, contents: Option<&Contents>) -> Result<Option<Vec<u8>>, Refusal> {
    let contents = contents.ok_or_else(|| Refusal::bad(format!("the input `{}` has no data", shown(name))))?;
    let bytes = match datatype {
        "BOOL" => contents.bools.iter().map(|place| u8::from(*place)).collect(),
        "UINT8" => {
            contents.uints.iter().map(|number| u8::try_from(*number)).collect::<Result<_, _>>().map_err(|_| {
                Refusal::bad(format!("the data of `{}`: one of them is not a whole number from 0 to 255", shown(name)))
            })?
        }
        "INT64" => contents.longs.iter().flat_map(|number| number.to_le_bytes()).collect(),
        "FP32" => contents.floats.iter().flat_map(|number| number.to_le_bytes()).collect(),
        // No input is of another type, as is said of it in a moment.
        _ => Vec::new(),
    };
    Ok(Some(bytes))
}

/// The answer to a question whose examples were answered with `numbers`; data travel as bytes.
pub(crate) fn response(question: &Question, numbers: &Numbers, served: &Version) -> InferResponse {
    let (mut tensors, mut raw) = (Vec::new(), Vec::new());
    for (name, _) in &question.outputs {
        let (tensor, bytes) = outputs::packed(name, numbers, served);
        tensors.push(tensor);
        raw.push(bytes);
    }
    InferResponse {
        model_name: served.name.clone(),
        model_version: served.id.clone(),
        id: question.id.clone().unwrap_or_default(),
        outputs: tensors,
        raw_output_contents: raw,
    }
}

/// What is said of the server.
pub(crate) fn server_metadata() -> ServerMetadata {
    let metadata::Server { name, version, extensions } = metadata::server();
    let extensions = extensions.iter().map(|extension| (*extension).to_owned()).collect();
    ServerMetadata { name: name.to_owned(), version: version.to_owned(), extensions }
}

/// What is said of a model.
pub(crate) fn model_metadata(version: &Version, versions: Vec<String>) -> ModelMetadata {
    let tensor = |tensor: metadata::Tensor| TensorMetadata {
        name: tensor.name.to_owned(),
        datatype: tensor.datatype.to_owned(),
        shape: tensor.shape,
    };
    let metadata::Model { name, versions, platform, inputs, outputs } = metadata::model(version, versions);
    messages::ModelMetadata {
        name: name.to_owned(),
        versions,
        platform: platform.to_owned(),
        inputs: inputs.into_iter().map(tensor).collect(),
        outputs: outputs.into_iter().map(tensor).collect(),
    }
}

/// How gRPC says why a request is turned down.
pub(crate) fn status(refusal: &Refusal) -> Status {
    let code = match refusal.status {
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        405 => Code::Unimplemented,
        408 | 504 => Code::DeadlineExceeded,
        413 | 429 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        400..500 => Code::InvalidArgument,
        _ => Code::Internal,
    };
    let hint = refusal.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
    Status::new(code, format!("{}{hint}", refusal.error))
}
