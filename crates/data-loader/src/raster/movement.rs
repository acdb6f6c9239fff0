//! Where does each pixel of an image go?

use fast_image_resize::images::{CroppedImage, Image as Target, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::cell::RefCell;

use super::{Kind, buffer, give_back};
use crate::example::Image;

/// How a pixel of a resized image is made of those around its place. All but `nearest` average over all that a pixel covers
/// when an image shrinks, as PIL does, so that thin lines do not vanish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// A triangle over two pixels: linear between neighbours.
    #[default]
    Bilinear,
    /// Cubic over four pixels, with a = -0.5.
    Bicubic,
    /// A windowed sinc over six pixels.
    Lanczos,
    /// The pixel that lies there.
    Nearest,
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rectangle {
    pub(crate) top: usize,
    pub(crate) left: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// One movement of all pixels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Movement {
    /// What lies in `of` is brought to `height` and `width`; nothing outside of it plays a part.
    Resize { of: Rectangle, height: usize, width: usize, filter: Filter },
    /// What lies in a rectangle that begins at `top` and `left`, also above and beside the image, where `fill` is; in a mask it is
    /// the class 0, because a brightness is no class.
    Window { top: isize, left: isize, height: usize, width: usize, fill: u8 },
    /// Left becomes right.
    FlipHorizontal,
    /// Up becomes down.
    FlipVertical,
    /// The pixel at (x, y) is the one at (m0 x + m1 y + m2, m3 x + m4 y + m5) of the image before, its nearest neighbour, or
    /// `fill`, which in a mask is the class 0. Pixels are at their centres.
    Affine { matrix: [f64; 6], fill: u8 },
    /// A rectangle is filled with a byte for each channel, in a picture; a mask stays.
    Erase { of: Rectangle, fill: Erased },
}

/// With what a rectangle is erased.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Erased {
    /// One byte for all channels.
    Constant(u8),
    /// Bytes of their own, `[height, width, channels]`, repeated if they are too few.
    Noise(Vec<u8>),
}

impl Movement {
    /// Moves the pixels of `image`.
    ///
    /// # Errors
    /// A phrase that says what of the image does not fit.
    pub(crate) fn apply(&self, image: &mut Image, kind: Kind) -> Result<(), String> {
        let (channels, height, width) = (image.channels, image.height, image.width);
        if channels == 0 || height == 0 || width == 0 || image.pixels.len() != channels * height * width {
            return Err("without pixels".to_owned());
        }
        let filled = |fill: u8| if kind == Kind::Mask { 0 } else { fill };
        match self {
            Self::Resize { of, height, width, filter } => {
                let filter = if kind == Kind::Mask { Filter::Nearest } else { *filter };
                return resize(image, *of, *height, *width, filter);
            }
            Self::Window { top, left, height, width, fill } => {
                window(image, [*top, *left], [*height, *width], filled(*fill));
            }
            Self::FlipHorizontal => {
                for row in image.pixels.chunks_exact_mut(width * channels) {
                    match channels {
                        1 => row.reverse(),
                        3 => row.as_chunks_mut::<3>().0.reverse(),
                        _ => {
                            row.reverse();
                            row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
                        }
                    }
                }
            }
            Self::FlipVertical => {
                let row = width * channels;
                let (upper, lower) = image.pixels.split_at_mut(height / 2 * row);
                upper
                    .chunks_exact_mut(row)
                    .zip(lower.chunks_exact_mut(row).rev())
                    .for_each(|(a, b)| a.swap_with_slice(b));
            }
            Self::Affine { matrix, fill } => affine(image, matrix, filled(*fill)),
            Self::Erase { of, fill } if kind == Kind::Picture => erase(image, *of, fill),
            Self::Erase { .. } => {}
        }
        Ok(())
    }

    /// The largest square or rectangle of `height` and `width` in the middle of an image, as torchvision places it: the odd
    /// pixel is divided by rounding half to even.
    pub(crate) fn centre(image: [usize; 2], height: usize, width: usize, fill: u8) -> Self {
        let start = |image: usize, window: usize| ((image as f64 - window as f64) / 2.0).round_ties_even() as isize;
        // Where the image is smaller, torchvision pads the smaller half before it and the larger behind it.
        let before = |image: usize, window: usize| match window > image {
            true => -(((window - image) / 2) as isize),
            false => start(image, window),
        };
        Self::Window { top: before(image[0], height), left: before(image[1], width), height, width, fill }
    }
}

