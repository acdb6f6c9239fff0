//! What must a page know of a model that its graph does not say? What goes in and comes out, and answers to compare with.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_loader::{Array, ArrayData, Batch, Pipeline, Signature};
use model_zoo::Decoding;
use model_zoo::bundle::{Bundle, Sample};
use model_zoo::graph::MASK;
use serde::Serialize;
use serde_json::{Value, json};

use super::Deployment;
use crate::Error;

/// Transforms that move the pixels of a new image, where nothing is left to chance. The page has a function for each.
const IMAGE_STEPS: [&str; 4] = ["resize", "center_crop", "random_crop", "random_resized_crop"];

/// `model.json`.
#[derive(Serialize)]
struct Description<'a> {
    name: &'a str,
    version: &'a str,
    architecture: String,
    signature: &'a Signature,
    decoding: Decoding,
    temperature: f64,
    /// The threshold of each class, where some were set.
    cutoffs: Option<Vec<f64>>,
    /// What happens to a new image before it is normalised, in order.
    image_steps: Vec<Value>,
    /// Of each category feature what its codes mean, from 1 on.
    categories: BTreeMap<String, Value>,
    golden: Option<Golden>,
}

/// Prepared inputs and the answers to them.
#[derive(Serialize)]
struct Golden {
    tolerance: f32,
    inputs: BTreeMap<String, Packed>,
    outputs: Vec<Vec<f32>>,
}

/// An array: its numbers in base 64, the lowest byte first.
#[derive(Serialize)]
struct Packed {
    dtype: &'static str,
    shape: Vec<usize>,
    data: String,
}

/// The text of `model.json`.
pub fn of(deployment: &Deployment) -> Result<String, Error> {
    let bundle = Bundle::read(&deployment.bundle)?;
    let pipeline = &bundle.pipeline;
    let damaged = |reason| model_zoo::Error::Damaged { path: deployment.bundle.clone(), reason };
    let decision = bundle.manifest.decision().map_err(damaged)?;
    let transforms: Vec<Value> = pipeline.transforms().iter().map(|transform| json!(transform)).collect();
    let description = Description {
        name: &deployment.name,
        version: &deployment.version,
        architecture: kind(&bundle.manifest.architecture),
        signature: pipeline.signature(),
        decoding: decision.decoding,
        temperature: decision.temperature.unwrap_or(1.0),
        cutoffs: decision.cutoffs,
        image_steps: image_steps(pipeline, &transforms),
        categories: categories(&transforms),
        golden: golden(&bundle)?,
    };
    Ok(serde_json::to_string(&description).expect("our own types have text keys") + "\n")
}

/// The name of an architecture, which stands before its settings.
fn kind(architecture: &Value) -> String {
    match architecture {
        Value::Object(settings) => settings.keys().next().cloned().unwrap_or_default(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

fn image_steps(pipeline: &Pipeline, transforms: &[Value]) -> Vec<Value> {
    let moves = |step: &&Value| IMAGE_STEPS.iter().any(|name| step.get(name).is_some());
    let first = pipeline.schema().size_to_read().map(|size| json!({ "resize": { "size": size } }));
    first.into_iter().chain(transforms.iter().filter(moves).cloned()).collect()
}

fn categories(transforms: &[Value]) -> BTreeMap<String, Value> {
    let encoded = transforms.iter().filter_map(|step| step.get("encode")?.get("categories")?.as_object());
    encoded.flatten().map(|(name, known)| (name.clone(), known.clone())).collect()
}

/// The golden samples as the network takes them.
fn golden(bundle: &Bundle) -> Result<Option<Golden>, Error> {
    let Some(golden) = bundle.golden.as_ref().filter(|golden| !golden.samples.is_empty()) else { return Ok(None) };
    let damaged = |reason| model_zoo::Error::Damaged { path: bundle.path.clone(), reason };
    let records = golden.samples.iter().map(Sample::record).collect::<Result<_, _>>().map_err(damaged)?;
    let inputs = packed(&bundle.pipeline.batch(records)?);
    let outputs = golden.samples.iter().map(|sample| sample.output.clone()).collect();
    Ok(Some(Golden { tolerance: golden.tolerance, inputs, outputs }))
}

fn packed(batch: &Batch) -> BTreeMap<String, Packed> {
    let mut inputs = BTreeMap::new();
    for input in &batch.inputs {
        inputs.insert(input.name.clone(), pack(&input.array));
        if let Some(mask) = &input.mask {
            // The graph takes it as floats.
            let floats = ArrayData::F32(mask.iter().map(|there| f32::from(*there)).collect());
            inputs.insert(MASK.to_owned(), pack(&Array { shape: input.array.shape.clone(), data: floats }));
        }
    }
    inputs
}

fn pack(array: &Array) -> Packed {
    let (dtype, bytes) = match &array.data {
        ArrayData::U8(bytes) => ("u8", bytes.clone()),
        ArrayData::F32(numbers) => ("f32", numbers.iter().flat_map(|number| number.to_le_bytes()).collect()),
        ArrayData::I64(numbers) => ("i64", numbers.iter().flat_map(|number| number.to_le_bytes()).collect()),
    };
    Packed { dtype, shape: array.shape.clone(), data: STANDARD.encode(bytes) }
}
