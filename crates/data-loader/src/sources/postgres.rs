//! The rows of a query to a `PostgreSQL` database, which is asked within a transaction that can only read.
//!
//! Needs the cargo feature `postgres`. The address of the database, with user and password, stands in an environment variable
//! that is made for such: a card names no other, and the address names the only server that gets the password.
//! Connections are not encrypted: reach a database elsewhere through a tunnel.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::fetch::{Context, Target};
use crate::registry::Entry;
use crate::sources::Wanted;

/// The entry of the list.
pub const ENTRY: Entry =
    Entry { name: "postgres", summary: "the rows of a query to a PostgreSQL database (cargo feature `postgres`)" };

/// `[files.from.postgres]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The environment variable with the address of the database, such as `postgres://user:password@localhost/name`:
    /// `DATABASE_URL`, or a name that begins with `DATABASE_URL_`.
    #[serde(default = "url_env")]
    pub url_env: String,
    /// One SELECT. Without an ORDER BY the rows may come in another order the next time.
    pub query: String,
}

fn url_env() -> String {
    "DATABASE_URL".into()
}

impl Config {
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.url_env != url_env() && !self.url_env.starts_with("DATABASE_URL_") {
            return Err(Error::Setting {
                key: "files.from.postgres.url_env".into(),
                message: format!("is {}, and a card may name no variable but those for databases", self.url_env),
                hint: "Leave it out and set DATABASE_URL, or write a name that begins with DATABASE_URL_.".into(),
            });
        }
        super::check_query("files.from.postgres.query", &self.query)
    }

    pub(super) fn fetch(&self, wanted: &Wanted, target: &mut Target, context: &mut Context) -> Result<(), Error> {
        server::fetch(self, wanted, target, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_names_no_variable_but_those_for_databases() {
        for (name, good) in [
            ("DATABASE_URL", true),
            ("DATABASE_URL_LAB", true),
            ("AWS_SECRET_ACCESS_KEY", false),
            ("MY_DATABASE_URL", false),
            ("DATABASE_URLS", false),
            ("", false),
        ] {
            let outcome = Config { url_env: name.into(), query: "SELECT 1".into() }.check();
            assert_eq!(outcome.is_ok(), good, "{name}");
        }
    }
}

#[cfg(not(feature = "postgres"))]
mod server {
    use super::{Config, Context, Error, Target, Wanted};

    pub(super) fn fetch(_: &Config, _: &Wanted, _: &mut Target, _: &mut Context) -> Result<(), Error> {
        Err(Error::Mismatch {
            message: "This program was built without the source `postgres`".into(),
            hint: "Build it with `cargo build --release --features postgres`.".into(),
        })
    }
}

#[cfg(feature = "postgres")]
mod server {
    use std::io::BufRead;

    use postgres::types::{Kind, Type};
    use postgres::{Config as Address, NoTls};

    use super::{Config, Context, Error, Target, Wanted};
    use crate::fetch::{Cell, RowWriter};

    /// How the values of a column are written.
    #[derive(Clone, Copy)]
    enum Column {
        Bool,
        Number,
        Text,
    }

    pub(super) fn fetch(
        config: &Config,
        wanted: &Wanted,
        target: &mut Target,
        context: &mut Context,
    ) -> Result<(), Error> {
        let key = "files.from.postgres.url_env";
        let Some(address) = context.variable(&config.url_env).and_then(|address| address.parse::<Address>().ok())
        else {
            return Err(Error::Setting {
                key: key.into(),
                message: format!(
                    "names the variable {}, which is not set or holds no address of a database",
                    config.url_env
                ),
                hint: "Write it as in postgres://user:password@localhost/name.".into(),
            });
        };
        let shown = format!("the database of {}", config.url_env);
        let failed = |error: postgres::Error| {
            let usage = error.as_db_error().is_some();
            Error::Fetch {
                address: shown.clone(),
                message: error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned()),
                hint: if usage {
                    "Try the query with the program `psql`.".into()
                } else {
                    "See whether the database runs and can be reached from here.".into()
                },
                usage,
            }
        };
        let mut client = address.clone().connect_timeout(context.silence()).connect(NoTls).map_err(failed)?;
        let mut reading = client.build_transaction().read_only(true).start().map_err(failed)?;
        // Only one whole statement is prepared, so nothing can be smuggled into the command around it.
        let query = config.query.trim().trim_end_matches(';');
        let statement = reading.prepare(query).map_err(failed)?;
        if statement.columns().is_empty() || !statement.params().is_empty() {
            return Err(super::super::no_select("files.from.postgres.query"));
        }
        let names: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let mut kinds = Vec::new();
        for (column, name) in statement.columns().iter().zip(&names) {
            kinds.push(
                kind_of(column.type_()).ok_or_else(|| super::super::unfit(wanted, 0, name, "of the type bytea"))?,
            );
        }
        let mut writer = RowWriter::new(target, wanted.table()?, wanted.entry, &names)?;
        // The text form of COPY tells NULL from every text, and has every digit of every number.
        let mut lines = reading.copy_out(&format!("COPY ({query}\n) TO STDOUT")).map_err(failed)?;
        let broken = |error: std::io::Error| match error.downcast::<postgres::Error>() {
            Ok(error) => failed(error),
            Err(error) => Error::Fetch {
                address: shown.clone(),
                message: format!("the connection broke ({error})"),
                hint: "Try again.".into(),
                usage: false,
            },
        };
        let mut line = Vec::new();
        for row in 0.. {
            line.clear();
            if lines.read_until(b'\n', &mut line).map_err(broken)? == 0 {
                break;
            }
            let text =
                std::str::from_utf8(&line).map_err(|_| super::super::unfit(wanted, row, &names[0], "no UTF-8"))?;
            let values: Vec<Option<String>> = text.trim_end_matches('\n').split('\t').map(unescaped).collect();
            if values.len() != names.len() {
                return Err(broken(std::io::Error::other(format!("row {row} has {} values", values.len()))));
            }
            let cells: Vec<Cell> = values
                .iter()
                .zip(&kinds)
                .map(|(value, kind)| match (value, kind) {
                    (None, _) => Cell::Null,
                    (Some(text), Column::Bool) => Cell::Bool(text == "t"),
                    (Some(text), Column::Number) => Cell::Number(text),
                    (Some(text), Column::Text) => Cell::Text(text),
                })
                .collect();
            writer.write(&cells, context)?;
        }
        writer.end(context).map(drop)
    }

    fn kind_of(kind: &Type) -> Option<Column> {
        let numbers = [Type::INT2, Type::INT4, Type::INT8, Type::FLOAT4, Type::FLOAT8, Type::NUMERIC, Type::OID];
        match kind {
            kind if *kind == Type::BOOL => Some(Column::Bool),
            kind if *kind == Type::BYTEA => None,
            kind if numbers.contains(kind) => Some(Column::Number),
            kind => match kind.kind() {
                Kind::Domain(inner) => kind_of(inner),
                _ => Some(Column::Text),
            },
        }
    }

    /// What a field of COPY means; none for NULL.
    fn unescaped(field: &str) -> Option<String> {
        if field == "\\N" {
            return None;
        }
        let mut text = String::with_capacity(field.len());
        let mut letters = field.chars();
        while let Some(letter) = letters.next() {
            text.push(match letter {
                '\\' => match letters.next()? {
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'v' => '\u{b}',
                    other => other,
                },
                letter => letter,
            });
        }
        Some(text)
    }

    #[cfg(test)]
    mod tests {
        use super::unescaped;

        #[test]
        fn fields_are_read_as_the_manual_says() {
            assert_eq!(unescaped("\\N"), None);
            assert_eq!(unescaped("\\\\N").unwrap(), "\\N", "a text that reads so is another one");
            assert_eq!(unescaped("a\\tb\\nc\\\\d\\r").unwrap(), "a\tb\nc\\d\r");
            assert_eq!(unescaped("").unwrap(), "");
        }
    }
}
