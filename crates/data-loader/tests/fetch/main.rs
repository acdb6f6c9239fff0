//! Does a file come over a line that breaks, from a server that lies, and is it what its card says? Nothing leaves this machine.

#![allow(clippy::unwrap_used)]

mod files;
mod kept;
#[cfg(feature = "cloud")]
mod object_store;
#[cfg(feature = "postgres")]
mod postgres;
mod rest;
mod server;
mod sqlite;
mod trust;
mod web;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use data_loader::fetch::{self, Checked, Event, Fetched, Options};
use data_loader::random::Random;
use data_loader::{Card, Error};
use sha2::{Digest, Sha256};

/// Bytes that no other test and no other run has.
fn fresh(length: usize) -> Vec<u8> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let mut random = Random::derive(&[now, length as u64]);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(random.next_u64().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn sum(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A folder with a card, and a cache beside it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A card whose `[[files]]` tables are `files`.
    fn new(files: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder };
        std::fs::create_dir(place.card()).unwrap();
        place.write(files);
        place
    }

    /// Replaces the card.
    fn write(&self, files: &str) {
        let text = format!(
            "name = \"a\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.csv]\n{files}\n\
             [schema]\ntarget = {{ name = \"y\", kind = \"class\" }}\n[schema.features]\nx = \"number\"\n"
        );
        std::fs::write(self.card().join("card.toml"), text).unwrap();
    }

    /// The folder of the card.
    fn card(&self) -> PathBuf {
        self.folder.path().join("card")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.card().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn fetch(&self) -> Result<Vec<Fetched>, Error> {
        self.fetch_with(&AtomicBool::new(false), &|_| None, &mut |_| {})
    }

    fn fetch_with(
        &self,
        stop: &AtomicBool,
        variable: &dyn Fn(&str) -> Option<String>,
        progress: &mut dyn FnMut(&Event),
    ) -> Result<Vec<Fetched>, Error> {
        let options = Options {
            cache: self.folder.path().join("cache"),
            silence: Duration::from_millis(700),
            pause: Duration::from_millis(4),
            stop,
            variable,
            progress,
        };
        fetch::fetch(&self.card(), options)
    }

    /// The error of fetching, of which nothing stays in the folder of the card.
    fn refused(&self) -> Error {
        let error = self.fetch().unwrap_err();
        let names: Vec<_> = std::fs::read_dir(self.card()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["card.toml"], "{error}");
        assert!(error.hint().is_some(), "{error}");
        error
    }

    /// Every file of the cache.
    fn cached(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().join("cache/downloads");
        std::fs::read_dir(folder).map_or(Vec::new(), |files| files.map(|file| file.unwrap().path()).collect())
    }
}

/// A `[[files]]` table for `path` with what lies at `url`.
fn table(path: &str, sha256: Option<&str>, url: &str) -> String {
    let sha256 = sha256.map_or(String::new(), |sum| format!("sha256 = \"{sum}\"\n"));
    format!("[[files]]\npath = \"{path}\"\n{sha256}[files.from.http]\nurl = \"{url}\"\n")
}

/// The card is a usual one once its file is there, and says how to get it before.
#[test]
fn a_card_whose_file_is_absent_says_how_to_fetch_it() {
    let bytes = b"x,y\n1,a\n2,b\n";
    let server = server::Server::new(|_, request| server::Reply::of(request, bytes, "\"1\""));
    let place = Place::new(&table("sub/a.csv", Some(&sum(bytes)), &server.url("/a.csv")));
    let error = Card::open(&place.card()).unwrap_err();
    assert!(error.to_string().contains("sub/a.csv is not there yet"), "{error}");
    let command = format!("firebox data fetch {}", place.card().display());
    assert!(error.hint().unwrap().contains(&command) && error.is_usage(), "{:?}", error.hint());
    let fetched = place.fetch().unwrap();
    assert_eq!((fetched[0].name.as_str(), fetched[0].bytes, fetched[0].checked), ("sub/a.csv", 12, Checked::Stated));
    assert_eq!(Card::open(&place.card()).unwrap().files[0].sha256, sum(bytes));
}

/// The variable with the token of a server on this machine.
fn token_variable(server: &server::Server) -> String {
    format!("FIREBOX_TOKEN_127_0_0_1_{}", server.url("").rsplit(':').next().unwrap())
}

/// Ends the work when `bytes` have come.
fn stopping(bytes: u64, stop: &AtomicBool) -> impl FnMut(&Event) {
    move |event| {
        if matches!(event, Event::Bytes { have, .. } if *have >= bytes) {
            stop.store(true, Ordering::SeqCst);
        }
    }
}

/// Whether any file below `folder` contains `text`.
fn is_written_below(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_written_below(&path, text);
        }
        String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(text)
    })
}
