//! Which examples stay when an experiment is tried out on a few of them? Some of every class, as far as they go.

use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::error::Error;
use crate::random::Random;
use crate::split::{Part, Parts};

/// Keeps this choice apart from the random streams of everything else.
const STREAM: u64 = 0x006c_696d_6974;

/// The classes of the rows, where the target is a class.
pub(crate) struct Classes<'a> {
    /// The rows that have a class, ascending.
    pub(crate) rows: &'a [u32],
    /// The class of each of them.
    pub(crate) of_rows: &'a [u32],
    /// The classes that a model was trained on before; without a model, those that the limit leaves in training.
    pub(crate) learnt: Option<HashSet<u32>>,
}

/// Keeps `limit` examples of each part, in the proportions of the classes and at least one of each while there is room. Which
/// ones depends on the seed and the rows alone, so that a larger limit keeps those of a smaller one.
///
/// A limit below the number of classes leaves some out of training. Validation and test then lose their examples of these
/// too; a class that the whole training part lacks is left in for others to complain about.
pub(crate) fn apply(parts: &mut Parts, limit: usize, classes: Option<&Classes<'_>>, seed: u64) -> Result<(), Error> {
    if limit == 0 {
        return Err(Error::Setting {
            key: "data.limit".into(),
            message: "is 0".into(),
            hint: "Leave it out to use all examples.".into(),
        });
    }
    let class = |row: &u32| {
        let found = classes.and_then(|known| Some(known.of_rows[known.rows.binary_search(row).ok()?]));
        found.unwrap_or_default()
    };
    let before: HashSet<u32> = parts.train.iter().map(class).collect();
    for part in Part::ALL {
        keep(parts.part_mut(part), limit, class, seed);
    }
    let learnt = classes.and_then(|classes| classes.learnt.clone());
    let learnt = learnt.unwrap_or_else(|| parts.train.iter().map(class).collect());
    for part in [Part::Validation, Part::Test] {
        parts.part_mut(part).retain(|row| learnt.contains(&class(row)) || !before.contains(&class(row)));
    }
    Ok(())
}

/// Keeps the first `limit` of `rows` in an order of which every beginning is stratified: the `k`-th of the `n` examples of a
/// class comes at `k / n`, so that the first of each class stand before all others.
fn keep(rows: &mut Vec<u32>, limit: usize, class: impl Fn(&u32) -> u32, seed: u64) {
    let chance = |kind: u64, number: u32| Random::derive(&[STREAM, seed, kind, u64::from(number)]).next_u64();
    let mut sizes = HashMap::<u32, u32>::new();
    for row in rows.iter() {
        *sizes.entry(class(row)).or_default() += 1;
    }
    // Of each class no more than `limit` examples can stay; the list of the others may be larger than memory.
    let mut first = HashMap::<u32, BinaryHeap<(u64, u32)>>::new();
    for &row in rows.iter() {
        let first = first.entry(class(&row)).or_default();
        first.push((chance(0, row), row));
        if first.len() > limit {
            first.pop();
        }
    }
    let mut chosen: Vec<(u64, u32)> = first.into_values().flatten().collect();
    chosen.sort_unstable();
    *rows = chosen.into_iter().map(|(_, row)| row).collect();
    let mut met = HashMap::<u32, u32>::new();
    let mut order: Vec<(f64, u64, u32)> = Vec::with_capacity(rows.len());
    for &row in rows.iter() {
        let class = class(&row);
        let k = met.entry(class).or_default();
        // Every part has its classes in the same order, so that a limit below their number leaves the same ones in each.
        order.push((f64::from(*k) / f64::from(sizes[&class]), chance(1, class), row));
        *k += 1;
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    *rows = order.into_iter().take(limit).map(|(_, _, row)| row).collect();
    rows.sort_unstable();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tenth of the rows each for validation and test; the class of a row is its number modulo something.
    fn limited(rows: u32, class: impl Fn(u32) -> u32, limit: usize, seed: u64) -> (Parts, HashMap<u32, u32>) {
        let of_rows: HashMap<u32, u32> = (0..rows).map(|row| (row, class(row))).collect();
        let pick = |wanted: &[u32]| (0..rows).filter(|row| wanted.contains(&(row / 7 % 10))).collect();
        let mut parts = Parts { train: pick(&[0, 1, 2, 3, 4, 5, 6, 7]), validation: pick(&[8]), test: pick(&[9]) };
        let (all, classes): (Vec<u32>, Vec<u32>) = (0..rows).map(|row| (row, class(row))).unzip();
        apply(&mut parts, limit, Some(&Classes { rows: &all, of_rows: &classes, learnt: None }), seed).unwrap();
        (parts, of_rows)
    }

    proptest! {
        #[test]
        fn every_class_stays_and_a_larger_limit_keeps_the_examples_of_a_smaller_one(
            rows in 100_u32..2000, classes in 2_u32..12, limit in 1_usize..300, more in 0_usize..300, seed: u64,
        ) {
            // A few large classes and many small ones.
            let class = |row: u32| (row % classes).min(row % 5);
            let (few, of_rows) = limited(rows, class, limit, seed);
            let (many, _) = limited(rows, class, limit + more, seed);
            prop_assert_eq!(&few, &limited(rows, class, limit, seed).0);
            let (whole, _) = limited(rows, class, rows as usize, seed);
            let set = |rows: &[u32]| rows.iter().map(|row| of_rows[row]).collect::<HashSet<u32>>();
            for part in Part::ALL {
                prop_assert!(few.part(part).iter().all(|row| many.part(part).binary_search(row).is_ok()), "{part}");
                prop_assert!(few.part(part).len() <= limit);
                prop_assert!(set(few.part(part)).is_subset(&set(&few.train)), "{part} has a class that training lacks");
            }
            prop_assert_eq!(few.train.len(), limit.min(whole.train.len()));
            prop_assert_eq!(set(&few.train).len(), limit.min(set(&whole.train).len()));
        }
    }

    #[test]
    fn classes_keep_their_proportions() {
        let (parts, of_rows) = limited(20_000, |row| u32::from(row % 11 == 0), 100, 5);
        for part in Part::ALL {
            let rare = parts.part(part).iter().filter(|row| of_rows[row] == 1).count();
            assert!((9..=10).contains(&rare) && parts.part(part).len() == 100, "{part}: {rare}");
        }
        assert_ne!(parts, limited(20_000, |row| u32::from(row % 11 == 0), 100, 6).0);
    }

    #[test]
    fn a_class_that_training_never_had_stays_to_be_complained_about() {
        let (rows, classes) = (&[0, 1, 2, 3][..], &[0, 1, 2, 1][..]);
        let parts = || Parts { train: vec![0, 1], validation: vec![2], test: vec![3] };
        let mut few = parts();
        apply(&mut few, 1, Some(&Classes { rows, of_rows: classes, learnt: None }), 0).unwrap();
        assert_eq!((few.train.len(), few.validation), (1, vec![2]));
        // A model that knows all classes is judged on all of them.
        let mut judged = parts();
        apply(&mut judged, 1, Some(&Classes { rows, of_rows: classes, learnt: Some(HashSet::from([0, 1])) }), 0)
            .unwrap();
        assert_eq!((judged.train.len(), judged.test), (1, vec![3]));
        assert!(apply(&mut parts(), 0, None, 0).is_err());
    }
}
