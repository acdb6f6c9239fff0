//! Is a bundle the same after it was packed, and is every archive refused that no bundle was packed into?

use std::fs;
use std::path::PathBuf;

use data_loader::random::Random;
use tempfile::TempDir;

use super::super::tests::{bundle, copy, names, refused, v1};
use super::*;
use crate::bundle::{Bundle, verify_files};

/// An entry of an archive that somebody made by hand: its kind, its name, its bytes.
type Made = (EntryType, Vec<u8>, Vec<u8>);

fn plain(name: &str, bytes: &[u8]) -> Made {
    (EntryType::Regular, name.into(), bytes.to_vec())
}

/// The files of the first version's bundle, in the order in which they are packed.
fn entries() -> Vec<Made> {
    let read = |name: &str| plain(name, &fs::read(v1().join(name)).unwrap());
    [MANIFEST, "golden.json", "pipeline.json", "weights.safetensors"].map(read).to_vec()
}

/// A tar archive of entries whose names are written as they are.
fn tar(entries: &[Made]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, name, bytes) in entries {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_link_name("weights.safetensors").unwrap();
        header.set_cksum();
        archive.append(&header, &bytes[..]).unwrap();
    }
    archive.into_inner().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// A folder with one file of these bytes in it.
fn written(bytes: &[u8]) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("b.tar.zst");
    fs::write(&path, bytes).unwrap();
    (root, path)
}

/// Asserts that neither reading nor unpacking takes these bytes for a bundle, nor leaves anything behind.
fn check(packed: &[u8], words: &[&str]) {
    let (root, path) = written(packed);
    refused(Bundle::read(&path), words);
    refused(verify_files(&path), words);
    refused(unpack(&path, &root.path().join("out")), words);
    assert_eq!(names(root.path()), ["b.tar.zst"]);
}

fn check_entries(entries: &[Made], words: &[&str]) {
    check(&zstd(&tar(entries)), &[&["b.tar.zst"], words].concat());
}

#[test]
fn a_packed_bundle_is_the_bundle() {
    let (root, folder) = bundle();
    let (one, two) = (root.path().join("one.tar.zst"), root.path().join("two"));
    pack(&folder, &one).unwrap();
    // Elsewhere, later, and beside a file that does not belong to it.
    let other = root.path().join("other");
    copy(&folder, &other);
    fs::write(other.join("notes.txt"), "mine").unwrap();
    pack(&other, &two).unwrap();
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());

    let before = names(root.path());
    let (found, packed) = (Bundle::read(&folder).unwrap(), Bundle::read(&two).unwrap());
    assert_eq!(names(root.path()), before);
    assert_eq!((&found.manifest, &found.weights), (&packed.manifest, &packed.weights));
    assert_eq!((&found.pipeline, &found.golden), (&packed.pipeline, &packed.golden));
    assert_eq!((packed.path.as_path(), verify_files(&two).unwrap()), (two.as_path(), 3));
    assert!(Bundle::is_at(&folder) && Bundle::is_at(&one) && Bundle::is_at(&two));

    let out = root.path().join("out");
    unpack(&one, &out).unwrap();
    assert_eq!(names(&out), names(&folder));
    for name in names(&out) {
        assert_eq!(fs::read(out.join(&name)).unwrap(), fs::read(folder.join(&name)).unwrap(), "{name}");
    }
    // What lies there is not replaced.
    refused(unpack(&one, &out), &["out", "already"]);
    fs::create_dir(root.path().join("empty")).unwrap();
    unpack(&one, &root.path().join("empty")).unwrap();
}

#[test]
fn an_archive_holds_nothing_of_the_machine() {
    let (root, folder) = bundle();
    let path = root.path().join("b.tar.zst");
    pack(&folder, &path).unwrap();
    let bytes = zstd::decode_all(&fs::read(&path).unwrap()[..]).unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let found: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let numbers = (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap());
            assert_eq!((numbers, header.mode().unwrap()), ((0, 0, 0), 0o644));
            entry.path().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(found, ["manifest.json", "golden.json", "pipeline.json", "weights.safetensors"]);
}

#[test]
fn what_is_damaged_is_not_packed_and_an_older_file_stays() {
    let (root, folder) = bundle();
    let file = root.path().join("b.tar.zst");
    pack(&folder, &file).unwrap();
    let (before, lying) = (fs::read(&file).unwrap(), names(root.path()));
    fs::write(folder.join("pipeline.json"), "{}").unwrap();
    refused(pack(&folder, &file), &["pipeline.json", "SHA-256"]);
    assert_eq!((fs::read(&file).unwrap(), names(root.path())), (before, lying));
    refused(pack(&file, &root.path().join("c")), &["b.tar.zst"]);
    refused(pack(&v1(), &root.path().join("nowhere/c")), &["nowhere"]);
    refused(pack(&v1(), &folder), &["bundle"]);
}

