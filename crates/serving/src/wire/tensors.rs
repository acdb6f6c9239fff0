//! How do tensors in JSON become a batch? They are what the signature says, or refused in a sentence.

use data_loader::{Array, ArrayData, Batch, Dtype, ExampleId, InputArray, InputKind, InputSpec, Signature, Target};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::arrays::{Place, numbers};
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
}

#[derive(Deserialize)]
struct Given<'a> {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
}

/// What is to be answered, besides the inputs.
#[derive(Debug)]
pub(crate) struct Question {
    /// What the client calls its request.
    pub id: Option<String>,
    /// The outputs that it wants, in order; all if none are named.
    pub outputs: Vec<&'static str>,
}

/// Reads the body of a request for a model of this signature.
///
/// # Errors
/// What does not suit the protocol, the signature, or `rows`, the most examples.
pub(crate) fn question(body: &[u8], signature: &Signature, rows: usize) -> Result<(Question, Batch), Refusal> {
    let written: Written = serde_json::from_slice(body).map_err(|error| {
        Refusal::bad(format!("the body is no request of the Open Inference Protocol, version 2, in JSON: {error}"))
            .with_hint(
                r#"it looks like {"inputs": [{"name": "...", "datatype": "...", "shape": [...], "data": [...]}]}"#,
            )
    })?;
    let takes = inputs(signature);
    for (place, given) in written.inputs.iter().enumerate() {
        if !takes.iter().any(|tensor| tensor.name == given.name) {
            let error = format!("there is no input `{}`", shown(&given.name));
            return Err(Refusal::bad(error).with_hint(described("the model takes", &takes)));
        }
        if written.inputs[..place].iter().any(|other| other.name == given.name) {
            return Err(Refusal::bad(format!("the input `{}` stands twice in the request", given.name)));
        }
    }
    let find = |name: &str| written.inputs.iter().find(|given| given.name == name);
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
    let gives = outputs(signature);
    check_size(&gives, &arrays)?;
    let wanted = wanted(written.outputs, &gives)?;
    let ids = (0..first.map_or(0, |(count, _)| count)).map(|row| ExampleId { key: format!("#{row}") }).collect();
    Ok((Question { id: written.id, outputs: wanted }, Batch::of(arrays, Target::None, ids)))
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

fn data<T: super::arrays::Element>(given: &Given, shape: &[usize]) -> Result<Vec<T>, Refusal> {
    let Some(json) = given.data else {
        let error = format!("the input `{}` has no `data`", given.name);
        return Err(Refusal::bad(error).with_hint("tensors are taken as JSON; binary ones are not"));
    };
    numbers(json, shape).map_err(|reason| Refusal::bad(format!("the data of `{}`: {reason}", given.name)))
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
    let mask: Vec<u8> = data::<Place>(given, tokens)?.into_iter().map(|Place(content)| u8::from(content)).collect();
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

/// The outputs that are asked for.
fn wanted(asked: Option<Vec<Wanted>>, gives: &[Tensor]) -> Result<Vec<&'static str>, Refusal> {
    let asked = asked.unwrap_or_default();
    if asked.is_empty() {
        return Ok(gives.iter().map(|tensor| tensor.name).collect());
    }
    let find = |wanted: &Wanted| {
        gives.iter().find(|tensor| tensor.name == wanted.name).map(|tensor| tensor.name).ok_or_else(|| {
            let error = format!("there is no output `{}`", shown(&wanted.name));
            Refusal::bad(error).with_hint(described("the model gives", gives))
        })
    };
    let mut names: Vec<&'static str> = asked.iter().map(find).collect::<Result<_, _>>()?;
    let mut seen = Vec::new();
    names.retain(|name| {
        !seen.contains(name) && {
            seen.push(name);
            true
        }
    });
    Ok(names)
}
