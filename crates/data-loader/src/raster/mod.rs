//! How are pixels moved and coloured? The arithmetic beneath the transforms of images, without chance and without settings.
//!
//! Movements are PIL's and torchvision's: pixel centres lie at halves, resizing averages when it shrinks, and what comes in
//! from outside is filled. They are decided once for a record and done to every image-like field of it, so that an image and
//! the mask of its segmentation stay one above the other.

pub(crate) mod check;
pub(crate) mod colour;
pub(crate) mod movement;
pub(crate) mod operation;

use std::cell::RefCell;

use crate::error::Error;
use crate::example::{Image, Record, Value};
use movement::Movement;

/// What the bytes of an image-like field mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Brightness, which may be averaged between neighbours.
    Picture,
    /// Classes, of which there is none between two others: they are moved by nearest neighbour, and never coloured.
    Mask,
}

/// The image-like fields of a record. A kind of value that is moved along with images gets its arm here.
fn fields(record: &mut Record) -> impl Iterator<Item = (&mut String, &mut Image, Kind)> {
    record.fields.iter_mut().filter_map(|(name, value)| match value {
        Value::Image(image) => Some((name, image, Kind::Picture)),
        Value::Mask(mask) => Some((name, mask, Kind::Mask)),
        _ => None,
    })
}

/// Moves every image-like field of `record` as `decide` says of the height and width that all of them have.
pub(crate) fn move_all(record: &mut Record, decide: impl FnOnce(usize, usize) -> Vec<Movement>) -> Result<(), Error> {
    let id = record.id.key.clone();
    let mut first: Option<([usize; 2], Vec<Movement>)> = None;
    let mut decide = Some(decide);
    for (name, image, kind) in fields(record) {
        let size = [image.height, image.width];
        if let (None, Some(decide)) = (&first, decide.take()) {
            first = Some((size, decide(size[0], size[1])));
        }
        let Some((wanted, movements)) = &first else { continue };
        if size != *wanted {
            return Err(Error::Field {
                id,
                kind: "image",
                column: name.clone(),
                found: format!("{size:?} (height, width), and the image beside it is {wanted:?}"),
                hint: "An image and its mask must have one size, or they cannot be moved together.".into(),
            });
        }
        for movement in movements {
            movement.apply(image, kind).map_err(|message| Error::Field {
                id: id.clone(),
                kind: "image",
                column: name.clone(),
                found: message,
                hint: "Look at the image, and at the sizes in [data.transforms].".into(),
            })?;
        }
    }
    Ok(())
}

/// Changes the colours of the pictures of `record`; masks have none.
pub(crate) fn colour_all(record: &mut Record, mut change: impl FnMut(&mut Image)) {
    for (_, image, kind) in fields(record) {
        if kind == Kind::Picture {
            change(image);
        }
    }
}

/// The pixels of `image` plane by plane, as a network takes them; the image is left without any.
pub(crate) fn planes(image: &mut Image) -> Vec<u8> {
    let pixels = std::mem::take(&mut image.pixels);
    if image.channels == 1 {
        return pixels;
    }
    // Turned over here, where an image has its last and smallest size.
    let whole = Image { pixels, ..*image };
    let planes = whole.planar();
    give_back(whole.pixels);
    planes
}

/// How many buffers a thread keeps.
const SPARES: usize = 3;
/// The largest buffer that is kept, 16 MiB: a giant among small images must not hold its memory for ever.
const LARGEST_SPARE: usize = 16 << 20;

thread_local! {
    /// Buffers of images that are done with. Fresh memory has to be cleared by the system page by page, which takes as long as
    /// resizing into it does.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of `len` bytes of whatever was there before.
pub(crate) fn buffer(len: usize) -> Vec<u8> {
    let mut buffer = SPARE
        .with_borrow_mut(|spares| {
            let fits = spares.iter().position(|spare| spare.capacity() >= len);
            fits.or_else(|| (!spares.is_empty()).then_some(0)).map(|place| spares.swap_remove(place))
        })
        .unwrap_or_default();
    buffer.resize(len, 0);
    buffer
}

/// Keeps `buffer` for the next image of this thread.
pub(crate) fn give_back(buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > LARGEST_SPARE {
        return;
    }
    SPARE.with_borrow_mut(|spares| {
        if spares.len() < SPARES {
            spares.push(buffer);
        } else if let Some(smallest) = spares.iter_mut().min_by_key(|spare| spare.capacity())
            && smallest.capacity() < buffer.capacity()
        {
            *smallest = buffer;
        }
    });
}

#[cfg(test)]
#[path = "torchvision_tests.rs"]
mod torchvision_tests;
