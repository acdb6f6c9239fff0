//! Do the checks find what was planted, and stay silent where nothing was?

use super::*;
use crate::DataConfig;

/// A data set of one CSV file in a folder of its own.
pub(super) struct Planted {
    folder: tempfile::TempDir,
    pub(super) config: DataConfig,
}

impl Planted {
    /// `features` are lines of `[schema.features]`; the target is `y`, and the files are those of the two parts.
    pub(super) fn new(features: &str, kind: &str, header: &str, train: &[String], test: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let card = format!(
            "name = \"planted\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.csv]\n\
             [[files]]\npath = \"train.csv\"\npart = \"train\"\n[[files]]\npath = \"test.csv\"\npart = \"test\"\n\
             [schema]\ntarget = {{ name = \"y\", kind = \"{kind}\" }}\n[schema.features]\n{features}\n"
        );
        std::fs::write(folder.path().join("card.toml"), card).unwrap();
        for (name, rows) in [("train.csv", train), ("test.csv", test)] {
            std::fs::write(folder.path().join(name), format!("{header}\n{}\n", rows.join("\n"))).unwrap();
        }
        let config = DataConfig::new(folder.path());
        Self { folder, config }
    }

    pub(super) fn check(&self) -> Report {
        let dataset = Dataset::open_for_checks(&self.config, self.folder.path(), None, 7).unwrap();
        check(&dataset, Depth::Thorough, 7, &mut |_, _, _| {}).unwrap()
    }
}

/// The findings of one check.
pub(super) fn of<'r>(report: &'r Report, check: &str) -> Vec<&'r Finding> {
    report.findings.iter().filter(|finding| finding.check == check).collect()
}

#[test]
fn the_list_is_what_is_run() {
    let run: Vec<&str> = CHECKS.iter().map(|check| check.entry.name).collect();
    assert_eq!(run, MEMBERS.iter().map(|entry| entry.name).collect::<Vec<_>>());
}
