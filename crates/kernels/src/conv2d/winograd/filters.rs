//! From the taps of filters to the elements by which transformed tiles are multiplied, and from the gradients of these back.

use std::ops::Range;

use rayon::prelude::*;

use super::{ELEMENTS, Tiles};
use crate::fresh::{Shared, written};
use crate::lanes::widest;
use crate::squares::{SIDE, turn};

/// Channels, or filters, that lie side by side: as many as the widest vectors have floats.
pub(super) const GROUP: usize = 16;

/// How many a filter has for a channel.
const TAPS: usize = 9;

type Lanes = [f32; GROUP];

/// The taps of filters of 3 x 3, each of which lies without gaps.
#[derive(Clone, Copy)]
pub(in crate::conv2d) struct Taps<'a> {
    pub(in crate::conv2d) weight: &'a [f32],
    /// From a filter to the next, and from a channel to the next.
    pub(in crate::conv2d) steps: [usize; 2],
    /// Whether the filters are laid upside down, as they are where gradients go back through them.
    pub(in crate::conv2d) turned: bool,
}

/// So many channels are gone through at a time, for whose taps lines of the cache are read once.
const CHANNELS: usize = 16;

/// `G w Gt` of every filter and channel, each element's `[channels][filters]` as `tiles` lie, the filters filled up with zeros.
pub(super) fn transformed(channels: usize, filters: usize, tiles: Tiles, taps: Taps<'_>) -> Vec<f32> {
    let [down, across] = taps.steps;
    assert!(filters * channels == 0 || (filters - 1) * down + (channels - 1) * across + TAPS <= taps.weight.len());
    assert!(tiles.lanes == filters.next_multiple_of(GROUP) && tiles.element >= channels * tiles.lanes);
    // SAFETY: each channel writes its own row of each element, in groups that together are the whole row, and the last one what lies behind.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(tiles.floats(), |result| {
            let least = (1 << 10) / (CHANNELS * tiles.lanes).max(1);
            let parts = (0..channels.div_ceil(CHANNELS)).into_par_iter().with_min_len(least);
            parts.for_each(|part| {
                let some = part * CHANNELS..((part + 1) * CHANNELS).min(channels);
                if some.end == channels {
                    for element in 0..ELEMENTS {
                        let gap = tiles.element - channels * tiles.lanes;
                        result.at((element + 1) * tiles.element - gap, gap).write_bytes(0, gap);
                    }
                }
                transform_widest(taps, some, filters, tiles, result);
            });
        })
    }
}

