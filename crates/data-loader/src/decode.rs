//! How do the bytes of a PNG or JPEG become pixels, without trusting what they claim?

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageError, ImageReader, Limits, imageops::FilterType};

use crate::error::Error;
use crate::example::Image;
use crate::schema::ImageSize;
use crate::unpack::read_bytes;

/// The most pixels that an image may claim; 50 million are 150 MB once they are decoded.
pub(crate) const MAX_PIXELS: u64 = 50_000_000;
/// The largest file that is read as an image: 256 MiB.
const MAX_FILE: u64 = 256 << 20;

/// Decodes the image at `path`, converts it to `channels`, and brings it to `size` (height, width) if one is given.
///
/// # Errors
/// [`Error::TooLarge`] or [`Error::Malformed`] with the path, also for a file of which only the beginning is there.
pub(crate) fn decode(path: &Path, channels: usize, size: Option<[usize; 2]>) -> Result<Image, Error> {
    decode_bytes(&read_bytes(path, MAX_FILE)?, path, channels, size)
}

/// Decodes `bytes`, the content of an image file, as [`decode`] does; `path` names it in errors.
pub(crate) fn decode_bytes(
    bytes: &[u8],
    path: &Path,
    channels: usize,
    size: Option<[usize; 2]>,
) -> Result<Image, Error> {
    let malformed = |message: String| Error::Malformed { path: path.to_path_buf(), message };
    let reader = || {
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
        let mut limits = Limits::default();
        // Four channels of 16 bits are the most that a pixel can take.
        limits.max_alloc = Some(MAX_PIXELS * 8);
        reader.limits(limits);
        Ok::<_, ImageError>(reader)
    };
    let refused = |error: ImageError| match error {
        ImageError::Limits(_) => malformed(format!("it claims more than the {MAX_PIXELS} pixels that are allowed")),
        error => malformed(format!("it is not a PNG or JPEG image, or only part of one ({error})")),
    };
    let (width, height) = reader().and_then(ImageReader::into_dimensions).map_err(refused)?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(Error::TooLarge {
            path: path.to_path_buf(),
            what: "its number of pixels",
            size: pixels,
            limit: MAX_PIXELS,
        });
    }
    // The decoder fills what is missing of a JPEG with grey and says nothing.
    if bytes.starts_with(&[0xff, 0xd8]) && !jpeg_is_whole(bytes) {
        return Err(malformed("it is only part of a JPEG image: it breaks off before its end marker".into()));
    }
    let mut decoded = reader().and_then(ImageReader::decode).map_err(refused)?;
    // Colours are converted before sizes are changed, so that palettes and alpha cannot bleed into each other.
    decoded = match channels {
        1 => DynamicImage::ImageLuma8(decoded.to_luma8()),
        _ => DynamicImage::ImageRgb8(decoded.to_rgb8()),
    };
    if let Some([height, width]) = size
        && (decoded.height() as usize, decoded.width() as usize) != (height, width)
    {
        // The triangle filter is bilinear and averages when it shrinks, so thin lines do not vanish.
        decoded = decoded.resize_exact(width as u32, height as u32, FilterType::Triangle);
    }
    let (height, width) = (decoded.height() as usize, decoded.width() as usize);
    let interleaved = decoded.into_bytes();
    let pixels = if channels == 1 {
        interleaved
    } else {
        (0..channels).flat_map(|channel| interleaved.iter().skip(channel).step_by(channels)).copied().collect()
    };
    Ok(Image { channels, height, width, pixels })
}

/// The size of an image.
pub(crate) fn size_of(image: &Image) -> ImageSize {
    ImageSize { channels: image.channels, height: image.height, width: image.width }
}

/// Whether the segments of a JPEG follow each other to its end marker, with a picture before it (ITU-T T.81, annex B).
///
/// Segments are stepped over by the lengths that they state, so that the end marker of a preview within one does not count.
/// In the picture itself a byte of 255 is followed by 0 or by a restart marker; anything else begins the next segment.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let (mut place, mut picture) = (2, false);
    while let Some(found) = bytes.get(place..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        place += found + 1;
        match bytes.get(place) {
            // A byte of the picture, or one that fills up before a marker and belongs to it.
            Some(0 | 0xff) => {}
            // Markers that stand alone: reserved, restart, start of image.
            Some(0x01 | 0xd0..=0xd8) => place += 1,
            Some(0xd9) => return picture,
            Some(&marker) => {
                let Some(length) = bytes.get(place + 1..).and_then(|rest| rest.first_chunk()) else { return false };
                picture |= marker == 0xda;
                place += 1 + usize::from(u16::from_be_bytes(*length));
            }
            None => return false,
        }
    }
    false
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
