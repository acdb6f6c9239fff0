//! Is everything below a folder found once, and whatever cannot be an error that names it?

use super::*;
use crate::card::Role;

fn write(root: &Path, name: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, name).unwrap();
}

#[cfg(unix)]
#[test]
fn links_are_followed_or_refused_by_name() {
    use std::os::unix::fs::symlink;
    let card = tempfile::tempdir().unwrap();
    let root = card.path().join("im");
    for name in ["im/cat/a.png", "im/.git/x", "store/dog/deep/b.png", "store/c.png", "im/cat/notes.txt"] {
        write(card.path(), name);
    }
    symlink("../store/dog", root.join("dog")).unwrap();
    symlink("../../store/c.png", root.join("cat/c.png")).unwrap();
    // Editors and version control leave such links behind.
    symlink("nothing", root.join(".git/lock")).unwrap();
    let names = |paths: &[PathBuf]| paths.iter().map(|path| name_below(&root, path)).collect::<Vec<_>>();
    let tree = walk(&root).unwrap();
    assert_eq!(names(&tree.files), ["cat/a.png", "cat/c.png", "cat/notes.txt", "dog/deep/b.png"]);
    assert_eq!(names(&tree.folders), ["cat", "dog", "dog/deep"]);
    assert_eq!(walk_within(&root, card.path()).unwrap().files.len(), 6, "hidden files count in a checksum");
    let (images, others) = files_below(&root, &[".png"]).unwrap();
    assert_eq!((images.len(), names(&others)), (3, vec!["cat/notes.txt".to_owned()]));
    assert_eq!(first_empty(&root, &tree, &images[..2]), Some(&root.join("dog")));
    assert_eq!(first_empty(&root, &tree, &images), None);

    for (link, end, words) in [
        ("cat/gone.png", "../nowhere.png", "is a link to ../nowhere.png, which cannot be read"),
        ("cat/gone", "/nonexistent/folder", "is a link to /nonexistent/folder"),
        ("cat/itself.png", "itself.png", "itself.png"),
        ("copy", "cat", "are one folder"),
        ("cat/up", "..", "are one folder"),
        ("cat/all", "../..", "are one folder"),
    ] {
        symlink(end, root.join(link)).unwrap();
        for error in [walk(&root).unwrap_err(), walk_within(&root, card.path()).unwrap_err()] {
            assert!(error.to_string().contains(words) && error.is_usage(), "{link}: {error}");
            assert!(error.to_string().contains(&root.display().to_string()), "{link}: {error}");
            assert!(!error.is_bad_example(), "{link} could be skipped");
        }
        std::fs::remove_file(root.join(link)).unwrap();
    }
    let listener = std::os::unix::net::UnixListener::bind(root.join("cat/x.png")).unwrap();
    assert!(walk(&root).unwrap_err().to_string().contains("x.png is neither a file nor a folder"));
    drop(listener);
}

#[test]
fn a_folder_of_shards_is_read_whole_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    let file = |path: &Path| SourceFile {
        name: "data/".into(),
        path: path.into(),
        sha256: String::new(),
        bytes: 0,
        role: Role::Records,
        part: None,
    };
    write(root.path(), "train-00000-of-00003.parquet");
    write(root.path(), "train-00002-of-00003.parquet");
    let error = spread(&[file(root.path())], &[".parquet"]).unwrap_err();
    assert!(error.to_string().contains("train-00001-of-00003 is not"), "{error}");
    // One that a card names is meant.
    assert_eq!(spread(&[file(&root.path().join("train-00002-of-00003.parquet"))], &[".parquet"]).unwrap().len(), 1);
    write(root.path(), "train-00001-of-00003.parquet");
    let files = spread(&[file(root.path())], &[".parquet"]).unwrap();
    assert_eq!((files.len(), files[1].name.as_str()), (3, "data/train-00001-of-00003.parquet"));
    #[cfg(unix)]
    {
        std::fs::remove_file(root.path().join("train-00001-of-00003.parquet")).unwrap();
        std::os::unix::fs::symlink("/nowhere", root.path().join("train-00001-of-00003.parquet")).unwrap();
        let error = spread(&[file(root.path())], &[".parquet"]).unwrap_err();
        assert!(error.to_string().contains("is a link to /nowhere"), "{error}");
    }
}
