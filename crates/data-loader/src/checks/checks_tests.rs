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

/// Rows of two noisy numbers and a class, from a seed.
fn noise(seed: u64, count: usize) -> Vec<String> {
    let mut random = crate::random::Random::derive(&[seed]);
    (0..count).map(|row| format!("{},{},{}", random.unit(), random.unit(), ["u", "v"][row % 2])).collect()
}

#[test]
fn planted_duplicates_are_found_and_told_apart() {
    for seed in 0..5 {
        let (train, mut test) = (noise(seed, 60), noise(seed + 100, 30));
        let clean = Planted::new("a = \"number\"\nb = \"number\"", "class", "a,b,y", &train, &test).check();
        assert!(of(&clean, "exact_duplicates").is_empty(), "{:?}", clean.findings);
        assert_eq!((clean.rows, clean.parts), (90, [60, 0, 30]));

        let mut train = train;
        train.push(train[3].clone());
        test.push(train[10].clone());
        let (features, _) = train[20].rsplit_once(',').unwrap();
        test.push(format!("{features},{}", if train[20].ends_with('u') { "v" } else { "u" }));
        let mut planted = Planted::new("a = \"number\"\nb = \"number\"", "class", "a,b,y", &train, &test);
        let report = planted.check();
        let [across, within] = of(&report, "exact_duplicates")[..] else { panic!("{:?}", report.findings) };
        assert_eq!((across.severity, across.count, across.pairs.len()), (Severity::Error, 2, 2));
        assert!(across.message.contains("(2 of test in train), 1 of them with another target"), "{}", across.message);
        assert!(
            across.message.contains("planted/train.csv#20 (train) and planted/test.csv#31 (test)"),
            "{}",
            across.message
        );
        assert_eq!((within.severity, within.count), (Severity::Warning, 1));
        assert_eq!(within.pairs[0].second.id, "planted/train.csv#60");
        assert_eq!(across.gate.as_deref(), Some("exact_duplicates_across_splits"));
        assert_eq!(report.failed().count(), 1);

        planted.config.gates.exact_duplicates_across_splits = Level::Allow;
        assert_eq!(planted.check().failed().count(), 0);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}

#[test]
fn rows_that_cannot_be_used_are_counted_and_named() {
    let mut train = noise(1, 40);
    train[5] = "x,0.5,u".into();
    train[9] = "0.5,0.5,".into();
    train[11] = "0.5".into();
    let mut planted = Planted::new("a = \"number\"\nb = \"number\"", "class", "a,b,y", &train, &noise(2, 10));
    let report = planted.check();
    let [found] = of(&report, "unreadable")[..] else { panic!("{:?}", report.findings) };
    assert_eq!((found.severity, found.count, found.examples.len()), (Severity::Error, 3, 3));
    let ids: Vec<&str> = found.examples.iter().map(|example| example.id.as_str()).collect();
    assert_eq!(ids, ["planted/train.csv#5", "planted/train.csv#9", "row 11"], "a row without fields has no id");
    assert!(found.examples[0].why.contains("\"x\""), "{}", found.examples[0].why);
    planted.config.loader.bad_examples = crate::BadExamples::Skip;
    assert_eq!(of(&planted.check(), "unreadable")[0].severity, Severity::Warning);
    planted.config.gates.unreadable = Some(Level::Allow);
    assert_eq!(of(&planted.check(), "unreadable")[0].severity, Severity::Note);
}

#[test]
fn classes_that_are_rare_or_absent_are_named() {
    let mut train = noise(3, 40);
    train.extend((0..3).map(|row| format!("0.{row},1,rare")));
    let mut test = noise(4, 20);
    test.push("0.1,0.2,never".into());
    let mut planted = Planted::new("a = \"number\"\nb = \"number\"", "class", "a,b,y", &train, &test);
    let report = planted.check();
    let said: Vec<&str> = of(&report, "class_balance").iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(
        said[0].contains("no example of `never`") && said[1].contains("fewer than 10 examples of `rare`"),
        "{said:?}"
    );
    assert!(said[2].contains("test split has no example of `rare`"), "{said:?}");
    // A training would refuse the example of a class that it cannot learn.
    let failed: Vec<&Finding> = report.failed().collect();
    assert!(failed.len() == 1 && failed[0].check == "unreadable" && failed[0].message.contains("never"), "{failed:?}");
    planted.config.gates.smallest_class = Some(5);
    let report = planted.check();
    let failed: Vec<&Finding> = report.failed().filter(|finding| finding.check == "class_balance").collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(
        failed[0].message.contains("fewer than 5 examples of") && failed[0].message.contains("`never`"),
        "{}",
        failed[0].message
    );
    let even = Planted::new("a = \"number\"\nb = \"number\"", "class", "a,b,y", &noise(5, 40), &noise(6, 20)).check();
    assert!(of(&even, "class_balance").is_empty(), "{:?}", even.findings);
}
