//! Which study is meant? A folder, its file, or `postgres://...#NAME`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::storage::rows;
use super::storage::sqlite::Sqlite;
use super::storage::{self, Database, Trouble};
use crate::Error;

/// So long a file may be busy while it is opened.
const PATIENCE: Duration = Duration::from_mins(1);
/// The file of a study in its folder.
const FILE: &str = "study.db";

/// Where a study lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file in the folder of its trials.
    Folder(PathBuf),
    /// In a database, under a name; the only one if none is given.
    Url {
        /// The address of the database.
        url: String,
        /// The name.
        name: Option<String>,
    },
}

impl Place {
    /// Reads what a user wrote.
    pub fn parse(text: &str) -> Self {
        if is_url(text) {
            // Between the name of a user and the host it belongs to a password, which is told from a port by its letters.
            let in_password = text.split_once('#').is_some_and(|(url, rest)| {
                let behind = url.split_once("://").and_then(|(_, rest)| rest.split_once(':'));
                let port = behind
                    .is_none_or(|(_, word)| word.split('/').next().is_some_and(|word| word.parse::<u16>().is_ok()));
                !url.contains('@') && rest.contains('@') && !port
            });
            let behind = if in_password { text.rfind('@').unwrap_or_default() } else { 0 };
            let (url, name) = match text[behind..].split_once('#') {
                Some((url, name)) => {
                    (&text[..behind + url.len()], Some(name.to_owned()).filter(|name| !name.is_empty()))
                }
                None => (text, None),
            };
            return Self::Url { url: url.to_owned(), name };
        }
        let path = Path::new(text);
        let is_file = path.extension().is_some_and(|extension| extension == "db") && !path.is_dir();
        match path.parent().filter(|_| is_file) {
            Some(parent) if parent.as_os_str().is_empty() => Self::Folder(".".into()),
            Some(parent) => Self::Folder(parent.to_owned()),
            None => Self::Folder(path.to_owned()),
        }
    }

    /// Opens the database, which is there.
    ///
    /// # Errors
    /// [`Error::NoStudy`], [`Error::Study`].
    pub fn open(&self) -> Result<(Box<dyn Database>, String), Error> {
        match self {
            Self::Folder(folder) => {
                let file = folder.join(FILE);
                if !file.is_file() {
                    return Err(Error::NoStudy(folder.display().to_string()));
                }
                let mut database: Box<dyn Database> = Box::new(
                    patiently(|| Sqlite::open(&file))
                        .map_err(|trouble| refused(&file.display().to_string(), trouble))?,
                );
                let name = only_name(database.as_mut())?;
                Ok((database, name))
            }
            Self::Url { url, name } => {
                let mut database = connect(url)?;
                let name = match name {
                    Some(name) => name.clone(),
                    None => only_name(database.as_mut())?,
                };
                Ok((database, name))
            }
        }
    }

    /// Opens the database in which a study is to be made, or is there already; its name is that of the folder of its trials, if none is given.
    ///
    /// # Errors
    /// [`Error::Study`].
    pub fn create(&self, trials: &Path) -> Result<(Box<dyn Database>, String), Error> {
        let named = || {
            let whole = trials.canonicalize().unwrap_or_else(|_| trials.to_owned());
            whole.file_name().map_or_else(|| "sweep".to_owned(), |name| name.to_string_lossy().into_owned())
        };
        match self {
            Self::Folder(folder) => {
                let file = folder.join(FILE);
                let opened = patiently(|| Sqlite::create(&file).and_then(|opened| opened.check().map(|()| opened)));
                let mut database = opened.map_err(|trouble| refused(&file.display().to_string(), trouble))?;
                // The one that is there, whatever its folder was called then.
                let name = match only_name(&mut database) {
                    Err(Error::NoStudy(_)) => named(),
                    found => found?,
                };
                Ok((Box::new(database), name))
            }
            Self::Url { url, name } => Ok((connect(url)?, name.clone().unwrap_or_else(named))),
        }
    }
}

/// Opens a file that others may be opening for the first time.
fn patiently(mut open: impl FnMut() -> Result<Sqlite, Trouble>) -> Result<Sqlite, Trouble> {
    let begun = Instant::now();
    loop {
        match open() {
            Err(Trouble::Gone(_)) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

/// The address of a database as it may be shown, also where it stands behind an option; any other text as it is.
pub fn without_password(text: &str) -> String {
    let start = ["postgres://", "postgresql://"].iter().filter_map(|scheme| text.find(scheme)).min();
    let Some(start) = start else { return text.to_owned() };
    let Place::Url { url, name } = Place::parse(&text[start..]) else { return text.to_owned() };
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    // Whatever stands in a password: all that is before the last @.
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, host)) => (user.split(':').next().unwrap_or_default().to_owned() + "@", host),
        None => (String::new(), rest),
    };
    // It may stand among the settings behind as well.
    let host = host.split('?').next().unwrap_or_default();
    let name = name.map_or(String::new(), |name| format!("#{name}"));
    format!("{}{scheme}://{user}{host}{name}", &text[..start])
}

