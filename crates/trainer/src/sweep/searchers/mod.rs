//! Which point should be tried next? Each searcher answers from what is known of the trials so far, and from nothing else: it has no state that
//! would have to be saved.

use data_loader::random::Random;

use crate::sweep::dimensions::{Dimensions, Point};
use crate::sweep::known::Known;

mod parzen;
pub mod random;
pub mod tpe;

/// Keeps the streams of searchers apart from all others.
const STREAM: u64 = 0x73_7765_6570;

/// Proposes points.
pub trait Search {
    /// A point for the trial `number`; chance belongs to the seed of the study and that number.
    fn propose(&self, dimensions: &Dimensions, known: &[Known], random: &mut Random) -> Point;
}

/// The chance of a trial.
pub fn chance(seed: u64, number: u64) -> Random {
    Random::derive(&[STREAM, seed, number])
}
