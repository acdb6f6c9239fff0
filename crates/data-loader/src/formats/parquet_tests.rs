//! Are the rows of Parquet files those that pyarrow wrote, and are files that lie refused?

use super::*;
use crate::columnar::tests::{check, everything, fixtures, json, refuses, source};
use crate::example::{Image, Value};
use crate::split::Part;

fn open_one(path: &Path, schema: &Schema) -> Result<Box<dyn Records>, Error> {
    open(&[source(path)], &Config::default(), schema, Purpose::Training)
}

#[test]
fn every_type_and_compression_of_pyarrow_is_read() {
    let mut read = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("all-") && name.ends_with(".parquet") {
            check(open_one(&path, &everything()).unwrap().as_ref(), &name);
            read += 1;
        }
    }
    assert_eq!(read, 9);
}

#[test]
fn row_groups_are_blocks_and_several_files_one_table() {
    let files = ["all-snappy-v1.parquet", "all-zstd-v2.parquet"].map(|name| source(&fixtures().join(name)));
    let records = open(&files, &Config::default(), &everything(), Purpose::Training).unwrap();
    assert_eq!((records.len(), records.blocks()), (46, vec![0, 10, 20, 23, 33, 43]));
    assert_eq!(records.key(24).unwrap(), "all-zstd-v2.parquet#1");
    assert_eq!(records.read(25).unwrap().fields, records.read(2).unwrap().fields);
    let empty = open_one(&fixtures().join("empty.parquet"), &everything()).unwrap();
    assert!(empty.is_empty() && empty.blocks() == [0]);
}

#[test]
fn columns_that_do_not_suit_are_refused() {
    refuses(&|schema| open_one(&fixtures().join("all-none-v1.parquet"), schema));
}

#[test]
fn a_folder_of_hugging_face_has_parts_images_and_class_names() {
    let schema: Schema =
        toml::from_str("target = { name = \"label\", kind = \"class\" }\n[features]\nimage = \"image\"").unwrap();
    let folder = fixtures().join("hugging_face");
    let records = open_one(&folder, &schema).unwrap();
    let expected = json("hugging_face/expected.json");
    assert_eq!(records.len(), 12);
    for row in 0..records.len() {
        let record = records.read(row).unwrap();
        let key = record.id.key.clone();
        let (file, place) = key.strip_prefix("hugging_face/").unwrap().split_once('#').unwrap();
        let found = expected
            .as_object()
            .unwrap()
            .values()
            .find(|picture| picture["file"] == file && picture["row"].as_u64() == place.parse().ok());
        let wanted = found.unwrap_or_else(|| panic!("{key}"));
        let pixels: Vec<u8> =
            wanted["pixels"].as_array().unwrap().iter().map(|pixel| pixel.as_u64().unwrap() as u8).collect();
        let image = Image::from_planar(3, 3, 4, &pixels);
        assert_eq!(record.field("image"), Some(&Value::Image(image)), "{key}");
        assert_eq!(record.field("label"), Some(&Value::Text(wanted["label"].as_str().unwrap().into())), "{key}");
        let part = Part::ALL.iter().find(|part| part.to_string() == wanted["part"].as_str().unwrap());
        assert_eq!(records.part(row).as_ref(), part, "{key}");
    }
    let small = Config { channels: 1, size: Some([2, 2]) };
    let records = open(&[source(&folder)], &small, &schema, Purpose::Training).unwrap();
    let Value::Image(image) = records.field(3, "image").unwrap() else { panic!("no image") };
    assert_eq!((image.channels, image.height, image.width), (1, 2, 2));
    assert!(open(&[source(&folder)], &Config { channels: 2, ..small }, &schema, Purpose::Training).is_err());
}

#[test]
fn files_that_are_cut_or_lie_are_refused() {
    let bytes = std::fs::read(fixtures().join("all-none-v1.parquet")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.parquet");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        open_one(&path, &everything())
    };
    for cut in [0, 3, 4, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        let Err(error) = open(&bytes[..cut]) else { panic!("{cut}: opened") };
        assert!(matches!(error, Error::Malformed { .. }) && error.is_usage(), "{cut}: {error}");
    }
    // The length of the footer, which stands before the last four bytes.
    let mut long = bytes.clone();
    let place = long.len() - 8;
    long[place..place + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(open(&long).is_err());
    assert!(matches!(open_one(Path::new("/nowhere.parquet"), &everything()), Err(Error::NotFound { .. })));
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let Err(error) = open_one(&folder.path().join("empty"), &everything()) else { panic!("opened") };
    assert!(error.to_string().contains("no file that ends in .parquet"), "{error}");
}
