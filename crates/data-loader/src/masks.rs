//! How does a PNG become the class of every pixel, and that what a network should answer?
//!
//! The pixels of a mask are numbers of classes: grey levels, or places in a palette, whose colours are for people alone. A decoder
//! would turn the latter into colours, so a palette image is declared a grey one before it is decoded: both are written alike.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageError, ImageReader, Limits};

use crate::decode::MAX_PIXELS;
use crate::error::Error;
use crate::example::{Image, Record, TargetValue};
use crate::files::unpack::read_bytes;
use crate::schema::TargetSpec;

/// The largest file that is read as a mask: 256 MiB.
const MAX_FILE: u64 = 256 << 20;
/// Where in a PNG its first chunk lies, the header: behind eight bytes that begin every PNG, and its own length.
const HEADER: std::ops::Range<usize> = 12..29;

/// Decodes the mask at `path`: one channel, whose bytes are numbers of classes.
///
/// # Errors
/// [`Error::TooLarge`] or [`Error::Malformed`] with the path, also for colours, which are no numbers.
pub(crate) fn decode_mask(path: &Path) -> Result<Image, Error> {
    let malformed = |message: String| Error::Malformed { path: path.to_path_buf(), message };
    let mut bytes = read_bytes(path, MAX_FILE)?;
    let header =
        bytes.get(HEADER).filter(|header| bytes.starts_with(b"\x89PNG\r\n\x1a\n") && header.starts_with(b"IHDR"));
    let header = header.ok_or_else(|| malformed("it is no PNG image, and masks are".into()))?;
    let (bits, colours) = (header[12], header[13]);
    match colours {
        0 => {}
        3 => bytes = as_grey(&bytes).ok_or_else(|| malformed("it is only part of a PNG image".into()))?,
        _ => {
            return Err(malformed(
                "it has colours: the pixels of a mask are numbers of classes, in grey or with a palette".into(),
            ));
        }
    }
    let reader = || {
        let mut reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format()?;
        let mut limits = Limits::default();
        limits.max_alloc = Some(MAX_PIXELS * 8);
        reader.limits(limits);
        Ok::<_, ImageError>(reader)
    };
    let refused = |error: ImageError| malformed(format!("it is not a PNG image, or only part of one ({error})"));
    let (width, height) = reader().and_then(ImageReader::into_dimensions).map_err(refused)?;
    let size = u64::from(width) * u64::from(height);
    if size > MAX_PIXELS {
        let what = "its number of pixels";
        return Err(Error::TooLarge { path: path.to_path_buf(), what, size, limit: MAX_PIXELS });
    }
    let pixels = match reader().and_then(ImageReader::decode).map_err(refused)? {
        DynamicImage::ImageLuma8(grey) => {
            // Levels of fewer bits were spread over all of 0 to 255.
            let spread = if bits < 8 { 255 / ((1_u32 << bits) - 1) } else { 1 } as u8;
            grey.into_raw().into_iter().map(|level| level / spread).collect()
        }
        DynamicImage::ImageLuma16(grey) => {
            let narrow = grey.into_raw().into_iter().map(u8::try_from).collect::<Result<Vec<u8>, _>>();
            narrow.map_err(|_| malformed("it has levels above 255, and there are at most 256 classes".into()))?
        }
        _ => return Err(malformed("it has a transparent level, which a mask cannot have".into())),
    };
    Ok(Image { channels: 1, height: height as usize, width: width as usize, pixels })
}

/// The same PNG with grey levels instead of places in a palette, and without the palette; none if it ends too early.
fn as_grey(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut grey = bytes.get(..8)?.to_vec();
    let mut rest = &bytes[8..];
    while !rest.is_empty() {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let chunk = rest.get(..length.checked_add(12)?)?;
        match &chunk[4..8] {
            // The palette, and what is transparent of it.
            b"PLTE" | b"tRNS" => {}
            b"IHDR" if length == 13 => {
                let mut header = chunk[..21].to_vec();
                header[17] = 0;
                let mut sum = flate2::Crc::new();
                sum.update(&header[4..]);
                grey.extend(header);
                grey.extend(sum.sum().to_be_bytes());
            }
            _ => grey.extend(chunk),
        }
        rest = &rest[chunk.len()..];
    }
    Some(grey)
}

/// What a network should answer for `mask`, the target of `record`.
pub(crate) fn mask_target(mask: &Image, target: &TargetSpec, record: &Record) -> Result<TargetValue, Error> {
    let mut classes = Vec::with_capacity(mask.pixels.len());
    for (place, &pixel) in mask.pixels.iter().enumerate() {
        if target.void == Some(pixel) {
            classes.push(-1);
        } else if usize::from(pixel) < target.classes.len() {
            classes.push(i64::from(pixel));
        } else {
            let (row, column) = (place / mask.width.max(1), place % mask.width.max(1));
            return Err(Error::Field {
                id: record.id.key.clone(),
                kind: "mask",
                column: target.name.clone(),
                found: format!(
                    "{pixel} at row {row}, column {column}, and the card names {} classes, counted from 0",
                    target.classes.len()
                ),
                hint: "Name every class in `classes` of [schema.target]; `void` is the number of pixels that do not count.".into(),
            });
        }
    }
    Ok(TargetValue::Mask { shape: [mask.height, mask.width], classes })
}
