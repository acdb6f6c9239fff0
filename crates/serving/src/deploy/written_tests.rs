//! Is every way listed, does it write the same twice, and is everything written for those who are to take it? For
//! `tests/peers/package_manifests.sh`, which shows it to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::deploy::plan::tests::{bundle, full};

/// A deployment about which little is said.
fn plain(bundle: &Path) -> Deployment {
    Deployment {
        measured: None,
        canary_percent: None,
        storage_uri: None,
        replicas: Replicas { min: 1, max: 1 },
        ..full(bundle)
    }
}

/// The program that images hold: one that is named, or this one.
fn program() -> PathBuf {
    std::env::var_os("FIREBOX_PACKAGES_PROGRAM").map_or_else(|| std::env::current_exe().unwrap(), PathBuf::from)
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn every_way_is_listed_once_in_order() {
    let names: Vec<&str> = MEMBERS.iter().map(|entry| entry.name).collect();
    let writers: Vec<&str> = WRITERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, writers);
    assert!(names.is_sorted());
    assert!(MEMBERS.iter().all(|entry| !entry.summary.is_empty() && !entry.summary.ends_with('.')));
}

#[test]
fn every_way_writes_the_same_twice_and_lists_what_it_wrote() {
    let (root, bundle) = (tempfile::tempdir().unwrap(), bundle("penguins"));
    for entry in MEMBERS.iter().filter(|entry| !["oci", "rust", "web"].contains(&entry.name)) {
        for (kind, deployment) in [("full", full(bundle.path())), ("plain", plain(bundle.path()))] {
            let place = |time: &str| root.path().join(format!("{}-{kind}-{time}", entry.name));
            let package = write(entry.name, &deployment, &place("first")).unwrap();
            write(entry.name, &deployment, &place("second")).unwrap();
            let found = files(&place("first"));
            assert_eq!(found, files(&place("second")), "{}", entry.name);
            let sizes: Vec<(String, u64)> =
                found.iter().map(|(path, bytes)| (path.display().to_string(), bytes.len() as u64)).collect();
            let mut listed = package.files;
            listed.sort_by(|a, b| Path::new(&a.0).cmp(Path::new(&b.0)));
            assert_eq!(listed, sizes, "{}", entry.name);
            for (path, bytes) in found.iter().filter(|(path, _)| !path.ends_with("weights.safetensors")) {
                let text = String::from_utf8_lossy(bytes);
                let here = root.path().display().to_string();
                assert!(!text.contains(&here), "{} names a place of this machine", path.display());
            }
        }
    }
}

#[test]
fn a_way_that_is_none_names_those_that_are() {
    let (root, bundle) = (tempfile::tempdir().unwrap(), bundle("penguins"));
    let error = write("nomad", &full(bundle.path()), &root.path().join("x")).unwrap_err();
    assert!(error.to_string().contains("`nomad`"), "{error}");
    assert!(error.hint().unwrap().contains("docker, helm, kserve"), "{:?}", error.hint());
    let bad = Deployment { port: 1, ..full(bundle.path()) };
    assert!(MEMBERS.iter().all(|entry| write(entry.name, &bad, &root.path().join("x")).is_err()));
    assert!(!root.path().join("x").exists());
}

#[test]
fn paths_reach_the_shell_as_they_are() {
    for (path, expected) in [("a/b", "a/b"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$(x)", "'$(x)'")] {
        assert_eq!(typed(Path::new(path)), expected);
    }
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
#[ignore = "it packs a whole program: tests/peers/package_manifests.sh asks for it, with FIREBOX_PACKAGES_OUT"]
fn packages_are_written_for_those_who_take_them() {
    let given = std::env::var_os("FIREBOX_PACKAGES_OUT").map(PathBuf::from);
    let made = tempfile::tempdir().unwrap();
    let folder = given.unwrap_or_else(|| made.path().to_owned());
    let bundle = bundle("Penguins_mlp");
    let gpu = Deployment { gpu: true, ..full(bundle.path()) };
    for (kind, deployment) in [("full", full(bundle.path())), ("plain", plain(bundle.path())), ("gpu", gpu)] {
        let deployment = Deployment { binary: Some(program()), ..deployment };
        let refused = |name: &str| deployment.gpu && ["docker", "oci"].contains(&name);
        for entry in MEMBERS.iter().filter(|entry| !refused(entry.name) && !["rust", "web"].contains(&entry.name)) {
            let place = folder.join(kind).join(entry.name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            let package = write(entry.name, &deployment, &place).unwrap();
            let listed: Vec<String> = package.files.iter().map(|(name, bytes)| format!("{bytes}\t{name}")).collect();
            let told = [listed.join("\n"), package.next.join("\n")].join("\n\n");
            fs::write(folder.join(kind).join(format!("{}.txt", entry.name)), told + "\n").unwrap();
        }
        // The same once more, as somebody else makes it later.
        if !refused("oci") {
            write("oci", &deployment, &folder.join(kind).join("oci-again")).unwrap();
        }
    }
}

#[test]
fn of_several_ways_all_are_written_or_none() {
    let (root, bundle) = (tempfile::tempdir().unwrap(), bundle("penguins"));
    let deployment = full(bundle.path());
    let place = |name: &str| root.path().join(name);
    fs::create_dir(place("helm")).unwrap();
    fs::write(place("helm").join("mine"), "").unwrap();
    let ways = [("docker", place("docker")), ("systemd", place("systemd")), ("helm", place("helm"))];
    let error = write_all(&ways, &deployment).unwrap_err();
    assert!(error.to_string().contains("something lies there already"), "{error}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    assert_eq!(write_all(&ways[..2], &deployment).unwrap().len(), 2);
    for inside in [bundle.path().join("package"), bundle.path().join("a/b"), bundle.path().to_owned()] {
        let error = write("systemd", &deployment, &inside).unwrap_err();
        assert!(error.to_string().contains("lies"), "{error}");
        assert!(!bundle.path().join("a").exists());
    }
}

#[test]
fn paths_can_be_typed() {
    for (path, text) in [("a/b", "a/b"), ("-a", "./-a"), ("a b", "'a b'"), ("it's", "'it'\\''s'")] {
        assert_eq!(typed(Path::new(path)), text);
    }
}
