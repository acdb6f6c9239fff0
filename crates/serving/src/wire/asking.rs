//! How is a batch asked for over the wire? The other half of `tensors`, for those who measure a server.

use data_loader::{ArrayData, Batch, Signature};
use serde_json::{Value, json};

use super::metadata::{MASK, datatype, inputs};

/// The body of a request for the answers to `batch`, as the Open Inference Protocol has it, in JSON.
pub(crate) fn asking(batch: &Batch, signature: &Signature) -> Vec<u8> {
    let takes = inputs(signature);
    let mut tensors = Vec::new();
    for (spec, given) in signature.inputs.iter().zip(&batch.inputs) {
        let named = |name: &str| takes.iter().any(|tensor| tensor.name == name);
        let data: Value = match &given.array.data {
            ArrayData::U8(values) => json!(values),
            ArrayData::F32(values) => json!(values),
            ArrayData::I64(values) => json!(values),
        };
        let name = spec.name.as_str();
        tensors
            .push(json!({ "name": name, "datatype": datatype(spec.dtype), "shape": given.array.shape, "data": data }));
        if let Some(mask) = given.mask.as_ref().filter(|_| named(MASK)) {
            tensors.push(json!({ "name": MASK, "datatype": "FP32", "shape": given.array.shape, "data": mask }));
        }
    }
    json!({ "inputs": tensors }).to_string().into_bytes()
}
