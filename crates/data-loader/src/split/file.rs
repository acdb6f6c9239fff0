//! How are examples split as their publisher did? Each file of the card names its part.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stratified::deal_by_class;
use super::{Part, Parts, Rows, Share, deal, shares};
use crate::error::Error;
use crate::random::Random;
use crate::registry::Entry;

/// This split in the list of splits.
pub const ENTRY: Entry = Entry { name: "file", summary: "as the card's files say, validation cut from train if asked" };

/// `[data.split.file]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How much of the training files goes to validation: a fraction below 1, or a number of examples. Stratified where
    /// the target is a class.
    pub validation: Share,
    /// Another seed cuts off another validation part.
    pub seed: u64,
}

/// Keeps the streams of the splits apart from each other and from those of the samplers.
const STREAM: u64 = 0x6669_6c65;

/// Splits as the files say.
pub fn split(config: &Config, rows: &Rows<'_>) -> Result<Parts, Error> {
    let mut parts = Parts::default();
    let mut classes = Vec::new();
    for (i, &row) in rows.usable.iter().enumerate() {
        let Some(part) = rows.records.part(row as usize) else {
            return Err(Error::Mismatch {
                message: format!(
                    "The split `file` needs the part of every file, and the card does not state that of the file with {}",
                    rows.records.key(row as usize)?
                ),
                hint: "Write `part = \"train\"`, `\"validation\"` or `\"test\"` in each [[files]] table, or use another split; files below a folder have the part that their names say, such as train-0.parquet.".into(),
            });
        };
        parts.part_mut(part).push(row);
        if let (Part::Train, Some(all)) = (part, rows.classes) {
            classes.push(all[i]);
        }
    }
    if config.validation.is_zero() || parts.train.is_empty() {
        return Ok(parts);
    }
    if !parts.validation.is_empty() {
        return Err(Error::Setting {
            key: "data.split.file.validation".into(),
            message: "asks for a share of the training files, and the card has validation files".into(),
            hint: "Leave `validation` out.".into(),
        });
    }
    let (v, _) = shares(config.validation, Share(0.0), parts.train.len(), ENTRY.name)?;
    let cut = match rows.classes {
        Some(_) => deal_by_class(&parts.train, &classes, v, 0, config.seed),
        None => deal(parts.train, v, 0, &mut Random::derive(&[STREAM, config.seed])),
    };
    Ok(Parts { test: parts.test, ..cut })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::SplitConfig;
    use crate::split::tests::{Column, check};

    fn column(parts: &[Option<Part>]) -> Column {
        let mut column = Column::of(&(0..parts.len()).collect::<Vec<_>>());
        column.1 = parts.to_vec();
        column
    }

    fn config(validation: f64) -> SplitConfig {
        SplitConfig::File(Config { validation: Share(validation), seed: 0 })
    }

    #[test]
    fn validation_is_cut_from_train_alone_class_by_class() {
        let parts: Vec<_> = (0..120).map(|i| Some(if i < 100 { Part::Train } else { Part::Test })).collect();
        let classes: Vec<u32> = (0..120).map(|i| u32::from(i % 4 == 0)).collect();
        for classes in [None, Some(&classes[..])] {
            let split = check(&config(0.2), &column(&parts), classes).unwrap();
            assert_eq!((split.train.len(), split.validation.len()), (80, 20));
            assert_eq!(split.test, (100..120).collect::<Vec<_>>());
            if let Some(classes) = classes {
                assert_eq!(split.validation.iter().filter(|&&row| classes[row as usize] == 1).count(), 5);
            }
        }
        assert_eq!(check(&config(30.0), &column(&parts), None).unwrap().validation.len(), 30);
        assert!(check(&config(0.0), &column(&parts), None).unwrap().validation.is_empty());
    }

    #[test]
    fn cards_that_do_not_say_enough_are_refused() {
        let error = check(&config(0.0), &column(&[Some(Part::Train), None]), None).unwrap_err();
        assert!(error.to_string().contains("file with 1"), "{error}");
        let all = [Some(Part::Train), Some(Part::Validation)];
        assert!(check(&config(0.5), &column(&all), None).is_err());
        assert!(check(&config(0.0), &column(&all), None).is_ok());
        let error = check(&config(0.0), &column(&[Some(Part::Test)]), None).unwrap_err();
        assert!(matches!(error, Error::NoExamples { .. }), "{error}");
        assert!(check(&config(100.0), &column(&[Some(Part::Train); 3]), None).is_err());
    }
}
