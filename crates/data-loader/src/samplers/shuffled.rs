//! Which order is new in every epoch and has every example once?

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
