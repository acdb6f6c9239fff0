//! What is summed up over all images: the gradients with respect to the filters and their biases.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::images::{seen, tap_distances};
use super::sheet::{Axis, Layout, MARGIN};
use super::{Conv2d, winograd};
use crate::dots::correlate;
use crate::fresh::Aligned;
use crate::lanes::{sums, vectorized, widest};

/// The images of a batch are dealt out into so many parts at most, whose sums are added in their order: not into as many as there are threads,
/// so that the bits do not depend on these.
const MOST_PARTS: usize = 8;
/// The gradients of a tile's filters are summed up over so many images at a time that they have about so many floats: they stay in the
/// nearest cache while every tap is gone through.
const NEAR: usize = 6 << 10;
/// How many floats the widest vectors have.
const WIDEST: usize = 16;

/// The gradient with respect to the biases, `[filters]`.
///
/// # Panics
/// If the slice has another length.
pub fn bias_gradient(gradient: &[f32], conv: &Conv2d) -> Vec<f32> {
    assert_eq!(gradient.len(), conv.output_count(), "{conv:?}");
    let area: usize = conv.outputs().iter().product();
    let mut sums = vec![0.0_f64; conv.filters];
    for (plane, sum) in gradient.chunks_exact(area.max(1)).zip((0..conv.filters).cycle()) {
        sums[sum] += f64::from(plane_sum_widest(plane));
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

widest!(fn plane_sum_widest(plane: &[f32]) -> f32 = plane_sum);

#[inline(always)]
fn plane_sum(plane: &[f32]) -> f32 {
    sums([plane], |[x]| [x])[0]
}

/// The gradient with respect to the filters, `[filters, channels / groups, kernel, kernel]`, given the images and the gradient with respect
/// to the result.
///
/// # Panics
/// If the slices have other lengths.
pub fn weight_gradient(x: &[f32], gradient: &[f32], conv: &Conv2d) -> Vec<f32> {
    conv.check();
    assert_eq!((x.len(), gradient.len()), (conv.input_count(), conv.output_count()), "{conv:?}");
    if winograd::suits_filters(conv) {
        let seen = winograd::Seen::of(x, conv);
        let total = added_up(conv.batch, |images| winograd::filters_gradient(seen, gradient, conv.filters, images));
        if total.iter().all(|value| value.is_finite()) {
            return total;
        }
    }
    let layout = seen(conv);
    let [height, width] = conv.outputs();
    // The gradient lies in rows as long as those of the sheets, with zeros behind the end of each, and behind the last row so many that
    // whole vectors can be read.
    let run = layout.columns.length.max(1);
    let whole = (height.saturating_sub(1) * run + width).next_multiple_of(WIDEST);
    let rows = Axis { pixels: height, before: 0, stride: 1, length: whole.div_ceil(run).max(height) };
    let columns = Axis { pixels: width, before: 0, stride: 1, length: layout.columns.length };
    let spread = Layout::new(rows, columns, vec![[0, 0]]).aligned(WIDEST);
    let job = Job { conv, layout: &layout, spread: &spread, x, gradient };
    added_up(conv.batch, |images| job.sum(images))
}

/// What comes of parts of a batch, added up in their order.
fn added_up(batch: usize, sum: impl Fn(Range<usize>) -> Vec<f32> + Sync) -> Vec<f32> {
    let parts = batch.clamp(1, MOST_PARTS);
    let mut sums: Vec<Vec<f32>> =
        (0..parts).into_par_iter().map(|part| sum(part * batch / parts..(part + 1) * batch / parts)).collect();
    let mut total = sums.swap_remove(0);
    // After the swap the last part is the first of the rest; which order it is does not matter, as long as it is always the same.
    for part in sums {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
    }
    total
}

struct Job<'a> {
    conv: &'a Conv2d,
    layout: &'a Layout,
    spread: &'a Layout,
    x: &'a [f32],
    gradient: &'a [f32],
}

impl Job<'_> {
    /// The sums over some images.
    fn sum(&self, images: Range<usize>) -> Vec<f32> {
        let Self { conv, layout, spread, .. } = *self;
        let (channels, filters) = (conv.channels / conv.groups, conv.filters / conv.groups);
        let (pixels, places) = (conv.size[0] * conv.size[1], conv.outputs().iter().product::<usize>());
        let mut total = vec![0.0; conv.weight_count()];
        if places == 0 || images.is_empty() || filters == 0 || channels == 0 {
            return total;
        }
        let sheets = channels * layout.channel;
        let row = spread.channel;
        let gradients = filters * row;
        let near = (NEAR / (filters.min(8) * row)).clamp(1, images.len());
        let (sheets_each, gradients_each) = (sheets + MARGIN, gradients);
        let mut sheet_buffer = vec![0.0_f32; near * sheets_each];
        let mut gradient_buffer = Aligned::zeros(near * gradients_each);
        let gradient_buffer = gradient_buffer.floats();
        let distances: Vec<usize> =
            (0..channels).flat_map(|c| tap_distances(conv, layout, c * layout.channel)).collect();
        let mut first = images.start;
        while first < images.end {
            let count = near.min(images.end - first);
            for group in 0..conv.groups {
                for k in 0..count {
                    let x = &self.x[((first + k) * conv.channels + group * channels) * pixels..][..channels * pixels];
                    layout.lay(x, &mut sheet_buffer[k * sheets_each..][..sheets]);
                    let gradient =
                        &self.gradient[((first + k) * conv.filters + group * filters) * places..][..filters * places];
                    spread.lay(gradient, &mut gradient_buffer[k * gradients_each..][..gradients]);
                }
                vectorized(Correlate {
                    images: count,
                    distances: &distances,
                    sheets: &sheet_buffer,
                    sheets_each,
                    gradients: gradient_buffer,
                    gradients_each,
                    filters,
                    row,
                    count: (conv.outputs()[0] - 1) * layout.columns.length + conv.outputs()[1],
                    total: &mut total[group * filters * conv.taps()..][..filters * conv.taps()],
                });
            }
            first += count;
        }
        total
    }
}

