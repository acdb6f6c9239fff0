//! Where does the data of a card come from? One file for each kind of source.
//!
//! A source gives a file its bytes; it knows nothing of formats, and formats know nothing of sources.

pub mod http;
pub mod local;
pub mod object_store;
pub mod postgres;
pub mod rest;
pub mod sqlite;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::card::{CardConfig, CardFile, hex};
use crate::error::Error;
use crate::fetch::{Context, Target, json_text};
use crate::files::pattern::{MATCHING, is_pattern, pattern};
use crate::registry::Entry;

/// Every source, alphabetically.
pub const MEMBERS: &[Entry] =
    &[http::ENTRY, local::ENTRY, object_store::ENTRY, postgres::ENTRY, rest::ENTRY, sqlite::ENTRY];

/// Where a file of a card comes from: `[files.from.http]` in a card is the address of `sources/http.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceConfig {
    /// A file on a web server.
    Http(http::Config),
    /// A file elsewhere on this machine.
    Local(local::Config),
    /// Files in an object store.
    ObjectStore(object_store::Config),
    /// The rows of a query to a `PostgreSQL` database.
    Postgres(postgres::Config),
    /// The records of a web API.
    Rest(rest::Config),
    /// The rows of a query to a `SQLite` database.
    Sqlite(sqlite::Config),
}

impl SourceConfig {
    /// The word used in cards.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => http::ENTRY.name,
            Self::Local(_) => local::ENTRY.name,
            Self::ObjectStore(_) => object_store::ENTRY.name,
            Self::Postgres(_) => postgres::ENTRY.name,
            Self::Rest(_) => rest::ENTRY.name,
            Self::Sqlite(_) => sqlite::ENTRY.name,
        }
    }

    /// The checksum of what the source gives, where it states one of its own and gives it as it is.
    pub(crate) fn sha256(&self) -> Option<&str> {
        match self {
            Self::Http(config) if config.member.is_none() => config.sha256.as_deref(),
            _ => None,
        }
    }

    /// A digest of the settings from which it follows what the source gives.
    pub(crate) fn settings(&self) -> String {
        // Who may read it and how much it may be say nothing of it.
        const OTHERS: [&str; 5] = ["anonymous", "max_bytes", "max_pages", "region", "token"];
        let settings = serde_json::to_value(self).unwrap_or_default();
        let settings = settings.get(self.name()).and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
        // In an order that no library chooses.
        let kept: BTreeMap<&String, String> = settings
            .iter()
            .filter(|(key, _)| !OTHERS.contains(&key.as_str()))
            .map(|(key, value)| (key, value.to_string()))
            .collect();
        hex(&Sha256::digest(format!("{} {kept:?}", self.name())))
    }

    /// Whether what the source gives was compared with a checksum on the way, whatever becomes of it.
    pub(crate) fn is_verified(&self) -> bool {
        matches!(self, Self::Http(config) if config.sha256.is_some())
    }

    /// Refuses settings that can be read but cannot be meant.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Http(config) => config.check(),
            Self::Local(config) => config.check(),
            Self::ObjectStore(config) => config.check(),
            Self::Postgres(config) => config.check(),
            Self::Rest(config) => config.check(),
            Self::Sqlite(config) => config.check(),
        }
    }

    /// Where the file comes from, without anything secret.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Http(config) => config.shown(),
            Self::Local(config) => config.path.display().to_string(),
            Self::ObjectStore(config) => config.url.clone(),
            Self::Postgres(config) => format!("the database of {}", config.url_env),
            Self::Rest(config) => config.shown(),
            Self::Sqlite(config) => config.database.display().to_string(),
        }
    }

    /// The files behind a source that is a pattern: the name of each, and the source of it alone.
    fn expand(&self, folder: &Path, context: &Context) -> Result<Vec<(String, Self)>, Error> {
        match self {
            Self::Local(config) => config.expand(folder),
            Self::ObjectStore(config) => config.expand(context),
            _ => Err(Error::Setting {
                key: "files.path".into(),
                message: format!("is a pattern, and the source `{}` gives one file", self.name()),
                hint: "Give each file a [[files]] table of its own.".into(),
            }),
        }
    }

    /// Writes the file that is wanted to `target`.
    pub(crate) fn fetch(&self, wanted: &Wanted, target: &mut Target, context: &mut Context) -> Result<(), Error> {
        match self {
            Self::Http(config) => config.fetch(wanted, target, context),
            Self::Local(config) => config.fetch(wanted, target, context),
            Self::ObjectStore(config) => config.fetch(wanted, target, context),
            Self::Postgres(config) => config.fetch(wanted, target, context),
            Self::Rest(config) => config.fetch(target, context),
            Self::Sqlite(config) => config.fetch(wanted, target, context),
        }
    }
}

