//! Which files of this machine does a program need beside itself, to run in an image that holds nothing else?
//!
//! What its headers name, and what theirs name, is looked for where loaders look of themselves, and keeps its path, so
//! that the same loader finds it in the image. What a program opens by name while it runs, such as the driver of a
//! graphics card, is not found out.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use super::elf::{self, Machine, Needs};
use crate::Error;

/// A program with what it needs.
pub struct Gathered {
    /// The kind of machine that it runs on.
    pub machine: Machine,
    /// Where each file lies in the image, without the first `/`, and where it is here.
    pub files: BTreeMap<String, PathBuf>,
}

/// Where loaders look, the first hit counts.
fn folders(machine: Machine) -> Vec<String> {
    let triplet = machine.triplet();
    let mut all = vec![format!("lib/{triplet}"), format!("usr/lib/{triplet}")];
    all.extend(["lib64", "usr/lib64", "lib", "usr/lib"].map(str::to_owned));
    all
}

/// Finds what `program` needs below `root`, which is `/` but in tests.
///
/// # Errors
/// [`Error::Package`] if it is no program for Linux, or needs what is not there.
pub fn gather(program: &Path, root: &Path) -> Result<Gathered, Error> {
    let first = read(program)?;
    let machine = first.machine;
    let mut files = BTreeMap::new();
    // A loader is a library as well, and is asked for under its own name, too.
    let loader_name = first.loader.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
    if let Some(loader) = &first.loader {
        let path = loader.trim_start_matches('/').to_owned();
        let here = root.join(&path);
        read(&here)?;
        files.insert(path, here);
    }
    let mut open: VecDeque<(PathBuf, String)> = VecDeque::new();
    let ask = |open: &mut VecDeque<_>, by: &Path, libraries: Vec<String>| {
        open.extend(libraries.into_iter().map(|library| (by.to_owned(), library)));
    };
    ask(&mut open, program, first.libraries);
    let mut seen = vec![loader_name];
    while let Some((by, library)) = open.pop_front() {
        if seen.contains(&library) {
            continue;
        }
        let (path, here, needs) = find(&library, machine, root).ok_or_else(|| missing(&by, &library))?;
        files.insert(path, here.clone());
        ask(&mut open, &here, needs.libraries);
        seen.push(library);
    }
    Ok(Gathered { machine, files })
}

/// The first library of that name for that machine: its path in the image, its path here, and what it needs.
fn find(library: &str, machine: Machine, root: &Path) -> Option<(String, PathBuf, Needs)> {
    folders(machine).into_iter().find_map(|folder| {
        let path = format!("{folder}/{library}");
        let here = root.join(&path);
        // One for another machine is passed over, as the loader does.
        let needs = read(&here).ok().filter(|needs| needs.machine == machine)?;
        Some((path, here, needs))
    })
}

fn missing(by: &Path, library: &str) -> Error {
    Error::package(
        format!("{}", by.display()),
        format!("it needs {library}, which lies in no folder of this system's libraries for that kind of machine"),
        "package on a system on which the program runs, or build it statically, as for x86_64-unknown-linux-musl",
    )
}

fn read(path: &Path) -> Result<Needs, Error> {
    let found = fs::metadata(path).map_err(Error::io("read", path))?;
    if !found.is_file() {
        return Err(not_a_program(path, "it is no file".into()));
    }
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    elf::read(&bytes).map_err(|reason| not_a_program(path, reason))
}

fn not_a_program(path: &Path, reason: String) -> Error {
    let way_out = "name the server's program as it was built for Linux on x86-64 or AArch64";
    Error::package(format!("{}", path.display()), reason, way_out)
}

#[cfg(test)]
mod tests {
    use super::super::elf::tests::asking_for;
    use super::*;

    fn put(root: &Path, path: &str, bytes: &[u8]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn what_libraries_need_is_found_too_and_keeps_its_path() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        put(root, "program", &asking_for(62, Some("/lib64/ld.so.2"), &["liba.so", "libc.so.6"]));
        put(root, "lib64/ld.so.2", &asking_for(62, None, &[]));
        // For another machine, and passed over.
        put(root, "lib/x86_64-linux-gnu/liba.so", &asking_for(183, None, &[]));
        put(root, "usr/lib/liba.so", &asking_for(62, None, &["libb.so", "liba.so"]));
        put(root, "usr/lib64/libb.so", &asking_for(62, None, &["liba.so", "libc.so.6"]));
        put(root, "lib/x86_64-linux-gnu/libc.so.6", &asking_for(62, None, &["ld.so.2"]));
        let gathered = gather(&root.join("program"), root).unwrap();
        let files: Vec<&str> = gathered.files.keys().map(String::as_str).collect();
        assert_eq!(files, ["lib/x86_64-linux-gnu/libc.so.6", "lib64/ld.so.2", "usr/lib/liba.so", "usr/lib64/libb.so"]);
        assert_eq!(gathered.machine, Machine::X86_64);
    }

    #[test]
    fn what_is_missing_is_named_with_who_asks_for_it() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        put(root, "program", &asking_for(62, None, &["liba.so"]));
        put(root, "lib/liba.so", &asking_for(62, None, &["libb.so"]));
        let error = gather(&root.join("program"), root).err().unwrap();
        assert!(error.to_string().contains("liba.so: it needs libb.so") && error.hint().is_some(), "{error}");
        put(root, "program", &asking_for(62, Some("/lib64/ld.so.2"), &[]));
        let error = gather(&root.join("program"), root).err().unwrap();
        assert!(error.to_string().contains("lib64/ld.so.2") && error.hint().is_some(), "{error}");
        for bytes in [b"#!/bin/sh".as_slice(), b""] {
            put(root, "program", bytes);
            assert!(gather(&root.join("program"), root).err().unwrap().to_string().contains("no program for Linux"));
        }
        assert!(gather(root, root).err().unwrap().to_string().contains("it is no file"));
        assert!(gather(&root.join("nowhere"), root).is_err());
    }

    #[test]
    fn a_program_that_is_linked_statically_needs_nothing() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "program", &asking_for(183, None, &[]));
        assert!(gather(&root.path().join("program"), root.path()).unwrap().files.is_empty());
    }
}
