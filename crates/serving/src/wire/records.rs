//! How do records in JSON become records as they are read from a file, and how are predictions told?

use data_loader::formats::record_from_json;
use data_loader::{Record, Schema};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Refusal;
use crate::model::Card;
use crate::{Error, Prediction};

/// The key under which several records may stand.
const RECORDS: &str = "records";

/// Reads one record, a list of them, or `{"records": [...]}`. Records without a key are called by their place.
///
/// # Errors
/// What is no record of this schema; more than `rows` of them.
pub(crate) fn records(body: &[u8], schema: &Schema, rows: usize) -> Result<Vec<Record>, Refusal> {
    let example = r#"write {"column": value, ...}, a list of such objects, or {"records": [...]}"#;
    let bad = |error: String| Refusal::bad(error).with_hint(example);
    if schema.windows.is_some() {
        return Err(Refusal::bad("the model forecasts from windows over a series, and not from records")
            .with_hint("send the window as the tensor `series` to the address for inference"));
    }
    let json: Value = serde_json::from_slice(body).map_err(|error| bad(format!("the body is not JSON: {error}")))?;
    let is_column = schema.features.0.iter().any(|(name, _)| name == RECORDS);
    let objects = match json {
        Value::Object(mut one) if !is_column && one.contains_key(RECORDS) => match one.remove(RECORDS) {
            Some(Value::Array(all)) => all,
            _ => return Err(bad(format!("`{RECORDS}` is no list"))),
        },
        Value::Object(one) => return Ok(vec![record(&one, schema, "request")?]),
        Value::Array(all) => all,
        _ => return Err(bad("the body is neither an object nor a list".into())),
    };
    if objects.len() > rows {
        let error = format!("the request has {} records, and {rows} are the most", objects.len());
        return Err(Refusal::bad(error).with_hint("ask several times"));
    }
    let read = |(place, object): (usize, &Value)| {
        let object = object.as_object().ok_or_else(|| bad(format!("record #{place} is no object")))?;
        record(object, schema, &format!("#{place}"))
    };
    objects.iter().enumerate().map(read).collect()
}

fn record(object: &Map<String, Value>, schema: &Schema, called: &str) -> Result<Record, Refusal> {
    record_from_json(object, schema, called).map_err(|error| Error::from(error).into())
}

#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'a str,
    predictions: &'a [Prediction],
}

/// Predictions as JSON, one for each record, in order.
pub(crate) fn predictions(predictions: &[Prediction], card: &Card) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Answer { model_name: &card.name, model_version: &card.version, predictions })
}
