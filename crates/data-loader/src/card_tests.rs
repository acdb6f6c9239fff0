//! Does a card open, and is every mistake in it a sentence?

use super::*;

const CARD: &str = r#"
name = "tiny"
title = "Tiny"
summary = "Two rows"
source = "made for this test"
licence = "CC0"
citation = "none"
[format.csv]
[[files]]
path = "a.csv"
[schema]
target = { name = "y", kind = "class" }
[schema.features]
x = "number"
[split.random]
validation = 0.1
"#;

fn folder(card: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("card.toml"), card).unwrap();
    std::fs::write(folder.path().join("a.csv"), "x,y\n1,a\n2,b\n").unwrap();
    folder
}

#[test]
fn a_card_opens_from_its_folder_and_from_its_path() {
    let folder = folder(CARD);
    let card = Card::open(folder.path()).unwrap();
    assert_eq!(card, Card::open(&folder.path().join("card.toml")).unwrap());
    assert_eq!((card.name(), card.task(), card.files[0].bytes), ("tiny", Task::Classify, 12));
}

#[test]
fn the_checksum_of_the_empty_text_is_the_published_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(digest_file(file.path()).unwrap(), (known.to_owned(), 0));
}

#[test]
fn a_folder_is_known_by_the_names_and_contents_of_its_files() {
    let digest = |files: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        digest_folder(folder.path(), folder.path(), u64::MAX).unwrap()
    };
    let first = digest(&[("a/1", "one"), ("b/2", "two")]);
    assert_eq!(first.1, 6);
    assert_eq!(first, digest(&[("b/2", "two"), ("a/1", "one")]));
    for other in [[("a/1", "one"), ("b/2", "twO")], [("a/1", "one"), ("b/3", "two")], [("a/1", "two"), ("b/2", "one")]]
    {
        assert_ne!(first.0, digest(&other).0, "{other:?}");
    }
}

#[test]
fn a_checksum_that_a_card_states_covers_contents_whatever_the_size() {
    let folder = folder(CARD);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // A file with a hole takes no room on the disk.
    let file = std::fs::File::create(data.join("large")).unwrap();
    file.set_len(FOLDER_CONTENTS + 1).unwrap();
    std::fs::write(data.join("small"), "first").unwrap();
    let stated = CardFile { path: "data".into(), sha256: Some("0".into()), ..plain() };
    let sums = || [&stated, &plain()].map(|entry| entry.digest(folder.path(), &data).unwrap());
    let before = sums();
    assert_eq!(before[0].0, digest(&data).unwrap(), "what is written into a card is what is compared with it");
    std::fs::write(data.join("small"), "other").unwrap();
    let after = sums();
    assert_ne!(before[0].0, after[0].0, "the change was not seen");
    assert_eq!(before[1], after[1], "without a stated checksum the contents of a large folder do not count");
}

fn plain() -> CardFile {
    CardFile { path: "data".into(), sha256: None, from: None, role: Role::Records, part: None }
}

#[cfg(unix)]
#[test]
fn what_lies_behind_a_link_counts_and_must_lie_in_the_folder_of_the_card() {
    use std::os::unix::fs::symlink;
    let folder = folder(CARD);
    let (data, store) = (folder.path().join("data"), folder.path().join("store"));
    std::fs::create_dir(&data).unwrap();
    std::fs::create_dir(&store).unwrap();
    std::fs::write(store.join("x.txt"), "first").unwrap();
    symlink("../store", data.join("door")).unwrap();
    let sum = || plain().digest(folder.path(), &data);
    let before = sum().unwrap();
    std::fs::write(store.join("x.txt"), "other").unwrap();
    assert_ne!(before.0, sum().unwrap().0, "a change behind a link was not seen");
    // Behind the link another leads out.
    let secret = tempfile::NamedTempFile::new().unwrap();
    symlink(secret.path(), store.join("y.txt")).unwrap();
    let error = sum().unwrap_err();
    assert!(error.to_string().contains("lies outside of the card's folder") && error.is_usage(), "{error}");
}

#[test]
fn a_pattern_of_shards_that_are_not_all_there_is_refused() {
    let folder = folder(&CARD.replace("a.csv", "*-of-*.csv"));
    std::fs::write(folder.path().join("t-00000-of-00002.csv"), "x,y\n1,a\n").unwrap();
    let error = Card::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("t-00001-of-00002 is not"), "{error}");
    std::fs::write(folder.path().join("t-00001-of-00002.csv"), "x,y\n2,a\n").unwrap();
    assert_eq!(Card::open(folder.path()).unwrap().files.len(), 2);
}

#[test]
fn mistakes_in_a_card_are_sentences() {
    let wrong = CARD.replace("path = \"a.csv\"", "path = \"a.csv\"\nsha256 = \"00\"");
    let error = Card::open(folder(&wrong).path()).unwrap_err();
    assert!(matches!(&error, Error::Checksum { expected, .. } if expected == "00"), "{error}");

    let error = Card::open(folder(&CARD.replace("licence", "license")).path()).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("Did you mean `licence`?"), "{error}");

    let error = Card::open(folder(&CARD.replace("a.csv", "b.csv")).path()).unwrap_err();
    assert!(matches!(error, Error::NotFound { what: "data file", .. }));

    let error = Card::open(folder(&CARD.replace("format.csv", "format.cvs")).path()).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("Did you mean `csv`?"), "{error}");

    let error = Card::open(Path::new("/nowhere")).unwrap_err();
    assert!(matches!(error, Error::NotFound { what: "card", .. }));

    let two = |second: &str| CARD.replace("[schema]\n", &format!("[[files]]\npath = \"{second}\"\n[schema]\n"));
    assert!(Card::open(folder(&two("a.csv")).path()).unwrap_err().to_string().contains("names a.csv twice"));
    let folder = folder(&two("sub/../a.csv"));
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let error = Card::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("names a.csv and sub/../a.csv, which are one"), "{error}");
}

#[test]
fn two_files_of_equal_contents_are_refused_by_name() {
    let open = |role: &str, text: &str| {
        let file = |path: &str| format!("[[files]]\npath = \"{path}\"\nrole = \"{role}\"\n");
        let card = CARD.replace("[[files]]\npath = \"a.csv\"\n", &(file("a.csv") + &file("b.csv")));
        let folder = folder(&card);
        std::fs::write(folder.path().join("a.csv"), text).unwrap();
        std::fs::write(folder.path().join("b.csv"), text).unwrap();
        Card::open(folder.path())
    };
    for role in ["records", "images"] {
        let error = open(role, "x,y\n1,a\n").unwrap_err();
        assert!(error.to_string().contains("names a.csv and b.csv, whose contents are equal"), "{error}");
        assert!(error.hint().unwrap().contains("leak") && error.is_usage());
    }
    for empty in ["", "x,y\n", "x,y", "x,y\r\n\n"] {
        assert!(open("records", empty).is_ok(), "two files without rows hold no example twice: {empty:?}");
    }
    assert!(open("labels", "0,1").is_ok(), "two parts may have equal labels");
}
