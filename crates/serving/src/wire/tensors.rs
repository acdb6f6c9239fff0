//! How do tensors in JSON become a batch? They are what the signature says, or refused in a sentence.

use data_loader::{Array, ArrayData, Batch, Dtype, ExampleId, InputArray, InputKind, InputSpec, Signature, Target};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::arrays::{Place, numbers};
use super::binary::{self, Packed};
use super::metadata::{MASK, Tensor, datatype, inputs, outputs};
use super::{Refusal, shown};

/// The most numbers in an answer: in JSON they are about ten times as many bytes.
const MOST_NUMBERS: usize = 1 << 23;
/// The longest text, in tokens, where the model states none: what attention needs grows with the square of it.
const LONGEST_TEXT: usize = 4096;

/// No input has as many axes.
const MOST_AXES: usize = 8;

/// The body of a request, numbers still as they stand there.
#[derive(Deserialize)]
struct Written<'a> {
    id: Option<String>,
    #[serde(borrow)]
    inputs: Vec<Given<'a>>,
    outputs: Option<Vec<Wanted>>,
    #[serde(default)]
    parameters: OfRequest,
}

/// What is said of a request; keys of others mean nothing here.
#[derive(Default, Deserialize)]
struct OfRequest {
    /// Whether all outputs come as bytes.
    binary_data_output: Option<bool>,
}

/// What is said of a tensor.
#[derive(Default, Deserialize)]
struct OfTensor {
    /// How many bytes behind the JSON are an input.
    binary_data_size: Option<usize>,
    /// Whether an output comes as bytes.
    binary_data: Option<bool>,
}

/// An input as it stands in a request.
#[derive(Deserialize)]
pub(super) struct Given<'a> {
    pub name: String,
    pub shape: Vec<i64>,
    pub datatype: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    parameters: OfTensor,
    /// What stands of it behind the JSON, or travels as bytes anyway.
    #[serde(skip)]
    pub bytes: Option<&'a [u8]>,
}

impl<'a> Given<'a> {
    /// One that travels as bytes.
    pub(super) fn of_bytes(name: String, datatype: String, shape: Vec<i64>, bytes: &'a [u8]) -> Self {
        Self { name, shape, datatype, data: None, parameters: OfTensor::default(), bytes: Some(bytes) }
    }
}

/// An output that is asked for.
#[derive(Deserialize)]
pub(super) struct Wanted {
    name: String,
    #[serde(default)]
    parameters: OfTensor,
}

impl Wanted {
    /// One that is to come as bytes.
    pub(super) fn as_bytes(name: String) -> Self {
        Self { name, parameters: OfTensor { binary_data_size: None, binary_data: Some(true) } }
    }
}

