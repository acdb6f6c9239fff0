//! Which images are unusual for this data set: in size, shape, brightness or sharpness, or because nothing is on them?
//!
//! Each image is compared with all others of the data set by robust z-scores, since what is dark among photographs is usual among
//! drawings. Sharpness is the variance of the Laplacian in proportion to that of the greys, so that a picture of little contrast
//! is not called blurred.

use super::outliers::robust_scores;
use super::{Found, counted};
use crate::error::Error;
use crate::registry::Entry;
use crate::survey::report::{Finding, SHOWN};
use crate::survey::{Gates, ImageFacts, Survey};

/// This check in the list of checks.
pub const ENTRY: Entry = Entry {
    name: "image_quality",
    summary: "images of unusual size, shape, brightness or sharpness for their data set",
};

/// The robust z-score beyond which an image is told. Higher than for a column of numbers, because four things are looked at and
/// none of them is distributed normally.
const SCORE: f64 = 6.0;
/// Below this standard deviation in greys nothing is on an image.
const BLANK: f32 = 2.0;
/// Where more than this share is unusual, it is usual.
const MOST: f64 = 0.05;
/// The distance from the median that is worth telling, whatever the score: a fifth larger, 20 greys, half as sharp.
const LEAST: [f64; 4] = [0.18, 0.18, 20.0, 0.69];

/// What is measured of an image, and which way it is told.
type Measure = (&'static str, [&'static str; 2], fn(&ImageFacts) -> f64);

const MEASURES: [Measure; 4] = [
    ("size", ["small", "large"], |image| (f64::from(image.width) * f64::from(image.height)).sqrt().ln()),
    ("shape", ["narrow", "wide"], |image| (f64::from(image.width) / f64::from(image.height.max(1))).ln()),
    ("brightness", ["dark", "bright"], |image| f64::from(image.brightness)),
    ("sharpness", ["blurred", "sharp or noisy"], |image| f64::from(image.sharpness.max(1e-6)).ln()),
];

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    let level = gates.image_quality.severity();
    let mut add = |unusual: Vec<(usize, f64)>, what: &str| {
        if unusual.is_empty() {
            return;
        }
        let verb = if unusual.len() == 1 { "is" } else { "are" };
        let text = format!("{} {verb} {what}.", counted(unusual.len(), "image"));
        let examples = unusual.iter().take(SHOWN).map(|&(at, score)| {
            let image = &survey.images[at];
            let why = format!(
                "{} x {}, brightness {:.0}, contrast {:.0}{}",
                image.width,
                image.height,
                image.brightness,
                image.contrast,
                if score.is_finite() { format!(", z = {score:.1}") } else { String::new() }
            );
            survey.sample(survey.closely[survey.pictured[at] as usize] as usize, why)
        });
        let finding = Finding::new(ENTRY.name, level, unusual.len(), text).gated("image_quality");
        found.add(Finding { examples: examples.collect(), ..finding });
    };
    let blank = |image: &ImageFacts| image.contrast < BLANK;
    let blanks = survey.images.iter().enumerate().filter(|(_, image)| blank(image));
    add(blanks.map(|(at, _)| (at, f64::INFINITY)).collect(), "all of one grey");
    for ((name, words, of), least) in MEASURES.iter().zip(LEAST) {
        let values: Vec<f64> =
            survey.images.iter().map(|image| if blank(image) { f64::NAN } else { of(image) }).collect();
        let scores = robust_scores(&values).map_or_else(|| vec![0.0; values.len()], |(scores, _)| scores);
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let median = crate::statistics::quantile(&sorted, 0.5);
        for (word, sign) in words.iter().zip([-1.0, 1.0]) {
            let mut unusual: Vec<(usize, f64)> = scores
                .iter()
                .copied()
                .enumerate()
                .filter(|&(at, score)| score * sign > SCORE && (values[at] - median).abs() >= least)
                .collect();
            if unusual.len() as f64 > MOST * values.len() as f64 {
                continue;
            }
            unusual.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
            add(unusual, &format!("unusually {word} for this data set ({name})"));
        }
    }
    Ok(())
}
