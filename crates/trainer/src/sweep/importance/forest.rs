//! What would the loss be at a point that nobody tried? The mean of regression trees, each grown on trials drawn by chance (Breiman, "Random
//! Forests", 2001).
//!
//! A tree cuts a dimension only where all trials at hand have a place on it. Below such a cut only settings lie of which that dimension is a
//! part: where it does not count, what a tree says is the same all along it.

use data_loader::random::Random;

use super::bins::{BINS, Bins};

/// How many trees there are.
pub(super) const TREES: usize = 64;
/// A tree is grown on so many trials at most.
const DRAWN: usize = 2000;
/// Fewer trials than this are not told apart any further.
const FEWEST: usize = 4;
/// Nor are fewer than such a part of those that were drawn: of many the mean says more than each by itself.
const PARTS: usize = 100;

/// What a forest learns from: of each trial its bins, none where a dimension does not count, and its loss.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) bins: Vec<Bins>,
    /// Trial by trial, of each dimension its bin, or [`NONE`].
    pub(super) rows: Vec<u8>,
    /// From 0 to 1, so that squares of huge ones stay numbers.
    pub(super) losses: Vec<f64>,
    pub(super) scale: Scale,
}

/// What losses from 0 to 1 stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) low: f64,
    /// Half the distance to the largest, as the whole one may be no number.
    pub(super) half: f64,
}

impl Scale {
    pub(super) fn of(self, loss: f64) -> f64 {
        self.low + loss * self.half + loss * self.half
    }
}

/// The bin of what does not count.
pub(super) const NONE: u8 = u8::MAX;

impl Table {
    pub(super) fn row(&self, trial: usize) -> &[u8] {
        let width = self.bins.len();
        &self.rows[trial * width..(trial + 1) * width]
    }
}

/// A tree: its first node is the root.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug)]
enum Node {
    /// What trials here reached in the mean.
    Leaf(f64),
    /// Bins of a dimension go to the node `left`, all others to the one behind it.
    Cut { dimension: usize, bins: u64, left: usize },
}

/// A cut and how much it explains.
#[derive(Clone, Copy, Debug)]
struct Cut {
    gain: f64,
    dimension: usize,
    bins: u64,
}

impl Tree {
    /// A tree grown on trials drawn by chance, and for each trial whether it was among them.
    pub(super) fn grow(table: &Table, losses: &[f64], random: &mut Random) -> (Self, Vec<bool>) {
        let trials = table.losses.len();
        let mut drawn: Vec<u32> = (0..trials.min(DRAWN)).map(|_| random.below(trials as u64) as u32).collect();
        let least = FEWEST.max(drawn.len() / PARTS);
        let mut seen = vec![false; trials];
        for &trial in &drawn {
            seen[trial as usize] = true;
        }
        let mut tree = Self { nodes: vec![Node::Leaf(0.0)] };
        let cell: Vec<u64> = table.bins.iter().map(Bins::all).collect();
        let mut open = vec![(0_usize, 0_usize, drawn.len(), cell)];
        while let Some((node, from, to, cell)) = open.pop() {
            let here = &mut drawn[from..to];
            let mean = here.iter().map(|&trial| losses[trial as usize]).sum::<f64>() / here.len().max(1) as f64;
            tree.nodes[node] = Node::Leaf(mean);
            let Some(cut) = best_cut(table, losses, here, least, &cell, random) else { continue };
            let Cut { dimension, bins, .. } = cut;
            let goes_left = |trial: u32| bins >> table.row(trial as usize)[dimension] & 1 == 1;
            let middle = from + partition(here, goes_left);
            let left = tree.nodes.len();
            tree.nodes[node] = Node::Cut { dimension, bins, left };
            tree.nodes.extend([Node::Leaf(mean); 2]);
            let mut inside = cell.clone();
            inside[dimension] &= bins;
            let mut outside = cell;
            outside[dimension] &= !bins;
            open.push((left, from, middle, inside));
            open.push((left + 1, middle, to, outside));
        }
        (tree, seen)
    }

    /// What the tree says of a point.
    pub(super) fn at(&self, row: &[u8]) -> f64 {
        let mut node = 0;
        loop {
            match self.nodes[node] {
                Node::Leaf(loss) => return loss,
                // What does not count is on no side; it goes with those that were not chosen.
                Node::Cut { dimension, bins, left } => {
                    let bin = row[dimension];
                    node = left + usize::from(bin == NONE || bins >> bin & 1 == 0);
                }
            }
        }
    }

