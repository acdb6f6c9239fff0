//! How are examples split so that every part has each class in the same proportion?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Parts, Rows, Share, deal, shares};
use crate::error::Error;
use crate::random::Random;
use crate::registry::Entry;

/// This split in the list of splits.
pub const ENTRY: Entry =
    Entry { name: "stratified", summary: "by chance within each class, so that proportions are kept" };

/// `[data.split.stratified]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How much goes to validation: a fraction below 1, or a number of examples.
    pub validation: Share,
    /// How much goes to test: a fraction below 1, or a number of examples.
    pub test: Share,
    /// Another seed gives another split.
    pub seed: u64,
}

/// Keeps the streams of the splits apart from each other and from those of the samplers.
const STREAM: u64 = 0x7374_7261_7461;

/// Splits by chance within each class. In validation and in test the number of examples of a class is within 1 of its exact
/// share, and training gets the rest. A class so small that nothing would be left takes from them until it keeps one example
/// for training.
pub fn split(config: &Config, rows: &Rows<'_>) -> Result<Parts, Error> {
    let Some(classes) = rows.classes else {
        return Err(Error::Mismatch {
            message: "The split `stratified` needs the class of every row, and here the target is no class, or rows have none"
                .into(),
            hint: "Use [data.split.random].".into(),
        });
    };
    let (v, t) = shares(config.validation, config.test, rows.usable.len(), ENTRY.name)?;
    Ok(deal_by_class(rows.usable, classes, v, t, config.seed))
}

/// Deals out `v` examples to validation and `t` to test, in the proportions of the classes.
pub(super) fn deal_by_class(rows: &[u32], classes: &[u32], v: usize, t: usize, seed: u64) -> Parts {
    let count = classes.iter().max().map_or(0, |&most| most as usize + 1);
    let mut sizes = vec![0; count];
    for &class in classes {
        sizes[class as usize] += 1;
    }
    let mut by_class: Vec<Vec<u32>> = sizes.iter().map(|&size| Vec::with_capacity(size)).collect();
    for (&row, &class) in rows.iter().zip(classes) {
        by_class[class as usize].push(row);
    }
    let mut validation = apportion(&sizes, v, &vec![0; count]);
    let mut test = apportion(&sizes, t, &validation);
    let mut parts = Parts::default();
    for (class, rows) in by_class.into_iter().enumerate() {
        let (v, t) = (&mut validation[class], &mut test[class]);
        // Both shares of a small class may have been rounded up; then one gives way so that training keeps an example.
        while rows.len() <= *v + *t && *v + *t > 0 {
            *(if v >= t { &mut *v } else { &mut *t }) -= 1;
        }
        let mut random = Random::derive(&[STREAM, seed, class as u64]);
        let dealt = deal(rows, *v, *t, &mut random);
        parts.train.extend(dealt.train);
        parts.validation.extend(dealt.validation);
        parts.test.extend(dealt.test);
    }
    parts
}

/// Shares `wanted` out over classes of these sizes: each gets its exact share rounded down, and the classes with the
/// largest remainders one more (Hamilton's method). Among equal remainders those come first that have least in `taken`, so
/// that the same class does not give to validation and to test.
pub(crate) fn apportion(sizes: &[usize], wanted: usize, taken: &[usize]) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if total == 0 {
        return vec![0; sizes.len()];
    }
    let exact =
        |size: usize| (size as u128 * wanted as u128 / total as u128, size as u128 * wanted as u128 % total as u128);
    let mut counts: Vec<usize> = sizes.iter().map(|&size| exact(size).0 as usize).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&class| (std::cmp::Reverse(exact(sizes[class]).1), taken[class]));
    let left = wanted - counts.iter().sum::<usize>();
    by_remainder.iter().take(left).for_each(|&class| counts[class] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::split::tests::{Column, check};
    use crate::split::{Part, SplitConfig};

    proptest! {
        #[test]
        fn every_class_is_within_one_example_of_its_share(
            classes in proptest::collection::vec(0_u32..6, 4..300), v in 0.0..0.4, t in 0.0..0.4, seed: u64,
        ) {
            // Class numbers must be dense, as a data set numbers them.
            let column = Column::of(&classes);
            let config = Config { validation: Share(v), test: Share(t), seed };
            let Ok(parts) = check(&SplitConfig::Stratified(config), &column, Some(&classes)) else {
                return Ok(()); // So few examples that a part would be empty, which is refused.
            };
            for class in 0..6 {
                let count = |part| parts.part(part).iter().filter(|&&row| classes[row as usize] == class).count();
                let size = Part::ALL.map(count).iter().sum::<usize>();
                if size == 0 {
                    continue;
                }
                prop_assert!(count(Part::Train) >= 1);
                for (part, share) in [(Part::Validation, v), (Part::Test, t)] {
                    // The number of examples of the whole part is itself rounded, by half an example at most.
                    let wanted = (share * classes.len() as f64).round() / classes.len() as f64 * size as f64;
                    prop_assert!((count(part) as f64 - wanted).abs() <= 1.0, "{part}: {} for {wanted}", count(part));
                }
            }
        }
    }

    #[test]
    fn counts_are_met_exactly_where_classes_are_large() {
        let classes: Vec<u32> = (0..1000).map(|i| u32::from(i % 7 == 0) + u32::from(i % 3 == 0)).collect();
        let config = Config { validation: Share(111.0), test: Share(0.2), seed: 3 };
        let parts = check(&SplitConfig::Stratified(config), &Column::of(&classes), Some(&classes)).unwrap();
        assert_eq!((parts.validation.len(), parts.test.len()), (111, 200));
    }

    #[test]
    fn numbers_cannot_be_stratified() {
        let error = check(&SplitConfig::Stratified(Config::default()), &Column::of(&[1, 2]), None).unwrap_err();
        assert!(error.hint().unwrap().contains("random"));
    }
}
