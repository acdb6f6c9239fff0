//! What is computed image by image: the result, and the gradient with respect to the images.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::ending::{Ending, rows_widest};
use super::sheet::{Axis, Layout, MARGIN};
use super::tile::{Sum, tile_of};
use super::winograd::{Seen, Taps};
use super::{Conv2d, winograd};
use crate::each::Function;
use crate::fresh::{Shared, written};
use crate::lanes::{tile_rows, vectorized};

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
    let run = layout.columns.length;
    let distances: Vec<usize> = (0..channels).flat_map(|c| tap_distances(conv, &layout, c * layout.channel)).collect();
    let filters = conv.filters / conv.groups;
    let taps = conv.taps();
    let piece = Piece {
        distances: &distances,
        start: 0,
        run,
        places: [height, width],
        weights: Weights::new(conv.groups, filters, taps, |group, filter, tap| {
            weight[(group * filters + filter) * taps + tap]
        }),
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
    let of_pair: Vec<(Vec<usize>, Vec<usize>)> = pairs
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
            (distances, order)
        })
        .collect();
    let pieces: Vec<Piece<'_>> = pairs
        .iter()
        .zip(&of_pair)
        .map(|(&[row, column], (distances, order))| {
            let extent = |axis: usize, remainder: usize| axes[axis].ends[remainder] - axes[axis].starts[remainder];
            let first = |axis: usize, remainder: usize| {
                conv.stride[axis] * axes[axis].starts[remainder] + remainder
                    - conv.padding[axis].min(conv.stride[axis] * axes[axis].starts[remainder] + remainder)
            };
            Piece {
                distances,
                start: 0,
                run,
                places: [extent(0, row), extent(1, column)],
                weights: Weights::new(conv.groups, channels, order.len(), |group, channel, tap| {
                    weight[group * filters * taps + channel * area + order[tap]]
                }),
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

/// The weights of each group, tile by tile: for each tap those of the filters of a tile, side by side; a tile that has fewer filters is
/// filled up with zeros.
struct Weights {
    packed: Vec<f32>,
    group: usize,
    filters: usize,
    taps: usize,
    /// How many filters a tile has.
    tile: usize,
}

impl Weights {
    fn tiles(&self) -> usize {
        self.filters.div_ceil(self.tile)
    }

    /// The filters of some tiles.
    fn filters_of(&self, tiles: &Range<usize>) -> Range<usize> {
        tiles.start * self.tile..(tiles.end * self.tile).min(self.filters)
    }

    fn new(groups: usize, filters: usize, taps: usize, weight: impl Fn(usize, usize, usize) -> f32) -> Self {
        struct Registers;
        impl WithSimd for Registers {
            type Output = usize;
            fn with_simd<S: Simd>(self, _simd: S) -> usize {
                S::REGISTER_COUNT
            }
        }
        let tile = tile_of(filters, tile_rows(vectorized(Registers)));
        let group = filters.div_ceil(tile) * tile * taps;
        let mut packed = vec![0.0; groups * group];
        for g in 0..groups {
            for f in 0..filters {
                let first = g * group + f / tile * tile * taps + f % tile;
                for tap in 0..taps {
                    packed[first + tap * tile] = weight(g, f, tap);
                }
            }
        }
        Self { packed, group, filters, taps, tile }
    }
}

/// Fewer images are not enough for all threads, whatever their number.
const FEW: usize = 8;
/// Into so many pieces the images fall at most.
const MOST_PIECES: usize = 32;

/// Where the places of a piece lie in the result.
#[derive(Clone, Copy)]
struct Spread {
    /// The first of them, in the first channel.
    offset: usize,
    /// From a row to the next, and from a column to the next.
    steps: [usize; 2],
    /// From a channel to the next.
    channel: usize,
}

/// Places of the result that see the sheets in the same way.
struct Piece<'a> {
    /// How far from a place each tap sees.
    distances: &'a [usize],
    start: usize,
    /// How long the rows of the sheets are.
    run: usize,
    /// Rows and columns.
    places: [usize; 2],
    weights: Weights,
    spread: Spread,
}

impl Piece<'_> {
    /// How many places there are, with those behind the ends of rows.
    fn count(&self) -> usize {
        match self.places {
            [0, _] | [_, 0] => 0,
            [rows, columns] => (rows - 1) * self.run + columns,
        }
    }
}

/// A sum over sheets of every image of a batch.
struct Job<'a> {
    conv: &'a Conv2d,
    layout: &'a Layout,
    pieces: &'a [Piece<'a>],
    bias: Option<&'a [f32]>,
    relu: bool,
    /// How many floats of the result belong to an image.
    image: usize,
    /// How many channels of the sheets belong to a group.
    channels: usize,
}

