//! Is a member taken out whole and by its exact name, and an archive that lies refused?

use std::sync::atomic::AtomicBool;

use super::*;
use crate::fetch::{Event, Options};

/// A tar archive of files; a name may be anything.
fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        // The builder itself refuses names that climb.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// What is written when `member` is taken out of an archive of these bytes.
fn taken(bytes: &[u8], member: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let (archive, place) = (folder.path().join("a"), folder.path().join("b"));
    std::fs::write(&archive, bytes).unwrap();
    let (stop, mut progress) = (AtomicBool::new(false), |_: &Event| {});
    let mut options = Options::new(&stop, &mut progress).unwrap();
    options.cache = folder.path().join("cache");
    let mut context = Context::new(options);
    let mut target = Target::create(&place).unwrap();
    extract(&archive, member, limit, &mut target, &mut context)?;
    target.finish(&[], |_| Ok(())).unwrap();
    Ok(std::fs::read(&place).unwrap())
}

#[test]
fn a_member_is_taken_out_of_any_packing() {
    let long = vec![7; 300_000];
    let plain = tar_of(&[("d/a.bin", b"first"), ("./d/b.bin", &long), ("c", b"")]);
    for archive in [plain.clone(), gzip(&plain), zstd::encode_all(&plain[..], 1).unwrap()] {
        assert_eq!(taken(&archive, "d/a.bin", 1 << 30).unwrap(), b"first");
        assert_eq!(taken(&archive, "d/b.bin", 1 << 30).unwrap(), long);
        assert_eq!(taken(&archive, "./c", 1 << 30).unwrap(), b"");
        let error = taken(&archive, "b.bin", 1 << 30).unwrap_err();
        assert!(error.to_string().contains("`d/a.bin`, `d/b.bin`") && error.is_usage(), "{error}");
    }
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    let archive = tar_of(&[("a", b"old"), ("b", b"1"), ("./a", b"new")]);
    for bytes in [archive.clone(), gzip(&archive)] {
        let error = taken(&bytes, "a", 1 << 30).unwrap_err();
        assert!(error.to_string().contains("its member a stands in it twice") && error.is_usage(), "{error}");
        assert_eq!(taken(&bytes, "b", 1 << 30).unwrap(), b"1");
    }
}

#[test]
fn names_that_climb_are_refused() {
    let archive = tar_of(&[("../evil", b"x"), ("/etc/evil", b"y"), ("good", b"z")]);
    for member in ["../evil", "/etc/evil", "a/../../evil", "", ".", "a/.."] {
        let error = taken(&archive, member, 1 << 30).unwrap_err();
        assert!(error.to_string().contains("climbs out") && error.hint().is_some(), "{member}: {error}");
    }
    assert_eq!(taken(&archive, "good", 1 << 30).unwrap(), b"z", "what lies beside it does no harm");
}

#[test]
fn links_and_folders_are_no_files() {
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Directory] {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_path("d").unwrap();
        header.set_link_name("/etc/passwd").unwrap();
        header.set_cksum();
        builder.append(&header, &b""[..]).unwrap();
        let error = taken(&builder.into_inner().unwrap(), "d", 1 << 30).unwrap_err();
        assert!(error.to_string().contains("no file"), "{error}");
    }
}

#[test]
fn an_archive_that_is_cut_or_swells_is_an_error() {
    let plain = tar_of(&[("a", &vec![0; 3_000_000]), ("b", &vec![1; 100_000])]);
    let packed = gzip(&plain);
    assert!(packed.len() < 20_000, "it swells a hundredfold");
    // The limit counts all that is unpacked, also what only lies before the member.
    for (member, limit) in [("a", 1_000_000), ("b", 2_000_000)] {
        let error = taken(&packed, member, limit).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
    for cut in [20, 600, packed.len() / 2, packed.len() - 500] {
        let error = taken(&packed[..cut], "b", 1 << 30).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{cut}: {error}");
    }
    for cut in [300, 513, 1_000_000, 3_010_000] {
        let error = taken(&plain[..cut], "b", 1 << 30).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. } | Error::Setting { .. }), "{cut}: {error}");
    }
    // A size in the header that nothing backs.
    let mut lying = tar_of(&[("a", b"short")]);
    let mut header = tar::Header::from_byte_slice(&lying[..512]).clone();
    header.set_size(1 << 60);
    header.set_cksum();
    lying[..512].copy_from_slice(header.as_bytes());
    assert!(taken(&lying, "a", 1 << 62).is_err());
}
