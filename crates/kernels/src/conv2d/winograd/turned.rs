//! From planes of pixels to pixels whose channels lie side by side, and back.

use super::filters::GROUP;
use crate::fresh::Shared;
use crate::lanes::widest;
use crate::squares::{SIDE, turn};

/// Rows and columns of pixels that lie side by side by channel.
#[derive(Clone, Copy)]
pub(super) struct Window {
    /// Which row of the planes is its first one: before the planes begin there are zeros.
    pub(super) row: isize,
    pub(super) rows: usize,
    /// Pixels of a row.
    pub(super) pitch: usize,
    /// How many of them are zeros before the planes begin.
    pub(super) left: usize,
}

widest!(
    /// Copies the rows of a window from the planes of [`GROUP`] channels of an image, `[channels, height, width]`, from the channel `first` on.
    /// What lies outside the planes is 0, and so are channels that are not there.
    pub(super) fn from_planes(
        images: &[f32],
        size: [usize; 3],
        image: usize,
        first: usize,
        window: Window,
        pixels: &mut [f32],
    ) = turn_planes
);

#[inline(always)]
fn turn_planes(
    images: &[f32],
    [channels, height, width]: [usize; 3],
    image: usize,
    first: usize,
    window: Window,
    pixels: &mut [f32],
) {
    let area = height * width;
    let count = GROUP.min(channels - first);
    let planes = &images[(image * channels + first) * area..][..count * area];
    assert!(width >= SIDE && window.pitch >= window.left + width);
    let pixels = &mut pixels[..window.rows * window.pitch * GROUP];
    if count < GROUP {
        pixels.fill(0.0);
    }
    for (k, line) in pixels.chunks_exact_mut(window.pitch * GROUP).enumerate() {
        let Some(row) = usize::try_from(window.row + k as isize).ok().filter(|&row| row < height) else {
            line.fill(0.0);
            continue;
        };
        let (left, rest) = line.split_at_mut(window.left * GROUP);
        let (inside, right) = rest.split_at_mut(width * GROUP);
        left.fill(0.0);
        right.fill(0.0);
        let planes = &planes[row * width..];
        let whole = count / SIDE * SIDE;
        for channel in (0..whole).step_by(SIDE) {
            for x in (0..width).step_by(SIDE) {
                // What is left at the end is turned with some of what was turned already.
                let x = x.min(width - SIDE);
                // SAFETY: the channels are some of `count`, and from x on there are as many of their pixels in the row as are turned.
                #[expect(unsafe_code, reason = "see above")]
                unsafe {
                    let (from, to) = (planes.as_ptr().add(channel * area + x), inside.as_mut_ptr());
                    turn(from, area, to.add(x * GROUP + channel), GROUP);
                }
            }
        }
        for channel in whole..count {
            for (x, pixel) in planes[channel * area..][..width].iter().enumerate() {
                inside[x * GROUP + channel] = *pixel;
            }
        }
    }
}

widest!(
    /// Writes the rows of a window to the planes of [`GROUP`] channels of an image, `[channels, height, width]`, from the channel `first` on;
    /// what lies outside the planes is left out. Nobody else may write there.
    pub(super) fn to_planes(
        pixels: &[f32],
        window: Window,
        size: [usize; 3],
        image: usize,
        first: usize,
        result: Shared,
    ) = turn_back
);

#[inline(always)]
fn turn_back(
    pixels: &[f32],
    window: Window,
    [channels, height, width]: [usize; 3],
    image: usize,
    first: usize,
    result: Shared,
) {
    let area = height * width;
    let count = GROUP.min(channels - first);
    let start = (image * channels + first) * area;
    let planes = result.at(start, count * area);
    let top = window.row.unsigned_abs();
    assert!(window.pitch >= width && width >= SIDE && pixels.len() >= window.rows * window.pitch * GROUP);
    let whole = count / SIDE * SIDE;
    for row in top..(top + window.rows).min(height) {
        let line = &pixels[(row - top) * window.pitch * GROUP..][..window.pitch * GROUP];
        // SAFETY: the channels are some of `count`, the row is below `height`, and from x on there are as many pixels of the row as are
        // written; they are this call's own.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            let to = |channel: usize, x: usize| planes.add(channel * area + row * width + x);
            for channel in (0..whole).step_by(SIDE) {
                for x in (0..width).step_by(SIDE) {
                    let x = x.min(width - SIDE);
                    turn(line.as_ptr().add(x * GROUP + channel), GROUP, to(channel, x), area);
                }
            }
            for channel in whole..count {
                (0..width).for_each(|x| to(channel, x).write(line[x * GROUP + channel]));
            }
        }
    }
}
