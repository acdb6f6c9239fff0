//! What is one example, as it was read and as it is fed to a network?

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::batch::Array;
use crate::formats::Records;

/// The name of an example, by which errors, label decisions, feedback and monitoring speak of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExampleId {
    /// The value of the card's key column; without one `source/path#row`: the name of the card, the path relative to its
    /// folder, and the row counted from 0 without the header; for an image in a folder `source/path`. New data that comes
    /// without a card has no source, and its file is named as it was given.
    pub key: String,
}

impl fmt::Display for ExampleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

/// Pixels as they were decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// In pixels.
    pub height: usize,
    /// In pixels.
    pub width: usize,
    /// `[height, width, channels]`, row-major, 0 to 255, as image files and libraries have them; a network takes them plane
    /// by plane, and [`planar`](Self::planar) turns them over at the very end.
    pub pixels: Vec<u8>,
}

impl Image {
    /// The image whose pixels lie plane by plane, `[channels, height, width]`, as IDX and JSON files have them.
    pub fn from_planar(channels: usize, height: usize, width: usize, planes: &[u8]) -> Self {
        let plane = height * width;
        let pixels = match channels {
            0 | 1 => planes.to_vec(),
            _ => (0..plane).flat_map(|place| planes.iter().skip(place).step_by(plane)).copied().collect(),
        };
        Self { channels, height, width, pixels }
    }

    /// The pixels plane by plane, `[channels, height, width]`.
    pub fn planar(&self) -> Vec<u8> {
        match self.channels {
            3 => {
                let (pixels, _) = self.pixels.as_chunks::<3>();
                let mut planes = Vec::with_capacity(self.pixels.len());
                for channel in 0..3 {
                    planes.extend(pixels.iter().map(|pixel| pixel[channel]));
                }
                planes
            }
            0 | 1 => self.pixels.clone(),
            channels => {
                (0..channels).flat_map(|channel| self.pixels.iter().skip(channel).step_by(channels)).copied().collect()
            }
        }
    }
}

/// The value of one field of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The field is empty, or holds one of the schema's markers for a missing value.
    Missing,
    /// A finite number.
    Number(f64),
    /// A category, a class or a text.
    Text(String),
    /// An image.
    Image(Image),
    /// The class of every pixel of an image, in one channel. Whatever moves the pixels of the image moves these, by nearest
    /// neighbour.
    Mask(Image),
    /// The code of a category, as the `encode` transform leaves it; 0 is the unknown category.
    Code(i64),
    /// Token ids, as the `tokenize` transform leaves them.
    Tokens(Vec<i64>),
    /// The rows of a window over a series, in the order of time.
    Series(Vec<Record>),
}

/// One row as it was read; transforms change it field by field, all fields of an example together.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Which example this is.
    pub id: ExampleId,
    /// The features in the order of the schema, then the target where there is one.
    pub fields: Vec<(String, Value)>,
}

impl Record {
    /// A record of `features` and, where it is known, the target.
    pub fn new(key: String, features: Vec<(String, Value)>, target: Option<(String, Value)>) -> Self {
        let mut fields = features;
        fields.extend(target);
        Self { id: ExampleId { key }, fields }
    }

    /// Puts a value in `place`, behind the last field or in the place of one; a name that is there already is left alone.
    pub(crate) fn set(&mut self, place: usize, name: &str, value: Value) {
        match self.fields.get_mut(place) {
            Some((found, old)) => {
                if found != name {
                    name.clone_into(found);
                }
                *old = value;
            }
            None => self.fields.push((name.to_owned(), value)),
        }
    }

    /// The first half of the SHA-256 of all fields but the one called `target`, by which examples of equal contents are found
    /// whatever their labels. It is taken of the record as it was read, before any transform.
    pub fn content(&self, target: Option<&str>) -> [u8; 16] {
        content_hash(self.fields.iter().filter(|(name, _)| Some(name.as_str()) != target))
    }

    /// The place of the field called `name`, looked for from `from` on and then from the beginning, so that whoever asks for
    /// fields in the order in which they lie finds each at once, however many there are.
    pub(crate) fn place(&self, name: &str, from: usize) -> Option<usize> {
        let (before, after) = self.fields.split_at(from.min(self.fields.len()));
        let find = |fields: &[(String, Value)]| fields.iter().position(|(field, _)| field == name);
        find(after).map(|place| before.len() + place).or_else(|| find(before))
    }

    /// The value of the field called `name`.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// The value of the field called `name`, to be changed.
    pub fn field_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.fields.iter_mut().find(|(field, _)| field == name).map(|(_, value)| value)
    }
}

