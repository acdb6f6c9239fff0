//! Which examples are learnt from, which are tuned on, and which judge? One file for each way to split.

pub mod file;
pub mod hash;
pub mod random;
pub mod stratified;
pub mod time;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::formats::Records;
use crate::random::Random;
use crate::registry::Entry;
use crate::schema::Schema;

pub(crate) use stratified::apportion;

/// Every way to split, alphabetically.
pub const MEMBERS: &[Entry] = &[file::ENTRY, hash::ENTRY, random::ENTRY, stratified::ENTRY, time::ENTRY];

/// A part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Learnt from; transforms are fitted on it alone.
    Train,
    /// Watched while training, to stop and to choose.
    Validation,
    /// Judges the finished model.
    Test,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The word used in cards and configs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The rows of each part, each ascending. No row is in two parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Learnt from.
    pub train: Vec<u32>,
    /// Watched while training.
    pub validation: Vec<u32>,
    /// Judges the finished model.
    pub test: Vec<u32>,
}

impl Parts {
    /// The rows of one part.
    pub fn part(&self, part: Part) -> &[u32] {
        match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        }
    }

    /// The rows of all parts, ascending.
    pub(crate) fn all(&self) -> Vec<u32> {
        let mut rows: Vec<u32> = Part::ALL.into_iter().flat_map(|part| self.part(part)).copied().collect();
        rows.sort_unstable();
        rows
    }

    /// The rows of one part, to be changed.
    pub(crate) fn part_mut(&mut self, part: Part) -> &mut Vec<u32> {
        match part {
            Part::Train => &mut self.train,
            Part::Validation => &mut self.validation,
            Part::Test => &mut self.test,
        }
    }

    fn sorted(mut self) -> Self {
        for part in Part::ALL {
            let rows = self.part_mut(part);
            rows.sort_unstable();
            rows.shrink_to_fit();
        }
        self
    }
}

/// How much of the data a part gets: below 1 a fraction, from 1 on a number of examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Share(pub f64);

impl Share {
    /// The number of examples among `total`, a fraction rounded to the nearest. `key` is the address in errors.
    pub fn of(self, total: usize, key: &str) -> Result<usize, Error> {
        let wrong = |message: String| {
            let hint = "Use a fraction from 0 up to 1, or a whole number of examples from 1 on.".into();
            Error::Setting { key: key.to_owned(), message, hint }
        };
        let Self(share) = self;
        if !share.is_finite() || share < 0.0 || (share >= 1.0 && share.fract() != 0.0) {
            return Err(wrong(format!("is {share}")));
        }
        if share < 1.0 {
            return Ok((share * total as f64).round() as usize);
        }
        if share > total as f64 {
            return Err(wrong(format!("asks for {share} examples and there are {total}")));
        }
        Ok(share as usize)
    }

    /// Whether nothing is asked for.
    pub fn is_zero(self) -> bool {
        self.0 == 0.0
    }
}

/// How many of `total` examples go to validation and to test; at least one is left for training.
pub(crate) fn shares(validation: Share, test: Share, total: usize, split: &str) -> Result<(usize, usize), Error> {
    let v = validation.of(total, &format!("data.split.{split}.validation"))?;
    let t = test.of(total, &format!("data.split.{split}.test"))?;
    let fractions = [validation, test].iter().filter(|share| share.0 < 1.0).map(|share| share.0).sum::<f64>();
    if fractions >= 1.0 || v + t >= total {
        return Err(Error::Setting {
            key: format!("data.split.{split}"),
            message: format!(
                "gives {v} of {total} examples to validation and {t} to test, which leaves none for training"
            ),
            hint: "Make `validation` and `test` smaller.".into(),
        });
    }
    Ok((v, t))
}

/// How a data set is split: `[data.split.stratified]` in a config is the address of `split/stratified.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitConfig {
    /// As the card's files say.
    File(file::Config),
    /// By the value of a column, so that equal values stay together.
    Hash(hash::Config),
    /// By chance.
    Random(random::Config),
    /// By chance within each class, so that every part has the same proportions.
    Stratified(stratified::Config),
    /// By age: learn from the past, judge on the present.
    Time(time::Config),
}

/// What a split is made from.
pub struct Rows<'a> {
    /// Where columns and keys can be looked up.
    pub records: &'a dyn Records,
    /// The rows that can be used, ascending.
    pub usable: &'a [u32],
    /// The class of each usable row as a number, where the target is a class.
    pub classes: Option<&'a [u32]>,
    /// The name of the card's key column.
    pub key: Option<&'a str>,
}

