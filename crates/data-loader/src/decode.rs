//! How do the bytes of a PNG or JPEG become pixels, without trusting what they claim?
//!
//! Pixels come as PIL and torchvision give them: 16 bits a channel become 8, a palette becomes its colours, transparency is
//! dropped, inks (CMYK and YCCK) become red, green and blue, and the turn that a camera notes in EXIF is not done, so that an
//! image has the size that its file states. Turn such images before, if it matters.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageError, ImageReader, Limits};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::Error;
use crate::example::Image;
use crate::files::unpack::{is_packed, read_bytes};
use crate::raster::colour::grey;
use crate::raster::movement::{Filter, Rectangle, resize};
use crate::raster::{buffer, give_back};
use crate::schema::ImageSize;

/// The most pixels that an image may claim; 50 million are 150 MB once they are decoded.
pub(crate) const MAX_PIXELS: u64 = 50_000_000;
/// The largest file that is read as an image: 256 MiB.
const MAX_FILE: u64 = 256 << 20;

thread_local! {
    /// The file that a thread read last; the next one takes its room.
    static FILE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Decodes the image at `path`, converts it to `channels`, and brings it to `size` (height, width) if one is given.
///
/// # Errors
/// [`Error::TooLarge`] or [`Error::Malformed`] with the path, also for a file of which only the beginning is there.
pub(crate) fn decode(path: &Path, channels: usize, size: Option<[usize; 2]>) -> Result<Image, Error> {
    let mut image = FILE.with_borrow_mut(|bytes| {
        read_into(path, bytes)?;
        let image = decode_bytes(bytes, path, channels);
        if bytes.capacity() > 1 << 24 {
            *bytes = Vec::new();
        }
        image
    })?;
    bring_to(&mut image, size, path)?;
    Ok(image)
}

/// Decodes `bytes`, an image that lies in another file, as [`decode`] does; `path` names it in errors.
pub(crate) fn decode_within(
    bytes: &[u8],
    path: &Path,
    channels: usize,
    size: Option<[usize; 2]>,
) -> Result<Image, Error> {
    let mut image = decode_bytes(bytes, path, channels)?;
    bring_to(&mut image, size, path)?;
    Ok(image)
}

/// Decodes `bytes` that a client sent, an image of at most so many pixels, and brings it to `size` if one is given.
pub(crate) fn decode_sent(bytes: &[u8], most: u64, channels: usize, size: Option<[usize; 2]>) -> Result<Image, Error> {
    let path = Path::new("the image");
    let mut image = decode_up_to(most, bytes, path, channels)?;
    bring_to(&mut image, size, path)?;
    Ok(image)
}

/// Brings `image` to a size, if one is given.
fn bring_to(image: &mut Image, size: Option<[usize; 2]>, path: &Path) -> Result<(), Error> {
    if let Some([height, width]) = size {
        let whole = Rectangle { top: 0, left: 0, height: image.height, width: image.width };
        resize(image, whole, height, width, Filter::Bilinear)
            .map_err(|message| Error::Malformed { path: path.to_path_buf(), message: format!("it is {message}") })?;
    }
    Ok(())
}

/// Reads the file at `path` into `bytes`, unpacked if it is packed.
fn read_into(path: &Path, bytes: &mut Vec<u8>) -> Result<(), Error> {
    bytes.clear();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(bytes));
    let unusual = read.is_err() || bytes.len() as u64 > MAX_FILE || is_packed(bytes);
    if unusual {
        // Here every way in which a file cannot be read has its sentence.
        *bytes = read_bytes(path, MAX_FILE)?;
    }
    Ok(())
}

/// Decodes `bytes`, which were read from `path`, at the size that they have.
pub(crate) fn decode_bytes(bytes: &[u8], path: &Path, channels: usize) -> Result<Image, Error> {
    decode_up_to(MAX_PIXELS, bytes, path, channels)
}

