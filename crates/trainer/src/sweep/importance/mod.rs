//! How much does each dimension of a space matter? Which share of the variance of the loss it explains, alone and together with another one.
//!
//! This is fANOVA (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", 2014): a random forest
//! learns the loss from the trials that came to their end, and its variance over the whole space, every place being as likely, is taken apart
//! into what single dimensions explain by themselves, what pairs explain beyond that, and the rest. It is the mean of all trees that is taken
//! apart, not each tree by itself: what single trees make up is averaged out.
//!
//! Pruned trials are left out: their losses are those of another moment, and only the worse ones end early.
//!
//! A dimension that counts under a condition is taken as if it were always there and changed nothing where it does not count. Its share is
//! what it explains by itself and together with those on which it depends, as for nested factors: how it differs cannot be told from its
//! being there.
//!
//! A few trials that went astray would be all that a variance speaks of: a loss that lies above the ninth decile by more than twice the
//! distance between first and ninth decile counts as if it lay there.

mod bins;
mod forest;
mod marginals;

use data_loader::random::Random;

use super::dimensions::Dimensions;
use super::known::{Known, Outcome};
use bins::Bins;
use forest::{NONE, Scale, TREES, Table, Tree};
use marginals::Marginals;

/// From fewer trials nothing is told.
pub const TRIALS: usize = 10;
/// There are so many forests at most.
const STAGES: usize = 3;
/// So many are there in any case: with 50 trials the second one seems to explain nothing, and brings the shares nearer to the truth nevertheless.
const SURE: usize = 2;
/// So many dimensions, those that matter most, are looked at in pairs.
const PAIRED: usize = 16;
/// So many points tell how much of the variance lies in none of the marginals.
const POINTS: usize = 2048;

/// What matters in a space.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// From how many trials this is known.
    pub trials: usize,
    /// How much of the variance of trials the forest explains that its trees did not see; below 0 it knows less than the mean.
    pub explained: f64,
    /// Each dimension of the space, in its order.
    pub dimensions: Vec<Share>,
    /// Pairs of dimensions, those that matter most first; not those of which one depends on the other.
    pub pairs: Vec<Pair>,
}

/// How much a dimension matters.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Which share of the variance it explains, from 0 to 1.
    pub share: f64,
    /// The loss along the dimension, averaged over everything else: in as many parts of the same width as there are numbers, or for each choice.
    pub losses: Vec<f64>,
}

/// How much two dimensions matter together, beyond what each does alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The numbers of both.
    pub dimensions: (usize, usize),
    /// Which share of the variance they explain, from 0 to 1.
    pub share: f64,
}

impl Importance {
    /// Of the dimensions for an objective; none from fewer than [`TRIALS`] trials, or where all losses are the same.
    pub fn of(dimensions: &Dimensions, known: &[Known], objective: usize, seed: u64) -> Option<Self> {
        let table = table(dimensions, known, objective)?;
        let mut random = Random::derive(&[seed, objective as u64]);
        let (forest, explained) = grow(&table, &mut random);
        let count = table.bins.len();
        let boxes = |told: &mut dyn FnMut(f64, &[u64])| {
            for tree in &forest {
                tree.leaves(&table.bins, &mut *told);
            }
        };
        let single = Marginals::of(&table.bins, &[], TREES, boxes);
        let variances: Vec<f64> = (0..count).map(|dimension| single.variance(dimension)).collect();
        let pairs = pairs(dimensions, &variances);
        let marginals = Marginals::of(&table.bins, &pairs, TREES, boxes);
        let together: Vec<f64> = (0..pairs.len()).map(|place| marginals.variance_of_pair(place)).collect();
        let beyond = remainder(&table, &forest, &marginals, &mut random).max(together.iter().sum());
        let total = variances.iter().sum::<f64>() + beyond;
        if !(total.is_finite() && total > 0.0) {
            return None;
        }
        let mut shares = variances;
        let mut told = Vec::new();
        for (&(a, b), &variance) in pairs.iter().zip(&together) {
            match () {
                () if depends(dimensions, b, a) => shares[b] += variance,
                () if depends(dimensions, a, b) => shares[a] += variance,
                () => told.push(Pair { dimensions: (a, b), share: variance / total }),
            }
        }
        told.sort_by(|a, b| b.share.total_cmp(&a.share));
        let told_as = |losses: Vec<f64>| losses.into_iter().map(|loss| table.scale.of(loss)).collect();
        let losses = marginals.single.into_iter().map(told_as);
        let dimensions = shares.into_iter().zip(losses).map(|(share, losses)| Share { share: share / total, losses });
        Some(Self { trials: table.losses.len(), explained, dimensions: dimensions.collect(), pairs: told })
    }
}