    /// Every leaf: its loss, and the part of each dimension on which it lies.
    pub(super) fn leaves(&self, bins: &[Bins], mut told: impl FnMut(f64, &[u64])) {
        let mut open = vec![(0_usize, bins.iter().map(Bins::all).collect::<Vec<u64>>())];
        while let Some((node, cell)) = open.pop() {
            match self.nodes[node] {
                Node::Leaf(loss) => told(loss, &cell),
                Node::Cut { dimension, bins, left } => {
                    let mut inside = cell.clone();
                    inside[dimension] &= bins;
                    let mut outside = cell;
                    outside[dimension] &= !bins;
                    open.push((left, inside));
                    open.push((left + 1, outside));
                }
            }
        }
    }
}

/// Brings those that go left to the front; how many there are.
fn partition(trials: &mut [u32], goes_left: impl Fn(u32) -> bool) -> usize {
    let mut left = 0;
    for index in 0..trials.len() {
        if goes_left(trials[index]) {
            trials.swap(index, left);
            left += 1;
        }
    }
    left
}

/// The cut that explains most of the losses of some trials; none where they are fewer than `least`, or nothing is left to explain.
fn best_cut(
    table: &Table,
    losses: &[f64],
    trials: &[u32],
    least: usize,
    cell: &[u64],
    random: &mut Random,
) -> Option<Cut> {
    if trials.len() < least {
        return None;
    }
    let first = losses[*trials.first()? as usize];
    if trials.iter().all(|&trial| losses[trial as usize] == first) {
        return None;
    }
    let along = (0..table.bins.len()).filter_map(|d| cut_along(table, losses, trials, d, cell[d], random));
    along.reduce(|best, cut| if cut.gain > best.gain { cut } else { best })
}

/// The best cut along a dimension; none if it does not count for some of the trials, or they lie in one bin.
fn cut_along(
    table: &Table,
    losses: &[f64],
    trials: &[u32],
    dimension: usize,
    part: u64,
    random: &mut Random,
) -> Option<Cut> {
    let mut counts = [0_u32; BINS];
    let mut sums = [0.0_f64; BINS];
    let mut met = 0_u64;
    let width = table.bins.len();
    for &trial in trials {
        let bin = table.rows[trial as usize * width + dimension];
        if bin == NONE {
            return None;
        }
        met |= 1 << bin;
        counts[usize::from(bin)] += 1;
        sums[usize::from(bin)] += losses[trial as usize];
    }
    if met.count_ones() < 2 {
        return None;
    }
    let mut order = [0_u8; BINS];
    let mut length = 0;
    let mut left = met;
    while left != 0 {
        order[length] = left.trailing_zeros() as u8;
        length += 1;
        left &= left - 1;
    }
    let order = &mut order[..length];
    let ordered = table.bins[dimension].ordered;
    if !ordered {
        // In this order one of the cuts into two is the best there is (Breiman et al., "Classification and Regression Trees", 1984).
        let mean = |bin: u8| sums[usize::from(bin)] / f64::from(counts[usize::from(bin)]);
        order.sort_by(|&a, &b| mean(a).total_cmp(&mean(b)));
    }
    let (all, whole) = (trials.len() as f64, sums.iter().sum::<f64>());
    let (mut count, mut sum) = (0.0, 0.0);
    let mut best: Option<(f64, usize)> = None;
    for (place, &bin) in order[..length - 1].iter().enumerate() {
        count += f64::from(counts[usize::from(bin)]);
        sum += sums[usize::from(bin)];
        let rest = whole - sum;
        let gain = sum * sum / count + rest * rest / (all - count);
        if best.is_none_or(|(known, _)| gain > known) {
            best = Some((gain, place));
        }
    }
    let (gain, place) = best?;
    let bins = if ordered {
        // Anywhere in the gap, so that the mean of many trees leads evenly from one trial to the next.
        let (below, above) = (order[place], order[place + 1]);
        let last = below + random.below(u64::from(above - below)) as u8;
        u64::MAX >> (BINS - 1 - usize::from(last))
    } else {
        let chosen = order[..=place].iter().fold(0_u64, |chosen, &bin| chosen | 1 << bin);
        // Values that nobody tried here lie on either side.
        chosen | (part & !met & random.next_u64())
    };
    Some(Cut { gain, dimension, bins })
}
