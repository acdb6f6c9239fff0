//! Which rows does a query give? They are fetched into a file of their own, which goes with the work.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use data_loader::fetch::{self, Options};
use tempfile::TempDir;

use crate::console::Transfer;
use crate::failure::Failure;

/// What the file is called; in JSON a text that looks like a number stays one.
const ROWS: &str = "rows.jsonl";

/// A card for them, but for where they come from.
const CARD: &str = "name = \"rows\"\ntitle = \"Rows\"\nsummary = \"rows of a query\"\nsource = \"a query\"\nlicence = \"its own\"\n\
                    citation = \"none\"\n[format.jsonl]\n[schema.features]\nrow = \"text\"\n";

/// A text as TOML has it.
fn text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The rows of a query.
pub struct Queried {
    _folder: TempDir,
    path: PathBuf,
    /// Tells whether they are the same as another time.
    pub sha256: String,
}

impl Queried {
    /// Asks a `SQLite` database that lies at `database`, or, where nothing does, the `PostgreSQL` database whose address the environment
    /// variable of that name holds.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub fn fetch(database: &Path, query: &str, stop: &AtomicBool) -> Result<Self, Failure> {
        let broken = |error: std::io::Error| Failure::broken(format!("cannot make a temporary folder: {error}"));
        let folder = tempfile::tempdir().map_err(broken)?;
        let name = database.to_string_lossy();
        let is_variable = !database.exists() && std::env::var_os(name.as_ref()).is_some();
        let from = if is_variable {
            format!("postgres]\nurl_env = {}", text(&name))
        } else {
            let path = std::path::absolute(database).unwrap_or_else(|_| database.to_owned());
            format!("sqlite]\ndatabase = {}", text(&path.to_string_lossy()))
        };
        let card = format!("{CARD}[[files]]\npath = \"{ROWS}\"\n[files.from.{from}\nquery = {}\n", text(query));
        let place = folder.path().join("card.toml");
        std::fs::write(&place, card).map_err(broken)?;
        let mut transfer = Transfer::new();
        let mut progress = |event: &fetch::Event| transfer.show(event);
        let fetched = fetch::fetch(&place, Options::new(stop, &mut progress)?);
        transfer.clear();
        let sha256 = fetched?.into_iter().next().map(|file| file.sha256).unwrap_or_default();
        let path = folder.path().join(ROWS);
        Ok(Self { _folder: folder, path, sha256 })
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
