//! Which order shows every class equally often, however rare it is?

use crate::random::Random;
use crate::registry::Entry;

/// This sampler in the list of samplers.
pub const ENTRY: Entry = Entry { name: "balanced", summary: "every class equally often, small classes several times" };

/// Keeps the stream of this sampler apart from all others.
const STREAM: u64 = 0x6261_6c61_6e63;

/// As many rows as there are, every class equally often up to one example. A class with too few examples starts again,
/// in a new order, once each of them came; of a class with too many, other examples come in every epoch.
pub fn order(rows: &[u32], classes: &[u32], seed: u64, epoch: u64) -> Vec<u32> {
    let mut random = Random::derive(&[STREAM, seed, epoch]);
    let count = classes.iter().max().map_or(0, |&most| most as usize + 1);
    let mut by_class = vec![Vec::new(); count];
    for (&row, &class) in rows.iter().zip(classes) {
        by_class[class as usize].push(row);
    }
    by_class.retain(|class| !class.is_empty());
    // What does not divide evenly goes to classes chosen by chance, others in every epoch.
    random.shuffle(&mut by_class);
    let mut order = Vec::with_capacity(rows.len());
    let present = by_class.len();
    for (place, class) in by_class.iter_mut().enumerate() {
        let mut wanted = rows.len() / present + usize::from(place < rows.len() % present);
        while wanted > 0 {
            random.shuffle(class);
            let taken = wanted.min(class.len());
            order.extend(&class[..taken]);
            wanted -= taken;
        }
    }
    random.shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn classes_come_equally_often_and_examples_of_a_class_too(
            classes in proptest::collection::vec(0_u32..4, 1..200), seed: u64, epoch in 0_u64..100,
        ) {
            let rows: Vec<u32> = (0..classes.len() as u32).collect();
            let order = order(&rows, &classes, seed, epoch);
            prop_assert_eq!(order.len(), rows.len());
            let mut totals = Vec::new();
            for class in 0..4 {
                let times: Vec<usize> = rows.iter().filter(|&&row| classes[row as usize] == class)
                    .map(|row| order.iter().filter(|&other| other == row).count()).collect();
                if !times.is_empty() {
                    prop_assert!(times.iter().max().unwrap() - times.iter().min().unwrap() <= 1);
                    totals.push(times.iter().sum::<usize>());
                }
            }
            prop_assert!(totals.iter().max().unwrap() - totals.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn epochs_differ() {
        let rows: Vec<u32> = (0..50).collect();
        let classes: Vec<u32> = rows.iter().map(|row| u32::from(*row > 40)).collect();
        assert_ne!(order(&rows, &classes, 1, 0), order(&rows, &classes, 1, 1));
        assert!(order(&[], &[], 0, 0).is_empty());
    }
}
