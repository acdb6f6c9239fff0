//! Which example comes next? One file for each order. An order is a pure function of (seed, epoch).

pub mod balanced;
pub mod sequential;
pub mod shuffled;

use std::borrow::Cow;
use std::ops::Range;

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

/// The rows of one epoch in their order, which holds no list of them where it can do without.
#[derive(Debug)]
pub enum Order {
    /// As they lie in the files.
    AsTheyLie,
    /// In this order.
    Listed(Vec<u32>),
    /// Window by window.
    Windows(shuffled::Windows),
}

impl Order {
    /// The rows in the places `range`, of which those behind the last are none; `rows` are those of which this is an order.
    pub fn rows<'a>(&'a self, rows: &'a [u32], range: Range<usize>) -> Cow<'a, [u32]> {
        let inside = |all: &'a [u32]| &all[range.start.min(all.len())..range.end.min(all.len())];
        match self {
            Self::AsTheyLie => inside(rows).into(),
            Self::Listed(order) => inside(order).into(),
            Self::Windows(windows) => windows.rows(rows, range).into(),
        }
    }
}

/// How rows lie that are not held in memory.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// The first rows of blocks that are cheap to read together; one block where everything is in memory.
    pub blocks: &'a [usize],
    /// About how many rows are shuffled together.
    pub window: usize,
}

impl Sampler {
    /// The order of an epoch, for data of any size. Rows in several blocks are `shuffled` window by window, so that a batch does
    /// not need the whole disk; rows in one block, and as few as one window, as [`order`](Self::order) shuffles them.
    pub fn order_in(self, layout: Layout<'_>, rows: &[u32], classes: Option<&[u32]>, seed: u64, epoch: u64) -> Order {
        match self {
            Self::Sequential => Order::AsTheyLie,
            Self::Shuffled if layout.blocks.len() > 1 && rows.len() > layout.window => {
                Order::Windows(shuffled::Windows::new(rows, layout.blocks, layout.window, seed, epoch))
            }
            _ => Order::Listed(self.order(rows, classes, seed, epoch)),
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
                // What is in memory, and what fits in a window, comes in the same order as ever.
                for layout in [Layout { blocks: &[0], window: 1 }, Layout { blocks: &[0, 50], window: rows.len() }] {
                    let same = sampler.order_in(layout, &rows, Some(&classes), seed, epoch);
                    prop_assert_eq!(&same.rows(&rows, 0..usize::MAX)[..], &order[..]);
                    prop_assert_eq!(&same.rows(&rows, 3..7)[..], &order[3.min(order.len())..7.min(order.len())]);
                }
            }
        }
    }
}