/// What the forest learns from.
fn table(dimensions: &Dimensions, known: &[Known], objective: usize) -> Option<Table> {
    let bins: Vec<Bins> = dimensions.all.iter().map(|dimension| Bins::of(&dimension.kind)).collect();
    let (mut rows, mut losses) = (Vec::new(), Vec::new());
    for trial in known {
        let Outcome::Complete(found) = &trial.outcome else { continue };
        let Some(loss) = found.get(objective).filter(|loss| loss.is_finite()) else { continue };
        if trial.point.len() != bins.len() {
            continue;
        }
        rows.extend(trial.point.iter().zip(&bins).map(|(place, bins)| place.map_or(NONE, |place| bins.bin(place))));
        losses.push(*loss);
    }
    if bins.is_empty() || losses.len() < TRIALS {
        return None;
    }
    hold_back(&mut losses);
    let (low, high) = losses.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &x| (l.min(x), h.max(x)));
    let scale = Scale { low, half: high / 2.0 - low / 2.0 };
    if scale.half <= 0.0 {
        return None;
    }
    for loss in &mut losses {
        *loss = (*loss / 2.0 - low / 2.0) / scale.half;
    }
    Some(Table { bins, rows, losses, scale })
}

/// Brings in what went astray.
fn hold_back(losses: &mut [f64]) {
    let mut sorted = losses.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |tenths: usize| sorted[(sorted.len() - 1) * tenths / 10];
    let (first, ninth) = (at(1), at(9));
    let bound = ninth + 2.0 * (ninth - first);
    if ninth > first && bound.is_finite() {
        for loss in losses {
            *loss = loss.min(bound);
        }
    }
}

/// Forests of [`TREES`] trees each, whose means add up, and how much they explain of what their trees did not see. What one of them leaves
/// unexplained of trials that its trees did not see the next one learns (Ghosal and Hooker, "Boosting Random Forests to Reduce Bias", 2020):
/// alone, a forest makes too much of what matters most.
fn grow(table: &Table, random: &mut Random) -> (Vec<Tree>, f64) {
    let trials = table.losses.len();
    let mean = table.losses.iter().sum::<f64>() / trials as f64;
    let mut left: Vec<f64> = table.losses.iter().map(|loss| loss - mean).collect();
    let squares = |left: &[f64]| left.iter().map(|left| left * left).sum::<f64>();
    let all = squares(&left);
    let mut forests = Vec::new();
    // So that the sum of all is the loss itself.
    let mut targets = table.losses.clone();
    for stage in 0..STAGES {
        let (mut sums, mut counts) = (vec![0.0; trials], vec![0_u32; trials]);
        let mut forest = Vec::with_capacity(TREES);
        for _ in 0..TREES {
            let (tree, seen) = Tree::grow(table, &targets, random);
            for trial in (0..trials).filter(|trial| !seen[*trial]) {
                sums[trial] += tree.at(table.row(trial));
                counts[trial] += 1;
            }
            forest.push(tree);
        }
        let said = sums.iter().zip(&counts).map(|(sum, count)| sum / f64::from((*count).max(1)));
        let next: Vec<f64> = targets.iter().zip(said).map(|(target, said)| target - said).collect();
        if stage >= SURE && squares(&next) >= squares(&left) {
            break;
        }
        forests.extend(forest);
        left.clone_from(&next);
        targets = next;
    }
    let explained = if all > 0.0 { 1.0 - squares(&left) / all } else { 0.0 };
    (forests, explained)
}

/// The pairs of the dimensions that matter most, and each that counts under a condition with those on which it depends.
fn pairs(dimensions: &Dimensions, variances: &[f64]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..variances.len()).collect();
    order.sort_by(|&a, &b| variances[b].total_cmp(&variances[a]));
    let mut is_among = vec![false; variances.len()];
    order.iter().take(PAIRED).for_each(|&dimension| is_among[dimension] = true);
    let all = (0..variances.len()).flat_map(|a| (a + 1..variances.len()).map(move |b| (a, b)));
    all.filter(|&(a, b)| is_among[a] && is_among[b] || depends(dimensions, b, a) || depends(dimensions, a, b)).collect()
}

/// Whether a dimension counts by another one, maybe by way of others.
fn depends(dimensions: &Dimensions, dimension: usize, on: usize) -> bool {
    // Those on which others depend stand before them.
    on < dimension && dimensions.all[dimension].when.iter().any(|(by, _)| *by == on || depends(dimensions, *by, on))
}

/// The variance that no single dimension explains.
fn remainder(table: &Table, forest: &[Tree], marginals: &Marginals, random: &mut Random) -> f64 {
    let mut row = vec![0_u8; table.bins.len()];
    let mut sum = 0.0;
    for _ in 0..POINTS {
        for (bin, bins) in row.iter_mut().zip(&table.bins) {
            *bin = random.below(bins.count as u64) as u8;
        }
        let whole = forest.iter().map(|tree| tree.at(&row)).sum::<f64>() / TREES as f64;
        sum += (whole - marginals.additive(&row)).powi(2);
    }
    sum / POINTS as f64
}

#[cfg(test)]
mod tests;
