//! Does a file take its place in whole or not at all, whoever writes it at the same time?

use super::*;

/// The published SHA-256 of the text `abc`.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_file_takes_its_place_in_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub/a.csv");
    let write = || {
        let mut target = Target::create(&path).unwrap();
        target.write_all(b"abc").unwrap();
        assert!(!path.exists() && target.bytes() == 3);
        target
    };
    let names = || std::fs::read_dir(folder.path().join("sub")).unwrap().count();
    drop(write());
    let unasked = |_: &str| panic!("what is refused is not recorded");
    let error = write().finish(&["00"], unasked).unwrap_err();
    assert!(matches!(error, Error::Checksum { found, .. } if found == ABC));
    // What cannot be recorded gets no name.
    let refused = |_: &str| Err(Error::Interrupted);
    assert!(matches!(write().finish(&[], refused), Err(Error::Interrupted)));
    assert_eq!(names(), 0, "nothing half written stays");
    let recorded = |sum: &str| {
        assert!(sum == ABC && !path.exists(), "before the file has its name");
        Ok(())
    };
    assert_eq!(write().finish(&["00", &ABC.to_uppercase()], recorded).unwrap(), (ABC.to_owned(), 3));
    assert_eq!((std::fs::read(&path).unwrap(), names()), (b"abc".to_vec(), 1));
}

#[test]
#[cfg(unix)]
fn a_link_in_the_way_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious");
    std::fs::write(&precious, "kept").unwrap();
    let part = folder.path().join(format!(".a.csv.{}-0.part", std::process::id()));
    std::os::unix::fs::symlink(&precious, part).unwrap();
    let mut target = Target::create(&folder.path().join("a.csv")).unwrap();
    target.write_all(b"abc").unwrap();
    target.finish(&[], |_| Ok(())).unwrap();
    assert_eq!(std::fs::read(&precious).unwrap(), b"kept");
}

#[test]
fn two_who_write_one_file_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let mut one = Target::create(&path).unwrap();
    one.write_all(b"ab").unwrap();
    sweep(folder.path());
    let mut two = Target::create(&path).unwrap();
    two.write_all(b"xyz").unwrap();
    one.write_all(b"c").unwrap();
    let sum = one.finish(&[], |_| Ok(())).unwrap().0;
    assert_eq!((sum.as_str(), std::fs::read(&path).unwrap()), (ABC, b"abc".to_vec()));
    two.write_all(b"z").unwrap();
    two.finish(&[], |_| Ok(())).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"xyzz");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_processes_that_are_gone_left_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    for name in
        [".a.csv.4711-0.part", ".b.csv.1-12.part", ".c.csv.part", ".4711-0.part", "d.4711-0.part", ".e.x-0.part"]
    {
        std::fs::write(folder.path().join(name), "half").unwrap();
    }
    let live = Target::create(&folder.path().join("f.csv")).unwrap();
    sweep(folder.path());
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let mut left = vec![".4711-0.part".to_owned(), ".c.csv.part".into(), ".e.x-0.part".into(), "d.4711-0.part".into()];
    left.push(format!(".f.csv.{}-0.part", std::process::id()));
    left.sort();
    assert_eq!(names(), left, "only what we name so, and nobody has open");
    drop(live);
    assert_eq!(names().len(), 4);
}