/// A file that is to be fetched.
pub(crate) struct Wanted<'a> {
    /// The folder of its card.
    pub(crate) folder: &'a Path,
    /// Its card, if it is that of a data set.
    pub(crate) card: Option<&'a CardConfig>,
    /// The entry of the card that names it.
    pub(crate) entry: &'a CardFile,
}

impl<'a> Wanted<'a> {
    /// The card that says how rows are written.
    fn table(&self) -> Result<&'a CardConfig, Error> {
        self.card.ok_or_else(|| Error::Setting {
            key: "files.from".into(),
            message: "is a database, and its rows are no file of weights".into(),
            hint: "Name a file, as in `from = { local = { path = \"...\" } }`, or a web address.".into(),
        })
    }
}

/// Refuses a query in which nothing stands.
fn check_query(key: &str, query: &str) -> Result<(), Error> {
    if query.trim().is_empty() { Err(no_select(key)) } else { Ok(()) }
}

/// The error for a query that is none.
fn no_select(key: &str) -> Error {
    Error::Setting {
        key: key.to_owned(),
        message: "is not one query that only reads".into(),
        hint: "Write one SELECT, as in `SELECT x, y FROM t ORDER BY id`.".into(),
    }
}

/// The error for a value of a database that no table can hold as it is.
fn unfit(wanted: &Wanted, row: u64, column: &str, found: &str) -> Error {
    Error::Field {
        id: format!("{}#{row}", wanted.entry.path.display()),
        kind: "value",
        column: column.to_owned(),
        found: found.to_owned(),
        hint: "Leave the column out of the query, or turn it into a text there, as in `HEX(column) AS column`.".into(),
    }
}

/// The files that an entry of a card with a source stands for: the path of each in the card's folder, and where it comes from.
pub(crate) fn wanted(
    folder: &Path,
    entry: &CardFile,
    source: &SourceConfig,
    context: &Context,
) -> Result<Vec<(PathBuf, SourceConfig)>, Error> {
    let text = entry.path.to_string_lossy();
    if !is_pattern(&text) {
        return Ok(vec![(entry.path.clone(), source.clone())]);
    }
    let inside = entry.path.parent().unwrap_or(Path::new(""));
    let wrong = |message: String| {
        let hint =
            "As in `path = \"parts/*.csv\"`: the files keep their names and lie in the folder before the pattern.";
        Err(Error::Setting { key: "files.path".into(), message, hint: hint.into() })
    };
    if is_pattern(&inside.to_string_lossy()) {
        return wrong(format!("is {text}, and where a source is given only the name of the file may be a pattern"));
    }
    let pattern = pattern(&text)?;
    let mut found = Vec::new();
    for (name, one) in source.expand(folder, context)? {
        let path = inside.join(&name);
        if !pattern.matches_path_with(&path, MATCHING) {
            return wrong(format!("is {text}, and the source has the file {name}, which does not match it"));
        }
        found.push((path, one));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(twice) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return wrong(format!("is {text}, and the source has two files of the name {}", twice[0].0.display()));
    }
    Ok(found)
}