/// What a sentence calls the example at `row`: its id, or where that cannot be read its number.
pub(crate) fn id_of(records: &dyn Records, row: u32) -> String {
    records.key(row as usize).unwrap_or_else(|_| format!("row {row}"))
}

/// A value of one input of a network: an array without the batch axis.
pub type InputValue = Array;

/// What a network should answer for one example.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetValue {
    /// The index of the right class.
    Class(i64),
    /// Real numbers, in the units of the network.
    Values(Vec<f32>),
    /// The class of every pixel; -1 where it does not count.
    Mask {
        /// `[height, width]`.
        shape: [usize; 2],
        /// Row-major.
        classes: Vec<i64>,
    },
    /// The token that comes next, at each place of the input.
    Tokens(Vec<i64>),
    /// Nothing is expected.
    None,
}

/// One example, ready to be put in a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Which example this is.
    pub id: ExampleId,
    /// The inputs, in the order of the signature.
    pub inputs: Vec<(String, InputValue)>,
    /// What is expected.
    pub target: TargetValue,
    /// How much the example counts in the loss; 1 unless something says otherwise.
    pub weight: f32,
}

/// The first half of the SHA-256 of the names and values of `fields`.
fn content_hash<'a>(fields: impl Iterator<Item = &'a (String, Value)>) -> [u8; 16] {
    let mut hash = Sha256::new();
    for (name, value) in fields {
        // Every part is preceded by its length or has a fixed one, so that no two records are written alike.
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        match value {
            Value::Missing => hash.update([0]),
            Value::Number(number) => {
                hash.update([1]);
                // -0.0 is the same number as 0.0.
                hash.update((number + 0.0).to_le_bytes());
            }
            Value::Text(text) => {
                hash.update([2]);
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            }
            Value::Image(image) | Value::Mask(image) => {
                hash.update([if matches!(value, Value::Mask(_)) { 6 } else { 3 }]);
                for size in [image.channels, image.height, image.width] {
                    hash.update((size as u64).to_le_bytes());
                }
                hash.update(&image.pixels);
            }
            Value::Code(code) => {
                hash.update([4]);
                hash.update(code.to_le_bytes());
            }
            Value::Series(steps) => {
                hash.update([7]);
                hash.update((steps.len() as u64).to_le_bytes());
                for step in steps {
                    hash.update(step.content(None));
                }
            }
            Value::Tokens(tokens) => {
                hash.update([5]);
                hash.update((tokens.len() as u64).to_le_bytes());
                for token in tokens {
                    hash.update(token.to_le_bytes());
                }
            }
        }
    }
    let digest = hash.finalize();
    std::array::from_fn(|i| digest[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(name: &str, value: f64) -> (String, Value) {
        (name.to_owned(), Value::Number(value))
    }

    #[test]
    fn the_content_hash_sees_features_and_not_the_target() {
        let target = |class: &str| Some(("class".to_owned(), Value::Text(class.to_owned())));
        let a = Record::new("1".into(), vec![number("x", 1.0)], target("cat"));
        let b = Record::new("1".into(), vec![number("x", 1.0)], target("dog"));
        let c = Record::new("1".into(), vec![number("x", 2.0)], target("cat"));
        let content = |record: &Record| record.content(Some("class"));
        assert_eq!(content(&a), content(&b));
        assert_ne!(content(&a), content(&c));
        assert_ne!(a.content(None), b.content(None));
        assert_eq!(a.field("class"), Some(&Value::Text("cat".into())));
        assert_eq!(a.id.to_string(), "1");
    }

    #[test]
    fn a_field_is_found_from_anywhere() {
        let record = Record::new("1".into(), vec![number("x", 1.0), number("y", 2.0), number("z", 3.0)], None);
        for from in 0..5 {
            assert_eq!(["x", "y", "z", "a"].map(|name| record.place(name, from)), [Some(0), Some(1), Some(2), None]);
        }
    }

    #[test]
    fn pixels_lie_side_by_side_in_memory_and_plane_by_plane_for_a_network() {
        for (channels, planes, pixels) in [
            (1, vec![1, 2, 3, 4, 5, 6], vec![1, 2, 3, 4, 5, 6]),
            (2, vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], vec![1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 6, 12]),
            (3, (0..18).collect(), vec![0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 16, 5, 11, 17]),
        ] {
            let image = Image::from_planar(channels, 2, 3, &planes);
            assert_eq!((image.channels, image.height, image.width, &image.pixels), (channels, 2, 3, &pixels));
            assert_eq!(image.planar(), planes);
        }
    }

    #[test]
    fn an_id_survives_json() {
        let id = Record::new("row".into(), vec![number("x", 0.5)], None).id;
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<ExampleId>(&text).unwrap(), id);
    }
}
