//! Are members found where they lie, and archives that lie or climb out refused by the name of the member?

use super::*;

/// A block of header. `size` is written as it is given, in octal.
fn header(name: &str, kind: EntryType, size: u64) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn member(name: &str, kind: EntryType, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, kind, content.len() as u64);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn list(bytes: Vec<u8>) -> Result<Vec<(String, Vec<u8>)>, String> {
    let content = Content::Memory(bytes);
    let mut found = Vec::new();
    members(&content, |member| {
        found.push((member.name, content.exact(member.place, member.size).unwrap().unwrap()));
        Ok(())
    })?;
    Ok(found)
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = members.concat();
    bytes.extend([0; 1024]);
    bytes
}

#[test]
fn members_are_found_under_short_and_long_names() {
    let file = EntryType::Regular;
    let long = "d/".repeat(100) + "x.txt";
    let pax = format!("{} path={long}\n", long.len() + 10);
    assert_eq!(pax.len(), long.len() + 10);
    let bytes = archive(&[
        member("a/", EntryType::Directory, b""),
        member("./a/b.txt", file, b"hello"),
        member("pax", EntryType::XHeader, pax.as_bytes()),
        member("cut", file, b"1"),
        member("././@LongLink", EntryType::GNULongName, format!("{long}\0").as_bytes()),
        member("cut", file, &[7; 600]),
        member("global", EntryType::XGlobalHeader, b"anything"),
        member("c", file, b""),
    ]);
    let found = list(bytes).unwrap();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a/b.txt", &long, &long, "c"]);
    assert_eq!((&found[0].1[..], &found[1].1[..], found[2].1.len()), (&b"hello"[..], &b"1"[..], 600));
    assert!(list(vec![0; 1024]).unwrap().is_empty());
}

#[test]
fn members_that_climb_out_or_are_no_files_are_refused_by_name() {
    let file = EntryType::Regular;
    for (bytes, words) in [
        (member("../x.txt", file, b""), "\"../x.txt\" would lie outside"),
        (member("a/../../x", file, b""), "would lie outside"),
        (member("/etc/passwd", file, b""), "\"/etc/passwd\" would lie outside"),
        (member("a\\..\\b", file, b""), "would lie outside"),
        (member("l.txt", EntryType::Symlink, b""), "\"l.txt\" is a link"),
        (member("l.txt", EntryType::Link, b""), "\"l.txt\" is a link"),
        (member("d", EntryType::Char, b""), "no file but of the kind '3'"),
        (member("d", EntryType::Fifo, b""), "no file but of the kind '6'"),
        (member("s", EntryType::GNUSparse, b""), "no file but of the kind 'S'"),
        (member("p", EntryType::XHeader, b"14 path=../xx\n"), "breaks off"),
        (member("p", EntryType::XHeader, b"99 path=x\n"), "pax"),
        (member("p", EntryType::XHeader, b"10 size=9\n"), "above 8 GiB"),
        (header("big", file, 1 << 60), "\"big\" claims 1152921504606846976 bytes"),
        (header("long", EntryType::GNULongName, 1 << 33), "\"long\" claims 8589934592 bytes, and 1048576"),
        (header("cut", file, 100_000), "\"cut\" claims 100000 bytes and the archive breaks off"),
        (vec![1; 512], "checksum"),
        (b"<html>".repeat(200), "checksum"),
    ] {
        let bytes = if words == "breaks off" { bytes } else { archive(&[bytes]) };
        let error = list(bytes).unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
    let climbing = [member("p", EntryType::XHeader, b"14 path=../xx\n"), member("x", file, b"")];
    assert!(list(archive(&climbing)).unwrap_err().contains("\"../xx\" would lie outside"));
}

#[test]
fn an_archive_that_is_cut_or_joined_is_refused() {
    let bytes = archive(&[member("a", EntryType::Regular, b"1"), member("b", EntryType::Regular, b"2")]);
    for cut in [0, 100, 512, 600, 1024, 1100, 2048] {
        assert!(list(bytes[..cut].to_vec()).unwrap_err().contains("breaks off"), "{cut}");
    }
    assert_eq!(list(bytes[..2560].to_vec()).unwrap().len(), 2);
    assert!(list([&bytes[..], &bytes[..]].concat()).unwrap_err().contains("joined"));
}

#[test]
fn whatever_follows_the_end_mark_is_found_however_far_behind() {
    let whole = archive(&[member("a", EntryType::Regular, b"1"), member("b", EntryType::Regular, b"2")]);
    // Programs fill archives up to a multiple of 10,240 bytes, or of more; then the next one begins.
    for padding in [10_240, 64 << 10, PIECE, PIECE + 10_240] {
        let mut bytes = whole.clone();
        bytes.resize(2 * 1024 + padding, 0);
        assert_eq!(list(bytes.clone()).unwrap().len(), 2, "{padding}");
        bytes.extend(&whole);
        assert!(list(bytes).unwrap_err().contains("joined"), "{padding}");
    }
    // The members fill their blocks, so that the next archive begins exactly 20 blocks behind the mark.
    for blocks in [19, 39] {
        let mut bytes = archive(&[member("a", EntryType::Regular, &vec![1; blocks * 512])]);
        bytes.resize(((blocks + 1) * 512).next_multiple_of(10_240) + 10_240, 0);
        bytes.extend(&whole);
        assert!(list(bytes).unwrap_err().contains("joined"), "{blocks}");
    }
}
