//! Every combination, each once, in an order that soon has been everywhere.
//!
//! Ranges with steps and choices give all they have; of other ranges some places are taken, from one end to the other. Parameters that do not count
//! make no combinations. One after the other would dwell in a corner for long: from combination to combination it goes on by the golden section of
//! all, so that those tried so far lie evenly among them (Weyl, "Über die Gleichverteilung von Zahlen mod. Eins", 1916). Where that begins comes
//! from the seed of the study.

use std::collections::{BTreeSet, HashMap};

use data_loader::random::Random;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Search, Turn, check_count};
use crate::sweep::dimensions::{Dimension, Dimensions, Kind, Part, Point};
use crate::sweep::known::{Known, Outcome};
use crate::sweep::space::Range;

/// One line for `firebox list`.
pub const SUMMARY: &str = "every combination, in an order that is spread out";

/// Keeps the beginning apart from all other chance.
const STREAM: u64 = 0x67_7269_6464;
/// Into more places no range is cut.
const MOST_POINTS: u64 = 10_000;

/// Settings of the grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Grid {
    /// Into so many places ranges without steps are cut.
    pub points: u64,
}

impl Default for Grid {
    fn default() -> Self {
        Self { points: 5 }
    }
}

impl Grid {
    /// How many combinations nobody has tried.
    pub fn left<'a>(&self, dimensions: &Dimensions, tried: impl Iterator<Item = &'a Point>) -> u64 {
        let lattice = Lattice::new(dimensions, self.points);
        let Ok(count) = u64::try_from(lattice.combinations()) else { return u64::MAX };
        let tried: BTreeSet<u64> = tried.filter_map(|point| lattice.rank(point)).collect();
        count - tried.len() as u64
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_count("points", self.points, 1, MOST_POINTS)
    }
}

impl Search for Grid {
    /// The next combination that nobody tried; then those that failed; then all of them once more.
    fn propose(&self, dimensions: &Dimensions, known: &[Known], turn: Turn) -> Point {
        let lattice = Lattice::new(dimensions, self.points);
        let Ok(count) = u64::try_from(lattice.combinations()) else {
            // So many that none comes twice by chance.
            return lattice.random(&mut turn.chance());
        };
        let mut tries: HashMap<u64, (bool, u64)> = HashMap::new();
        for trial in known {
            if let Some(rank) = lattice.rank(&trial.point) {
                let (done, failures) = tries.entry(rank).or_default();
                match trial.outcome {
                    Outcome::Failed => *failures += 1,
                    _ => *done = true,
                }
            }
        }
        let first = Random::derive(&[STREAM, turn.seed]).below(count);
        let stride = stride(count);
        let rank =
            |place: u64| ((u128::from(place) * u128::from(stride) + u128::from(first)) % u128::from(count)) as u64;
        // Nobody tried one of the first that are one more than all that were tried.
        let looked_at = count.min(tries.len() as u64 + 1);
        let untried = (0..looked_at).map(rank).find(|rank| !tries.contains_key(rank));
        let failed = || {
            let all = (0..looked_at).map(rank).filter_map(|rank| Some((rank, tries.get(&rank)?)));
            let failed = all.filter(|(_, (done, _))| !done).min_by_key(|(_, (_, failures))| *failures);
            failed.map(|(rank, _)| rank)
        };
        lattice.point(untried.or_else(failed).unwrap_or_else(|| rank(turn.number % count)))
    }
}

/// The number nearest to the golden section of `count` that has no divisor in common with it, so that its multiples meet everything.
fn stride(count: u64) -> u64 {
    fn divisor(a: u64, b: u64) -> u64 {
        if b == 0 { a } else { divisor(b, a % b) }
    }
    let golden = (count as f64 * 0.618_033_988_749_895) as u64;
    let mut around = (0..count).flat_map(|away| [golden.saturating_sub(away), golden.saturating_add(away)]);
    around.find(|&stride| stride > 0 && divisor(stride, count) == 1).unwrap_or(1)
}

