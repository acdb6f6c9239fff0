//! How is an example shown to a person? A small picture, the beginning of a text, or the values of a row.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage, imageops::FilterType};

use super::Survey;
use super::report::{Sample, Shown};
use crate::example::{Image, Value, id_of};

/// The longer side of a small picture, in pixels.
const SIDE: u32 = 96;
/// How many characters of a text are shown.
const LETTERS: usize = 400;
/// How many columns of a row are shown.
const COLUMNS: usize = 40;

impl Survey<'_> {
    /// The example at a place, and why it is shown.
    pub(crate) fn sample(&self, place: usize, why: String) -> Sample {
        let (row, part) = (self.rows[place], Some(self.parts[place]));
        let target = self.dataset.card().schema().target.as_ref().map(|target| target.name.as_str());
        // It was read before; should the disk have failed since, the report says less and is still true.
        let Ok(mut record) = self.records.read(row as usize) else {
            let id = id_of(self.records, row);
            return Sample { id, part, target: None, why, shown: Shown::Nothing };
        };
        let place = target.and_then(|target| record.place(target, 0));
        let answer = place.map(|place| written(&record.fields.remove(place).1));
        let shown = match &record.fields[..] {
            [(_, Value::Image(image))] => thumbnail(image).map_or(Shown::Nothing, Shown::Thumbnail),
            [(_, Value::Text(text))] => Shown::Text(text.chars().take(LETTERS).collect()),
            fields => {
                Shown::Row(fields.iter().take(COLUMNS).map(|(name, value)| (name.clone(), written(value))).collect())
            }
        };
        Sample { id: record.id.key, part, target: answer, why, shown }
    }
}

/// A value in a few characters.
fn written(value: &Value) -> String {
    match value {
        Value::Missing => String::new(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.chars().take(LETTERS).collect(),
        Value::Image(image) | Value::Mask(image) => format!("{} x {} pixels", image.width, image.height),
        Value::Code(code) => code.to_string(),
        Value::Series(steps) => format!("{} steps", steps.len()),
        Value::Tokens(tokens) => format!("{} tokens", tokens.len()),
    }
}

/// The image as a small PNG in Base64; none if it has no pixels.
fn thumbnail(image: &Image) -> Option<String> {
    let (width, height) = (image.width as u32, image.height as u32);
    let picture = if image.channels == 1 {
        DynamicImage::ImageLuma8(GrayImage::from_raw(width, height, image.pixels.clone())?)
    } else {
        DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, image.pixels.clone())?)
    };
    if width == 0 || height == 0 {
        return None;
    }
    // An image that is smaller is drawn larger by the page, whose pixels stay sharp.
    let picture = if width.max(height) > SIDE { picture.resize(SIDE, SIDE, FilterType::Triangle) } else { picture };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).ok()?;
    Some(STANDARD.encode(bytes.into_inner()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_small_and_keeps_its_shape() {
        let image = Image { channels: 3, height: 50, width: 400, pixels: vec![7; 60_000] };
        let coded = thumbnail(&image).unwrap();
        assert!(coded.starts_with("iVBORw0KGgo"), "{coded}");
        assert!(thumbnail(&Image { channels: 1, height: 0, width: 0, pixels: Vec::new() }).is_none());
        assert!(thumbnail(&Image { channels: 1, height: 2, width: 2, pixels: vec![1; 3] }).is_none());
    }
}