/// The same of an image that may have so many pixels.
pub(crate) fn decode_up_to(most: u64, bytes: &[u8], path: &Path, channels: usize) -> Result<Image, Error> {
    let malformed = |message: String| Error::Malformed { path: path.to_path_buf(), message };
    let may_have = |width: u64, height: u64| match width * height {
        pixels if pixels > most => {
            Err(Error::TooLarge { path: path.to_path_buf(), what: "its number of pixels", size: pixels, limit: most })
        }
        _ => Ok(()),
    };
    if bytes.starts_with(&[0xff, 0xd8]) {
        return decode_jpeg(bytes, channels, may_have, malformed);
    }
    let reader = || {
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
        let mut limits = Limits::default();
        // Four channels of 16 bits are the most that a pixel can take.
        limits.max_alloc = Some(most * 8);
        reader.limits(limits);
        Ok::<_, ImageError>(reader)
    };
    let refused = |error: ImageError| match error {
        ImageError::Limits(_) => malformed(format!("it claims more than the {most} pixels that are allowed")),
        error => malformed(format!("it is not a PNG or JPEG image, or only part of one ({error})")),
    };
    let (width, height) = reader().and_then(ImageReader::into_dimensions).map_err(refused)?;
    may_have(width.into(), height.into())?;
    let decoded = reader().and_then(ImageReader::decode).map_err(refused)?;
    let (height, width) = (decoded.height() as usize, decoded.width() as usize);
    let pixels = match (channels, decoded) {
        (1, DynamicImage::ImageLuma8(pixels)) => pixels.into_raw(),
        (1, decoded) => decoded.into_rgb8().into_raw().as_chunks::<3>().0.iter().map(|pixel| grey(*pixel)).collect(),
        (_, decoded) => decoded.into_rgb8().into_raw(),
    };
    Ok(Image { channels, height, width, pixels })
}

/// Decodes a JPEG straight into a buffer that was used before.
fn decode_jpeg(
    bytes: &[u8],
    channels: usize,
    may_have: impl Fn(u64, u64) -> Result<(), Error>,
    malformed: impl Fn(String) -> Error,
) -> Result<Image, Error> {
    // The decoder fills what is missing with grey and says nothing.
    if !jpeg_is_whole(bytes) {
        return Err(malformed("it is only part of a JPEG image: it breaks off before its end marker".into()));
    }
    let refused = |error: &dyn std::fmt::Display| malformed(format!("it is not a JPEG image ({error})"));
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(1 << 16).set_max_height(1 << 16);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| refused(&error))?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    may_have(width as u64, height as u64)?;
    // The brightness that a JPEG stores is not asked for where it has colours: PIL takes that of the colours after they were
    // cut off at 0 and 255, as it does for every other file.
    let wanted = match (channels, decoder.input_colorspace()) {
        (1, Some(ColorSpace::Luma)) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(wanted));
    let mut pixels = buffer(width * height * wanted.num_components());
    // What the decoder cannot make out it leaves as it was, and that must not be the image before.
    pixels.fill(0);
    if let Err(error) = decoder.decode_into(&mut pixels) {
        give_back(pixels);
        return Err(refused(&error));
    }
    if channels == 1 && wanted == ColorSpace::RGB {
        let colours = std::mem::take(&mut pixels);
        pixels = colours.as_chunks::<3>().0.iter().map(|pixel| grey(*pixel)).collect();
        give_back(colours);
    }
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
    while let Some(found) = bytes.get(place..).and_then(find_ff) {
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

/// The place of the first byte of 255, looked for 32 bytes at a time.
fn find_ff(bytes: &[u8]) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<32>();
    let skipped = blocks.iter().position(|block| block.iter().fold(0, |most, &byte| most.max(byte)) == 0xff);
    let from = skipped.unwrap_or(blocks.len()) * 32;
    bytes[from..].iter().position(|&byte| byte == 0xff).map(|found| from + found)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