impl SplitConfig {
    /// The name of the member.
    pub fn name(&self) -> &'static str {
        match self {
            Self::File(_) => file::ENTRY.name,
            Self::Hash(_) => hash::ENTRY.name,
            Self::Random(_) => random::ENTRY.name,
            Self::Stratified(_) => stratified::ENTRY.name,
            Self::Time(_) => time::ENTRY.name,
        }
    }

    /// The split that data gets when neither card nor config state one: by file if the files say so, else 15 % each for
    /// validation and test, stratified where there are classes and by age where rows are windows over a series.
    pub fn default_for(rows: &Rows<'_>, schema: &Schema) -> Self {
        let share = Share(0.15);
        if let Some(by) = schema.windows.as_ref().and_then(|windows| windows.time.clone()) {
            return Self::Time(time::Config { by, validation: share, test: share });
        }
        // Where but some files say so the split is refused: a test part that was published must not be learnt from.
        if rows.usable.iter().any(|&row| rows.records.part(row as usize).is_some()) {
            return Self::File(file::Config::default());
        }
        if rows.classes.is_some() {
            return Self::Stratified(stratified::Config { validation: share, test: share, seed: 0 });
        }
        Self::Random(random::Config { validation: share, test: share, seed: 0 })
    }

    /// How much was asked for validation and for test.
    fn asked(&self) -> (Share, Share) {
        match self {
            Self::File(config) => (config.validation, Share(0.0)),
            Self::Hash(config) => (config.validation, config.test),
            Self::Random(config) => (config.validation, config.test),
            Self::Stratified(config) => (config.validation, config.test),
            Self::Time(config) => (config.validation, config.test),
        }
    }

    /// Splits the usable rows. Every one of them lands in exactly one part; neither the training part nor one that was asked
    /// for is empty.
    pub fn split(&self, rows: &Rows<'_>) -> Result<Parts, Error> {
        if rows.usable.is_empty() {
            return Err(Error::NoExamples {
                place: "to split".into(),
                hint: "Check that the data files have rows in them.",
            });
        }
        let parts = match self {
            Self::File(config) => file::split(config, rows),
            Self::Hash(config) => hash::split(config, rows),
            Self::Random(config) => random::split(config, rows),
            Self::Stratified(config) => stratified::split(config, rows),
            Self::Time(config) => time::split(config, rows),
        }?;
        if parts.train.is_empty() {
            return Err(Error::NoExamples {
                place: format!("in the training part of the split `{}`", self.name()),
                hint: "Give less to validation and test, or use more data.",
            });
        }
        // A part that was asked for and is empty would judge every model alike, and nobody would notice.
        let (validation, test) = self.asked();
        for (part, share) in [(Part::Validation, validation), (Part::Test, test)] {
            if !share.is_zero() && parts.part(part).is_empty() {
                return Err(Error::Setting {
                    key: format!("data.split.{}.{part}", self.name()),
                    message: format!("asks for {}, and none of the {} examples came out", share.0, rows.usable.len()),
                    hint: "Ask for more, use more data, or set it to 0 to do without this part.".into(),
                });
            }
        }
        Ok(parts.sorted())
    }
}