thread_local! {
    /// Its buffers are used again by the next image of the thread.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// Brings what lies in `of` to `height` and `width`.
pub(crate) fn resize(
    image: &mut Image,
    of: Rectangle,
    height: usize,
    width: usize,
    filter: Filter,
) -> Result<(), String> {
    if [of.height, of.width, height, width].contains(&0)
        || of.top + of.height > image.height
        || of.left + of.width > image.width
    {
        return Err(format!("{} x {} (height, width), of which {of:?} cannot be cut out", image.height, image.width));
    }
    if [of.height, of.width] == [height, width] {
        window(image, [of.top as isize, of.left as isize], [height, width], 0);
        return Ok(());
    }
    let channels = image.channels;
    let kind = match channels {
        1 => PixelType::U8,
        3 => PixelType::U8x3,
        _ => return Err(format!("of {channels} channels")),
    };
    let algorithm = match filter {
        Filter::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
        Filter::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
        Filter::Lanczos => ResizeAlg::Convolution(FilterType::Lanczos3),
        Filter::Nearest => ResizeAlg::Nearest,
    };
    let failed =
        |error: &dyn std::fmt::Display| format!("{}x{}, and resizing fails: {error}", image.height, image.width);
    let mut pixels = buffer(height * width * channels);
    {
        let whole = ImageRef::new(image.width as u32, image.height as u32, &image.pixels, kind);
        let whole = whole.map_err(|error| failed(&error))?;
        // A view of its own, so that what lies beside it is not averaged into its border.
        let part = CroppedImage::new(&whole, of.left as u32, of.top as u32, of.width as u32, of.height as u32);
        let part = part.map_err(|error| failed(&error))?;
        let target = Target::from_slice_u8(width as u32, height as u32, &mut pixels, kind);
        let mut target = target.map_err(|error| failed(&error))?;
        let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
        RESIZER
            .with_borrow_mut(|resizer| resizer.resize(&part, &mut target, &options))
            .map_err(|error| failed(&error))?;
    }
    give_back(std::mem::replace(&mut image.pixels, pixels));
    (image.height, image.width) = (height, width);
    Ok(())
}

/// The rectangle of `size` (height, width) that begins at `start`, with `fill` where it lies outside of the image.
fn window(image: &mut Image, start: [isize; 2], size: [usize; 2], fill: u8) {
    let [top, left] = start;
    let [height, width] = size;
    if start == [0, 0] && size == [image.height, image.width] {
        return;
    }
    let channels = image.channels;
    let mut pixels = buffer(height * width * channels);
    // Which columns of the window lie within the image.
    let first = left.min(0).unsigned_abs().min(width);
    let skipped = left.max(0).unsigned_abs();
    let columns = image.width.saturating_sub(skipped).min(width - first);
    for (y, row) in pixels.chunks_exact_mut((width * channels).max(1)).enumerate() {
        let inside = usize::try_from(top + y as isize).ok().filter(|&y| y < image.height && columns > 0);
        let Some(y) = inside else {
            row.fill(fill);
            continue;
        };
        let from = (y * image.width + skipped) * channels;
        row[..first * channels].fill(fill);
        row[first * channels..(first + columns) * channels]
            .copy_from_slice(&image.pixels[from..from + columns * channels]);
        row[(first + columns) * channels..].fill(fill);
    }
    give_back(std::mem::replace(&mut image.pixels, pixels));
    (image.height, image.width) = (height, width);
}

/// Looks up every pixel at its place in the image before. Places are counted in parts of 65536, as PIL does.
fn affine(image: &mut Image, matrix: &[f64; 6], fill: u8) {
    let (channels, height, width) = (image.channels, image.height, image.width);
    let mut pixels = buffer(image.pixels.len());
    let fixed = |value: f64| (value * 65536.0 + 0.5).floor() as i64;
    let [m0, m1, m2, m3, m4, m5] = *matrix;
    let (step_x, step_y) = ([fixed(m0), fixed(m3)], [fixed(m1), fixed(m4)]);
    let mut row_start = [fixed(m2 + m0 * 0.5 + m1 * 0.5), fixed(m5 + m3 * 0.5 + m4 * 0.5)];
    for row in pixels.chunks_exact_mut(width * channels) {
        let [mut x, mut y] = row_start;
        for pixel in row.chunks_exact_mut(channels) {
            let place = (usize::try_from(x >> 16), usize::try_from(y >> 16));
            match place {
                (Ok(x), Ok(y)) if x < width && y < height => {
                    let from = (y * width + x) * channels;
                    pixel.copy_from_slice(&image.pixels[from..from + channels]);
                }
                _ => pixel.fill(fill),
            }
            x += step_x[0];
            y += step_x[1];
        }
        row_start[0] += step_y[0];
        row_start[1] += step_y[1];
    }
    give_back(std::mem::replace(&mut image.pixels, pixels));
}

fn erase(image: &mut Image, of: Rectangle, fill: &Erased) {
    let channels = image.channels;
    let (bottom, right) = ((of.top + of.height).min(image.height), (of.left + of.width).min(image.width));
    let mut noise = match fill {
        Erased::Noise(noise) if !noise.is_empty() => noise.iter().cycle(),
        _ => [].iter().cycle(),
    };
    for y in of.top..bottom {
        let row =
            &mut image.pixels[(y * image.width + of.left.min(right)) * channels..(y * image.width + right) * channels];
        match fill {
            Erased::Constant(byte) => row.fill(*byte),
            Erased::Noise(_) => row.iter_mut().zip(&mut noise).for_each(|(pixel, byte)| *pixel = *byte),
        }
    }
}

#[cfg(test)]
#[path = "movement_tests.rs"]
mod tests;
