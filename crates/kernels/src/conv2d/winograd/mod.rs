//! Filters of 3 x 3 taps that are laid at every place, by fewer products.
//!
//! Winograd's F(2 x 2, 3 x 3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): a tile of 2 x 2 results y comes of
//! the 4 x 4 pixels d that it sees and of a filter w by 16 products instead of 36, and so does the gradient of w from those of the results:
//!
//! ```text
//! y = At ((G w Gt) (Bt d B)) A          to w = Gt ((A g At) (Bt d B)) G          products element by element
//! ```
//!
//! With many channels and filters the products of each of the 16 elements are those of two matrices. Everything lies with its channels
//! side by side, so that vectors go over channels and no place is wasted, however small the images.
//!
//! Sums and differences of what is infinite, or nearly so, are no numbers where the result is infinite by its definition. So wherever
//! something comes out that is not finite, nothing is given, and whoever asked computes by the definition.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::Conv2d;
use crate::fresh::{Aligned, Shared, written};
use crate::lanes::vectorized;
use crate::product::{Matrix, multiply_into};
pub(super) use filters::Taps;
use filters::{GROUP, filters_back, transformed};
use transforms::{FromGradients, FromImages, ToResults};
use turned::{Window, from_planes, to_planes};

mod filters;
mod transforms;
mod turned;

/// So many elements a transformed tile has.
const ELEMENTS: usize = 16;
/// The tiles of a block, transformed, have about so many floats together with their sums, which the second cache holds.
const BLOCK: usize = 128 << 10;
/// But a block has at least so many tiles, if there are as many, whatever holds them: for all of them the filters are read once.
const TILES_A_BLOCK: usize = 192;
/// Where several threads compute, blocks are made smaller until there are so many for each, but not smaller than this.
const BLOCKS_A_THREAD: usize = 4;
const FEWEST: usize = 32;
/// A row of tiles has at most so many floats.
const WIDEST_ROW: usize = 16 * BLOCK;
/// With fewer channels or filters more time goes into the transforms than is won.
const CHANNELS: usize = 12;
/// With fewer tiles in all images more time goes into the transforms of filters than is won.
const TILES: usize = 48;
/// And with fewer than one for so many filters times channels.
const FILTERS_A_TILE: usize = 2048;
/// At least this share of the gradients to filters must be asked for; the others fill up the groups.
const USEFUL: f64 = 0.75;
/// The transformed filters of each part of a batch are held in memory; with more of them than this they are not.
const MOST_FILTERS: usize = 256 * 256;

/// Whether the results and the gradient with respect to images are computed like this.
pub(super) fn suits(conv: &Conv2d) -> bool {
    let plain = conv.kernel == [3, 3] && conv.stride == [1, 1] && conv.dilation == [1, 1] && conv.groups == 1;
    let [down, across] = conv.outputs().map(|side| side.div_ceil(2));
    let tiles = conv.batch * down * across;
    let lanes = conv.channels.next_multiple_of(GROUP) + conv.filters.next_multiple_of(GROUP);
    plain
        && tiles >= TILES.max(conv.channels * conv.filters / FILTERS_A_TILE)
        && ELEMENTS * across * lanes <= WIDEST_ROW
        && conv.padding.iter().all(|&padding| padding <= 2)
        && conv.channels.min(conv.filters) >= CHANNELS
        && conv.outputs().iter().chain(&conv.size).all(|&side| side >= 4)
}

/// Whether the gradient with respect to filters is.
pub(super) fn suits_filters(conv: &Conv2d) -> bool {
    let (asked, filled) = [conv.channels, conv.filters]
        .iter()
        .fold((1, 1), |(asked, filled), &count| (asked * count, filled * count.next_multiple_of(GROUP)));
    suits(conv) && asked <= MOST_FILTERS && asked as f64 >= USEFUL * filled as f64
}

/// Images that are seen by filters.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) images: &'a [f32],
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) size: [usize; 2],
    /// Zeros above and to the left.
    pub(super) padding: [usize; 2],
    /// Height and width of the result.
    pub(super) outputs: [usize; 2],
}

impl<'a> Seen<'a> {
    /// The images of a convolution.
    pub(super) fn of(images: &'a [f32], conv: &Conv2d) -> Self {
        let Conv2d { batch, channels, size, padding, .. } = *conv;
        Self { images, batch, channels, size, padding, outputs: conv.outputs() }
    }

    fn tiles(&self) -> [usize; 2] {
        self.outputs.map(|side| side.div_ceil(2))
    }
}

/// Some rows of tiles of some images.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    images: Range<usize>,
    rows: Range<usize>,
}

