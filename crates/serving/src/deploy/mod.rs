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

/// Writes what one way needs into a folder that is not there yet, as [`write_all`] does.
///
/// # Errors
/// As [`write_all`].
pub fn write(way: &str, deployment: &Deployment, folder: &Path) -> Result<Package, Error> {
    let mut written = write_all(&[(way, folder.to_owned())], deployment)?;
    Ok(written.remove(0))
}

/// Writes what each of some ways needs into a folder of its own that is not there yet; all of them in whole, or none if one cannot
/// go its way. Equal deployments give equal bytes.
///
/// # Errors
/// [`Error::Package`] if there is no such way, something lies in a folder, a folder lies within the bundle, or the deployment cannot
/// go this way; [`Error::Model`] if the bundle changed meanwhile or the disk fails.
pub fn write_all(ways: &[(&str, PathBuf)], deployment: &Deployment) -> Result<Vec<Package>, Error> {
    deployment.check()?;
    let mut filled = Vec::new();
    for (way, place) in ways {
        let Some((_, write)) = WRITERS.iter().find(|(name, _)| name == way) else {
            let known: Vec<&str> = MEMBERS.iter().map(|entry| entry.name).collect();
            let reason = "there is no such way to deploy";
            return Err(Error::package(
                format!("for `{}`", way.escape_debug()),
                reason,
                format!("choose of {}", known.join(", ")),
            ));
        };
        refuse_within(&deployment.bundle, place)?;
        let mut folder = Folder::begin(place)?;
        let next = write(deployment, &mut folder)?;
        filled.push((folder, place, next));
    }
    let commit = |(folder, place, next): (Folder, &PathBuf, _)| {
        Ok(Package { folder: place.clone(), files: folder.commit()?, next })
    };
    filled.into_iter().map(commit).collect()
}

/// A bundle holds the files that its manifest lists and no others.
fn refuse_within(bundle: &Path, place: &Path) -> Result<(), Error> {
    let Ok(bundle) = bundle.canonicalize() else { return Ok(()) };
    // The ancestors of a relative path end where it begins.
    let place = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
    let mut above = place.ancestors().filter_map(|above| above.canonicalize().ok());
    match above.any(|above| above.starts_with(&bundle)) {
        true => Err(Error::package(
            format!("anything into {}", place.display()),
            "it lies within the bundle",
            "name a folder beside it by `--out`",
        )),
        false => Ok(()),
    }
}

/// A path as it can be typed into a shell.
fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    // A command takes what begins with a dash for a setting.
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod written_tests;
