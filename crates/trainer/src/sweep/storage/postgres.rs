//! A study in a database of `PostgreSQL`, which workers of many machines share. Connections are not encrypted: reach a server elsewhere through a
//! tunnel.

use std::error::Error as _;
use std::time::Duration;

use postgres::types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked};
use postgres::{Client, Config, NoTls, Row};

use super::{Cell, Database, Statements, Trouble, Work};
use crate::sweep::place::without_password;

/// So long a server may take to answer a new connection.
const CONNECT: Duration = Duration::from_secs(10);
/// After so long without a word it is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// A server, to which there is a connection as long as it answers.
pub struct Postgres {
    config: Config,
    client: Option<Client>,
    place: String,
}

impl Postgres {
    /// Connects to the server of an address; the password may come from `PGPASSWORD`.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn open(url: &str) -> Result<Self, Trouble> {
        let mut config: Config =
            url.parse().map_err(|error| Trouble::Refused(format!("the address cannot be read: {error}")))?;
        if config.get_password().is_none()
            && let Ok(password) = std::env::var("PGPASSWORD")
        {
            config.password(password);
        }
        config.connect_timeout(CONNECT).keepalives(true).keepalives_idle(KEEPALIVE).application_name("firebox sweep");
        let mut opened = Self { config, client: None, place: without_password(url) };
        opened.connect()?;
        Ok(opened)
    }

    fn connect(&mut self) -> Result<&mut Client, Trouble> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = Some(self.config.connect(NoTls).map_err(|error| trouble(&error))?);
        }
        self.client.as_mut().ok_or_else(|| Trouble::Gone("there is no connection".into()))
    }
}

impl Database for Postgres {
    fn transaction(&mut self, work: &mut Work<'_>) -> Result<(), Trouble> {
        let client = self.connect()?;
        let mut transaction = Transaction(client.transaction().map_err(|error| trouble(&error))?);
        work(&mut transaction)?;
        transaction.0.commit().map_err(|error| trouble(&error))
    }

    fn reopen(&self) -> Result<Box<dyn Database>, Trouble> {
        Ok(Box::new(Self { config: self.config.clone(), client: None, place: self.place.clone() }))
    }

    fn place(&self) -> &str {
        &self.place
    }
}

struct Transaction<'a>(postgres::Transaction<'a>);

impl Statements for Transaction<'_> {
    fn execute(&mut self, statement: &str, cells: &[Cell]) -> Result<u64, Trouble> {
        self.0.execute(statement, &parameters(cells)).map_err(|error| trouble(&error))
    }

    fn query(&mut self, statement: &str, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, Trouble> {
        let rows = self.0.query(statement, &parameters(cells)).map_err(|error| trouble(&error))?;
        rows.iter().map(read).collect()
    }
}

fn parameters(cells: &[Cell]) -> Vec<&(dyn ToSql + Sync)> {
    cells.iter().map(|cell| cell as &(dyn ToSql + Sync)).collect()
}

impl ToSql for Cell {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(of, out),
            Self::Real(number) => number.to_sql(of, out),
            Self::Text(text) => text.to_sql(of, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT8, Type::FLOAT8, Type::TEXT].contains(of)
    }

    to_sql_checked!();
}

fn read(row: &Row) -> Result<Vec<Cell>, Trouble> {
    let cell = |(index, column): (usize, &postgres::Column)| {
        let found = match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(index).map(|number| number.map(Cell::Integer)),
            Type::FLOAT8 => row.try_get::<_, Option<f64>>(index).map(|number| number.map(Cell::Real)),
            _ => row.try_get::<_, Option<String>>(index).map(|text| text.map(Cell::Text)),
        };
        found.map(|cell| cell.unwrap_or(Cell::Null)).map_err(|error| trouble(&error))
    };
    row.columns().iter().enumerate().map(cell).collect()
}

/// What a server refuses it refuses again; but one that does not answer, is about to end, or begins, or has to settle a quarrel of two
/// transactions, may do it the next time.
fn trouble(error: &postgres::Error) -> Trouble {
    let Some(said) = error.as_db_error() else {
        let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
        return Trouble::Gone(format!("{error}{cause}"));
    };
    // Two who make the tables at the same time: the second one finds them there the next time.
    if said.constraint().is_some_and(|constraint| constraint.starts_with("pg_")) {
        return Trouble::Gone(said.message().to_owned());
    }
    match &said.code().code()[..2] {
        // Connections, resources, an operator's intervention, a transaction that was rolled back.
        "08" | "53" | "57" | "40" => Trouble::Gone(said.message().to_owned()),
        _ => Trouble::Refused(said.message().to_owned()),
    }
}