/// What is to be answered, besides the inputs.
#[derive(Debug)]
pub(crate) struct Question {
    /// What the client calls its request.
    pub id: Option<String>,
    /// The outputs that it wants, in order, and whether as bytes; all if none are named.
    pub outputs: Vec<(&'static str, bool)>,
}

/// Reads the body of a request for a model of this signature; with `json` its JSON has so many bytes, and tensors may stand behind it.
///
/// # Errors
/// What does not suit the protocol, the signature, or `rows`, the most examples.
pub(crate) fn question(
    body: &[u8],
    json: Option<usize>,
    signature: &Signature,
    rows: usize,
) -> Result<(Question, Batch), Refusal> {
    let (json, behind) = binary::parts(body, json)?;
    let mut written: Written = serde_json::from_slice(json).map_err(|error| {
        Refusal::bad(format!("the body is no request of the Open Inference Protocol, version 2, in JSON: {error}"))
            .with_hint(
                r#"it looks like {"inputs": [{"name": "...", "datatype": "...", "shape": [...], "data": [...]}]}"#,
            )
    })?;
    locate(&mut written.inputs, behind)?;
    let gives = outputs(signature);
    let wanted = wanted(written.outputs, &gives, written.parameters.binary_data_output.unwrap_or(false))?;
    Ok((Question { id: written.id, outputs: wanted }, batch(&written.inputs, signature, rows)?))
}

/// What is asked by tensors, as they stand in a request however it is laid out.
///
/// # Errors
/// What does not suit the signature, or `rows`.
pub(super) fn batch(given: &[Given], signature: &Signature, rows: usize) -> Result<Batch, Refusal> {
    let takes = inputs(signature);
    for (place, one) in given.iter().enumerate() {
        if !takes.iter().any(|tensor| tensor.name == one.name) {
            let error = format!("there is no input `{}`", shown(&one.name));
            return Err(Refusal::bad(error).with_hint(described("the model takes", &takes)));
        }
        if given[..place].iter().any(|other| other.name == one.name) {
            return Err(Refusal::bad(format!("the input `{}` stands twice in the request", one.name)));
        }
    }
    let find = |name: &str| given.iter().find(|given| given.name == name);
    let mut arrays = Vec::with_capacity(signature.inputs.len());
    let mut first: Option<(usize, &str)> = None;
    for spec in &signature.inputs {
        let given = find(&spec.name).ok_or_else(|| {
            let error = format!("the request lacks the input `{}`", spec.name);
            Refusal::bad(error).with_hint(described("the model takes", &takes))
        })?;
        let array = array(given, spec, rows)?;
        match first {
            None => first = Some((array.shape[0], &spec.name)),
            Some((count, name)) if count != array.shape[0] => {
                let other = array.shape[0];
                return Err(Refusal::bad(format!("`{name}` has {count} examples, and `{}` has {other}", spec.name)));
            }
            Some(_) => {}
        }
        let mask = match &spec.kind {
            InputKind::Tokens { .. } => find(MASK).map(|given| mask(given, &array.shape)).transpose()?,
            _ => None,
        };
        arrays.push(InputArray { name: spec.name.clone(), array, mask, lengths: None });
    }
    check_size(&outputs(signature), &arrays)?;
    let ids = (0..first.map_or(0, |(count, _)| count)).map(|row| ExampleId { key: format!("#{row}") }).collect();
    Ok(Batch::of(arrays, Target::None, ids))
}

/// Finds the bytes of each input that has some behind the JSON, one behind the other.
fn locate<'a>(given: &mut [Given<'a>], mut behind: &'a [u8]) -> Result<(), Refusal> {
    for given in given {
        let Some(size) = given.parameters.binary_data_size else { continue };
        if given.data.is_some() {
            return Err(Refusal::bad(format!("the input `{}` has `data`, and bytes too", shown(&given.name))));
        }
        let Some((own, rest)) = behind.split_at_checked(size) else {
            let left = behind.len();
            let error = format!("the input `{}` should have {size} bytes, and {left} are left", shown(&given.name));
            return Err(Refusal::bad(error));
        };
        given.bytes = Some(own);
        behind = rest;
    }
    match behind.len() {
        0 => Ok(()),
        left => Err(Refusal::bad(format!("{left} bytes behind the JSON belong to no input"))
            .with_hint("`parameters.binary_data_size` of an input tells how many are its own")),
    }
}

