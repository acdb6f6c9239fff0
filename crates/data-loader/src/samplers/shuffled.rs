//! Which order is new in every epoch and has every example once?

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::random::Random;
use crate::registry::Entry;

/// This sampler in the list of samplers.
pub const ENTRY: Entry = Entry { name: "shuffled", summary: "every example once, in another random order each epoch" };

/// Keeps the stream of this sampler apart from all others.
const STREAM: u64 = 0x7368_7566_666c;

/// The rows in the random order of `epoch`.
pub fn order(rows: &[u32], seed: u64, epoch: u64) -> Vec<u32> {
    let mut order = rows.to_vec();
    Random::derive(&[STREAM, seed, epoch]).shuffle(&mut order);
    order
}

/// Keep the order of blocks, and that of the rows in a window, apart from all others.
const BLOCKS: u64 = 0x0062_6c6f_636b_7300;
const WINDOW: u64 = 0x7769_6e64_6f77;

/// How many blocks a window has at most: what is kept of the blocks that are under way must not outgrow memory.
const MOST_BLOCKS: usize = 16;

/// How many windows are remembered: those between which threads are under way.
const REMEMBERED: usize = 4;

/// A random order of rows that lie on a disk in blocks.
///
/// The blocks are shuffled, then dealt out into windows of so many rows or 16 blocks, and the rows of each window are shuffled.
/// While a window is under way its blocks alone are read. Every row comes once; any window is made from (seed, epoch) and its
/// number, without those before it.
#[derive(Debug)]
pub struct Windows {
    seed: u64,
    epoch: u64,
    /// Where the rows of each block lie among all rows, in the random order of the blocks.
    blocks: Vec<Range<usize>>,
    /// Of each window the first of its blocks, and the place of its first row in the order; at the end those behind the last.
    starts: Vec<(usize, usize)>,
    /// The windows that were asked for last.
    made: Mutex<VecDeque<(usize, Arc<Vec<u32>>)>>,
}

impl Windows {
    /// The order of `rows`, ascending, in an epoch. `blocks` holds the first rows of the blocks. A window ends where it
    /// has `window` rows or more.
    pub fn new(rows: &[u32], blocks: &[usize], window: usize, seed: u64, epoch: u64) -> Self {
        let place = |first: &usize| rows.partition_point(|&row| (row as usize) < *first);
        let firsts: Vec<usize> = blocks.iter().map(place).chain([rows.len()]).collect();
        let between = firsts.windows(2).map(|two| two[0]..two[1]);
        let mut blocks: Vec<Range<usize>> = between.filter(|block| !block.is_empty()).collect();
        Random::derive(&[BLOCKS, seed, epoch]).shuffle(&mut blocks);
        let (mut starts, mut place) = (vec![(0, 0)], 0);
        for (number, block) in blocks.iter().enumerate() {
            place += block.len();
            let (first, start) = starts[starts.len() - 1];
            let is_full = place - start >= window || number + 1 - first == MOST_BLOCKS;
            // What is left for the last window must be worth one of its own.
            if is_full && rows.len() - place >= (place - start) / 2 {
                starts.push((number + 1, place));
            }
        }
        starts.push((blocks.len(), place));
        Self { seed, epoch, blocks, starts, made: Mutex::new(VecDeque::new()) }
    }

    /// How many windows there are.
    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The rows in the places `range` of the order; `rows` are those of which this is an order.
    pub fn rows(&self, rows: &[u32], range: Range<usize>) -> Vec<u32> {
        let mut found = Vec::with_capacity(range.len());
        let mut place = range.start;
        while place < range.end.min(rows.len()) {
            let number = self.starts.partition_point(|&(_, start)| start <= place) - 1;
            let (start, end) = (self.starts[number].1, self.starts[number + 1].1.min(range.end));
            found.extend(&self.window(rows, number)[place - start..end - start]);
            place = end;
        }
        found
    }

