//! Are the rows of Arrow files those that pyarrow wrote, and are files that lie refused?

use super::*;
use crate::tables::columnar::tests::{check, everything, fixtures, refuses, source};

fn open_one(path: &Path, schema: &Schema) -> Result<Box<dyn Records>, Error> {
    open(&[source(path)], &Config::default(), schema, Purpose::Training)
}

#[test]
fn files_and_streams_of_every_type_and_compression_are_read() {
    for codec in ["none", "lz4", "zstd"] {
        for ending in ["feather", "arrow"] {
            let name = format!("all-{codec}.{ending}");
            let records = open_one(&fixtures().join(&name), &everything()).unwrap();
            check(records.as_ref(), &name);
            assert_eq!(records.blocks(), [0, 10, 20], "{name}");
        }
    }
}

#[test]
fn columns_that_do_not_suit_are_refused() {
    refuses(&|schema| open_one(&fixtures().join("all-none.arrow"), schema));
}

#[test]
fn files_that_are_cut_or_lie_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        open_one(&path, &everything())
    };
    let file = std::fs::read(fixtures().join("all-zstd.feather")).unwrap();
    for cut in [0, 3, 8, 12, 200, file.len() / 4] {
        let Err(error) = open(&file[..cut]) else { panic!("{cut}: opened") };
        assert!(matches!(error, Error::Malformed { .. }) && error.is_usage(), "{cut}: {error}");
    }
    let stream = std::fs::read(fixtures().join("all-zstd.arrow")).unwrap();
    for (place, claim, words) in [(4, u32::MAX, "claims a header of 4294967295 bytes"), (4, 1 << 24, "breaks off")] {
        let mut lying = stream.clone();
        lying[place..place + 4].copy_from_slice(&u32::to_le_bytes(claim));
        let Err(error) = open(&lying) else { panic!("{words}: opened") };
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(open(b"FEA1....").err().unwrap().to_string().contains("first version"));
}

#[test]
fn a_buffer_that_claims_to_unpack_to_more_than_there_may_be_is_refused() {
    let stream = std::fs::read(fixtures().join("all-zstd.arrow")).unwrap();
    let records = {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &stream).unwrap();
        ArrowFile::open(file.path(), &mut Room::of(0)).unwrap()
    };
    // The first packed buffer of the first batch: its length stands in the first eight bytes of the body.
    let (batch, _) = &records.batches[0];
    let start = batch.start as usize;
    let header = u32::from_le_bytes(stream[start + 4..start + 8].try_into().unwrap()) as usize;
    let body = start + 8 + header;
    let mut lying = stream;
    lying[body..body + 8].copy_from_slice(&(1_i64 << 60).to_le_bytes());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &lying).unwrap();
    let Err(error) = ArrowFile::open(file.path(), &mut Room::of(0)) else { panic!("opened") };
    assert!(error.to_string().contains("claims to unpack to 1152921504606846976 bytes"), "{error}");
}

#[test]
fn the_layout_before_0_15_is_named() {
    // A message had no mark before its length then.
    let stream = std::fs::read(fixtures().join("all-none.arrow")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    for legacy in [stream[4..].to_vec(), [b"ARROW1\0\0", &stream[4..]].concat()] {
        std::fs::write(file.path(), &legacy).unwrap();
        let error = open_one(file.path(), &everything()).err().unwrap();
        assert!(error.to_string().contains("written by Arrow before 0.15") && error.is_usage(), "{error}");
    }
    std::fs::write(file.path(), b"\x08\0\0\0 no message of any kind").unwrap();
    let error = open_one(file.path(), &everything()).err().unwrap();
    assert!(error.to_string().contains("neither as an Arrow file nor"), "{error}");
}