#[test]
fn what_is_no_packed_bundle_is_told() {
    check(b"", &["b.tar.zst", "packed from it"]);
    check(b"some text, longer than the first bytes", &["b.tar.zst", "packed from it"]);
    check(&MAGIC, &["b.tar.zst", "breaks"]);
    check(&zstd(b""), &["nothing in it"]);
    check(&zstd(b"a,b\n1,2\n"), &["breaks"]);
    let (_root, path) = written(&zstd(b"a,b\n1,2\n"));
    assert!(!Bundle::is_at(&path));
    refused(Bundle::read(&path.with_file_name("gone.tar.zst")), &["gone.tar.zst"]);
}

#[test]
fn only_what_the_manifest_lists_is_let_out() {
    let with = |made: Made| [entries(), vec![made]].concat();
    for name in
        ["../evil", "/etc/evil", "a/../../evil", "evil", "./weights.safetensors", "Weights.safetensors", "c:\\e"]
    {
        check_entries(&with(plain(name, b"x")), &["not listed", &name.escape_debug().to_string()]);
    }
    check_entries(&with(plain("pipeline.json", b"{}")), &["pipeline.json", "twice"]);
    check_entries(&with(plain(MANIFEST, b"{}")), &[MANIFEST, "twice"]);
    check_entries(&with(plain("\u{1b}[2J", b"{}")), &["\\u{1b}[2J"]);
    let mut swapped = entries();
    swapped.swap(0, 1);
    check_entries(&swapped, &["first entry is `golden.json`"]);
    for missing in 1..4 {
        let mut entries = entries();
        let (_, name, _) = entries.remove(missing);
        check_entries(&entries, &[std::str::from_utf8(&name).unwrap(), "not there"]);
    }
    for changed in 1..4 {
        let mut entries = entries();
        let (_, name, bytes) = &mut entries[changed];
        *bytes.last_mut().unwrap() ^= 1;
        let name = String::from_utf8(name.clone()).unwrap();
        check_entries(&entries, &[&format!("b.tar.zst/{name}"), "SHA-256"]);
    }
}

#[test]
fn only_plain_files_are_let_out() {
    for (kind, words) in [
        (EntryType::Symlink, "symbolic link"),
        (EntryType::Link, "hard link"),
        (EntryType::Directory, "folder"),
        (EntryType::Fifo, "pipe"),
        (EntryType::Char, "device"),
        (EntryType::Block, "device"),
        (EntryType::GNUSparse, "sparse"),
        (EntryType::Continuous, "unknown kind"),
        (EntryType::new(b'Z'), "unknown kind"),
    ] {
        // In the place of one that is listed, and under a name of its own.
        let mut entries = entries();
        entries[2] = (kind, b"pipeline.json".to_vec(), Vec::new());
        check_entries(&entries, &["pipeline.json", words]);
        entries[2] = (kind, b"evil".to_vec(), Vec::new());
        check_entries(&entries, &["evil", words]);
    }
    // Extensions give the next entry another name, or another size.
    for (kind, bytes) in [
        (EntryType::XHeader, &b"18 path=../evil\n"[..]),
        (EntryType::XHeader, b"10 size=1\n"),
        (EntryType::XGlobalHeader, b"18 path=../evil\n"),
        (EntryType::GNULongName, b"../evil\0"),
        (EntryType::GNULongLink, b"../evil\0"),
    ] {
        for place in 0..4 {
            let mut entries = entries();
            entries.insert(place, (kind, b"extension".to_vec(), bytes.to_vec()));
            check_entries(&entries, &["`extension`", "renames or changes"]);
        }
    }
}

#[test]
fn names_in_a_manifest_lead_nowhere_else() {
    let text = fs::read_to_string(v1().join(MANIFEST)).unwrap();
    for name in ["../evil", "/evil", "a//b", ".hidden", "a/..", "nul\\u0000", "c:x", "a\\\\b", "signature.json", "x "] {
        let text = text.replace("\"golden.json\"", &format!("\"{name}\""));
        check_entries(&[plain(MANIFEST, text.as_bytes())], &["it lists"]);
    }
    for pair in ["\"a\": \"\", \"A\"", "\"a/b\": \"\", \"a\"", "\"a\": \"\", \"A/b\""] {
        let text = text.replace("\"golden.json\"", pair);
        check_entries(&[plain(MANIFEST, text.as_bytes())], &["it lists `a`"]);
    }
}

