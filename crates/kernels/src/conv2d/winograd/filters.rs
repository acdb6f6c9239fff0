//! From the taps of filters to the elements by which transformed tiles are multiplied, and from the gradients of these back.

use rayon::prelude::*;

use super::ELEMENTS;
use crate::fresh::written;
use crate::lanes::widest;

/// Channels, or filters, that lie side by side: as many as the widest vectors have floats.
pub(super) const GROUP: usize = 16;

type Lanes = [f32; GROUP];

/// `G w Gt` of every filter and channel, `[elements][channels][filters]`, the filters filled up with zeros.
pub(super) fn transformed(
    channels: usize,
    filters: usize,
    weight: impl Fn(usize, usize) -> [f32; 9] + Sync,
) -> Vec<f32> {
    let wide = filters.next_multiple_of(GROUP);
    // SAFETY: each channel writes its own row of each element, in groups that together are the whole row.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(ELEMENTS * channels * wide, |result| {
            let least = (1 << 10) / wide.max(1);
            (0..channels).into_par_iter().with_min_len(least).for_each(|channel| {
                for first in (0..filters).step_by(GROUP) {
                    let mut taps = [[0.0_f32; GROUP]; 9];
                    for lane in 0..GROUP.min(filters - first) {
                        for (taps, tap) in taps.iter_mut().zip(weight(first + lane, channel)) {
                            taps[lane] = tap;
                        }
                    }
                    let mut elements = [[0.0_f32; GROUP]; ELEMENTS];
                    spread_widest(&taps, &mut elements);
                    for (element, values) in elements.iter().enumerate() {
                        let to = result.at((element * channels + channel) * wide + first, GROUP);
                        to.cast::<Lanes>().write_unaligned(*values);
                    }
                }
            });
        })
    }
}

widest!(fn spread_widest(taps: &[Lanes; 9], elements: &mut [Lanes; ELEMENTS]) = spread);

#[inline(always)]
fn spread(taps: &[Lanes; 9], elements: &mut [Lanes; ELEMENTS]) {
    let mut rows = [[[0.0_f32; GROUP]; 3]; 4];
    for x in 0..3 {
        for lane in 0..GROUP {
            let [a, b, c] = [0, 1, 2].map(|y| taps[3 * y + x][lane]);
            let (even, odd) = (0.5 * (a + c), 0.5 * b);
            rows[0][x][lane] = a;
            rows[1][x][lane] = even + odd;
            rows[2][x][lane] = even - odd;
            rows[3][x][lane] = c;
        }
    }
    for (y, row) in rows.iter().enumerate() {
        let mut values = [[0.0_f32; GROUP]; 4];
        for lane in 0..GROUP {
            let [a, b, c] = [row[0][lane], row[1][lane], row[2][lane]];
            let (even, odd) = (0.5 * (a + c), 0.5 * b);
            values[0][lane] = a;
            values[1][lane] = even + odd;
            values[2][lane] = even - odd;
            values[3][lane] = c;
        }
        for (x, values) in values.iter().enumerate() {
            elements[4 * y + x] = *values;
        }
    }
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