impl Block {
    /// All tiles of some images, so that a block has about as many as `most`.
    fn all(images: Range<usize>, [rows, across]: [usize; 2], most: usize) -> Vec<Self> {
        let each = rows * across;
        let parts = each.div_ceil(most).min(rows);
        let count = (most / each).max(1);
        let first = images.clone().step_by(count);
        first
            .flat_map(|first| {
                let images = first..(first + count).min(images.end);
                (0..parts).map(move |k| Self { images: images.clone(), rows: k * rows / parts..(k + 1) * rows / parts })
            })
            .collect()
    }

    fn tiles(&self, across: usize) -> usize {
        self.images.len() * self.rows.len() * across
    }
}

thread_local! {
    /// Memory of a thread: pixels side by side by channel, transformed tiles of images, and those of results or of gradients.
    static ROOM: RefCell<[Aligned; 3]> = RefCell::new([Aligned::zeros(0), Aligned::zeros(0), Aligned::zeros(0)]);
}

/// Transformed tiles, `[elements][tiles][lanes]`, each tile's channels filled up with zeros; between elements is a gap, so that the same
/// tile of all elements does not fall into one line of the cache.
#[derive(Clone, Copy)]
struct Tiles {
    /// How many floats lie from a tile to the next.
    lanes: usize,
    /// How many from an element to the next.
    element: usize,
}

impl Tiles {
    fn new(count: usize, channels: usize) -> Self {
        let lanes = channels.next_multiple_of(GROUP);
        Self { lanes, element: count * lanes + GROUP }
    }

    fn floats(&self) -> usize {
        ELEMENTS * self.element
    }

    /// One element of `count` tiles, `[tiles, channels]`.
    fn matrix<'a>(&self, floats: &'a [f32], element: usize, count: usize, channels: usize) -> Matrix<'a> {
        Matrix { data: &floats[element * self.element..], size: [count, channels], steps: [self.lanes, 1] }
    }
}

/// About how many tiles a block has.
fn tiles_of_block(channels: usize, filters: usize) -> usize {
    let near = BLOCK / (ELEMENTS * (channels.next_multiple_of(GROUP) + filters.next_multiple_of(GROUP)));
    near.max(TILES_A_BLOCK)
}

/// The result, `[batch, filters, ...]`, with what is done to each sum; nothing if some of it is not finite.
pub(super) fn sums(
    seen: Seen<'_>,
    filters: usize,
    taps: Taps<'_>,
    bias: Option<&[f32]>,
    relu: bool,
) -> Option<Vec<f32>> {
    let channels = seen.channels;
    let table = Tiles::new(channels, filters);
    let transformed = transformed(channels, filters, table, taps);
    let finite = AtomicBool::new(true);
    let across = seen.tiles()[1];
    let threads = rayon::current_num_threads();
    let share = match threads {
        1 => usize::MAX,
        _ => (seen.batch * seen.tiles()[0] * across).div_ceil(BLOCKS_A_THREAD * threads).max(FEWEST),
    };
    // What becomes of a tile is the same in whatever block it is.
    let blocks = Block::all(0..seen.batch, seen.tiles(), share.min(tiles_of_block(channels, filters)));
    let area: usize = seen.outputs.iter().product();
    // SAFETY: the blocks write each tile of each image once, of every filter.
    #[expect(unsafe_code, reason = "see above")]
    let result = unsafe {
        written(seen.batch * filters * area, |result| {
            blocks.into_par_iter().for_each(|block| {
                ROOM.with_borrow_mut(|[pixels, seen_tiles, sums]| {
                    let count = block.tiles(across);
                    let (from, to) = (Tiles::new(count, channels), Tiles::new(count, filters));
                    let seen_tiles = seen_tiles.at_least(from.floats());
                    let sums = sums.at_least(to.floats());
                    lay_images(seen, &block, pixels, from, seen_tiles);
                    for element in 0..ELEMENTS {
                        let tiles = from.matrix(seen_tiles, element, count, channels);
                        let weights = table.matrix(&transformed, element, channels, table.lanes);
                        multiply_into(tiles, weights, &mut sums[element * to.element..], to.lanes, 1.0, false);
                    }
                    if !write_results(seen, filters, &block, pixels, (to, sums), (bias, relu), result) {
                        finite.store(false, Ordering::Relaxed);
                    }
                });
            });
        })
    };
    finite.into_inner().then_some(result)
}

