//! How are examples split by age? The oldest are learnt from, the newest judge, as it will be when the model is used.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hash::no_value;
use super::{Parts, Rows, Share, shares};
use crate::error::{Error, quoted};
use crate::example::Value;
use crate::registry::Entry;

/// This split in the list of splits.
pub const ENTRY: Entry =
    Entry { name: "time", summary: "by age: the oldest examples for training, the newest for test" };

/// `[data.split.time]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The column that says when: a number, or a text that sorts by age, such as `2024-05-31T12:00`.
    pub by: String,
    /// How much goes to validation: a fraction below 1, or a number of examples.
    #[serde(default)]
    pub validation: Share,
    /// How much goes to test: a fraction below 1, or a number of examples.
    #[serde(default)]
    pub test: Share,
}

/// Splits by age. Examples of the same time stay together in the older part, so that no part learns from its own present.
pub fn split(config: &Config, rows: &Rows<'_>) -> Result<Parts, Error> {
    let (v, t) = shares(config.validation, config.test, rows.usable.len(), ENTRY.name)?;
    let mut texts = Vec::with_capacity(rows.usable.len());
    for &row in rows.usable {
        let text = match rows.records.field(row as usize, &config.by)? {
            Value::Text(text) => text,
            Value::Number(number) => number.to_string(),
            _ => return Err(no_value(rows, row, &config.by)),
        };
        texts.push(text);
    }
    let number = |text: &String| text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    let numbers: Option<Vec<f64>> = texts.iter().map(number).collect();
    // Numbers ordered as texts would put 10 before 9, and a mixed order would be no order of time.
    if numbers.is_none()
        && texts.iter().any(|text| number(text).is_some())
        && let Some(place) = texts.iter().position(|text| number(text).is_none())
    {
        return Err(Error::Field {
            id: rows.records.key(rows.usable[place] as usize)?,
            kind: "time",
            column: config.by.clone(),
            found: format!("{}, which is not a number, and others are", quoted(&texts[place])),
            hint: "Write all times as numbers, or all as texts that sort by age, such as `2024-05-31T12:00`.".into(),
        });
    }
    let compare = |a: usize, b: usize| match &numbers {
        Some(numbers) => numbers[a].total_cmp(&numbers[b]),
        None => texts[a].cmp(&texts[b]),
    };
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by(|&a, &b| compare(a, b).then(a.cmp(&b)));
    let end_of_ties = |mut cut: usize| {
        while cut > 0 && cut < order.len() && compare(order[cut - 1], order[cut]) == Ordering::Equal {
            cut += 1;
        }
        cut
    };
    let first = end_of_ties(order.len() - v - t);
    let second = end_of_ties((order.len() - t).max(first));
    for (name, asked, got) in [("validation", v, second - first), ("test", t, order.len() - second)] {
        if asked > 0 && got == 0 {
            return Err(Error::Setting {
                key: format!("data.split.time.{name}"),
                message: format!(
                    "gets no example, because `{}` has too many equal values to cut {asked} off",
                    config.by
                ),
                hint: "Use a column that tells times apart more finely, or ask for more.".into(),
            });
        }
    }
    let row = |&i: &usize| rows.usable[i];
    Ok(Parts {
        train: order[..first].iter().map(row).collect(),
        validation: order[first..second].iter().map(row).collect(),
        test: order[second..].iter().map(row).collect(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::split::SplitConfig;
    use crate::split::tests::{Column, check};

    fn config(validation: f64, test: f64) -> SplitConfig {
        SplitConfig::Time(Config { by: "c".into(), validation: Share(validation), test: Share(test) })
    }

    proptest! {
        #[test]
        fn every_part_is_younger_than_the_one_before(times in proptest::collection::vec(-50_i32..50, 10..200)) {
            let Ok(parts) = check(&config(0.2, 0.2), &Column::of(&times), None) else {
                return Ok(()); // Too many equal times.
            };
            let time = |rows: &[u32]| rows.iter().map(|&row| times[row as usize]).collect::<Vec<_>>();
            let (train, validation, test) = (time(&parts.train), time(&parts.validation), time(&parts.test));
            prop_assert!(train.iter().max() < validation.iter().min());
            prop_assert!(validation.iter().max() < test.iter().min());
        }
    }

    #[test]
    fn numbers_sort_as_numbers_and_dates_as_texts() {
        let parts = check(&config(0.0, 1.0), &Column::of(&["10", "9", "8"]), None).unwrap();
        assert_eq!(parts.test, [0]);
        let parts = check(&config(1.0, 1.0), &Column::of(&["2024-02-01", "2023-12-31", "2024-01-01"]), None).unwrap();
        assert_eq!((parts.train, parts.validation, parts.test), (vec![1], vec![2], vec![0]));
    }

    #[test]
    fn numbers_among_texts_are_no_order_of_time() {
        let error = check(&config(0.0, 1.0), &Column::of(&["10", "9", "2024-05-31", "soon"]), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Example 2024-05-31: the time `c` is \"2024-05-31\", which is not a number, and others are."
        );
        assert!(error.hint().unwrap().contains("all as texts") && error.is_usage());
    }

    #[test]
    fn a_column_that_cannot_order_the_data_is_refused() {
        let error = check(&config(0.1, 0.2), &Column::of(&[7; 20]), None).unwrap_err();
        assert!(error.to_string().contains("equal values"), "{error}");
        assert!(
            check(&config(0.1, 0.2), &Column::of(&["1", "", "3"]), None).unwrap_err().to_string().contains("missing")
        );
    }
}