/// What is combined along one dimension.
enum Axis {
    /// So many numbers, one step after the other.
    Steps(Range, f64, u64),
    /// These places.
    Places(Vec<f64>),
    /// So many choices.
    Choices(u64),
}

impl Axis {
    fn new(dimension: &Dimension, points: u64) -> Self {
        match dimension.kind {
            Kind::Choice(count) => Self::Choices(count as u64),
            Kind::Range(range) => {
                if let (Some(step), Some(count)) = (range.step, range.count()) {
                    return Self::Steps(range, step, count);
                }
                let last = points.clamp(1, MOST_POINTS) - 1;
                let place = |k: u64| if last == 0 { 0.5 } else { k as f64 / last as f64 };
                let mut places: Vec<f64> = (0..=last).map(|k| dimension.kind.exact(place(k))).collect();
                // Whole numbers may be fewer.
                places.dedup();
                Self::Places(places)
            }
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Steps(_, _, count) | Self::Choices(count) => *count,
            Self::Places(places) => places.len() as u64,
        }
    }

    fn at(&self, number: u64) -> f64 {
        match self {
            Self::Steps(range, step, _) => range.place(range.low + number as f64 * step).unwrap_or(1.0),
            Self::Places(places) => places[number as usize],
            Self::Choices(_) => number as f64,
        }
    }

    /// Which one a place is; nothing if it is none of them.
    fn number(&self, place: f64) -> Option<u64> {
        match self {
            Self::Steps(range, step, _) => Some(((range.at(place) - range.low) / step).round() as u64),
            // What was written as a setting and read again may differ in its last digits.
            Self::Places(places) => places.iter().position(|one| (one - place).abs() < 1e-9).map(|k| k as u64),
            Self::Choices(count) => Some(place as u64).filter(|choice| choice < count),
        }
    }
}

/// One dimension, or the two of a list, with what is combined along them.
struct Item {
    index: usize,
    axis: Axis,
    /// How many numbers a list has, which is the dimension after.
    count: Option<Axis>,
    /// Whether others depend on it.
    asked: bool,
}

impl Item {
    /// How many lists have numbers, and of what they are made is all the same if there are none.
    fn len(&self) -> u64 {
        match &self.count {
            None => self.axis.len(),
            Some(count) => self.axis.len().saturating_mul(count.len() - self.empty()).saturating_add(self.empty()),
        }
    }

    /// 1 if a list may have no numbers, else 0.
    fn empty(&self) -> u64 {
        match &self.count {
            Some(Axis::Steps(range, ..)) => u64::from(range.low == 0.0),
            _ => 0,
        }
    }

    fn put(&self, number: u64, point: &mut Point) {
        let Some(count) = &self.count else {
            point[self.index] = Some(self.axis.at(number));
            return;
        };
        let (each, many) = match number.checked_sub(self.empty()) {
            None => (0, 0),
            Some(left) => (left % self.axis.len(), left / self.axis.len() + self.empty()),
        };
        point[self.index] = Some(self.axis.at(each));
        point[self.index + 1] = Some(count.at(many));
    }

    fn number(&self, point: &[Option<f64>]) -> Option<u64> {
        let Some(count) = &self.count else { return self.axis.number(point[self.index]?) };
        let many = count.number(point[self.index + 1]?)?;
        if many < self.empty() {
            return Some(0);
        }
        let each = self.axis.number(point[self.index]?)?;
        Some((many - self.empty()) * self.axis.len() + each + self.empty())
    }
}

/// All combinations, each by its rank.
struct Lattice<'a> {
    dimensions: &'a Dimensions,
    /// What depends on each other, together, those on which others depend first; what stands apart is combined with everything.
    groups: Vec<Vec<Item>>,
}