/// The gradient with respect to the filters, `[filters, channels, 3, 3]`, of some images, given that with respect to the result. Where it is
/// not finite it may be so at other taps than by the definition.
pub(super) fn filters_gradient(seen: Seen<'_>, gradient: &[f32], filters: usize, images: Range<usize>) -> Vec<f32> {
    let channels = seen.channels;
    let across = seen.tiles()[1];
    let wide = channels.next_multiple_of(GROUP);
    let mut total = vec![0.0_f32; ELEMENTS * filters * wide];
    let gradients = Seen { images: gradient, channels: filters, size: seen.outputs, padding: [0, 0], ..seen };
    for block in Block::all(images, seen.tiles(), tiles_of_block(channels, filters)) {
        ROOM.with_borrow_mut(|[pixels, seen_tiles, gradient_tiles]| {
            let count = block.tiles(across);
            let (from, to) = (Tiles::new(count, channels), Tiles::new(count, filters));
            let seen_tiles = seen_tiles.at_least(from.floats());
            let gradient_tiles = gradient_tiles.at_least(to.floats());
            lay_images(seen, &block, pixels, from, seen_tiles);
            lay_gradients(gradients, &block, pixels, to, gradient_tiles);
            for (element, total) in total.chunks_exact_mut(filters * wide).enumerate() {
                let tiles = from.matrix(seen_tiles, element, count, channels);
                let gradients = to.matrix(gradient_tiles, element, count, filters);
                multiply_into(gradients.transposed(), tiles, total, wide, 1.0, true);
            }
        });
    }
    filters_back(&total, filters, channels)
}

/// Lays out what a block sees, transformed.
fn lay_images(seen: Seen<'_>, block: &Block, pixels: &mut Aligned, tiles: Tiles, to: &mut [f32]) {
    let across = seen.tiles()[1];
    let rows = block.rows.len();
    let (height, pitch) = (2 * rows + 2, 2 * across + 2);
    let pixels = pixels.at_least(height * pitch * GROUP);
    for (index, image) in block.images.clone().enumerate() {
        for first in (0..seen.channels).step_by(GROUP) {
            let window = Window {
                row: (2 * block.rows.start) as isize - seen.padding[0] as isize,
                rows: height,
                pitch,
                left: seen.padding[1],
            };
            from_planes(seen.images, [seen.channels, seen.size[0], seen.size[1]], image, first, window, pixels);
            vectorized(FromImages {
                pixels,
                pitch,
                tiles: [rows, across],
                to: &mut to[index * rows * across * tiles.lanes + first..],
                steps: [tiles.element, tiles.lanes],
            });
        }
    }
}

/// Lays out the gradients of a block, transformed.
fn lay_gradients(gradients: Seen<'_>, block: &Block, pixels: &mut Aligned, tiles: Tiles, to: &mut [f32]) {
    let across = gradients.tiles()[1];
    let rows = block.rows.len();
    let pixels = pixels.at_least(4 * rows * across * GROUP);
    for (index, image) in block.images.clone().enumerate() {
        for first in (0..gradients.channels).step_by(GROUP) {
            let window = Window { row: 2 * block.rows.start as isize, rows: 2 * rows, pitch: 2 * across, left: 0 };
            let size = [gradients.channels, gradients.size[0], gradients.size[1]];
            from_planes(gradients.images, size, image, first, window, pixels);
            vectorized(FromGradients {
                pixels,
                pitch: 2 * across,
                tiles: [rows, across],
                to: &mut to[index * rows * across * tiles.lanes + first..],
                steps: [tiles.element, tiles.lanes],
            });
        }
    }
}

/// Transforms the sums of a block back and writes them to where they belong; says whether all of them are finite.
fn write_results(
    seen: Seen<'_>,
    filters: usize,
    block: &Block,
    pixels: &mut Aligned,
    (tiles, sums): (Tiles, &[f32]),
    (bias, relu): (Option<&[f32]>, bool),
    result: Shared,
) -> bool {
    let across = seen.tiles()[1];
    let rows = block.rows.len();
    let pixels = pixels.at_least(4 * rows * across * GROUP);
    let mut finite = true;
    for (index, image) in block.images.clone().enumerate() {
        for first in (0..filters).step_by(GROUP) {
            let mut biases = [0.0; GROUP];
            if let Some(bias) = bias {
                biases.iter_mut().zip(&bias[first..]).for_each(|(to, bias)| *to = *bias);
            }
            finite &= vectorized(ToResults {
                biases,
                relu,
                sums: &sums[index * rows * across * tiles.lanes + first..],
                steps: [tiles.element, tiles.lanes],
                tiles: [rows, across],
                pixels,
            });
            let window = Window { row: 2 * block.rows.start as isize, rows: 2 * rows, pitch: 2 * across, left: 0 };
            to_planes(pixels, window, [filters, seen.outputs[0], seen.outputs[1]], image, first, result);
        }
    }
    finite
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_every_tile_once() {
        for (images, tiles, most) in
            [(0..1, [1, 1], 1), (0..64, [16, 16], 256), (3..10, [4, 4], 64), (0..1, [7, 100], 48), (0..5, [9, 3], 10)]
        {
            let mut met = vec![0; images.end * tiles[0]];
            for block in Block::all(images.clone(), tiles, most) {
                for image in block.images {
                    block.rows.clone().for_each(|row| met[image * tiles[0] + row] += 1);
                }
            }
            let (before, inside) = met.split_at(images.start * tiles[0]);
            assert!(before.iter().all(|&met| met == 0) && inside.iter().all(|&met| met == 1), "{images:?} {tiles:?}");
        }
    }
}
