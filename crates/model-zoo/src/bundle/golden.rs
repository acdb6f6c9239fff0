//! Which inputs prove that a bundle still answers as it did?

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_loader::{ExampleId, Image, Record, Value};
use serde::{Deserialize, Serialize};

use crate::{Error, Output};

/// By how much an answer may differ, relative to the largest score of the sample: other devices add in another order.
const TOLERANCE: f32 = 1e-4;

/// Samples with the answers that the trained network gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// The largest allowed difference, relative to the largest absolute score of the sample (at least 1).
    pub tolerance: f32,
    /// The samples.
    pub samples: Vec<Sample>,
}

/// One input as it was read, before any transform, and the answer to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Which example it was.
    pub id: ExampleId,
    /// Its fields by name.
    pub fields: Vec<(String, RawField)>,
    /// The scores, or numbers in the network's units.
    pub output: Vec<f32>,
}

/// A row of a window, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Which row it was.
    pub id: ExampleId,
    /// Its fields by name.
    pub fields: Vec<(String, RawField)>,
}

/// A field of a record, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawField {
    /// There is no value.
    Missing,
    /// A number.
    Number(f64),
    /// A category, a class or a text.
    Text(String),
    /// The ids of a piece of a text that is longer than the network reads at once.
    Tokens(Vec<i64>),
    /// The rows of a window over a series.
    Series(Vec<Step>),
    /// Pixels.
    Image {
        /// 1 or 3.
        channels: usize,
        /// In pixels.
        height: usize,
        /// In pixels.
        width: usize,
        /// `[channels, height, width]` in base 64.
        pixels: String,
    },
}

impl Golden {
    /// Samples with the answers to them.
    pub(super) fn new(mut samples: Vec<Sample>, answers: Vec<Vec<f32>>) -> Self {
        for (sample, answer) in samples.iter_mut().zip(answers) {
            sample.output = answer;
        }
        Self { tolerance: TOLERANCE, samples }
    }

    /// Whether `found` is the answer to `sample`.
    pub(super) fn check(&self, sample: &Sample, found: &[f32]) -> Result<(), String> {
        let scale = sample.output.iter().fold(1.0_f32, |scale, value| scale.max(value.abs()));
        let same = sample.output.len() == found.len()
            && sample.output.iter().zip(found).all(|(a, b)| (a - b).abs() <= self.tolerance * scale);
        match same {
            true => Ok(()),
            false => Err(format!(
                "the golden sample `{}` was answered {:?} when the bundle was made and is answered {found:?} here",
                sample.id, sample.output
            )),
        }
    }
}

impl Sample {
    /// A record whose answer is not known yet. The target is kept too: it does no harm and helps a reader.
    pub(super) fn new(record: &Record) -> Self {
        let fields = raw_fields(record);
        Self { id: record.id.clone(), fields, output: Vec::new() }
    }

    /// The record to be answered.
    ///
    /// # Errors
    /// A sentence, if the pixels are not what they should be.
    pub fn record(&self) -> Result<Record, String> {
        let fields = values(&self.id, &self.fields)?;
        Ok(Record { id: self.id.clone(), fields })
    }
}

/// The fields of `record` as JSON.
fn raw_fields(record: &Record) -> Vec<(String, RawField)> {
    let raw = |value: &Value| match value {
        Value::Number(number) => RawField::Number(*number),
        Value::Text(text) => RawField::Text(text.clone()),
        Value::Tokens(ids) => RawField::Tokens(ids.clone()),
        Value::Image(image) => RawField::Image {
            channels: image.channels,
            height: image.height,
            width: image.width,
            pixels: STANDARD.encode(image.planar()),
        },
        Value::Series(steps) => {
            RawField::Series(steps.iter().map(|step| Step { id: step.id.clone(), fields: raw_fields(step) }).collect())
        }
        // What the model should have answered is no part of what it is asked.
        Value::Missing | Value::Code(_) | Value::Mask(_) => RawField::Missing,
    };
    record.fields.iter().map(|(name, value)| (name.clone(), raw(value))).collect()
}

/// The fields of the record `id`.
fn values(id: &ExampleId, fields: &[(String, RawField)]) -> Result<Vec<(String, Value)>, String> {
    let value = |raw: &RawField| {
        Ok(match raw {
            RawField::Missing => Value::Missing,
            RawField::Number(number) => Value::Number(*number),
            RawField::Text(text) => Value::Text(text.clone()),
            RawField::Tokens(ids) => Value::Tokens(ids.clone()),
            RawField::Series(steps) => {
                let step = |step: &Step| {
                    Ok::<_, String>(Record { id: step.id.clone(), fields: values(&step.id, &step.fields)? })
                };
                Value::Series(steps.iter().map(step).collect::<Result<_, _>>()?)
            }
            RawField::Image { channels, height, width, pixels } => {
                let pixels = STANDARD.decode(pixels).map_err(|error| format!("the pixels of `{id}`: {error}"))?;
                if channels.checked_mul(*height).and_then(|n| n.checked_mul(*width)) != Some(pixels.len()) {
                    return Err(format!(
                        "the image `{id}` has {} pixels instead of {channels} x {height} x {width}",
                        pixels.len()
                    ));
                }
                Value::Image(Image::from_planar(*channels, *height, *width, &pixels))
            }
        })
    };
    fields.iter().map(|(name, raw)| Ok((name.clone(), value(raw)?))).collect()
}

/// The answers on the host, one a sample. Of tokens it is the last place, which has seen all others: scores of all places would
/// be larger than the network.
pub(super) fn answers(output: Output, samples: usize) -> Result<Vec<Vec<f32>>, Error> {
    let output = match output {
        Output::Tokens(scores) => {
            let last = scores.dims()[1].saturating_sub(1);
            Output::Tokens(scores.slice_dim(1, last..last + 1))
        }
        other => other,
    };
    let all = output
        .rows()
        .try_into_vec_as::<f32>()
        .map_err(|error| Error::DeviceFailed { doing: "answering golden samples", reason: error.to_string() })?;
    let each = all.len() / samples.max(1);
    Ok(all.chunks(each.max(1)).map(<[f32]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_written_plane_by_plane_as_they_always_were() {
        // Two pixels of colour: what a bundle of the first version holds, and what it means.
        let json = r#"{"id": {"key": "a"}, "fields": [["i",
            {"image": {"channels": 3, "height": 1, "width": 2, "pixels": "AQIDBAUG"}}]], "output": []}"#;
        let sample: Sample = serde_json::from_str(json).unwrap();
        let record = sample.record().unwrap();
        let wanted = Image { channels: 3, height: 1, width: 2, pixels: vec![1, 3, 5, 2, 4, 6] };
        assert_eq!(record.field("i"), Some(&Value::Image(wanted)));
        assert_eq!(Sample::new(&record), sample);
    }
}
