//! How does the colour of each pixel change?
//!
//! Definitions are PIL's, which torchvision uses for images that it reads from files: brightness, contrast, saturation and
//! sharpness blend an image with a blank one and cut off at 0 and 255. Hue alone follows torchvision's arithmetic for tensors,
//! because PIL's has 255 hues only.

use crate::example::Image;

/// The brightness of a colour, by the weights of ITU-R BT.601: (299 red + 587 green + 114 blue) / 1000, rounded.
pub(crate) fn grey(pixel: [u8; 3]) -> u8 {
    let [r, g, b] = pixel.map(u32::from);
    ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
}

/// `blank + factor * (pixel - blank)`, cut off towards 0 and at 0 and 255.
fn blend(blank: u8, pixel: u8, factor: f32) -> u8 {
    // The cast cuts off at both ends.
    (f32::from(blank) + factor * (f32::from(pixel) - f32::from(blank))) as u8
}

/// What `blend` makes of each byte beside one and the same blank.
fn blended(blank: u8, factor: f32) -> [u8; 256] {
    std::array::from_fn(|byte| blend(blank, byte as u8, factor))
}

/// Replaces every byte as `table` says.
fn look_up(image: &mut Image, table: &[u8; 256]) {
    image.pixels.iter_mut().for_each(|pixel| *pixel = table[usize::from(*pixel)]);
}

/// Black at 0, unchanged at 1.
pub(crate) fn brightness(image: &mut Image, factor: f32) {
    look_up(image, &blended(0, factor));
}

/// The grey of the mean at 0, unchanged at 1.
pub(crate) fn contrast(image: &mut Image, factor: f32) {
    let (sum, count) = match image.channels {
        3 => {
            let (pixels, _) = image.pixels.as_chunks::<3>();
            (pixels.iter().map(|pixel| u64::from(grey(*pixel))).sum::<u64>(), pixels.len())
        }
        _ => (image.pixels.iter().map(|&pixel| u64::from(pixel)).sum(), image.pixels.len()),
    };
    let mean = (sum as f64 / count.max(1) as f64 + 0.5) as u8;
    look_up(image, &blended(mean, factor));
}

/// Grey at 0, unchanged at 1.
pub(crate) fn saturation(image: &mut Image, factor: f32) {
    if image.channels == 3 {
        for pixel in image.pixels.as_chunks_mut::<3>().0 {
            let blank = grey(*pixel);
            *pixel = pixel.map(|channel| blend(blank, channel, factor));
        }
    }
}

/// Turns the circle of hues by `turns`, 0.5 being halfway round.
pub(crate) fn hue(image: &mut Image, turns: f32) {
    if image.channels != 3 || turns == 0.0 {
        return;
    }
    for pixel in image.pixels.as_chunks_mut::<3>().0 {
        let [r, g, b] = pixel.map(|channel| f32::from(channel) / 255.0);
        let (most, least) = (r.max(g).max(b), r.min(g).min(b));
        let range = most - least;
        if range == 0.0 {
            continue;
        }
        // Six sectors of the circle, each of which begins at a colour of full saturation.
        let sector = if most == r {
            (g - b) / range
        } else if most == g {
            2.0 + (b - r) / range
        } else {
            4.0 + (r - g) / range
        };
        let sector = (sector / 6.0 + turns).rem_euclid(1.0) * 6.0;
        // From the top, each channel falls and rises again linearly over one sector.
        let channel = |shift: f32| {
            let place = (shift + sector).rem_euclid(6.0);
            most - range * place.min(4.0 - place).clamp(0.0, 1.0)
        };
        *pixel = [channel(5.0), channel(3.0), channel(1.0)].map(|value| (value * 255.999) as u8);
    }
}

/// Smoothed at 0, unchanged at 1. The border of one pixel is not smoothed, for want of neighbours.
pub(crate) fn sharpness(image: &mut Image, factor: f32) {
    let (channels, height, width) = (image.channels, image.height, image.width);
    if height < 3 || width < 3 {
        return;
    }
    let before = image.pixels.clone();
    let row = width * channels;
    for y in 1..height - 1 {
        for place in y * row + channels..(y + 1) * row - channels {
            let around = |place: usize| {
                u32::from(before[place - channels]) + u32::from(before[place]) + u32::from(before[place + channels])
            };
            // A kernel of ones with 5 in the middle.
            let sum = around(place - row) + around(place) + around(place + row) + 4 * u32::from(before[place]);
            let smooth = ((2 * sum + 13) / 26) as u8;
            image.pixels[place] = blend(smooth, before[place], factor);
        }
    }
}

/// 255 minus every byte.
pub(crate) fn invert(image: &mut Image) {
    image.pixels.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
}

/// Only the upper `bits` of every byte stay.
pub(crate) fn posterize(image: &mut Image, bits: u32) {
    let kept = match bits {
        0 => 0,
        1..8 => !0_u8 << (8 - bits),
        _ => !0,
    };
    image.pixels.iter_mut().for_each(|pixel| *pixel &= kept);
}

/// Bytes of `threshold` and above are inverted.
pub(crate) fn solarize(image: &mut Image, threshold: f64) {
    look_up(image, &std::array::from_fn(|byte| if (byte as f64) < threshold { byte as u8 } else { 255 - byte as u8 }));
}

/// How often each byte occurs in each channel.
fn histograms(image: &Image) -> Vec<[u32; 256]> {
    let mut histograms = vec![[0; 256]; image.channels];
    for pixel in image.pixels.chunks_exact(image.channels.max(1)) {
        for (histogram, &byte) in histograms.iter_mut().zip(pixel) {
            histogram[usize::from(byte)] += 1;
        }
    }
    histograms
}

/// Replaces the bytes of each channel as its own table says.
fn look_up_each(image: &mut Image, tables: &[[u8; 256]]) {
    for pixel in image.pixels.chunks_exact_mut(image.channels.max(1)) {
        for (byte, table) in pixel.iter_mut().zip(tables) {
            *byte = table[usize::from(*byte)];
        }
    }
}

/// The darkest byte of each channel becomes 0 and the brightest 255.
pub(crate) fn autocontrast(image: &mut Image) {
    let table = |histogram: &[u32; 256]| {
        let met = |&byte: &usize| histogram[byte] > 0;
        let (least, most) = ((0..256).find(met).unwrap_or(0), (0..256).rev().find(met).unwrap_or(255));
        if most <= least {
            return std::array::from_fn(|byte| byte as u8);
        }
        let scale = 255.0 / (most - least) as f64;
        let offset = -(least as f64) * scale;
        std::array::from_fn(|byte| (byte as f64 * scale + offset) as u8)
    };
    let tables: Vec<[u8; 256]> = histograms(image).iter().map(table).collect();
    look_up_each(image, &tables);
}

/// The bytes of each channel are spread so that all occur about equally often.
pub(crate) fn equalize(image: &mut Image) {
    let table = |histogram: &[u32; 256]| {
        let last = histogram.iter().rposition(|&count| count > 0).unwrap_or(0);
        let step = (histogram.iter().sum::<u32>() - histogram[last]) / 255;
        if step == 0 {
            return std::array::from_fn(|byte| byte as u8);
        }
        let mut below = step / 2;
        std::array::from_fn(|byte| {
            let level = (below / step).min(255) as u8;
            below += histogram[byte];
            level
        })
    };
    let tables: Vec<[u8; 256]> = histograms(image).iter().map(table).collect();
    look_up_each(image, &tables);
}
