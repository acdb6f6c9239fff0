//! Does a card stay in its folder, and does a pattern name what is there, in order?

use super::*;

fn folder(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    folder
}

fn names(folder: &Path, path: &str) -> Vec<String> {
    matches(folder, Path::new(path)).unwrap().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_pattern_names_its_matches_in_order() {
    let folder = folder(&["p/b.csv", "p/a.csv", "p/c.txt", "p/.d.csv", "p/q/e.csv", "a[1].csv", "a1.csv"]);
    let at = folder.path();
    assert_eq!(names(at, "p/*.csv"), ["p/a.csv", "p/b.csv"]);
    assert_eq!(names(at, "p/**/*.csv"), ["p/a.csv", "p/b.csv", "p/q/e.csv"]);
    assert_eq!(names(at, "p/[ac].*"), ["p/a.csv", "p/c.txt"]);
    assert_eq!(names(at, "a[1].csv"), ["a[1].csv"], "a file of that very name is meant");
    assert_eq!(names(at, "none.csv"), ["none.csv"], "whoever opens it says that it is missing");
    assert_eq!(names(at, "p/q/../a.csv"), ["p/q/../a.csv"]);
    let error = matches(at, Path::new("p/*.png")).unwrap_err();
    assert!(error.to_string().contains("p/*.png") && error.hint().is_some() && error.is_usage(), "{error}");
    let error = matches(at, Path::new("p/[a.csv")).unwrap_err();
    assert!(error.to_string().contains("no pattern"), "{error}");
}

#[test]
fn a_folder_whose_name_looks_like_a_pattern_is_none() {
    let folder = folder(&["x[1]*/p/a.csv", "x1/p/b.csv"]);
    assert_eq!(names(&folder.path().join("x[1]*"), "p/*.csv"), ["p/a.csv"]);
}

#[test]
fn what_leads_out_of_the_folder_is_refused() {
    let folder = folder(&["secret", "card/a.csv", "card/sub/b.csv"]);
    let card = folder.path().join("card");
    for path in ["../secret", "sub/../../secret", "/etc/passwd", "..", ".", "", "../card/a.csv", "../*"] {
        for refused in [matches(&card, Path::new(path)).map(drop), target(&card, Path::new(path)).map(drop)] {
            let error = refused.unwrap_err();
            assert!(error.to_string().contains("is refused because"), "{path}: {error}");
            assert!(error.is_usage() && error.hint().unwrap().contains("folder"), "{path}");
        }
    }
}

#[test]
#[cfg(unix)]
fn a_symbolic_link_may_not_lead_out() {
    use std::os::unix::fs::symlink;
    let folder = folder(&["secret/s.csv", "card/a.csv", "card/sub/b.csv"]);
    let card = folder.path().join("card");
    symlink(folder.path().join("secret/s.csv"), card.join("file.csv")).unwrap();
    symlink(folder.path().join("secret"), card.join("door")).unwrap();
    symlink("sub/b.csv", card.join("good.csv")).unwrap();
    symlink("nothing", card.join("dangling.csv")).unwrap();
    for path in ["file.csv", "door/s.csv", "door", "*.csv", "door/*.csv", "*/*.csv"] {
        let error = matches(&card, Path::new(path)).unwrap_err();
        assert!(error.to_string().contains("symbolic link") && error.is_usage(), "{path}: {error}");
    }
    let error = target(&card, Path::new("door/new.csv")).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert_eq!(names(&card, "good.csv"), ["good.csv"]);
    assert_eq!(names(&card, "dangling.csv"), ["dangling.csv"]);
    assert!(target(&card, Path::new("new/sub/c.csv")).is_ok());
    for hidden in [".git/hooks/pre-commit", "sub/.x.csv", ".card.fetched.jsonl"] {
        let error = target(&card, Path::new(hidden)).unwrap_err();
        assert!(error.to_string().contains("hidden") && error.is_usage(), "{error}");
    }
    // The folder of the card may itself be reached by a link.
    symlink(&card, folder.path().join("also")).unwrap();
    assert_eq!(names(&folder.path().join("also"), "good.csv"), ["good.csv"]);
}
