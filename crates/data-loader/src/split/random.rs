//! How are examples split by chance? Each is as likely as any other to land in a part.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Parts, Rows, Share, deal, shares};
use crate::error::Error;
use crate::random::Random;
use crate::registry::Entry;

/// This split in the list of splits.
pub const ENTRY: Entry = Entry { name: "random", summary: "by chance, every example as likely as any other" };

/// `[data.split.random]`.
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
const STREAM: u64 = 0x7261_6e64_6f6d;

/// Splits by chance.
pub fn split(config: &Config, rows: &Rows<'_>) -> Result<Parts, Error> {
    let (v, t) = shares(config.validation, config.test, rows.usable.len(), ENTRY.name)?;
    Ok(deal(rows.usable.to_vec(), v, t, &mut Random::derive(&[STREAM, config.seed])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::split::SplitConfig;
    use crate::split::tests::{Column, check};

    proptest! {
        #[test]
        fn parts_have_the_sizes_asked_for(n in 3_usize..300, v in 0.0..0.3, t in 0.0..0.3, seed: u64) {
            let column = Column::of(&(0..n).collect::<Vec<_>>());
            let config = Config { validation: Share(v), test: Share(t), seed };
            let asked = |share: f64| (share * n as f64).round() as usize;
            // A share that is rounded down to nothing is refused.
            prop_assume!(asked(v) > 0 && asked(t) > 0);
            let parts = check(&SplitConfig::Random(config), &column, None).unwrap();
            prop_assert_eq!(parts.validation.len(), asked(v));
            prop_assert_eq!(parts.test.len(), asked(t));
        }
    }

    #[test]
    fn another_seed_gives_another_split() {
        let column = Column::of(&(0..100).collect::<Vec<_>>());
        let split = |seed| {
            let config = Config { validation: Share(10.0), test: Share(0.2), seed };
            check(&SplitConfig::Random(config), &column, None).unwrap()
        };
        assert_ne!(split(0), split(1));
        assert_eq!((split(0).validation.len(), split(0).test.len()), (10, 20));
    }
}
