//! Can a setting of an image transform be meant?

use crate::decode::MAX_PIXELS;
use crate::error::Error;

/// The error for the setting at `[data.transforms.<address>]`.
pub(crate) fn wrong(address: &str, message: String, hint: &str) -> Error {
    Error::Setting { key: format!("data.transforms.{address}"), message, hint: hint.into() }
}

/// A probability.
pub(crate) fn probability(address: &str, p: f64) -> Result<(), Error> {
    match (0.0..=1.0).contains(&p) {
        true => Ok(()),
        false => Err(wrong(address, format!("is {p}"), "Probabilities lie between 0 and 1.")),
    }
}

/// `[height, width]` in pixels.
pub(crate) fn size(address: &str, [height, width]: [usize; 2]) -> Result<(), Error> {
    let pixels = (height as u64).saturating_mul(width as u64);
    // The resizer counts in 32 bits, and memory has an end.
    match (1..=MAX_PIXELS).contains(&pixels) && height <= 1 << 16 && width <= 1 << 16 {
        true => Ok(()),
        false => Err(wrong(
            address,
            format!("is [{height}, {width}]"),
            "Use [height, width] in pixels, at most 65536 a side and 50 million in all.",
        )),
    }
}

/// A range `[least, most]` of numbers between `least` and `most`.
pub(crate) fn range(address: &str, range: [f64; 2], least: f64, most: f64) -> Result<(), Error> {
    match least <= range[0] && range[0] <= range[1] && range[1] <= most {
        true => Ok(()),
        false => Err(wrong(
            address,
            format!("is [{}, {}]", range[0], range[1]),
            &format!("Use [least, most], both from {least} to {most}."),
        )),
    }
}

/// A number between `least` and `most`.
pub(crate) fn number(address: &str, value: f64, least: f64, most: f64) -> Result<(), Error> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(wrong(address, format!("is {value}"), &format!("Use a number from {least} to {most}."))),
    }
}
