//! Which findings about the data end a training before its first step? The table `[data.gates]` of a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::Severity;
use crate::data_config::BadExamples;
use crate::error::Error;

/// What a finding leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The check fails, and no training begins.
    Error,
    /// It is said, and training begins.
    Warn,
    /// It stands in the report.
    Allow,
}

impl Level {
    /// How a finding of this level is shown.
    pub fn severity(self) -> Severity {
        match self {
            Self::Error => Severity::Error,
            Self::Warn => Severity::Warning,
            Self::Allow => Severity::Note,
        }
    }
}

/// `[data.gates]`: what findings of the checks lead to. Each key is the name of a check, and takes "error", "warn" or "allow",
/// unless it says that it is a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// The fast checks run before every training whose files have at most so many MiB in all; 0 means never.
    pub before_training_mib: u64,
    /// Columns in which nearly every row has a category of its own.
    pub cardinality: Level,
    /// Classes that training lacks, or has very few examples of beside the largest class.
    pub class_balance: Level,
    /// Columns with one value. Of those with one value in nearly every row it is at most warned.
    pub constant: Level,
    /// Columns that say the same as another column.
    pub duplicate_columns: Level,
    /// Examples that stand several times in one part of the split.
    pub exact_duplicates: Level,
    /// Examples that stand in two parts of the split.
    pub exact_duplicates_across_splits: Level,
    /// Images of unusual size, brightness or sharpness.
    pub image_quality: Level,
    /// Rows that lie apart from all others.
    pub isolation_forest: Level,
    /// The largest share of labels, from 0 to 1, that may be wrong by the estimate of a quick model; without it labels that are
    /// probably wrong are a warning. Classes that overlap look like wrong labels, so the share depends on the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_errors: Option<f64>,
    /// Columns that predict the target alone.
    pub leakage: Level,
    /// The largest share of missing values, from 0 to 1, that a column may have; without it more than a half is a warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<f64>,
    /// Examples that are nearly equal to another one of the same part of the split.
    pub near_duplicates: Level,
    /// Examples that are nearly equal to one in another part of the split.
    pub near_duplicates_across_splits: Level,
    /// Numbers far from all others of their column.
    pub outliers: Level,
    /// The fewest examples that a class may have in training, a number; without it fewer than 10 are a warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smallest_class: Option<u64>,
    /// Examples that cannot be read; without it an error, or a warning where `bad_examples = "skip"` leaves them out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<Level>,
    /// Files that are not what their names say.
    pub wrong_extension: Level,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            before_training_mib: 256,
            cardinality: Level::Warn,
            class_balance: Level::Warn,
            constant: Level::Warn,
            duplicate_columns: Level::Warn,
            exact_duplicates: Level::Warn,
            exact_duplicates_across_splits: Level::Error,
            image_quality: Level::Allow,
            isolation_forest: Level::Allow,
            label_errors: None,
            leakage: Level::Warn,
            missing: None,
            near_duplicates: Level::Allow,
            near_duplicates_across_splits: Level::Warn,
            outliers: Level::Allow,
            smallest_class: None,
            unreadable: None,
            wrong_extension: Level::Warn,
        }
    }
}

impl Gates {
    /// Checks that shares are shares.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let shares = [("label_errors", self.label_errors), ("missing", self.missing)];
        match shares.iter().find(|(_, limit)| limit.is_some_and(|limit| !(0.0..=1.0).contains(&limit))) {
            None => Ok(()),
            Some((key, limit)) => Err(Error::Setting {
                key: format!("data.gates.{key}"),
                message: format!("is {}", limit.unwrap_or_default()),
                hint: "Use a share from 0 to 1.".into(),
            }),
        }
    }

    /// The gates that end a training when they fail.
    pub(crate) fn strict(&self) -> Vec<&'static str> {
        let levels = [
            ("cardinality", self.cardinality),
            ("class_balance", self.class_balance),
            ("constant", self.constant),
            ("duplicate_columns", self.duplicate_columns),
            ("exact_duplicates", self.exact_duplicates),
            ("exact_duplicates_across_splits", self.exact_duplicates_across_splits),
            ("image_quality", self.image_quality),
            ("isolation_forest", self.isolation_forest),
            ("leakage", self.leakage),
            ("near_duplicates", self.near_duplicates),
            ("near_duplicates_across_splits", self.near_duplicates_across_splits),
            ("outliers", self.outliers),
            ("wrong_extension", self.wrong_extension),
        ];
        let strict = levels.into_iter().filter(|(_, level)| *level == Level::Error).map(|(name, _)| name);
        let shares = [("label_errors", self.label_errors.is_some()), ("missing", self.missing.is_some())];
        strict.chain(shares.into_iter().filter(|(_, set)| *set).map(|(name, _)| name)).collect()
    }

    /// What examples that cannot be read lead to.
    pub(crate) fn unreadable(&self, bad_examples: BadExamples) -> Level {
        self.unreadable.unwrap_or(match bad_examples {
            BadExamples::Error => Level::Error,
            BadExamples::Skip => Level::Warn,
        })
    }

    /// Whether nothing is set, so that a config need not show it.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_defaults_and_unknown_ones_are_refused() {
        let gates: Gates = toml::from_str("leakage = \"error\"\nmissing = 0.2").unwrap();
        assert_eq!((gates.leakage, gates.missing), (Level::Error, Some(0.2)));
        assert_eq!(gates.exact_duplicates_across_splits, Level::Error);
        let written = toml::to_string(&gates).unwrap();
        assert_eq!(toml::from_str::<Gates>(&written).unwrap(), gates);
        for wrong in ["leakege = \"error\"", "leakage = \"never\"", "missing = \"warn\""] {
            assert!(toml::from_str::<Gates>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(gates.unreadable(BadExamples::Error), Level::Error);
        assert_eq!(gates.unreadable(BadExamples::Skip), Level::Warn);
        assert!(Gates::default().is_default() && !gates.is_default());
    }
}
