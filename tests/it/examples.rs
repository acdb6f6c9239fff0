//! Do the examples run, and do they reach what they promise? `cargo test` builds them; here each is run in a folder of its
//! own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder in which cargo puts the examples, beside the one of this test.
fn built() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples")
}

/// Runs an example and gives what it printed.
fn run(name: &str, folder: &Path) -> String {
    let program = built().join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let output = Command::new(&program).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{}: {error}; a plain `cargo test --release` builds the examples", program.display())
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ended with {}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The number that stands behind `words`.
fn number(text: &str, words: &str) -> f64 {
    let rest = text.split_once(words).unwrap_or_else(|| panic!("`{words}` is not in:\n{text}")).1;
    let number = rest.split_whitespace().next().unwrap_or_default();
    number.parse().unwrap_or_else(|_| panic!("`{number}` behind `{words}` is no number"))
}

#[test]
fn training_from_code_leaves_a_whole_run() {
    let folder = tempfile::tempdir().unwrap();
    let said = run("01_train_from_code", folder.path());
    assert!(number(&said, "test accuracy ") > 0.95, "{said}");
    let runs: Vec<PathBuf> =
        std::fs::read_dir(folder.path().join("runs")).unwrap().map(|run| run.unwrap().path()).collect();
    assert_eq!(runs.len(), 1);
    for file in ["config.toml", "report.html", "bundle/manifest.json"] {
        assert!(runs[0].join(file).is_file(), "{file}");
    }
}

#[test]
fn a_network_of_ones_own_is_trained_and_bundled() {
    let folder = tempfile::tempdir().unwrap();
    let said = run("02_custom_architecture", folder.path());
    assert!(number(&said, "test accuracy ") > 0.9, "{said}");
    assert!(number(&said, "\n") > 0.0, "no golden sample was replayed: {said}");
}

#[test]
fn a_loop_of_ones_own_learns() {
    let folder = tempfile::tempdir().unwrap();
    let said = run("03_custom_loop", folder.path());
    assert!(number(&said, "test accuracy ") > 0.95, "{said}");
    assert_eq!(said, run("03_custom_loop", folder.path()), "the same program gave another network");
}

#[test]
fn a_metric_of_ones_own_judges() {
    let folder = tempfile::tempdir().unwrap();
    let said = run("04_custom_metric", folder.path());
    let coverage = number(&said, "test coverage ");
    assert!(coverage > 0.0 && coverage < 1.0, "the threshold never mattered: {said}");
    assert!(number(&said, "test selective_accuracy ") > 0.95, "{said}");
}

#[test]
fn pixels_of_digits_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let said = run("05_segment_digits", folder.path());
    assert!(number(&said, "test iou ") > 0.7, "{said}");
    assert_eq!(std::fs::read_dir(folder.path().join("digits/masks")).unwrap().count(), 600);
}

#[test]
fn views_of_digits_are_worth_labels() {
    let folder = tempfile::tempdir().unwrap();
    let said = run("06_learn_without_labels", folder.path());
    let (scratch, taught) = (number(&said, "from scratch accuracy "), number(&said, "after views accuracy "));
    assert!(taught > scratch + 0.02, "{said}");
}
