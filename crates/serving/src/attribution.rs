//! What of a record speaks for the answer to it? The record is asked again and again with a part left out, and what the answer loses by
//! that is the part's due (occlusion: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014).
//!
//! A column is left out by a missing value, a word or a letter by taking it out of its text, a patch of an image by the mean colour of
//! the whole. It works with every network, and tells what a part does alone; parts that say the same hide behind each other.

use data_loader::{FeatureKind, Image, Record, Schema, Value};
use serde::Serialize;

use crate::Prediction;
use crate::wire::Refusal;

/// The most parts of a text, and the most patches along a side of an image.
const MOST_PIECES: usize = 64;
const MOST_PATCHES: usize = 14;

/// What is left out of a variant.
enum Part {
    /// The column at this place.
    Column(usize),
    /// Of the column at this place the characters from `start` to `end`.
    Piece { column: usize, start: usize, end: usize },
    /// The patch at this place of the image in the column.
    Patch { column: usize, place: usize },
}

/// A record, and variants of it that lack a part each.
pub(crate) struct Variants {
    record: Record,
    parts: Vec<Part>,
    /// The rows and columns of patches, of an image.
    patches: Option<(usize, usize)>,
}

/// What each part is worth.
#[derive(Debug, Serialize)]
pub(crate) struct Attribution {
    /// The class or number that is explained.
    explains: String,
    /// What it is for the whole record.
    score: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<OfColumn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<OfImage>,
}

#[derive(Debug, Serialize)]
struct OfColumn {
    name: String,
    /// What the score loses without it; not of a text, which has words instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    words: Vec<OfPiece>,
}

/// A part of a text, in characters.
#[derive(Debug, Serialize)]
struct OfPiece {
    start: usize,
    end: usize,
    change: f64,
}

#[derive(Debug, Serialize)]
struct OfImage {
    rows: usize,
    columns: usize,
    /// Row-major.
    changes: Vec<f64>,
}

impl Variants {
    /// The variants of the only record.
    ///
    /// # Errors
    /// If there are none or several.
    pub(crate) fn of(records: Vec<Record>, schema: &Schema) -> Result<Self, Refusal> {
        let count = records.len();
        let Ok([record]) = <[Record; 1]>::try_from(records) else {
            return Err(Refusal::bad(format!("one record is explained at a time, and here are {count}")));
        };
        let (mut parts, mut patches) = (Vec::new(), None);
        for (column, (name, value)) in record.fields.iter().enumerate() {
            match (kind(schema, name), value) {
                (_, Value::Image(image)) => {
                    let (rows, columns) = (image.height.min(MOST_PATCHES), image.width.min(MOST_PATCHES));
                    parts.extend((0..rows * columns).map(|place| Part::Patch { column, place }));
                    patches = Some((rows, columns));
                }
                (Some(FeatureKind::Text), Value::Text(text)) => {
                    parts.extend(pieces(text).into_iter().map(|(start, end)| Part::Piece { column, start, end }));
                }
                (Some(_), Value::Missing) | (None, _) => {}
                (Some(_), _) => parts.push(Part::Column(column)),
            }
        }
        Ok(Self { record, parts, patches })
    }

    /// Whether it is an image of which patches are covered.
    pub(crate) fn is_of_image(&self) -> bool {
        self.patches.is_some()
    }

