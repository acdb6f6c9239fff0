//! Is a package of Rust whole, and does it say where its crates come from?

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::deploy::plan::tests::{real_bundle, sources};

fn deployment(crates: Option<Crates>) -> Deployment {
    Deployment { crates, ..Deployment::of(&real_bundle(), Some("tiny")).unwrap() }
}

fn git() -> Crates {
    Crates::Git { url: "https://example.org/firebox.git".into(), revision: Some("0123abc".into()) }
}

#[test]
fn a_package_holds_the_bundle_and_what_opens_it() {
    let root = tempfile::tempdir().unwrap();
    let places = ["first", "second"].map(|name| root.path().join(name));
    for place in &places {
        crate::deploy::write("rust", &deployment(Some(git())), place).unwrap();
    }
    for file in [".gitignore", "Cargo.toml", "README.md", "bundle.tar.zst", "examples/answer.rs", "src/lib.rs"] {
        let [first, second] = [0, 1].map(|at: usize| fs::read(places[at].join(file)).unwrap());
        assert!(!first.is_empty() && first == second, "{file}");
    }
    let read = bundle::Bundle::read(&places[0].join("bundle.tar.zst")).unwrap();
    assert_eq!(read.manifest, bundle::Bundle::read(&real_bundle()).unwrap().manifest);
    let manifest = fs::read_to_string(places[0].join("Cargo.toml")).unwrap();
    let line = r#"serving = { git = "https://example.org/firebox.git", rev = "0123abc", default-features = false }"#;
    assert!(manifest.lines().any(|found| found == line), "{manifest}");
    assert!(manifest.contains("name = \"answers-tiny\"") && manifest.contains("\n[workspace]\n"));
    let example = fs::read_to_string(places[0].join("examples/answer.rs")).unwrap();
    assert!(example.contains("answers_tiny::model()?"));
}

#[test]
fn crates_come_from_a_folder_that_has_them() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("package");
    let package = crate::deploy::write("rust", &deployment(Some(Crates::Path(sources()))), &place).unwrap();
    let manifest = fs::read_to_string(place.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("crates/model-zoo\", default-features = false }"), "{manifest}");
    assert!(package.next[0].starts_with("cp ") && package.next[1].contains("--example answer"), "{:?}", package.next);
    for (crates, words) in [
        (None, "nobody said where they are"),
        (Some(Crates::Path(root.path().to_owned())), "no crates/data-loader/Cargo.toml"),
        (Some(Crates::Path(PathBuf::from("/no/such/folder"))), "/no/such/folder"),
    ] {
        let error = crate::deploy::write("rust", &deployment(crates), &root.path().join("other")).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().is_some());
        assert!(!root.path().join("other").exists());
    }
    let gpu = Deployment { gpu: true, ..deployment(Some(git())) };
    assert!(crate::deploy::write("rust", &gpu, &root.path().join("other")).is_err());
}

#[test]
fn paths_and_addresses_stand_in_quotes() {
    for (text, expected) in [("a b", "\"a b\""), ("c:\\x", "\"c:\\\\x\""), ("a\"b", "\"a\\\"b\"")] {
        assert_eq!(toml_text(text), expected);
    }
}
