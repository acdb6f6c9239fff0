//! Sums over the sheets of images, written to where they belong.
//!
//! Places are gone over in blocks whose part of the sheets stays near: for each of them all filters, a tile at a time, so that many weights
//! are read once for many places, and many places once for many weights.

use std::ops::Range;

use rayon::prelude::*;

use super::Conv2d;
use super::ending::{Ending, Rows, rows_widest};
use super::sheet::{Layout, MARGIN};
use super::tile::{Bank, Distances, Sum, TILE_VECTORS, lanes, tile_of};
use crate::each::Function;
use crate::fresh::{Aligned, Shared, written};
use crate::lanes::vectorized;

/// Fewer images are not enough for all threads, whatever their number.
const FEW: usize = 8;
/// Into so many pieces of work the images fall at most.
const MOST_WORK: usize = 32;
/// A block sees about so many floats of the sheets.
const BLOCK: usize = 48 << 10;
/// So many channels are laid out at a time, of few images.
const CHANNELS: usize = 8;

/// Where the places of a piece lie in the result.
#[derive(Clone, Copy)]
pub(super) struct Spread {
    /// The first of them, in the first channel.
    pub(super) offset: usize,
    /// From a row to the next, and from a column to the next.
    pub(super) steps: [usize; 2],
    /// From a channel to the next.
    pub(super) channel: usize,
}

/// Places of the result that see the sheets in the same way.
pub(super) struct Piece<'a> {
    pub(super) distances: Distances,
    pub(super) rows: Rows,
    /// The filters of the first group; those of the others follow.
    pub(super) bank: Bank<'a>,
    pub(super) spread: Spread,
}

impl Piece<'_> {
    fn bank(&self, group: usize) -> Bank<'_> {
        let floats = self.bank.filters * self.bank.steps[0];
        Bank { weights: &self.bank.weights[group * floats..(group + 1) * floats], ..self.bank }
    }
}

/// A sum over sheets of every image of a batch.
pub(super) struct Job<'a> {
    pub(super) conv: &'a Conv2d,
    pub(super) layout: &'a Layout,
    pub(super) pieces: &'a [Piece<'a>],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) relu: bool,
    /// How many floats of the result belong to an image.
    pub(super) image: usize,
    /// How many channels of the sheets belong to a group.
    pub(super) channels: usize,
}

impl Job<'_> {
    /// `count` floats, the result of all images.
    pub(super) fn run(&self, images: &[f32], count: usize) -> Vec<f32> {
        let pixels = self.layout.rows.pixels * self.layout.columns.pixels;
        let (part, size) = (self.channels * pixels, self.channels.max(1) * self.layout.channel + MARGIN);
        let parts = self.conv.batch * self.conv.groups;
        let filters = self.pieces.first().map_or(0, |piece| piece.bank.filters);
        // SAFETY: each image and each group writes all of its part: a place of the result belongs to one piece.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            written(count, |result| {
                if parts >= FEW {
                    let work = (0..parts).into_par_iter().with_min_len(parts.div_ceil(MOST_WORK));
                    // Zeros around what is laid out stay for the next image.
                    let room = || (vec![0.0_f32; size], Aligned::zeros(0));
                    work.for_each_init(room, |(sheets, sums), index| {
                        self.layout.lay(&images[index * part..][..part], sheets);
                        self.sum(index, 0..filters, sheets, sums, result);
                    });
                    return;
                }
                // Of few images the channels are dealt out, and then the filters.
                let mut sheets = vec![0.0_f32; parts * size];
                let several = CHANNELS * self.layout.channel.max(1);
                for (sheets, images) in sheets.chunks_exact_mut(size).zip(images.chunks_exact(part.max(1))) {
                    let channels = sheets.par_chunks_mut(several).zip(images.par_chunks(CHANNELS * pixels.max(1)));
                    channels.for_each(|(sheets, image)| self.layout.lay(image, sheets));
                }
                let tile = tile_of(filters);
                let tiles = filters.div_ceil(tile);
                let tasks = FEW.checked_div(parts).unwrap_or(1).clamp(1, tiles.max(1));
                (0..parts * tasks).into_par_iter().for_each_init(
                    || Aligned::zeros(0),
                    |sums, index| {
                        let (index, task) = (index / tasks, index % tasks);
                        let [first, last] = [task, task + 1].map(|task| (task * tiles / tasks * tile).min(filters));
                        let sheets = &sheets[index * size..][..size];
                        self.sum(index, first..last, sheets, sums, result);
                    },
                );
            })
        }
    }

    /// The sums of some filters of a group of an image, at every place of every piece.
    fn sum(&self, index: usize, filters: Range<usize>, sheets: &[f32], sums: &mut Aligned, result: Shared) {
        let (image, group) = (index / self.conv.groups, index % self.conv.groups);
        let (tile, lanes) = (tile_of(self.pieces.first().map_or(0, |piece| piece.bank.filters)), lanes());
        let widest = TILE_VECTORS * lanes;
        let most = (BLOCK / (self.channels * self.layout.remainders.len()).max(1)).max(1).next_multiple_of(widest);
        for piece in self.pieces {
            let (count, bank) = (piece.rows.count(), piece.bank(group));
            for start in (0..count).step_by(most) {
                let places = start..(start + most).min(count);
                let row = places.len().next_multiple_of(lanes);
                let sums = sums.at_least(tile * row);
                for first in filters.clone().step_by(tile) {
                    let filters = first..(first + tile).min(filters.end);
                    vectorized(Sum {
                        distances: &piece.distances,
                        bank,
                        filters: filters.clone(),
                        tile,
                        sheets: &sheets[start..],
                        sums,
                        row,
                    });
                    for (filter, sums) in filters.zip(sums.chunks_exact(row)) {
                        self.spread(piece, image, group * bank.filters + filter, places.clone(), sums, result);
                    }
                }
            }
        }
    }

    /// Writes the sums of a filter at some places of an image to where they belong.
    fn spread(
        &self,
        piece: &Piece<'_>,
        image: usize,
        filter: usize,
        places: Range<usize>,
        sums: &[f32],
        result: Shared,
    ) {
        let ending = Ending { bias: self.bias.map_or(0.0, |bias| bias[filter]), relu: self.relu };
        let Spread { offset, steps: [down, across], channel } = piece.spread;
        let first = image * self.image + filter * channel + offset;
        if across == 1 {
            rows_widest(sums, places, piece.rows, [first, down], ending, result);
            return;
        }
        for (row, seen) in piece.rows.within(places.clone()) {
            let start = first + row * down + (seen.start - row * piece.rows.run) * across;
            let to = result.at(start, (seen.len() - 1) * across + 1);
            let sums = &sums[seen.start - places.start..seen.end - places.start];
            for (k, &sum) in sums.iter().enumerate() {
                // SAFETY: `at` has checked the last of these places, `across` apart, and they are this piece's own.
                #[expect(unsafe_code, reason = "see above")]
                unsafe {
                    to.add(k * across).write(ending.at([sum]));
                }
            }
        }
    }
}