    /// All of them, the whole record first; each is made when it is asked for.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> {
        std::iter::once(self.record.clone()).chain(self.parts.iter().map(|part| self.without(part)))
    }

    fn without(&self, part: &Part) -> Record {
        let mut record = self.record.clone();
        let (Part::Column(column) | Part::Piece { column, .. } | Part::Patch { column, .. }) = part;
        let Some((_, value)) = record.fields.get_mut(*column) else { return record };
        *value = match (part, &*value) {
            (Part::Piece { start, end, .. }, Value::Text(text)) => {
                let rest: String = text.chars().take(*start).chain(text.chars().skip(*end)).collect();
                Value::Text(rest.trim().to_owned())
            }
            (Part::Patch { place, .. }, Value::Image(image)) => {
                let (rows, columns) = self.patches.unwrap_or((1, 1));
                Value::Image(covered(image, (place / columns, rows), (place % columns, columns)))
            }
            _ => Value::Missing,
        };
        record
    }

    /// What follows from the answers to all of them.
    ///
    /// # Errors
    /// If there is no answer to the record.
    pub(crate) fn attribution(&self, told: &[Prediction]) -> Result<Attribution, Refusal> {
        let nothing = || Refusal::new(500, "the model gave no answer to be explained");
        let (whole, others) = told.split_first().ok_or_else(nothing)?;
        let best = || whole.scores.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(name, _)| name);
        let explains = match &whole.label {
            Some(label) if whole.scores.iter().any(|(name, _)| name == label) => label,
            Some(_) => best().ok_or_else(nothing)?,
            // Of numbers the first.
            None => whole.scores.first().map(|(name, _)| name).ok_or_else(nothing)?,
        };
        let of = |one: &Prediction| one.scores.iter().find(|(name, _)| name == explains).map(|(_, score)| *score);
        let score = of(whole).ok_or_else(nothing)?;
        let mut columns: Vec<OfColumn> = Vec::new();
        let mut changes = Vec::new();
        for (part, told) in self.parts.iter().zip(others) {
            let change = score - of(told).unwrap_or(score);
            let name =
                |column: &usize| self.record.fields.get(*column).map(|(name, _)| name.clone()).unwrap_or_default();
            match part {
                Part::Column(column) => {
                    columns.push(OfColumn { name: name(column), change: Some(change), words: Vec::new() });
                }
                Part::Piece { column, start, end } => {
                    let name = name(column);
                    if columns.last().is_none_or(|last| last.name != name) {
                        columns.push(OfColumn { name, change: None, words: Vec::new() });
                    }
                    if let Some(last) = columns.last_mut() {
                        last.words.push(OfPiece { start: *start, end: *end, change });
                    }
                }
                Part::Patch { .. } => changes.push(change),
            }
        }
        let image = self.patches.map(|(rows, columns)| OfImage { rows, columns, changes });
        Ok(Attribution { explains: explains.clone(), score, columns, image })
    }
}

fn kind(schema: &Schema, name: &str) -> Option<FeatureKind> {
    schema.features.0.iter().find(|(own, _)| own == name).map(|(_, kind)| *kind)
}

/// The words of a text, or its letters if it is one word; of more than there may be, neighbours go together. Each as where it begins
/// and ends, in characters.
fn pieces(text: &str) -> Vec<(usize, usize)> {
    let letters: Vec<char> = text.chars().collect();
    let mut words: Vec<(usize, usize)> = Vec::new();
    for (place, _) in letters.iter().enumerate().filter(|(_, letter)| !letter.is_whitespace()) {
        match words.last_mut() {
            Some((_, end)) if *end == place => *end += 1,
            _ => words.push((place, place + 1)),
        }
    }
    if let [(start, end)] = words[..] {
        words = (start..end).map(|place| (place, place + 1)).collect();
    }
    let each = words.len().div_ceil(MOST_PIECES).max(1);
    let together = words.chunks(each).filter_map(|chunk| Some((chunk.first()?.0, chunk.last()?.1)));
    // Without its only piece nothing would be left to be asked.
    together.filter(|(start, end)| end - start < letters.len()).collect()
}

