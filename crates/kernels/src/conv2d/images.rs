//! What is computed image by image: the result, and the gradient with respect to the images.

use super::ending::Rows;
use super::pieces::{Job, Piece, Spread};
use super::sheet::{Axis, Layout};
use super::tile::{Bank, Distances};
use super::winograd::{Seen, Taps};
use super::{Conv2d, winograd};

/// The result, `[batch, filters, ...]`; negative numbers are 0 if `relu` says so.
///
/// - `x`: `[batch, channels, height, width]`
/// - `weight`: `[filters, channels / groups, kernel, kernel]`
/// - `bias`: `[filters]`
///
/// # Panics
/// If the slices have other lengths.
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool, conv: &Conv2d) -> Vec<f32> {
    conv.check();
    assert_eq!((x.len(), weight.len()), (conv.input_count(), conv.weight_count()), "{conv:?}");
    assert!(bias.is_none_or(|bias| bias.len() == conv.filters), "{conv:?}");
    if winograd::suits(conv) {
        let taps = Taps { weight, steps: [9 * conv.channels, 9], turned: false };
        if let Some(result) = winograd::sums(Seen::of(x, conv), conv.filters, taps, bias, relu) {
            return result;
        }
    }
    let layout = seen(conv);
    let [height, width] = conv.outputs();
    let channels = conv.channels / conv.groups;
    let distances = (0..channels).flat_map(|c| tap_distances(conv, &layout, c * layout.channel)).collect();
    let piece = Piece {
        distances: Distances::new(distances),
        rows: Rows { run: layout.columns.length, places: [height, width] },
        bank: Bank { weights: weight, filters: conv.filters / conv.groups, steps: [conv.taps(), 1] },
        spread: Spread { offset: 0, steps: [width, 1], channel: height * width },
    };
    let job =
        Job { conv, layout: &layout, pieces: &[piece], bias, relu, image: conv.filters * height * width, channels };
    job.run(x, conv.output_count())
}

/// The gradient with respect to the images, `[batch, channels, height, width]`, given that with respect to the result.
///
/// # Panics
/// If the slices have other lengths.
pub fn data_gradient(gradient: &[f32], weight: &[f32], conv: &Conv2d) -> Vec<f32> {
    conv.check();
    assert_eq!((gradient.len(), weight.len()), (conv.output_count(), conv.weight_count()), "{conv:?}");
    if winograd::suits(conv) {
        // The same filters upside down, seen from the other side.
        let taps = Taps { weight, steps: [9, 9 * conv.channels], turned: true };
        let seen = Seen {
            images: gradient,
            batch: conv.batch,
            channels: conv.filters,
            size: conv.outputs(),
            padding: conv.padding.map(|padding| 2 - padding),
            outputs: conv.size,
        };
        if let Some(result) = winograd::sums(seen, conv.channels, taps, None, false) {
            return result;
        }
    }
    let [height, width] = conv.size;
    let [result_height, result_width] = conv.outputs();
    // Pixel `stride q + r - padding` is seen by the tap k at place `q - (dilation k - r) / stride`, for the taps whose remainder is r.
    let axes = [0, 1].map(|axis| Way::back(conv, axis));
    let longest = |axis: usize, results: usize| {
        let before = axes[axis].before;
        (before + results).max(axes[axis].ends.iter().copied().max().unwrap_or(0) + before)
    };
    let rows = Axis { pixels: result_height, before: axes[0].before, stride: 1, length: longest(0, result_height) };
    let columns = Axis { pixels: result_width, before: axes[1].before, stride: 1, length: longest(1, result_width) };
    let layout = Layout::new(rows, columns, vec![[0, 0]]);
    let (channels, filters) = (conv.channels / conv.groups, conv.filters / conv.groups);
    let (area, taps) = (conv.kernel[0] * conv.kernel[1], conv.taps());
    let run = layout.columns.length;
    let pairs: Vec<[usize; 2]> =
        (0..conv.stride[0]).flat_map(|row| (0..conv.stride[1]).map(move |column| [row, column])).collect();
    // What each pair's taps see, and their weights, `[groups][channels][taps]`.
    let of_pair: Vec<(Vec<usize>, Vec<f32>)> = pairs
        .iter()
        .map(|&[row, column]| {
            let of_axis = |axis: usize, remainder: usize| {
                let (stride, dilation) = (conv.stride[axis], conv.dilation[axis]);
                let way = &axes[axis];
                (0..conv.kernel[axis])
                    .filter(move |k| dilation * k % stride == remainder)
                    .map(move |k| (k, way.starts[remainder] + way.before - (dilation * k - remainder) / stride))
            };
            let mut distances = Vec::new();
            let mut order = Vec::new();
            for f in 0..filters {
                for (ky, down) in of_axis(0, row) {
                    for (kx, across) in of_axis(1, column) {
                        distances.push(f * layout.channel + down * run + across);
                        order.push(f * taps + ky * conv.kernel[1] + kx);
                    }
                }
            }
            let mut weights = Vec::with_capacity(conv.groups * channels * order.len());
            for (group, channel) in
                (0..conv.groups).flat_map(|group| (0..channels).map(move |channel| (group, channel)))
            {
                let first = group * filters * taps + channel * area;
                weights.extend(order.iter().map(|&tap| weight[first + tap]));
            }
            (distances, weights)
        })
        .collect();
    let pieces: Vec<Piece<'_>> = pairs
        .iter()
        .zip(&of_pair)
        .map(|(&[row, column], (distances, weights))| {
            let extent = |axis: usize, remainder: usize| axes[axis].ends[remainder] - axes[axis].starts[remainder];
            let first = |axis: usize, remainder: usize| {
                conv.stride[axis] * axes[axis].starts[remainder] + remainder
                    - conv.padding[axis].min(conv.stride[axis] * axes[axis].starts[remainder] + remainder)
            };
            Piece {
                distances: Distances::new(distances.clone()),
                rows: Rows { run, places: [extent(0, row), extent(1, column)] },
                bank: Bank { weights, filters: channels, steps: [distances.len(), 1] },
                spread: Spread {
                    offset: first(0, row) * width + first(1, column),
                    steps: [conv.stride[0] * width, conv.stride[1]],
                    channel: height * width,
                },
            }
        })
        .collect();
    let image = conv.channels * height * width;
    let job = Job { conv, layout: &layout, pieces: &pieces, bias: None, relu: false, image, channels: filters };
    job.run(gradient, conv.input_count())
}

