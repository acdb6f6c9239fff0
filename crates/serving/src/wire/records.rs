//! How do records in JSON become records as they are read from a file, and how are predictions told?

use data_loader::formats::{record_from_image, record_from_json};
use data_loader::{FeatureKind, Record, Schema};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Refusal;
use super::objects::{self, Objects};
use crate::registry::Version;
use crate::{Error, Prediction};

/// Reads one record, a list of them, or `{"records": [...]}`. Records without a key are called by their place.
///
/// # Errors
/// What is no record of this schema; more than `rows` of them.
pub(crate) fn records(body: &[u8], schema: &Schema, rows: usize) -> Result<Vec<Record>, Refusal> {
    if schema.windows.is_some() {
        return Err(Refusal::bad("the model forecasts from windows over a series, and not from records")
            .with_hint("send the window as the tensor `series` to the address for inference"));
    }
    let example = r#"write {"column": value, ...}, a list of such objects, or {"records": [...]}"#;
    match objects::read(body, schema, rows).map_err(|error| Refusal::bad(error).with_hint(example))? {
        Objects::One(object) => Ok(vec![record(&object, schema, "request")?]),
        Objects::Many(objects) => {
            let read = |(place, object)| record(object, schema, &format!("#{place}"));
            objects.iter().enumerate().map(read).collect()
        }
    }
}

/// Reads an image as a file, PNG or JPEG.
///
/// # Errors
/// If it is none, has more than `pixels` pixels, or the model takes something else.
pub(crate) fn image(body: &[u8], schema: &Schema, pixels: u64) -> Result<Record, Refusal> {
    if !matches!(schema.features.0.as_slice(), [(_, FeatureKind::Image)]) {
        return Err(Refusal::bad("the model takes no images alone").with_hint("send records in JSON"));
    }
    let read = record_from_image(body, schema, pixels, "request");
    // What is said of files in a folder is nothing to those who send one.
    read.map_err(|error| Refusal { hint: Some("send a whole PNG or JPEG file".into()), ..Error::from(error).into() })
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
pub(crate) fn predictions(predictions: &[Prediction], served: &Version) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Answer { model_name: &served.name, model_version: &served.id, predictions })
}
