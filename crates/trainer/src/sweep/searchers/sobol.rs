//! Points that are spread more evenly than chance does it: every box of equal volume gets as many of them (Sobol', "On the distribution of points
//! in a cube and the approximate evaluation of integrals", 1967), scrambled by the seed of the study (Burley, "Practical Hash-based Owen
//! Scrambling", 2020).
//!
//! The points come from the crate `sobol_burley`. Beyond its 256 dimensions and 65,536 points others begin, which are scrambled otherwise: each is
//! spread evenly by itself.

use data_loader::random::Random;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Search, Turn};
use crate::sweep::dimensions::{Dimensions, Point};
use crate::sweep::known::Known;

/// One line for `firebox list`.
pub const SUMMARY: &str = "points that are spread evenly, for a first look at a space";

/// So many points belong together.
const LENGTH: u64 = 1 << 16;
/// Keeps the scrambling apart from all other chance.
const STREAM: u64 = 0x73_6f62_6f6c;

/// There is nothing to set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sobol {}

impl Search for Sobol {
    fn propose(&self, dimensions: &Dimensions, _known: &[Known], turn: Turn) -> Point {
        let places = Places::new(turn.seed);
        dimensions.settle(|index, dimension| dimension.kind.spread(places.at(turn.number, index)))
    }
}

/// A sequence of points, of any length and any number of dimensions.
pub(super) struct Places {
    seed: u64,
}

impl Places {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The place of the point `number` along a dimension, from 0 up to but not including 1.
    pub(super) fn at(&self, number: u64, dimension: usize) -> f64 {
        let (block, within) = (
            dimension as u64 / u64::from(sobol_burley::NUM_DIMENSIONS),
            dimension as u32 % sobol_burley::NUM_DIMENSIONS,
        );
        let scramble = Random::derive(&[STREAM, self.seed, number / LENGTH, block]).next_u64() as u32;
        f64::from(sobol_burley::sample((number % LENGTH) as u32, within, scramble))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 2^m points each of 2^m intervals of a dimension gets one, and of two dimensions each box of equal volume.
    #[test]
    fn points_are_spread_evenly() {
        for (seed, first) in [(0, 0), (9, 0), (9, LENGTH)] {
            let places = Places::new(seed);
            for m in 0..9 {
                let count = 1_u64 << m;
                for dimension in [0, 1, 2, 31, 255, 256, 700] {
                    let mut met = vec![false; count as usize];
                    (first..first + count).for_each(|n| met[(places.at(n, dimension) * count as f64) as usize] = true);
                    assert!(met.iter().all(|met| *met), "{seed}, {m}, {dimension}");
                }
                // The first two dimensions are perfect together.
                for across in 0..=m {
                    let (columns, rows) = ((1_u64 << across) as f64, (1_u64 << (m - across)) as f64);
                    let mut met = vec![false; count as usize];
                    for n in first..first + count {
                        let (column, row) = ((places.at(n, 0) * columns).floor(), (places.at(n, 1) * rows).floor());
                        met[(column * rows + row) as usize] = true;
                    }
                    assert!(met.iter().all(|met| *met), "{seed}: {columns} x {rows}");
                }
            }
        }
    }

    #[test]
    fn seeds_and_dimensions_differ() {
        let all = |seed: u64, dimension: usize| {
            (0..16).map(|n| Places::new(seed).at(n, dimension).to_bits()).collect::<Vec<_>>()
        };
        let each = [all(0, 0), all(0, 1), all(1, 0), all(0, 256), all(0, 512)];
        for (index, one) in each.iter().enumerate() {
            assert!(each[index + 1..].iter().all(|other| other != one));
        }
    }
}
