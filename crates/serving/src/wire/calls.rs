//! How does a call over gRPC become a batch, and an answer a message? In the words of [`messages`](super::messages).

use data_loader::{Batch, Signature};
use tonic::{Code, Status};

use super::messages::{self, Contents, InferRequest, InferResponse, ModelMetadata, ServerMetadata, TensorMetadata};
use super::tensors::{Given, Question, Wanted, batch, wanted};
use super::{Refusal, metadata, outputs, shown};
use crate::predictor::Numbers;
use crate::registry::Version;

/// The most inputs, outputs or parameters of a message: a field of two bytes becomes hundreds where it is read.
const MOST_FIELDS: usize = 64;

/// Counts the fields of a message before it is read, by the layout of protobuf.
///
/// # Errors
/// If one stands more often than it may; what is no message is found out by whoever reads it.
pub(crate) fn check_message(mut bytes: &[u8]) -> Result<(), Refusal> {
    let mut counts = [0_usize; 16];
    while let Some(tag) = varint(&mut bytes) {
        if let Some(count) = usize::try_from(tag >> 3).ok().and_then(|field| counts.get_mut(field)) {
            *count += 1;
            if *count > MOST_FIELDS {
                return Err(Refusal::bad(format!("the message has a field more than {MOST_FIELDS} times")));
            }
        }
        let length = match tag & 7 {
            0 => varint(&mut bytes).map(|_| 0),
            1 => Some(8),
            2 => varint(&mut bytes),
            5 => Some(4),
            _ => None,
        };
        let rest = length.and_then(|length| usize::try_from(length).ok()).and_then(|length| bytes.get(length..));
        let Some(rest) = rest else { return Ok(()) };
        bytes = rest;
    }
    Ok(())
}

/// Takes a number of as many bytes as it needs.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

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

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn fields_are_counted_before_they_become_memory() {
        let request = |inputs: usize| InferRequest {
            model_name: "m".into(),
            inputs: vec![messages::InputTensor { name: "x".repeat(200), ..Default::default() }; inputs],
            ..Default::default()
        };
        check_message(&request(MOST_FIELDS).encode_to_vec()).unwrap();
        assert_eq!(check_message(&request(MOST_FIELDS + 1).encode_to_vec()).unwrap_err().status, 400);
        assert!(check_message(&[0x2a, 0].repeat(1 << 20)).is_err());
        for odd in [&[][..], &[0x2a], &[0x2a, 0xff], &[0xff; 20], &[0x2b], &[0x0d, 1, 2, 3, 4], &[0x08, 0x96, 0x01]] {
            check_message(odd).unwrap();
        }
    }
}