/// Tensors in a few words.
fn described(takes: &str, tensors: &[Tensor]) -> String {
    let one = |tensor: &Tensor| {
        let optional = if tensor.optional { ", which may be left out" } else { "" };
        format!("`{}` ({} {:?}{optional})", tensor.name, tensor.datatype, tensor.shape)
    };
    format!("{takes} {}", tensors.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// The array of an input, if its type and shape are those of the signature.
fn array(given: &Given, spec: &InputSpec, rows: usize) -> Result<Array, Refusal> {
    let wanted = datatype(spec.dtype);
    if given.datatype != wanted {
        let found = shown(&given.datatype);
        return Err(Refusal::bad(format!("the input `{}` is {found}, and must be {wanted}", spec.name)));
    }
    let shape = sizes(given)?;
    let fits = shape.len() == spec.shape.len() + 1
        && shape[1..].iter().zip(&spec.shape).all(|(have, want)| want.is_none_or(|want| want == *have));
    if !fits {
        let sizes: Vec<i64> = spec.shape.iter().map(|size| size.map_or(-1, |size| size as i64)).collect();
        let text = sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let error =
            format!("the input `{}` has the shape {:?}, and must have [examples, {text}]", spec.name, given.shape);
        return Err(Refusal::bad(error).with_hint("-1 stands for any size"));
    }
    if shape[0] > rows {
        let error = format!("the request has {} examples, and {rows} are the most", shape[0]);
        return Err(Refusal::bad(error).with_hint("ask several times"));
    }
    if let InputKind::Tokens { max_length, .. } = spec.kind {
        let longest = if max_length == 0 { LONGEST_TEXT } else { max_length };
        if shape[1] > longest {
            return Err(Refusal::bad(format!("the texts have {} tokens, and {longest} are the most", shape[1])));
        }
    }
    let data = match spec.dtype {
        Dtype::U8 => ArrayData::U8(data(given, &shape)?),
        Dtype::F32 => ArrayData::F32(data(given, &shape)?),
        Dtype::I64 => ArrayData::I64(data(given, &shape)?),
    };
    Ok(Array { shape, data })
}

/// The shape, of which no size is 0: there is nothing to answer to then.
fn sizes(given: &Given) -> Result<Vec<usize>, Refusal> {
    if given.shape.len() > MOST_AXES {
        let (name, axes) = (&given.name, given.shape.len());
        return Err(Refusal::bad(format!("the input `{name}` has {axes} axes, and none has more than {MOST_AXES}")));
    }
    let size = |size: &i64| usize::try_from(*size).ok().filter(|size| *size > 0);
    given.shape.iter().map(size).collect::<Option<_>>().ok_or_else(|| {
        Refusal::bad(format!(
            "the input `{}` has the shape {:?}, and all sizes must be above 0",
            given.name, given.shape
        ))
    })
}

fn data<T: Packed>(given: &Given, shape: &[usize]) -> Result<Vec<T>, Refusal> {
    let wrong = |reason: String| Refusal::bad(format!("the data of `{}`: {reason}", given.name));
    match (given.bytes, given.data) {
        (Some(bytes), _) => binary::unpacked(bytes, shape.iter().product()).map_err(wrong),
        (None, Some(json)) => numbers(json, shape).map_err(wrong),
        (None, None) => Err(Refusal::bad(format!("the input `{}` has no `data`", given.name))
            .with_hint("write it as JSON, or as bytes behind it with `parameters.binary_data_size`")),
    }
}

/// Where there is content, in the shape of the tokens.
fn mask(given: &Given, tokens: &[usize]) -> Result<Vec<u8>, Refusal> {
    if !["FP32", "BOOL"].contains(&&*given.datatype) {
        let found = shown(&given.datatype);
        return Err(Refusal::bad(format!("the input `{MASK}` is {found}, and must be FP32 or BOOL")));
    }
    if sizes(given)? != tokens {
        let error = format!("the input `{MASK}` has the shape {:?}, and the tokens have {tokens:?}", given.shape);
        return Err(Refusal::bad(error));
    }
    let wrong = |reason: String| Refusal::bad(format!("the data of `{MASK}`: {reason}"));
    let places: Vec<Place> = match (given.bytes, given.data) {
        (Some(bytes), _) => binary::places(bytes, tokens.iter().product(), given.datatype == "FP32").map_err(wrong)?,
        (None, Some(json)) => numbers(json, tokens).map_err(wrong)?,
        (None, None) => return Err(Refusal::bad(format!("the input `{MASK}` has no `data`"))),
    };
    let mask: Vec<u8> = places.into_iter().map(|Place(content)| u8::from(content)).collect();
    match mask.chunks(tokens[1]).position(|row| !row.contains(&1)) {
        Some(row) => Err(Refusal::bad(format!("by the mask there is nothing but padding in example {row}"))),
        None => Ok(mask),
    }
}

/// Whether the answer has a size that can be sent.
fn check_size(gives: &[Tensor], inputs: &[InputArray]) -> Result<(), Refusal> {
    let shape = inputs.first().map_or(&[][..], |input| &input.array.shape);
    for tensor in gives {
        // A size that varies is that of the input: the examples, and behind them the places in a text.
        let size = |(axis, size): (usize, &i64)| usize::try_from(*size).ok().or(shape.get(axis).copied()).unwrap_or(1);
        let count = tensor.shape.iter().enumerate().map(size).try_fold(1_usize, usize::checked_mul);
        if count.is_none_or(|count| count > MOST_NUMBERS) {
            let error = format!("the answer would have more than {MOST_NUMBERS} numbers");
            return Err(Refusal::bad(error).with_hint("ask for fewer examples at once"));
        }
    }
    Ok(())
}

/// The outputs that are asked for; all if none is.
///
/// # Errors
/// If the model gives no output of that name.
pub(super) fn wanted(
    asked: Option<Vec<Wanted>>,
    gives: &[Tensor],
    as_bytes: bool,
) -> Result<Vec<(&'static str, bool)>, Refusal> {
    let asked = asked.unwrap_or_default();
    if asked.is_empty() {
        return Ok(gives.iter().map(|tensor| (tensor.name, as_bytes)).collect());
    }
    let find = |wanted: &Wanted| {
        let own = wanted.parameters.binary_data.unwrap_or(as_bytes);
        gives.iter().find(|tensor| tensor.name == wanted.name).map(|tensor| (tensor.name, own)).ok_or_else(|| {
            let error = format!("there is no output `{}`", shown(&wanted.name));
            Refusal::bad(error).with_hint(described("the model gives", gives))
        })
    };
    let mut names: Vec<(&'static str, bool)> = asked.iter().map(find).collect::<Result<_, _>>()?;
    let mut seen = Vec::new();
    names.retain(|(name, _)| {
        !seen.contains(name) && {
            seen.push(*name);
            true
        }
    });
    Ok(names)
}