struct Correlate<'a> {
    images: usize,
    distances: &'a [usize],
    sheets: &'a [f32],
    sheets_each: usize,
    gradients: &'a [f32],
    gradients_each: usize,
    filters: usize,
    row: usize,
    count: usize,
    total: &'a mut [f32],
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (self.filters, S::REGISTER_COUNT >= 32) {
            (1, _) => self.tiles::<S, 1, 9>(simd),
            (_, true) => self.tiles::<S, 8, 3>(simd),
            (_, false) => self.tiles::<S, 4, 2>(simd),
        }
    }
}

impl Correlate<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const F: usize, const T: usize>(self, simd: S) {
        let Self { images, distances, sheets, sheets_each, gradients, gradients_each, filters, row, count, total } =
            self;
        let taps = distances.len();
        let farthest = distances.iter().copied().max().unwrap_or(0);
        // Behind the last place of a filter the gradient is 0, and something or other stands in the sheets.
        let vectors = count.div_ceil(S::F32_LANES);
        let whole = vectors * S::F32_LANES;
        assert!(sheets.len() >= images * sheets_each && farthest + whole <= sheets_each && whole <= row);
        assert!(gradients.len() >= images * gradients_each && filters * row <= gradients_each);
        assert_eq!(total.len(), filters * taps);
        for filter in (0..filters).step_by(F) {
            for tap in (0..taps).step_by(T) {
                // A tile that goes beyond the last filter or tap does the last one again, and what it found is left out.
                let rows: [usize; F] = std::array::from_fn(|f| (filter + f).min(filters - 1) * row);
                let seen: [usize; T] = std::array::from_fn(|t| distances[(tap + t).min(taps - 1)]);
                let mut sums = [[simd.splat_f32s(0.0); T]; F];
                for image in 0..images {
                    let (sheets, gradients) = (&sheets[image * sheets_each..], &gradients[image * gradients_each..]);
                    // SAFETY: every row and distance was checked to have `whole` places in the part of each image.
                    #[expect(unsafe_code, reason = "see above")]
                    unsafe {
                        let rows = rows.map(|row| gradients.as_ptr().add(row));
                        let seen = seen.map(|distance| sheets.as_ptr().add(distance));
                        correlate::<S, F, T>(simd, rows, seen, vectors, &mut sums);
                    }
                }
                for f in 0..F.min(filters - filter) {
                    for t in 0..T.min(taps - tap) {
                        total[(filter + f) * taps + tap + t] += simd.reduce_sum_f32s(sums[f][t]);
                    }
                }
            }
        }
    }
}
