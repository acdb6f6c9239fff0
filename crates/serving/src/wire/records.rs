//! How do records that were sent become records as they are read from a file, and how are predictions told?

use std::time::Duration;

use bytes::Bytes;
use data_loader::formats::{record_from_image, record_from_json};
use data_loader::sent::{record_from_text, records_from_csv};
use data_loader::{FeatureKind, Record, Schema};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Refusal;
use super::objects::{self, Objects};
use crate::registry::Version;
use crate::{Error, Prediction};

/// The longest side of an image: one that is thin and long becomes large where it is brought to another size.
const LONGEST_SIDE: u32 = 1 << 15;
/// What one record is called that says nothing of it.
const CALLED: &str = "request";

/// What is sent to be predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One record, a list of them, or `{"records": [...]}`.
    Json,
    /// A line of names, and a record in each further line.
    Csv,
    /// The text itself.
    Text,
    /// A PNG or JPEG file.
    Image,
}

/// What was sent, and how much of it may be read.
#[derive(Clone)]
pub(crate) struct Sent {
    pub kind: Kind,
    pub bytes: Bytes,
    /// The most records.
    pub rows: usize,
    /// The most pixels of an image.
    pub pixels: u64,
}

impl Sent {
    /// About how many bytes there are to be looked at: an image is small as it is sent, and not as it is decoded.
    pub(crate) fn work(&self) -> usize {
        if self.kind == Kind::Image { usize::MAX } else { self.bytes.len() }
    }
}

/// Reads the records that were sent. Records without a key are called by their place.
///
/// # Errors
/// What is no record of this schema; more of them than may be.
pub(crate) fn records(sent: &Sent, schema: &Schema) -> Result<Vec<Record>, Refusal> {
    if schema.windows.is_some() {
        return Err(Refusal::bad("the model forecasts from windows over a series, and not from records")
            .with_hint("send the window as the tensor `series` to the address for inference"));
    }
    match sent.kind {
        Kind::Json => from_json(&sent.bytes, schema, sent.rows),
        Kind::Csv => Ok(records_from_csv(&sent.bytes, schema, sent.rows).map_err(Error::from)?),
        Kind::Text => {
            let text = std::str::from_utf8(&sent.bytes).map_err(|_| Refusal::bad("the body is no text in UTF-8"))?;
            let takes = "the model takes no texts alone";
            let read = record_from_text(text, schema, CALLED);
            Ok(vec![read.ok_or_else(|| Refusal::bad(takes).with_hint("send records in JSON or CSV"))?])
        }
        Kind::Image => Ok(vec![image(&sent.bytes, schema, sent.pixels)?]),
    }
}

fn from_json(body: &[u8], schema: &Schema, rows: usize) -> Result<Vec<Record>, Refusal> {
    let example = r#"write {"column": value, ...}, a list of such objects, or {"records": [...]}"#;
    match objects::read(body, schema, rows).map_err(|error| Refusal::bad(error).with_hint(example))? {
        Objects::One(object) => Ok(vec![record(&object, schema, CALLED)?]),
        Objects::Many(objects) => {
            let read = |(place, object)| record(object, schema, &format!("#{place}"));
            objects.iter().enumerate().map(read).collect()
        }
    }
}

fn image(body: &[u8], schema: &Schema, pixels: u64) -> Result<Record, Refusal> {
    if !matches!(schema.features.0.as_slice(), [(_, FeatureKind::Image)]) {
        return Err(Refusal::bad("the model takes no images alone").with_hint("send records in JSON"));
    }
    if let Some(side) = png_side(body).filter(|side| *side > LONGEST_SIDE) {
        return Err(Refusal::bad(format!("the image has a side of {side} pixels, and {LONGEST_SIDE} are the most")));
    }
    let read = record_from_image(body, schema, pixels, CALLED);
    // What is said of files in a folder is nothing to those who send one.
    read.map_err(|error| Refusal { hint: Some("send a whole PNG or JPEG file".into()), ..Error::from(error).into() })
}

/// The longer side of a PNG, as its head says.
fn png_side(bytes: &[u8]) -> Option<u32> {
    let head = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(8..16)?;
    let (width, height) = head.split_at(4);
    Some(u32::from_be_bytes(width.try_into().ok()?).max(u32::from_be_bytes(height.try_into().ok()?)))
}

fn record(object: &Map<String, Value>, schema: &Schema, called: &str) -> Result<Record, Refusal> {
    record_from_json(object, schema, called).map_err(|error| Error::from(error).into())
}

#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'a str,
    /// From the head of the request until now.
    milliseconds: f64,
    predictions: &'a [Prediction],
}

/// Predictions as JSON, one for each record, in order; it took so long to find them.
pub(crate) fn predictions(predictions: &[Prediction], served: &Version, took: Duration) -> serde_json::Result<Vec<u8>> {
    let milliseconds = took.as_micros() as f64 / 1e3;
    serde_json::to_vec(&Answer { model_name: &served.name, model_version: &served.id, milliseconds, predictions })
}
