//! Which example comes next? One file for each order. An order is a pure function of (seed, epoch).

pub mod balanced;
pub mod sequential;
pub mod shuffled;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::registry::Entry;

/// Every sampler, alphabetically.
pub const MEMBERS: &[Entry] = &[balanced::ENTRY, sequential::ENTRY, shuffled::ENTRY];

/// The order in which training meets its examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// Every class equally often; examples of small classes come several times.
    Balanced,
    /// As they lie in the files, in every epoch.
    Sequential,
    /// Every example once, in another random order in every epoch.
    #[default]
    Shuffled,
}

impl Sampler {
    /// The rows of one epoch, as many as there are in `rows`. `classes` tells the class of each of `rows`, where the target
    /// is a class; without classes `balanced` is `shuffled`.
    pub fn order(self, rows: &[u32], classes: Option<&[u32]>, seed: u64, epoch: u64) -> Vec<u32> {
        match self {
            Self::Balanced => match classes {
                Some(classes) => balanced::order(rows, classes, seed, epoch),
                None => shuffled::order(rows, seed, epoch),
            },
            Self::Sequential => sequential::order(rows),
            Self::Shuffled => shuffled::order(rows, seed, epoch),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_order_has_the_length_of_the_part_and_depends_on_seed_and_epoch_alone(
            classes in proptest::collection::vec(0_u32..4, 1..200), seed: u64, epoch in 0_u64..1000,
        ) {
            let rows: Vec<u32> = (0..classes.len() as u32).map(|row| row * 3 + 1).collect();
            for entry in MEMBERS {
                let sampler: Sampler = serde_json::from_value(entry.name.into()).unwrap();
                let order = sampler.order(&rows, Some(&classes), seed, epoch);
                prop_assert_eq!(order.len(), rows.len());
                prop_assert!(order.iter().all(|row| rows.contains(row)));
                prop_assert_eq!(&order, &sampler.order(&rows, Some(&classes), seed, epoch));
            }
        }
    }
}