/// How a pixel is reached from the results that saw it, along one axis, by the remainder of its place by the stride.
struct Way {
    /// The first place `q` of each remainder that is a pixel.
    starts: Vec<usize>,
    /// One behind the last.
    ends: Vec<usize>,
    /// So many zeros are needed before the results.
    before: usize,
}

impl Way {
    fn back(conv: &Conv2d, axis: usize) -> Self {
        let (stride, padding, pixels) = (conv.stride[axis], conv.padding[axis], conv.size[axis]);
        let starts: Vec<usize> =
            (0..stride).map(|remainder| padding.saturating_sub(remainder).div_ceil(stride)).collect();
        let ends = (0..stride)
            .map(|remainder| (pixels + padding).saturating_sub(remainder).div_ceil(stride).max(starts[remainder]))
            .collect();
        let reach = |k: usize| conv.dilation[axis] * k;
        let before = (0..conv.kernel[axis])
            .map(|k| (reach(k) / stride).saturating_sub(starts[reach(k) % stride]))
            .max()
            .unwrap_or(0);
        Self { starts, ends, before }
    }
}

/// Where the taps see the image, laid out as it is for the result.
pub(super) fn seen(conv: &Conv2d) -> Layout {
    let results = conv.outputs();
    let axis = |axis: usize| {
        let reach = conv.dilation[axis] * (conv.kernel[axis] - 1);
        Axis {
            pixels: conv.size[axis],
            before: conv.padding[axis],
            stride: conv.stride[axis],
            length: results[axis] + reach / conv.stride[axis],
        }
    };
    let mut remainders: Vec<[usize; 2]> =
        taps(conv).map(|tap| [0, 1].map(|axis| tap[axis] % conv.stride[axis])).collect();
    remainders.sort_unstable();
    remainders.dedup();
    Layout::new(axis(0), axis(1), remainders)
}

/// The rows and columns at which the taps of a channel lie.
fn taps(conv: &Conv2d) -> impl Iterator<Item = [usize; 2]> {
    let (kernel, dilation) = (conv.kernel, conv.dilation);
    (0..kernel[0]).flat_map(move |row| (0..kernel[1]).map(move |column| [row * dilation[0], column * dilation[1]]))
}

/// How far from the place of a result its taps see a channel whose sheets begin at `base`.
pub(super) fn tap_distances<'a>(conv: &'a Conv2d, layout: &'a Layout, base: usize) -> impl Iterator<Item = usize> + 'a {
    taps(conv).map(move |tap| {
        let remainder = [0, 1].map(|axis| tap[axis] % conv.stride[axis]);
        let sheet = layout.remainders.iter().position(|known| *known == remainder).unwrap_or_default();
        let [row, column] = [0, 1].map(|axis| tap[axis] / conv.stride[axis]);
        base + sheet * layout.sheet() + row * layout.columns.length + column
    })
}
