//! How is a dimension cut up? Into at most 64 bins, of which each is as likely as any other, so that a part of it is a set of bits.
//!
//! A range whose numbers can be counted has a bin for each, any other range 64 of equal width by its places, and a choice has one for each
//! value.

use crate::sweep::dimensions::Kind;
use crate::sweep::space::Range;

/// No dimension has more bins.
pub(super) const BINS: usize = 64;

/// How one dimension is cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bins {
    /// How many there are.
    pub(super) count: usize,
    /// Whether neighbours are alike, as numbers are and choices are not.
    pub(super) ordered: bool,
}

impl Bins {
    pub(super) fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Choice(count) => Self { count: (*count).clamp(1, BINS), ordered: false },
            Kind::Range(range) => Self { count: countable(range).unwrap_or(BINS), ordered: true },
        }
    }

    /// The bin of a place, or of the number of a choice; choices beyond the last bin lie in it.
    pub(super) fn bin(&self, place: f64) -> u8 {
        let at = if self.ordered { place * self.count as f64 } else { place };
        (at.max(0.0) as usize).min(self.count - 1) as u8
    }

    /// The whole dimension.
    pub(super) fn all(&self) -> u64 {
        u64::MAX >> (BINS - self.count)
    }

    /// What share of the dimension a part of it is.
    pub(super) fn share(&self, part: u64) -> f64 {
        f64::from(part.count_ones()) / self.count as f64
    }
}

/// How many numbers a range has, if they are as far apart by their places and few enough.
fn countable(range: &Range) -> Option<usize> {
    range.step?;
    range.count().map(|count| count as usize).filter(|count| (1..=BINS).contains(count))
}

/// The stretches of neighbouring bins of which a part consists, each from its first bin to the one behind its last.
pub(super) fn stretches(mut part: u64) -> impl Iterator<Item = (usize, usize)> {
    std::iter::from_fn(move || {
        if part == 0 {
            return None;
        }
        let from = part.trailing_zeros() as usize;
        let to = from + (part >> from).trailing_ones() as usize;
        part = if to == BINS { 0 } else { part >> to << to };
        Some((from, to))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bin_is_as_likely() {
        let range = |low: f64, high: f64, log: bool, step: Option<f64>| {
            Bins::of(&Kind::Range(Range { low, high, log, step, whole: step == Some(1.0) || log }))
        };
        assert_eq!(range(1.0, 4.0, false, Some(1.0)).count, 4);
        assert_eq!(range(0.0, 0.5, false, Some(0.1)).count, 6);
        assert_eq!(range(16.0, 256.0, true, None).count, BINS, "by factors small numbers have more room");
        assert_eq!(range(0.0, 1.0, false, None).count, BINS);
        assert_eq!(range(0.0, 1e6, false, Some(1.0)).count, BINS);
        let choice = Bins::of(&Kind::Choice(100));
        assert_eq!((choice.bin(2.0), choice.bin(80.0), choice.all()), (2, 63, u64::MAX));
        let five = range(1.0, 5.0, false, Some(1.0));
        assert_eq!([0.0, 0.19, 0.2, 0.99, 1.0].map(|place| five.bin(place)), [0, 0, 1, 4, 4]);
        assert_eq!((five.all(), five.share(0b1_0010)), (0b1_1111, 0.4));
    }

    #[test]
    fn a_part_is_its_stretches() {
        let all = |part| stretches(part).collect::<Vec<_>>();
        assert_eq!(all(0), []);
        assert_eq!(all(0b1011), [(0, 2), (3, 4)]);
        assert_eq!(all(u64::MAX), [(0, 64)]);
        assert_eq!(all(1 << 63 | 1), [(0, 1), (63, 64)]);
    }
}