impl Job<'_> {
    fn run(&self, images: &[f32], count: usize) -> Vec<f32> {
        let each = self.channels * self.conv.groups * self.layout.rows.pixels * self.layout.columns.pixels;
        let sheets = self.channels.max(1) * self.layout.channel + MARGIN;
        let most = self.pieces.iter().map(Piece::count).max().unwrap_or(0) + MARGIN;
        let rows = self.pieces.iter().map(|piece| piece.weights.filters).max().unwrap_or(0) + 8;
        // SAFETY: each image and each group writes all of its part: a place of the result belongs to one piece.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            written(count, |result| {
                // Of few images the filters are dealt out as well; each task lays out its image for itself.
                let few = self.conv.batch * self.conv.groups;
                let tiles = self.pieces.first().map_or(0, |piece| piece.weights.tiles());
                let parts = FEW.checked_div(few).unwrap_or(1).clamp(1, tiles.max(1));
                let count = few * parts;
                // Each piece of work lays out memory of its own.
                let work = (0..count).into_par_iter().with_min_len(count.div_ceil(MOST_PIECES));
                work.for_each_init(
                    || (vec![0.0_f32; sheets], vec![0.0_f32; rows * most]),
                    |(sheets, sums), index| {
                        let (index, part) = (index / parts, index % parts);
                        let (image, group) = (index / self.conv.groups, index % self.conv.groups);
                        let tiles = part * tiles / parts..(part + 1) * tiles / parts;
                        let part = each / self.conv.groups;
                        let from = image * each + group * part;
                        self.layout.lay(&images[from..from + part], sheets);
                        for piece in self.pieces.iter().filter(|piece| piece.count() > 0) {
                            Self::sum(piece, group, tiles.clone(), sheets, sums);
                            self.spread(piece, [image, group], piece.weights.filters_of(&tiles), sums, result);
                        }
                    },
                );
            })
        }
    }

    /// The sums of some tiles of the filters of a group at every place of a piece, `[filters][count + MARGIN]`.
    fn sum(piece: &Piece<'_>, group: usize, tiles: Range<usize>, sheets: &[f32], sums: &mut [f32]) {
        let row = piece.count() + MARGIN;
        let Weights { packed, group: each, tile, taps, .. } = &piece.weights;
        let weights = &packed[group * each..][tiles.start * tile * taps..tiles.end * tile * taps];
        vectorized(Sum {
            distances: piece.distances,
            weights,
            tile: *tile,
            tiles: tiles.len(),
            taps: *taps,
            count: piece.count(),
            sheets: &sheets[piece.start..],
            sums,
            row,
        });
    }

    /// Writes the sums of some filters of a group of an image to where they belong.
    fn spread(
        &self,
        piece: &Piece<'_>,
        [image, group]: [usize; 2],
        filters: Range<usize>,
        sums: &[f32],
        result: Shared,
    ) {
        let row = piece.count() + MARGIN;
        let [rows, columns] = piece.places;
        let Spread { offset, steps: [down, across], channel } = piece.spread;
        for (f, filter) in filters.enumerate() {
            let number = group * piece.weights.filters + filter;
            let ending = Ending { bias: self.bias.map_or(0.0, |bias| bias[number]), relu: self.relu };
            let first = image * self.image + number * channel + offset;
            let sums = &sums[f * row..];
            if across == 1 {
                rows_widest(sums, piece.run, [rows, columns], [first, down], ending, result);
                continue;
            }
            for y in 0..rows {
                let to = result.at(first + y * down, (columns - 1) * across + 1);
                for (x, &sum) in sums[y * piece.run..][..columns].iter().enumerate() {
                    // SAFETY: `columns` places from there on, `across` apart, lie within what `at` has checked, and are this piece's own.
                    #[expect(unsafe_code, reason = "see above")]
                    unsafe {
                        *to.add(x * across) = ending.at([sum]);
                    }
                }
            }
        }
    }
}
