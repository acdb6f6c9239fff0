//! What does it take to run a server of a bundle elsewhere, or its model without one?
//!
//! One file for each way. Each turns a [`Deployment`] into files: nothing is built, fetched or started here, and no
//! engine, cluster or account is needed.

use std::path::{Path, PathBuf};

use data_loader::Entry;

use crate::Error;

pub mod advice;
pub mod docker;
pub mod helm;
pub mod kserve;
pub mod kubernetes;
pub mod oci;
mod plan;
pub mod rust;
pub mod systemd;
pub mod web;

use plan::folder::Folder;
pub use plan::{Crates, Deployment, Measured, Replicas};

/// Every way, in alphabetical order.
pub const MEMBERS: &[Entry] = &[
    advice::ENTRY,
    docker::ENTRY,
    helm::ENTRY,
    kserve::ENTRY,
    kubernetes::ENTRY,
    oci::ENTRY,
    rust::ENTRY,
    systemd::ENTRY,
    web::ENTRY,
];

/// How a member writes its files and says what to do with them.
type Write = fn(&Deployment, &mut Folder) -> Result<Vec<String>, Error>;

/// The members in the order of the list.
const WRITERS: &[(&str, Write)] = &[
    ("advice", advice::write),
    ("docker", docker::write),
    ("helm", helm::write),
    ("kserve", kserve::write),
    ("kubernetes", kubernetes::write),
    ("oci", oci::write),
    ("rust", rust::write),
    ("systemd", systemd::write),
    ("web", web::write),
];

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Where it lies.
    pub folder: PathBuf,
    /// Its files with their sizes in bytes, by name.
    pub files: Vec<(String, u64)>,
    /// What to do next: commands, each complete.
    pub next: Vec<String>,
}

/// Writes what one way needs into a folder that is not there yet, in whole or not at all. Equal deployments give equal
/// bytes.
///
/// # Errors
/// [`Error::Package`] if there is no such way, something lies in the folder, or the deployment cannot go this way;
/// [`Error::Model`] if the bundle changed meanwhile or the disk fails.
pub fn write(way: &str, deployment: &Deployment, folder: &Path) -> Result<Package, Error> {
    let Some((_, write)) = WRITERS.iter().find(|(name, _)| *name == way) else {
        let known: Vec<&str> = MEMBERS.iter().map(|entry| entry.name).collect();
        let reason = "there is no such way to deploy";
        return Err(Error::package(
            format!("for `{}`", way.escape_debug()),
            reason,
            format!("choose of {}", known.join(", ")),
        ));
    };
    deployment.check()?;
    let mut new = Folder::begin(folder)?;
    let next = write(deployment, &mut new)?;
    Ok(Package { folder: folder.to_owned(), files: new.commit()?, next })
}

/// A path as it can be typed into a shell.
fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod written_tests;
