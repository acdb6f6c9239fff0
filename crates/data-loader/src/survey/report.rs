//! What was found in the data? The one result of all checks, as JSON keeps it and as reports draw it.

use serde::{Deserialize, Serialize};

use crate::checks::label_errors::LabelErrors;
use crate::clean::proposals::Duplicate;
use crate::split::Part;

/// The version of the layout of a report, raised with every change that an older reader would misread.
pub const VERSION: u32 = 1;

/// How many examples or pairs a finding shows; their number is always told.
pub const SHOWN: usize = 24;

/// How bad a finding is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A gate failed.
    Error,
    /// Worth a look before training.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What is shown of an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Nothing could be read.
    Nothing,
    /// A small PNG, in Base64.
    Thumbnail(String),
    /// The beginning of a text.
    Text(String),
    /// The columns and values of a row.
    Row(Vec<(String, String)>),
}

/// An example that a finding concerns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its id.
    pub id: String,
    /// The part of the split; none for an example that cannot be used.
    pub part: Option<Part>,
    /// The target as it was read.
    pub target: Option<String>,
    /// Why it is here, in a few words; may be empty.
    pub why: String,
    /// What it looks like.
    pub shown: Shown,
}

/// Two examples that are equal or nearly so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The one in the earlier part, or in the earlier row.
    pub first: Sample,
    /// The other.
    pub second: Sample,
    /// How alike they are: 1 is equal.
    pub likeness: f64,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The check that found it.
    pub check: String,
    /// The key of `[data.gates]` that says how bad it is; none where nothing can be set.
    pub gate: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What was found, a sentence.
    pub message: String,
    /// How many examples, files or columns it concerns.
    pub count: usize,
    /// The columns that it concerns.
    pub columns: Vec<String>,
    /// The first of the examples, at most [`SHOWN`].
    pub examples: Vec<Sample>,
    /// The first of the pairs, at most [`SHOWN`].
    pub pairs: Vec<Pair>,
}

impl Finding {
    /// A finding of `count` things, which `message` tells as a sentence.
    pub(crate) fn new(check: &str, severity: Severity, count: usize, message: String) -> Self {
        Self {
            check: check.to_owned(),
            gate: None,
            severity,
            message,
            count,
            columns: Vec::new(),
            examples: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// How to go on all the same, a sentence; empty where nothing can be set.
    pub fn way_out(&self) -> String {
        match self.gate.as_deref() {
            None => String::new(),
            Some(key @ ("label_errors" | "missing" | "smallest_class")) => {
                format!("Mend the data, or change `data.gates.{key}`.")
            }
            Some("transforms") => {
                "Mend the data, list the column under `ignore` of [schema], or change [data.transforms].".to_owned()
            }
            Some("unreadable") => {
                "Mend the data, or set `data.loader.bad_examples = \"skip\"` to go on without these examples."
                    .to_owned()
            }
            Some(key) => format!("Mend the data, or set `data.gates.{key} = \"warn\"` to go on all the same."),
        }
    }

    /// The same, with the key that says how bad it is.
    pub(crate) fn gated(self, key: &str) -> Self {
        Self { gate: Some(key.to_owned()), ..self }
    }
}

/// How many examples of a class each part has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// The class.
    pub class: String,
    /// In training, validation and test.
    pub examples: [usize; 3],
}

/// What is typical of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// `number`, `category`, `text` or `image`.
    pub kind: String,
    /// How many rows have no value in it.
    pub missing: usize,
    /// How many different values were met among the rows that were looked at closely; none for texts and images.
    pub distinct: Option<usize>,
    /// The smallest value, the median and the largest, of numbers.
    pub range: Option<[f64; 3]>,
    /// The most frequent category, with its number of rows.
    pub most: Option<(String, usize)>,
}

/// A check that did not run, or not on all rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The check.
    pub check: String,
    /// Why, a sentence.
    pub reason: String,
}

/// What all checks found. It holds nothing that differs between two checks of the same data under the same config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// The name of the data set.
    pub card: String,
    /// Whether all checks ran, and not only the fast ones before a training.
    pub thorough: bool,
    /// The seed by which rows were chosen where a check does not look at all of them.
    pub seed: u64,
    /// How many examples training, validation and test have.
    pub parts: [usize; 3],
    /// How many rows could be read and were looked at.
    pub rows: usize,
    /// How many of them were looked at closely; duplicates, missing values and classes are counted over all rows.
    pub closely: usize,
    /// The checks that ran.
    pub checks: Vec<String>,
    /// What was left out.
    pub remarks: Vec<Remark>,
    /// The classes; empty where the target is none.
    pub classes: Vec<ClassCount>,
    /// The features.
    pub columns: Vec<ColumnFacts>,
    /// The findings, the worst first.
    pub findings: Vec<Finding>,
    /// Every example that may be dropped because another one says the same; decisions are proposed from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duplicates: Vec<Duplicate>,
    /// What confident learning found, if it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_errors: Option<LabelErrors>,
}

impl Report {
    /// How many findings are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The findings of failed gates.
    pub fn failed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }
}
