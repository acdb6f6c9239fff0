//! Which tensors does a model take and give?

use data_loader::{Dtype, InputKind, InputSpec, OutputSpec, Signature, reconstruction};
use serde::Serialize;

use super::messages::IndexEntry;
use crate::registry::{Entry, Stage, Version};

/// The mask that may come beside tokens.
pub(super) const MASK: &str = "mask";
/// What the protocol calls a size that differs from request to request.
const VARIES: i64 = -1;

/// One tensor as the protocol describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Tensor {
    pub name: &'static str,
    pub datatype: &'static str,
    pub shape: Vec<i64>,
    /// Whether it may be left out; a word of our own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

impl Tensor {
    fn new(name: &'static str, datatype: &'static str, behind: impl IntoIterator<Item = Option<usize>>) -> Self {
        let sizes = behind.into_iter().map(|size| size.map_or(VARIES, |size| size as i64));
        Self { name, datatype, shape: std::iter::once(VARIES).chain(sizes).collect(), optional: false }
    }
}

/// What is said of the server.
#[derive(Serialize)]
pub(crate) struct Server {
    pub name: &'static str,
    pub version: &'static str,
    pub extensions: &'static [&'static str],
}

/// What is said of a model.
#[derive(Serialize)]
pub(crate) struct Model<'a> {
    pub name: &'a str,
    pub versions: Vec<String>,
    pub platform: &'static str,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
}

/// The answer to `GET /v2`.
pub(crate) fn server() -> Server {
    Server {
        name: "firebox",
        version: env!("CARGO_PKG_VERSION"),
        extensions: &["binary_tensor_data", "model_repository", "statistics"],
    }
}

/// The answer to `GET /v2/models/NAME`.
pub(crate) fn model(version: &Version, versions: Vec<String>) -> Model<'_> {
    Model {
        name: &version.name,
        versions,
        platform: "firebox_bundle",
        inputs: inputs(version.signature()),
        outputs: outputs(version.signature()),
    }
}

/// What the protocol calls a model that answers.
pub(crate) const READY: &str = "READY";

/// A model in the index of all.
pub(crate) fn entry(entry: &Entry) -> IndexEntry {
    let (state, reason) = match &entry.stage {
        Stage::Ready => (READY, ""),
        Stage::Opening | Stage::Returning => ("LOADING", ""),
        Stage::Failed(reason) => ("UNAVAILABLE", reason.as_str()),
        Stage::Unloaded => ("UNAVAILABLE", "unloaded"),
        Stage::Evicted => ("UNAVAILABLE", "it made room for others, and is read again when it is asked for"),
    };
    IndexEntry {
        name: entry.name.clone(),
        version: entry.newest.clone().unwrap_or_default(),
        state: state.to_owned(),
        reason: reason.to_owned(),
    }
}

/// How the protocol calls the type in which an input travels.
pub(super) fn datatype(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::U8 => "UINT8",
        Dtype::F32 => "FP32",
        Dtype::I64 => "INT64",
    }
}

/// The tensors that go in; a mask stands behind the tokens to which it belongs.
pub(crate) fn inputs(signature: &Signature) -> Vec<Tensor> {
    let of_spec = |spec: &InputSpec| {
        let name = match spec.kind {
            InputKind::Image { .. } => "image",
            InputKind::Numbers { .. } => "numbers",
            InputKind::Categories { .. } => "categories",
            InputKind::Tokens { .. } => "tokens",
            InputKind::Series { .. } => "series",
        };
        let mask = Tensor { optional: true, ..Tensor::new(MASK, "FP32", [None]) };
        let mask = matches!(spec.kind, InputKind::Tokens { .. }).then_some(mask);
        std::iter::once(Tensor::new(name, datatype(spec.dtype), spec.shape.iter().copied())).chain(mask)
    };
    signature.inputs.iter().flat_map(of_spec).collect()
}

/// The tensors that come out, under the names that they have in an export to ONNX; of a classifier also what they mean.
pub(crate) fn outputs(signature: &Signature) -> Vec<Tensor> {
    let float = |name: &'static str, behind: &[Option<usize>]| Tensor::new(name, "FP32", behind.iter().copied());
    match &signature.output {
        OutputSpec::Classes { labels } => {
            let classes = [Some(labels.len())];
            vec![float("scores", &classes), float("probabilities", &classes), Tensor::new("label", "BYTES", [])]
        }
        OutputSpec::Values { names, .. } => vec![float("values", &[Some(names.len())])],
        OutputSpec::Horizon { names, quantiles, .. } => {
            vec![float("horizon", &[Some(names.len()), Some(quantiles.len().max(1))])]
        }
        OutputSpec::Mask { labels } => {
            let sides = signature.input("image").map_or([None, None], |image| match image.shape[..] {
                [_, height, width] => [height, width],
                _ => [None, None],
            });
            vec![float("scores", &[Some(labels.len()), sides[0], sides[1]])]
        }
        OutputSpec::Tokens { vocabulary } => vec![float("scores", &[None, Some(*vocabulary)])],
        OutputSpec::Inputs => {
            let width = reconstruction::features(signature).map(|all| all.iter().map(|(_, width)| width).sum());
            vec![float("reconstruction", &[width])]
        }
        OutputSpec::Embedding { size } => vec![float("embedding", &[Some(*size)])],
    }
}