/// Deals `rows` out by chance: the first `v` to validation, the next `t` to test, the rest to training.
pub(crate) fn deal(mut rows: Vec<u32>, v: usize, t: usize, random: &mut Random) -> Parts {
    random.shuffle(&mut rows);
    let v = v.min(rows.len());
    let end = (v + t).min(rows.len());
    let (validation, test) = (rows[..v].to_vec(), rows[v..end].to_vec());
    // The many rows of training stay where they are, so that they are not held twice.
    rows.drain(..end);
    Parts { train: rows, validation, test }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::example::{Record, Value};

    /// One column `c` of texts, which is also the key, and the part that each row's file names.
    pub(crate) struct Column(pub(crate) Vec<String>, pub(crate) Vec<Option<Part>>);

    impl Column {
        pub(crate) fn of<T: ToString>(values: &[T]) -> Self {
            Self(values.iter().map(ToString::to_string).collect(), Vec::new())
        }
    }

    impl Records for Column {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn read(&self, row: usize) -> Result<Record, Error> {
            Ok(Record::new(self.key(row)?, vec![("c".into(), self.field(row, "c")?)], None))
        }
        fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
            match (name, self.0[row].as_str()) {
                ("c", "") => Ok(Value::Missing),
                ("c", text) => Ok(Value::Text(text.into())),
                _ => Err(Error::ColumnMissing { place: "test".into(), column: name.into(), found: vec!["c".into()] }),
            }
        }
        fn key(&self, row: usize) -> Result<String, Error> {
            Ok(self.0[row].clone())
        }
        fn part(&self, row: usize) -> Option<Part> {
            self.1.get(row).copied().flatten()
        }
    }

    /// Splits the whole column, and checks that the parts are disjoint, complete and the same when made again.
    pub(crate) fn check(config: &SplitConfig, column: &Column, classes: Option<&[u32]>) -> Result<Parts, Error> {
        let usable: Vec<u32> = (0..column.len() as u32).collect();
        let rows = Rows { records: column, usable: &usable, classes, key: Some("c") };
        let parts = config.split(&rows)?;
        let mut all: Vec<u32> = Part::ALL.iter().flat_map(|&part| parts.part(part)).copied().collect();
        all.sort_unstable();
        assert_eq!(all, usable, "parts are not disjoint and complete");
        assert!(Part::ALL.iter().all(|&part| parts.part(part).is_sorted()));
        assert_eq!(config.split(&rows)?, parts, "the split changes");
        Ok(parts)
    }

    #[test]
    fn a_share_is_a_fraction_or_a_count() {
        assert_eq!(Share(0.25).of(10, "k").unwrap(), 3);
        assert_eq!(Share(0.0).of(10, "k").unwrap(), 0);
        assert_eq!(Share(10.0).of(10, "k").unwrap(), 10);
        for wrong in [-0.1, 1.5, 11.0, f64::NAN, f64::INFINITY] {
            let error = Share(wrong).of(10, "data.split.random.test").unwrap_err();
            assert!(error.to_string().contains("data.split.random.test") && error.hint().is_some(), "{error}");
        }
        assert_eq!(toml::from_str::<random::Config>("validation = 5000").unwrap().validation, Share(5000.0));
    }

    #[test]
    fn a_split_that_leaves_nothing_to_learn_from_is_refused() {
        let column = Column::of(&[1, 2, 3, 4]);
        for (validation, test) in [(0.5, 0.5), (0.9, 0.2), (4.0, 0.0), (2.0, 2.0), (0.0, 0.99)] {
            let config = random::Config { validation: Share(validation), test: Share(test), seed: 0 };
            assert!(check(&SplitConfig::Random(config), &column, None).is_err(), "{validation} {test}");
        }
        let empty = Column::of::<u8>(&[]);
        let error = check(&SplitConfig::Random(random::Config::default()), &empty, None).unwrap_err();
        assert!(matches!(error, Error::NoExamples { .. }));
    }

    #[test]
    fn a_part_that_was_asked_for_is_never_empty() {
        let column = Column(["1", "2", "3", "4"].map(str::to_owned).to_vec(), vec![Some(Part::Train); 4]);
        let classes = [0, 1, 2, 3];
        for (name, settings) in [
            ("file", "validation"),
            ("hash", "validation"),
            ("hash", "test"),
            ("random", "validation"),
            ("random", "test"),
            ("stratified", "validation"),
            ("stratified", "test"),
            ("time", "validation"),
            ("time", "test"),
        ] {
            let by = if name == "time" { "by = \"c\"\n" } else { "" };
            let config: SplitConfig = toml::from_str(&format!("[{name}]\n{by}{settings} = 0.01")).unwrap();
            let error = check(&config, &column, Some(&classes)).unwrap_err();
            assert!(error.to_string().contains(&format!("`data.split.{name}.{settings}` asks for 0.01")), "{error}");
            assert!(error.hint().unwrap().contains("to 0") && error.is_usage());
        }
        // Every class has one example, which stays in training, however much is asked for.
        let config = SplitConfig::Stratified(stratified::Config { validation: Share(2.0), ..Default::default() });
        let error = check(&config, &column, Some(&classes)).unwrap_err();
        assert!(error.to_string().contains("asks for 2, and none of the 4 examples"), "{error}");
    }

    #[test]
    fn a_part_takes_no_more_memory_than_its_rows() {
        let column = Column(vec![String::from("1"); 1000], vec![Some(Part::Train); 1000]);
        let classes: Vec<u32> = (0..1000).map(|row| row % 3).collect();
        for name in ["file", "random", "stratified"] {
            let test = if name == "file" { "" } else { "test = 0.2" };
            let config: SplitConfig = toml::from_str(&format!("[{name}]\nvalidation = 0.1\n{test}")).unwrap();
            let parts = check(&config, &column, Some(&classes)).unwrap();
            let taken: usize = [&parts.train, &parts.validation, &parts.test].iter().map(|rows| rows.capacity()).sum();
            assert!(taken <= 1010, "{name}: room for {taken} rows");
        }
    }

    #[test]
    fn the_default_follows_from_the_data() {
        let mut column = Column::of(&[1, 2]);
        let default = |column: &Column, classes| {
            let schema = toml::from_str("[features]\nc = \"category\"").unwrap();
            SplitConfig::default_for(&Rows { records: column, usable: &[0, 1], classes, key: None }, &schema).name()
        };
        assert_eq!(default(&column, None), "random");
        assert_eq!(default(&column, Some(&[0, 1])), "stratified");
        column.1 = vec![Some(Part::Train), Some(Part::Test)];
        assert_eq!(default(&column, None), "file");
        // The first file does not say its part, and the test part that the second says must not be mixed into training.
        column.1 = vec![None, Some(Part::Test)];
        assert_eq!(default(&column, None), "file");
        let usable = [0, 1];
        let rows = Rows { records: &column, usable: &usable, classes: None, key: None };
        let error = SplitConfig::File(file::Config::default()).split(&rows).unwrap_err();
        assert!(error.to_string().contains("does not state that of the file with 1"), "{error}");
        assert!(error.hint().unwrap().contains("below a folder") && error.is_usage());
    }
}