/// Writes that entry `place` of `archive`, whose header begins there, has `size` bytes.
fn lie(archive: &mut [u8], place: usize, size: u64) {
    let mut header = Header::new_ustar();
    header.as_mut_bytes().copy_from_slice(&archive[place..place + 512]);
    header.set_size(size);
    header.set_cksum();
    archive[place..place + 512].copy_from_slice(header.as_bytes());
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    assert_eq!((most_unpacked(1000), most_unpacked(10 << 30)), (ALWAYS_UNPACKED, 1000 << 30));
    let manifest = entries()[0].2.len().next_multiple_of(512);
    for (place, sizes, name) in [
        (0, [LARGEST_MANIFEST + 1, 1 << 40, u64::MAX], "manifest.json"),
        (512 + manifest, [ALWAYS_UNPACKED, 1 << 40, u64::MAX], "golden.json"),
    ] {
        for size in sizes {
            let mut archive = tar(&entries());
            lie(&mut archive, place, size);
            check(&zstd(&archive), &["b.tar.zst"]);
            if size < u64::MAX {
                check(&zstd(&archive), &[name, &size.to_string(), "at most"]);
            }
        }
        // It ends before that.
        let mut archive = tar(&entries());
        lie(&mut archive, place, 1 << 20);
        check(&zstd(&archive), &[name, "ends after"]);
    }
    let signature = [entries(), vec![plain(SIGNATURE, &[b' '; 5000])]].concat();
    check_entries(&signature, &[SIGNATURE, "at most"]);
    let padded = [tar(&entries()), vec![0; MOST_PADDING as usize + 1]].concat();
    check(&zstd(&padded), &["behind the end"]);
}

#[test]
fn an_archive_ends_where_it_ends() {
    let archive = tar(&entries());
    let whole = zstd(&archive);
    let (_root, path) = written(&whole);
    verify_files(&path).unwrap();
    // As tar fills up its records.
    fs::write(&path, zstd(&[&archive[..], &[0; 9000]].concat())).unwrap();
    verify_files(&path).unwrap();
    check(&zstd(&[&archive[..], b"more"].concat()), &["behind the end"]);
    check(&[&whole[..], b"x"].concat(), &["behind the end"]);
    check(&[&whole[..], &whole[..]].concat(), &["behind the end"]);
    for length in (0..whole.len()).step_by(61).chain([whole.len() - 1]) {
        check(&whole[..length], &["b.tar.zst"]);
    }
}

#[test]
fn mutated_archives_never_panic_and_write_nothing_outside() {
    let mut random = Random::derive(&[71]);
    let (archive, mut passed) = (tar(&entries()), 0);
    let packed = zstd(&archive);
    let root = tempfile::tempdir().unwrap();
    let (path, out) = (root.path().join("b.tar.zst"), root.path().join("out"));
    for round in 0..1500 {
        let mut below = |most: usize| (random.next_u64() % most.max(1) as u64) as usize;
        // Of the tar archive, most of all its headers, or of what is packed.
        let inside = round % 3 > 0;
        let mut bytes = if inside { archive.clone() } else { packed.clone() };
        for _ in 0..=below(3) {
            let place = match inside && below(2) == 0 {
                true => below(bytes.len() / 512) * 512 + below(512),
                false => below(bytes.len()),
            };
            let Some(byte) = bytes.get_mut(place) else { continue };
            *byte ^= 1 << below(8);
            match below(6) {
                0 => bytes.truncate(place),
                1 => {
                    let stretch = bytes[place..(place + 512).min(bytes.len())].to_vec();
                    let at = below(bytes.len());
                    bytes.splice(at..at, stretch);
                }
                _ => {}
            }
        }
        // Checksums of headers that hold would keep most changes from being seen.
        if inside {
            for block in bytes.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
                let size = u64::from_str_radix(String::from_utf8_lossy(&block[124..135]).trim(), 8);
                if let Ok(size) = size {
                    lie(block, 0, size);
                }
            }
        }
        fs::write(&path, if inside { zstd(&bytes) } else { bytes }).unwrap();
        let (read, unpacked) = (Bundle::read(&path), unpack(&path, &out));
        if read.is_ok() {
            unpacked.as_ref().unwrap();
        }
        let expected = if unpacked.is_ok() { &["b.tar.zst", "out"][..] } else { &["b.tar.zst"] };
        assert_eq!(names(root.path()), expected, "round {round}");
        if unpacked.is_ok() {
            passed += 1;
            assert_eq!(names(&out), names(&v1()), "round {round}");
            fs::remove_dir_all(&out).unwrap();
        }
    }
    // Some touch what means nothing, such as the owner; were it most, there would be little tested.
    assert!((1..1000).contains(&passed), "{passed}");
}