impl<'a> Lattice<'a> {
    fn new(dimensions: &'a Dimensions, points: u64) -> Self {
        let all = &dimensions.all;
        let mut group: Vec<usize> = (0..all.len()).collect();
        for (index, dimension) in all.iter().enumerate() {
            for (on, _) in &dimension.when {
                let (from, to) = (group[index], group[*on]);
                group.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
            }
        }
        let item = |index: usize| {
            let list = all[index].part == Part::Each;
            let asked = all.iter().any(|other| other.when.iter().any(|(on, _)| *on == index));
            let count = if list { all.get(index + 1) } else { None };
            Item { index, axis: Axis::new(&all[index], points), count: count.map(|d| Axis::new(d, u64::MAX)), asked }
        };
        let of = |wanted: usize| {
            let members = (0..all.len()).filter(|&index| group[index] == wanted && all[index].part != Part::Count);
            members.map(item).collect::<Vec<Item>>()
        };
        Self { dimensions, groups: (0..all.len()).map(of).filter(|items| !items.is_empty()).collect() }
    }

    fn empty(&self) -> Point {
        vec![None; self.dimensions.all.len()]
    }

    fn combinations(&self) -> u128 {
        let mut point = self.empty();
        self.groups.iter().map(|items| self.count(items, &mut point)).fold(1, u128::saturating_mul)
    }

    /// How many combinations there are of `items`, given what is settled of those on which they depend.
    fn count(&self, items: &[Item], point: &mut Point) -> u128 {
        let Some((item, rest)) = items.split_first() else { return 1 };
        if !self.dimensions.counts(item.index, point) {
            return self.count(rest, point);
        }
        if !item.asked {
            return u128::from(item.len()).saturating_mul(self.count(rest, point));
        }
        let mut sum = 0_u128;
        for number in 0..item.len() {
            item.put(number, point);
            sum = sum.saturating_add(self.count(rest, point));
        }
        point[item.index] = None;
        sum
    }

    fn point(&self, mut rank: u64) -> Point {
        let mut point = self.empty();
        for items in &self.groups {
            let count = self.count(items, &mut point) as u64;
            self.put(items, rank % count, &mut point);
            rank /= count;
        }
        point
    }

    fn put(&self, items: &[Item], mut rank: u64, point: &mut Point) {
        let Some((item, rest)) = items.split_first() else { return };
        if self.dimensions.counts(item.index, point) {
            let mut number = 0;
            item.put(number, point);
            let mut behind = self.count(rest, point) as u64;
            if item.asked {
                while rank >= behind {
                    (rank, number) = (rank - behind, number + 1);
                    item.put(number, point);
                    behind = self.count(rest, point) as u64;
                }
            } else {
                item.put(rank / behind, point);
                rank %= behind;
            }
        }
        self.put(rest, rank, point);
    }

    /// The rank of a point; nothing if it is no combination.
    fn rank(&self, known: &[Option<f64>]) -> Option<u64> {
        if known.len() != self.dimensions.all.len() {
            return None;
        }
        let (mut sum, mut unit, mut point) = (0, 1, self.empty());
        for items in &self.groups {
            let count = self.count(items, &mut point) as u64;
            sum += unit * self.rank_of(items, known, &mut point)?;
            unit *= count;
        }
        Some(sum)
    }

    fn rank_of(&self, items: &[Item], known: &[Option<f64>], point: &mut Point) -> Option<u64> {
        let Some((item, rest)) = items.split_first() else { return Some(0) };
        if !self.dimensions.counts(item.index, point) {
            return self.rank_of(rest, known, point);
        }
        let number = item.number(known)?;
        let mut before = 0;
        if item.asked {
            for other in 0..number {
                item.put(other, point);
                before += self.count(rest, point) as u64;
            }
        }
        item.put(number, point);
        if !item.asked {
            before = number * self.count(rest, point) as u64;
        }
        Some(before + self.rank_of(rest, known, point)?)
    }

    fn random(&self, random: &mut Random) -> Point {
        let mut point = self.empty();
        for item in self.groups.iter().flatten() {
            if self.dimensions.counts(item.index, &point) {
                item.put(random.below(item.len()), &mut point);
            }
        }
        point
    }
}

#[cfg(test)]
#[path = "grid_tests.rs"]
mod tests;