widest!(fn transform_widest(taps: Taps<'_>, channels: Range<usize>, filters: usize, tiles: Tiles, result: Shared) = transform);

#[inline(always)]
fn transform(taps: Taps<'_>, channels: Range<usize>, filters: usize, tiles: Tiles, result: Shared) {
    let [down, across] = taps.steps;
    for first in (0..filters).step_by(GROUP) {
        for channel in channels.clone() {
            let mut lanes = [[0.0_f32; GROUP]; TAPS];
            let from = &taps.weight[first * down + channel * across..];
            gather_taps(from, down, GROUP.min(filters - first), &mut lanes);
            if taps.turned {
                lanes.reverse();
            }
            let mut elements = [[0.0_f32; GROUP]; ELEMENTS];
            spread(&lanes, &mut elements);
            for (element, values) in elements.iter().enumerate() {
                let to = result.at(element * tiles.element + channel * tiles.lanes + first, GROUP);
                // SAFETY: there is room for a group, which is this channel's own.
                #[expect(unsafe_code, reason = "see above")]
                unsafe {
                    to.cast::<Lanes>().write_unaligned(*values);
                }
            }
        }
    }
}

/// The taps of `count` filters that lie `step` apart, side by side.
#[inline(always)]
fn gather_taps(from: &[f32], step: usize, count: usize, lanes: &mut [Lanes; TAPS]) {
    let whole = count / SIDE * SIDE;
    assert!(count <= GROUP && (whole == 0 || (whole - 1) * step + TAPS <= from.len()));
    for lane in (0..whole).step_by(SIDE) {
        // The last square has taps that others had already.
        for tap in [0, SIDE, TAPS - SIDE] {
            // SAFETY: four filters from `lane` on were checked to be there, with their taps, and lanes has as many places.
            #[expect(unsafe_code, reason = "see above")]
            unsafe {
                turn(from.as_ptr().add(lane * step + tap), step, lanes[tap].as_mut_ptr().add(lane), GROUP);
            }
        }
    }
    for lane in whole..count {
        lanes.iter_mut().zip(&from[lane * step..]).for_each(|(lanes, tap)| lanes[lane] = *tap);
    }
}

/// Along both axes, `G` times what is there. Vector by vector: of loops over lanes around more than one operation the compiler makes some that
/// gather and scatter.
#[inline(always)]
fn spread(taps: &[Lanes; TAPS], elements: &mut [Lanes; ELEMENTS]) {
    let columns = [0, 1, 2].map(|x| spread_axis([taps[x], taps[3 + x], taps[6 + x]]));
    for y in 0..4 {
        let row = spread_axis(columns.map(|column| column[y]));
        for (element, values) in elements[4 * y..].iter_mut().zip(row) {
            *element = values;
        }
    }
}

#[inline(always)]
fn spread_axis([a, b, c]: [Lanes; 3]) -> [Lanes; 4] {
    let even: Lanes = std::array::from_fn(|lane| 0.5 * (a[lane] + c[lane]));
    let odd: Lanes = std::array::from_fn(|lane| 0.5 * b[lane]);
    let sum: Lanes = std::array::from_fn(|lane| even[lane] + odd[lane]);
    let difference: Lanes = std::array::from_fn(|lane| even[lane] - odd[lane]);
    [a, sum, difference, c]
}

/// `Gt u G` of every filter and channel, `[filters, channels, 3, 3]`, of elements `[elements][filters][channels]` whose channels are filled
/// up.
pub(super) fn filters_back(elements: &[f32], filters: usize, channels: usize) -> Vec<f32> {
    let wide = channels.next_multiple_of(GROUP);
    let mut result = vec![0.0_f32; filters * channels * 9];
    for (filter, taps) in result.chunks_exact_mut((channels * 9).max(1)).enumerate() {
        for first in (0..channels).step_by(GROUP) {
            let mut values = [[0.0_f32; GROUP]; 9];
            gather_widest(&elements[filter * wide + first..], filters * wide, &mut values);
            for lane in 0..GROUP.min(channels - first) {
                for (tap, values) in taps[(first + lane) * 9..].iter_mut().zip(&values) {
                    *tap = values[lane];
                }
            }
        }
    }
    result
}

widest!(fn gather_widest(elements: &[f32], step: usize, taps: &mut [Lanes; 9]) = gather);

#[inline(always)]
fn gather(elements: &[f32], step: usize, taps: &mut [Lanes; 9]) {
    let mut rows = [[[0.0_f32; GROUP]; 4]; 3];
    for x in 0..4 {
        let column: [&Lanes; 4] =
            [0, 1, 2, 3].map(|y| elements[(4 * y + x) * step..].first_chunk().expect("each element has a group"));
        for lane in 0..GROUP {
            let [a, b, c, d] = column.map(|values| values[lane]);
            rows[0][x][lane] = 0.5f32.mul_add(b + c, a);
            rows[1][x][lane] = 0.5 * (b - c);
            rows[2][x][lane] = 0.5f32.mul_add(b + c, d);
        }
    }
    for (y, row) in rows.iter().enumerate() {
        for lane in 0..GROUP {
            let [a, b, c, d] = [row[0][lane], row[1][lane], row[2][lane], row[3][lane]];
            taps[3 * y][lane] = 0.5f32.mul_add(b + c, a);
            taps[3 * y + 1][lane] = 0.5 * (b - c);
            taps[3 * y + 2][lane] = 0.5f32.mul_add(b + c, d);
        }
    }
}
