//! How are examples split so that a key stays in its part for ever, whatever data is added later?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Part, Parts, Rows, Share};
use crate::error::Error;
use crate::example::{Value, id_of};
use crate::registry::Entry;

/// This split in the list of splits.
pub const ENTRY: Entry =
    Entry { name: "hash", summary: "by the hash of a column, so that equal values stay together for ever" };

/// `[data.split.hash]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The column whose equal values stay together; without it the key column of the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The fraction of the values that goes to validation, below 1.
    pub validation: Share,
    /// The fraction of the values that goes to test, below 1.
    pub test: Share,
    /// Another seed gives another split.
    pub seed: u64,
}

/// Splits by the SHA-256 of the seed and the value of a column. Fractions are met on average over the values, not exactly.
pub fn split(config: &Config, rows: &Rows<'_>) -> Result<Parts, Error> {
    for (name, share) in [("validation", config.validation), ("test", config.test)] {
        // A count would depend on how much data there is, and keys would move when some is added.
        if !(0.0..1.0).contains(&share.0) {
            return Err(Error::Setting {
                key: format!("data.split.hash.{name}"),
                message: format!("is {}", share.0),
                hint: "This split takes a fraction from 0 up to 1; a number of examples would move keys when data is added.".into(),
            });
        }
    }
    if config.validation.0 + config.test.0 >= 1.0 {
        return Err(Error::Setting {
            key: "data.split.hash".into(),
            message: format!(
                "gives {} to validation and {} to test, which leaves none for training",
                config.validation.0, config.test.0
            ),
            hint: "Make `validation` and `test` smaller.".into(),
        });
    }
    let Some(by) = config.by.as_deref().or(rows.key) else {
        return Err(Error::Setting {
            key: "data.split.hash.by".into(),
            message: "is absent, and the card has no key column".into(),
            hint: "Name the column whose equal values must stay together.".into(),
        });
    };
    let mut parts = Parts::default();
    for &row in rows.usable {
        let text = match rows.records.field(row as usize, by)? {
            // Ids are read without the blanks around them, so `Lee` and `Lee ` are one and stay together.
            Value::Text(text) if !text.trim().is_empty() => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return Err(no_value(rows, row, by)),
        };
        parts.part_mut(part_of(&text, config)).push(row);
    }
    Ok(parts)
}

fn part_of(text: &str, config: &Config) -> Part {
    let digest = Sha256::new().chain_update(config.seed.to_le_bytes()).chain_update(text).finalize();
    let bits = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    // The upper 53 bits are a number from 0 up to 1 without rounding.
    let place = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    // Test lies first, so that changing the size of validation moves nothing into or out of test.
    if place < config.test.0 {
        Part::Test
    } else if place < config.test.0 + config.validation.0 {
        Part::Validation
    } else {
        Part::Train
    }
}

/// The error for a row without a value in the column by which a split goes.
pub(super) fn no_value(rows: &Rows<'_>, row: u32, column: &str) -> Error {
    Error::Field {
        id: id_of(rows.records, row),
        kind: "split column",
        column: column.to_owned(),
        found: "missing".into(),
        hint: "Every example needs a value in the column by which the data is split.".into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::split::SplitConfig;
    use crate::split::tests::{Column, check};

    fn config(seed: u64) -> SplitConfig {
        SplitConfig::Hash(Config { by: None, validation: Share(0.2), test: Share(0.2), seed })
    }

    fn part(parts: &Parts, row: u32) -> Part {
        Part::ALL.into_iter().find(|&part| parts.part(part).contains(&row)).unwrap()
    }

    proptest! {
        #[test]
        fn rows_that_are_added_move_no_key(
            old in proptest::collection::vec("[a-c]{1,3}", 20..60), new in proptest::collection::vec("[a-d]{1,3}", 0..60), seed: u64,
        ) {
            let all: Vec<&String> = new.iter().chain(&old).collect();
            let (Ok(before), Ok(after)) =
                (check(&config(seed), &Column::of(&old), None), check(&config(seed), &Column::of(&all), None))
            else {
                return Ok(()); // So few keys may all miss the training part, which is refused.
            };
            for (row, key) in old.iter().enumerate() {
                prop_assert_eq!(part(&before, row as u32), part(&after, (new.len() + row) as u32));
                let same = old.iter().position(|other| other == key).unwrap();
                prop_assert_eq!(part(&before, row as u32), part(&before, same as u32), "one key in two parts");
            }
        }
    }

    #[test]
    fn fractions_are_met_on_average_and_test_does_not_move() {
        let column = Column::of(&(0..20_000).collect::<Vec<_>>());
        let parts = check(&config(1), &column, None).unwrap();
        // Five standard deviations of a binomial count (n = 20000, p = 0.2) are 283.
        assert!(parts.test.len().abs_diff(4000) < 283 && parts.validation.len().abs_diff(4000) < 283);
        let less =
            SplitConfig::Hash(Config { by: Some("c".into()), validation: Share(0.1), test: Share(0.2), seed: 1 });
        assert_eq!(check(&less, &column, None).unwrap().test, parts.test);
    }

    #[test]
    fn blanks_around_a_value_do_not_part_it() {
        let values: Vec<String> =
            (0..200).map(|i| ["", " ", "\t"][i % 3].to_owned() + &(i / 3).to_string() + " ").collect();
        let parts = check(&config(0), &Column::of(&values), None).unwrap();
        for row in 0..198_u32 {
            assert_eq!(part(&parts, row), part(&parts, row / 3 * 3), "{:?}", values[row as usize]);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let split =
            |config: Config, values: &[&str]| check(&SplitConfig::Hash(config), &Column::of(values), None).unwrap_err();
        let ok = Config::default();
        assert!(
            split(Config { validation: Share(100.0), ..ok.clone() }, &["a"]).to_string().contains("hash.validation")
        );
        assert!(
            split(Config { validation: Share(0.5), test: Share(0.5), ..ok.clone() }, &["a"])
                .to_string()
                .contains("none for training")
        );
        assert!(matches!(split(Config { by: Some("z".into()), ..ok.clone() }, &["a"]), Error::ColumnMissing { .. }));
        assert!(split(ok, &["a", ""]).to_string().contains("missing"));
        let column = Column::of(&["a"]);
        let rows = Rows { records: &column, usable: &[0], classes: None, key: None };
        assert!(SplitConfig::Hash(Config::default()).split(&rows).unwrap_err().to_string().contains("no key column"));
    }
}