    /// The rows of one window, made by one thread for all.
    fn window(&self, rows: &[u32], number: usize) -> Arc<Vec<u32>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, window)) = made.iter().find(|(other, _)| *other == number) {
            return Arc::clone(window);
        }
        let blocks = &self.blocks[self.starts[number].0..self.starts[number + 1].0];
        let mut window: Vec<u32> = blocks.iter().flat_map(|block| &rows[block.clone()]).copied().collect();
        Random::derive(&[WINDOW, self.seed, self.epoch, number as u64]).shuffle(&mut window);
        let window = Arc::new(window);
        made.truncate(REMEMBERED - 1);
        made.push_front((number, Arc::clone(&window)));
        window
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Spearman's rank correlation of two lists of numbers, each without ties.
    fn rank_correlation(a: &[usize], b: &[usize]) -> f64 {
        let n = a.len() as f64;
        let distance: f64 = a.iter().zip(b).map(|(a, b)| (*a as f64 - *b as f64).powi(2)).sum();
        1.0 - 6.0 * distance / (n * (n * n - 1.0))
    }

    /// Three quarters of 40,000 rows in blocks of 100, more or less.
    fn blocks() -> (Vec<u32>, Vec<usize>) {
        ((0..40_000).filter(|row| row % 4 != 1).collect(), (0..400).map(|block| block * 100 + block % 7).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn windows_hold_every_row_once_and_any_place_can_be_asked_for(
            seed: u64, epoch in 0_u64..1000, window in 1_usize..5000, place in 0_usize..30_000, count in 0_usize..9000,
        ) {
            let (rows, blocks) = blocks();
            let windows = Windows::new(&rows, &blocks, window, seed, epoch);
            let sizes = windows.starts.windows(2).map(|two| (two[1].0 - two[0].0, two[1].1 - two[0].1));
            for (blocks, size) in sizes.take(windows.count() - 1) {
                prop_assert!(blocks <= MOST_BLOCKS && (size >= window || blocks == MOST_BLOCKS), "{blocks}: {size}");
            }
            let order = windows.rows(&rows, 0..rows.len());
            let end = (place + count).min(rows.len());
            let again = Windows::new(&rows, &blocks, window, seed, epoch);
            prop_assert_eq!(&again.rows(&rows, place..place + count)[..], &order[place.min(end)..end]);
            prop_assert_ne!(&order, &Windows::new(&rows, &blocks, window, seed, epoch + 1).rows(&rows, 0..rows.len()));
            prop_assert_ne!(&order, &Windows::new(&rows, &blocks, window, seed ^ 1, epoch).rows(&rows, 0..rows.len()));
            let mut sorted = order;
            sorted.sort_unstable();
            prop_assert_eq!(sorted, rows);
        }

        #[test]
        fn where_a_row_lies_says_little_of_when_it_comes(seed: u64, epoch in 0_u64..1000) {
            let (rows, blocks) = blocks();
            // Sixteen blocks a window, and 25 windows.
            let windows = Windows::new(&rows, &blocks, 1200, seed, epoch);
            prop_assert!((20..=25).contains(&windows.count()), "{}", windows.count());
            let order = windows.rows(&rows, 0..rows.len());
            let places: Vec<usize> = (0..rows.len()).collect();
            let lies: Vec<usize> = order.iter().map(|row| rows.binary_search(row).unwrap()).collect();
            // Of 400 blocks in a random order the correlation has the standard deviation 1 / sqrt(399); this is five of them.
            let whole = rank_correlation(&places, &lies);
            prop_assert!(whole.abs() < 0.25, "{whole}");
            // Within a window chance has the last word, also over which block a row comes from.
            let (_, end) = windows.starts[1];
            let mut sorted = lies[..end].to_vec();
            sorted.sort_unstable();
            let ranks: Vec<usize> = lies[..end].iter().map(|lie| sorted.binary_search(lie).unwrap()).collect();
            let inside = rank_correlation(&places[..end], &ranks);
            prop_assert!(inside.abs() < 5.0 / (end as f64).sqrt(), "{inside}");
            // Two epochs meet a row at times that have nothing to do with each other.
            let next = Windows::new(&rows, &blocks, 1200, seed, epoch + 1).rows(&rows, 0..rows.len());
            let mut time = vec![0; 40_000];
            order.iter().enumerate().for_each(|(place, &row)| time[row as usize] = place);
            let between = rank_correlation(&places, &next.iter().map(|&row| time[row as usize]).collect::<Vec<_>>());
            prop_assert!(between.abs() < 0.25, "{between}");
        }
    }

    #[test]
    fn rows_that_are_read_together_lie_in_few_blocks() {
        let (rows, blocks) = blocks();
        let windows = Windows::new(&rows, &blocks, 1200, 7, 0);
        for number in 0..windows.count() {
            let range = windows.starts[number].1..windows.starts[number + 1].1;
            let window = windows.rows(&rows, range);
            let met: std::collections::BTreeSet<usize> =
                window.iter().map(|&row| blocks.partition_point(|&first| first <= row as usize)).collect();
            assert!(met.len() <= window.len() / 70 + 1, "{} blocks for {} rows", met.len(), window.len());
        }
    }

    proptest! {
        #[test]
        fn an_epoch_is_a_permutation_and_no_two_are_alike(n in 20_u32..300, seed: u64, epoch in 0_u64..1000) {
            let rows: Vec<u32> = (0..n).collect();
            let mut one = order(&rows, seed, epoch);
            prop_assert_ne!(&one, &order(&rows, seed, epoch + 1));
            prop_assert_ne!(&one, &order(&rows, seed.wrapping_add(1), epoch));
            one.sort_unstable();
            prop_assert_eq!(one, rows);
        }
    }
}