/// The image with one of its patches covered by its mean colour; each place is which of how many.
fn covered(image: &Image, row: (usize, usize), column: (usize, usize)) -> Image {
    let count = (image.height * image.width).max(1) as u64;
    let mean = |channel: usize| {
        let sum: u64 = image.pixels.iter().skip(channel).step_by(image.channels).map(|pixel| u64::from(*pixel)).sum();
        ((sum + count / 2) / count) as u8
    };
    let means: Vec<u8> = (0..image.channels).map(mean).collect();
    let range = |(place, of): (usize, usize), side: usize| place * side / of..(place + 1) * side / of;
    let mut covered = image.clone();
    for y in range(row, image.height) {
        for x in range(column, image.width) {
            let start = (y * image.width + x) * image.channels;
            covered.pixels[start..start + image.channels].copy_from_slice(&means);
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(scores: &[(&str, f64)], label: Option<&str>) -> Prediction {
        Prediction {
            id: "x".into(),
            label: label.map(str::to_owned),
            scores: scores.iter().map(|(name, score)| ((*name).to_owned(), *score)).collect(),
            unusual: Vec::new(),
        }
    }

    #[test]
    fn each_column_gets_what_the_answer_loses_without_it() {
        let schema: Schema = toml::from_str("[features]\na = \"number\"\nb = \"category\"\nc = \"text\"").unwrap();
        let fields = [
            ("a".to_owned(), Value::Number(2.0)),
            ("b".to_owned(), Value::Missing),
            ("c".to_owned(), Value::Text("not  a good day".into())),
        ];
        let variants = Variants::of(vec![Record::new("x".into(), fields.to_vec(), None)], &schema).unwrap();
        let records: Vec<Record> = variants.records().collect();
        assert_eq!(records.len(), 1 + 1 + 4);
        assert_eq!(records[1].field("a"), Some(&Value::Missing));
        assert_eq!(records[2].field("c"), Some(&Value::Text("a good day".into())));
        assert_eq!(records[5].field("c"), Some(&Value::Text("not  a good".into())));
        let told: Vec<_> = [0.9, 0.7, 0.95, 0.9, 0.5, 0.9]
            .iter()
            .map(|score| prediction(&[("no", 1.0 - score), ("yes", *score)], Some("yes")))
            .collect();
        let told = serde_json::to_value(variants.attribution(&told).unwrap()).unwrap();
        assert_eq!((&told["explains"], &told["score"]), (&"yes".into(), &0.9.into()));
        let close = |value: &serde_json::Value, wanted: f64| (value.as_f64().unwrap() - wanted).abs() < 1e-12;
        assert!(close(&told["columns"][0]["change"], 0.2) && told["columns"][1].get("change").is_none());
        let words = &told["columns"][1]["words"];
        assert!(close(&words[0]["change"], -0.05) && close(&words[2]["change"], 0.4), "{words}");
        assert_eq!((&words[2]["start"], &words[2]["end"]), (&7.into(), &11.into()));
        assert!(Variants::of(Vec::new(), &schema).is_err());
    }

    #[test]
    fn texts_and_images_fall_into_parts() {
        assert_eq!(pieces("añb"), [(0, 1), (1, 2), (2, 3)]);
        assert_eq!(pieces(" a "), [(1, 2)]);
        assert_eq!((pieces(""), pieces("x")), (vec![], vec![]));
        let long = "word ".repeat(1000);
        let parts = pieces(&long);
        assert!(parts.len() <= MOST_PIECES && parts[0].0 == 0 && parts[parts.len() - 1].1 == 4999, "{parts:?}");
        let image = Image { channels: 1, height: 3, width: 30, pixels: (0..90).collect() };
        let one = covered(&image, (1, 3), (13, 14));
        let changed: Vec<usize> = (0..90).filter(|&place| one.pixels[place] != image.pixels[place]).collect();
        assert_eq!(changed, [57, 58, 59]);
        assert!(changed.iter().all(|&place| one.pixels[place] == 45));
        // Every pixel is covered once.
        let mut count = vec![0; 90];
        for place in 0..3 * 14 {
            let one = covered(&image, (place / 14, 3), (place % 14, 14));
            for (count, (new, old)) in count.iter_mut().zip(one.pixels.iter().zip(&image.pixels)) {
                *count += usize::from(new != old);
            }
        }
        // That which has the mean colour changes into itself.
        assert!(count.iter().enumerate().all(|(place, count)| *count == usize::from(place != 45)), "{count:?}");
    }
}