/// The name of the only study of a database.
fn only_name(database: &mut dyn Database) -> Result<String, Error> {
    let mut names = storage::transact(
        database,
        |_| (),
        |on| {
            rows::create_tables(on)?;
            rows::names(on)
        },
    )?;
    match names.len() {
        1 => Ok(names.remove(0)),
        0 => Err(Error::NoStudy(database.place().to_owned())),
        _ => Err(Error::Study {
            study: database.place().to_owned(),
            reason: format!("it holds several: {}", names.join(", ")),
            way_out: Some("write one of the names behind a #, as in `postgres://host/database#NAME`".into()),
        }),
    }
}

fn refused(place: &str, trouble: Trouble) -> Error {
    let (Trouble::Gone(reason) | Trouble::Refused(reason)) = trouble;
    let way_out = "`firebox sweep CONFIG --run DIR` begins a new one in another folder; of a damaged file `sqlite3 FILE .recover` may save what is left";
    Error::Study { study: place.to_owned(), reason, way_out: Some(way_out.into()) }
}

#[cfg(feature = "postgres")]
fn connect(url: &str) -> Result<Box<dyn Database>, Error> {
    let opened = storage::postgres::Postgres::open(url);
    opened.map(|database| Box::new(database) as Box<dyn Database>).map_err(|trouble| {
        let (Trouble::Gone(reason) | Trouble::Refused(reason)) = trouble;
        let way_out = "an address is as postgres://USER@HOST:PORT/DATABASE; the password comes from PGPASSWORD";
        Error::Study { study: without_password(url), reason, way_out: Some(way_out.into()) }
    })
}

#[cfg(not(feature = "postgres"))]
fn connect(_url: &str) -> Result<Box<dyn Database>, Error> {
    Err(Error::Study {
        study: "the address of a PostgreSQL database".into(),
        reason: "PostgreSQL is not built into this program".into(),
        way_out: Some("build with `cargo build --release --features postgres`, or use a folder".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_its_file_or_an_address_names_a_study() {
        assert_eq!(Place::parse("runs/a"), Place::Folder("runs/a".into()));
        assert_eq!(Place::parse("runs/a/study.db"), Place::Folder("runs/a".into()));
        assert_eq!(Place::parse("study.db"), Place::Folder(".".into()));
        let url = |name: Option<&str>| Place::Url { url: "postgres://h/d".into(), name: name.map(str::to_owned) };
        assert_eq!(Place::parse("postgres://h/d#b"), url(Some("b")));
        assert_eq!(Place::parse("postgres://h/d"), url(None));
    }

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://a:b@host:5/db", "postgres://a@host:5/db"),
            ("postgres://a:b%40c@host/db?password=d", "postgres://a@host/db"),
            ("postgres://a:b@c@host/db#n", "postgres://a@host/db#n"),
            ("postgres://me:s3/cret@host/db", "postgres://me@host/db"),
            ("postgres://me:s#c?r@host/db?sslmode=prefer#n", "postgres://me@host/db#n"),
            ("postgresql://host/db", "postgresql://host/db"),
            ("postgres://a:b@host/db#me@home", "postgres://a@host/db#me@home"),
            ("postgres://host:5/db#me@home", "postgres://host:5/db#me@home"),
            ("postgres://host/db#me@home", "postgres://host/db#me@home"),
            ("--storage=postgres://a:b@host/db", "--storage=postgres://a@host/db"),
            ("--storage", "--storage"),
            ("runs/a:b@c", "runs/a:b@c"),
        ] {
            assert_eq!(without_password(url), shown);
        }
        let hashed = Place::Url { url: "postgres://me:s#c@h/d".into(), name: Some("n".into()) };
        assert_eq!(Place::parse("postgres://me:s#c@h/d#n"), hashed);
    }

    #[test]
    fn what_is_no_study_is_refused_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Folder(folder.path().to_owned());
        assert!(matches!(place.open(), Err(Error::NoStudy(_))));
        std::fs::write(folder.path().join(FILE), "this is no database, and long enough to be read as one").unwrap();
        for result in [place.open(), place.create(folder.path())] {
            let error = result.err().unwrap();
            assert!(error.to_string().contains("no database of SQLite"), "{error}");
        }
        let file = folder.path().join("other.db");
        rusqlite::Connection::open(&file).unwrap().execute("CREATE TABLE a (b)", []).unwrap();
        std::fs::rename(&file, folder.path().join(FILE)).unwrap();
        let error = place.open().err().unwrap();
        assert!(error.to_string().contains("not that of a study"), "{error}");
    }
}
