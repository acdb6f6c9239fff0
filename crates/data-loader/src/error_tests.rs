//! Does an error say whose it is and what to do?

use super::*;

#[test]
fn the_closest_word_is_found_or_none_is() {
    let known = ["threads", "prefetch", "drop_last"];
    assert_eq!(closest("thread", known.into_iter()).as_deref(), Some("threads"));
    assert_eq!(closest("drop-last", known.into_iter()).as_deref(), Some("drop_last"));
    assert_eq!(closest("cvs", ["idx", "csv"].into_iter()).as_deref(), Some("csv"));
    assert_eq!(closest("zzz", known.into_iter()), None);
}

#[test]
fn a_missing_file_is_the_users_and_a_broken_disk_is_not() {
    let path = Path::new("a.csv");
    let missing = Error::io("data file", path, std::io::ErrorKind::NotFound.into());
    assert!(missing.is_usage() && missing.hint().is_some());
    assert_eq!(missing.to_string(), "There is no data file at a.csv.");
    let broken = Error::io("data file", path, std::io::ErrorKind::StorageFull.into());
    assert!(!broken.is_usage() && broken.hint().is_none());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    std::fs::write(&file, "x").unwrap();
    for wrong in [folder.path().to_path_buf(), file.join("b.csv"), folder.path().join("x".repeat(300))] {
        let error = Error::io("data file", &wrong, std::fs::read(&wrong).unwrap_err());
        assert!(error.is_usage() && error.hint().unwrap().contains("path"), "{error}");
    }
    assert!(Error::io("data file", path, std::io::ErrorKind::PermissionDenied.into()).is_usage());
}

#[test]
fn long_data_is_cut_in_messages() {
    assert!(quoted(&"x".repeat(1000)).len() < 80);
    assert!(listed(&vec!["a"; 1000]).ends_with("and 980 more"));
}
