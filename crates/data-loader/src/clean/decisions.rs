//! What did a person decide about examples and columns? A file of decisions, TOML or JSONL, each with its line for errors.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::config::parse_toml;
use crate::error::{Error, closest};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// An example, or a column of all of them, is left out.
    Drop,
    /// One value of one example is replaced.
    Fix,
    /// A missing value of one example, or every missing value of a column, is filled in.
    Impute,
    /// An example gets another class.
    Relabel,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The id of the example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// What is to be done.
    pub action: Action,
    /// The column, for everything but `relabel` and `drop` of an example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The new class, for `relabel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The new value, for `fix` and `impute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// The reason, for whoever reads it later.
    #[serde(default)]
    pub why: String,
    /// Whether a person has looked at it. Proposals say `false`.
    #[serde(default = "reviewed")]
    pub reviewed: bool,
}

/// Who writes a decision by hand has looked at it.
fn reviewed() -> bool {
    true
}

impl Decision {
    /// A proposal that nobody has looked at yet.
    pub fn proposal(example: String, action: Action, why: String) -> Self {
        Self { example: Some(example), action, column: None, label: None, value: None, why, reviewed: false }
    }
}

/// The decisions of a file, each with its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Decisions {
    /// Where they were read.
    pub path: PathBuf,
    /// In the order of the file: the line, counted from 1, and the decision.
    pub list: Vec<(usize, Decision)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    decisions: Vec<toml::Spanned<Decision>>,
}

/// How many bytes a file of decisions may have: 256 MiB.
const MOST: u64 = 256 << 20;

impl Decisions {
    /// Reads the decisions at `path`: `[[decisions]]` tables in TOML, or an object a line where the name ends in `.jsonl`.
    ///
    /// # Errors
    /// With the line of what cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::io("file of decisions", path, source);
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > MOST {
            let what = "its size in bytes";
            return Err(Error::TooLarge { path: path.to_path_buf(), what, size, limit: MOST });
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let text = String::from_utf8(bytes).map_err(|error| Error::Config {
            path: path.to_path_buf(),
            place: String::new(),
            message: format!("the byte at offset {} is not UTF-8", error.utf8_error().valid_up_to()),
            closest: None,
        })?;
        let list = if path.extension().is_some_and(|ending| ending == "jsonl") {
            lines(&text, path)?
        } else {
            let written: Written = parse_toml(&text, path)?;
            let line = |start: usize| text.get(..start).unwrap_or(&text).matches('\n').count() + 1;
            written.decisions.into_iter().map(|found| (line(found.span().start), found.into_inner())).collect()
        };
        let decisions = Self { path: path.to_path_buf(), list };
        if decisions.list.is_empty() {
            return Err(Error::NoExamples {
                place: format!("to decide about: {} holds no decision", path.display()),
                hint: "Write a [[decisions]] table for each, with `example`, `action` and `why`.",
            });
        }
        decisions.list.iter().try_for_each(|(line, decision)| decisions.check(*line, decision))?;
        Ok(decisions)
    }

    /// The error for what is wrong with the decision on `line`.
    pub(super) fn wrong(&self, line: usize, message: String, closest: Option<String>) -> Error {
        if closest.is_some() {
            return Error::Config { path: self.path.clone(), place: format!(", line {line}"), message, closest };
        }
        Error::Mismatch {
            message: format!("{}, line {line}: {message}", self.path.display()),
            hint: "Mend this decision or take it out; nothing was written.".into(),
        }
    }

    /// Whether a decision says what its action needs, and nothing else.
    fn check(&self, line: usize, decision: &Decision) -> Result<(), Error> {
        let Decision { example, action, column, label, value, .. } = decision;
        let needs = match action {
            Action::Drop if example.is_some() == column.is_some() => "needs an `example` or a `column`, and not both",
            Action::Drop if label.is_some() || value.is_some() => "takes no `label` and no `value`",
            Action::Relabel if example.is_none() || label.is_none() => "needs an `example` and a `label`",
            Action::Relabel if column.is_some() || value.is_some() => "takes no `column` and no `value`",
            Action::Fix if example.is_none() || column.is_none() || value.is_none() => {
                "needs an `example`, a `column` and a `value`"
            }
            Action::Impute if column.is_none() || value.is_none() => {
                "needs a `column` and a `value`, and an `example` unless every gap of the column is to be filled"
            }
            Action::Fix | Action::Impute if label.is_some() => "takes a `value` and no `label`",
            _ => return Ok(()),
        };
        let name = serde_json::to_value(action).unwrap_or_default();
        Err(self.wrong(line, format!("the action {name} {needs}"), None))
    }
}

fn lines(text: &str, path: &Path) -> Result<Vec<(usize, Decision)>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut list = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let decision = serde_json::from_str(line).map_err(|error| {
            let text = error.to_string();
            let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
            let mut words = message.split('`').skip(1).step_by(2);
            let closest = words.next().filter(|_| message.starts_with("unknown")).and_then(|word| closest(word, words));
            Error::Config { path: path.to_path_buf(), place: format!(", line {}", number + 1), message, closest }
        })?;
        list.push((number + 1, decision));
    }
    Ok(list)
}
