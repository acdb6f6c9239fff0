//! Are the samples of shards those that Python's tarfile wrote, and broken ones refused by their names?

use std::path::Path;

use super::*;
use crate::tables::columnar::tests::{fixtures, json, source};

fn schema(text: &str) -> Schema {
    toml::from_str(text).unwrap()
}

fn pictures() -> Schema {
    schema(
        "target = { name = \"y\", kind = \"class\" }\nignore = [\"json\"]\n[features]\nimage = \"image\"\ncaption = \"text\"",
    )
}

fn open(path: &Path, schema: &Schema) -> Result<Tar, Error> {
    Tar::open(&[source(path)], &Config::default(), schema, Purpose::Training)
}

#[test]
fn samples_of_python_are_read_plain_and_packed() {
    let expected = json("shards/expected.json");
    let folder = open(&fixtures().join("shards"), &pictures()).unwrap();
    assert_eq!((folder.len(), folder.blocks()), (9, vec![0, 3, 6]));
    for row in (0..folder.len()).rev() {
        let record = folder.read(row).unwrap();
        let name = record.id.key.strip_prefix("shards/").unwrap().to_owned();
        let wanted = &expected[&name];
        let pixels: Vec<u8> = wanted["pixels"]
            .as_array()
            .unwrap_or_else(|| panic!("{name}"))
            .iter()
            .map(|p| p.as_u64().unwrap() as u8)
            .collect();
        let Some(Value::Image(image)) = record.field("image") else { panic!("{name}: no image") };
        assert_eq!((image.channels, image.height, image.width), (3, 3, 4));
        assert_eq!(image.planar(), pixels, "{name}");
        assert_eq!(record.field("y"), Some(&Value::Text(wanted["cls"].as_str().unwrap().into())), "{name}");
        assert_eq!(record.field("caption"), Some(&Value::Text(wanted["txt"].as_str().unwrap().into())), "{name}");
        assert_eq!(folder.field(row, "caption").unwrap(), *record.field("caption").unwrap());
        let part = if name.starts_with("train") { Part::Train } else { Part::Test };
        assert_eq!(folder.part(row), Some(part), "{name}");
    }
}

#[test]
fn other_columns_are_keys_of_the_json() {
    let columns = schema(
        "key = \"id\"\ntarget = { name = \"y\", kind = \"class\" }\nignore = [\"jpg\", \"png\", \"txt\"]\n[features]\nsize = \"number\"",
    );
    let tar = open(&fixtures().join("shards/train-000.tar"), &columns).unwrap();
    let record = tar.read(1).unwrap();
    assert_eq!((record.id.key.as_str(), record.field("size")), ("id-1", Some(&Value::Number(1.5))));
    assert_eq!(tar.key(2).unwrap(), "id-2");
    assert!(matches!(tar.field(0, "nowhere"), Err(Error::ColumnMissing { .. })));
    let unknown = schema("target = { name = \"y\", kind = \"class\" }\n[features]\nsize = \"number\"");
    let error = open(&fixtures().join("shards/train-000.tar"), &unknown).unwrap().read(0).unwrap_err();
    assert!(error.to_string().contains("the column `id`, which its card does not mention"), "{error}");
    let lacking = schema("ignore = [\"id\", \"y\"]\n[features]\nsize = \"number\"\nheight = \"number\"");
    let error = open(&fixtures().join("shards/train-000.tar"), &lacking).unwrap().read(0).unwrap_err();
    assert!(error.to_string().contains("`height` is not there") && error.is_bad_example(), "{error}");
}

/// An archive of empty members with these names.
fn named(names: &[&str]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut builder = ::tar::Builder::new(std::fs::File::create(file.path()).unwrap());
    for name in names {
        let mut header = ::tar::Header::new_ustar();
        header.set_size(1);
        builder.append_data(&mut header, name, &b"7"[..]).unwrap();
    }
    builder.finish().unwrap();
    file
}

#[test]
fn samples_that_cannot_be_meant_are_refused() {
    for (names, words) in [
        (&["a.jpg", "a.npy"][..], "`a.npy` ends in `npy`: cls, jpg"),
        (&["a.jpg", "b.jpg", "a.cls"], "of the sample `a` do not follow each other"),
        (&["a.jpg", "a.png"], "two members of that kind"),
        (&["README"], "`README` has no ending"),
    ] {
        let error = open(named(names).path(), &pictures()).err().unwrap();
        assert!(error.to_string().contains(words) && error.is_usage(), "{error}");
    }
    let tar =
        open(named(&["x/a.cls", "x/a.txt", "x/._a.txt", "__index__.json", "y/a.txt"]).path(), &pictures()).unwrap();
    assert_eq!(tar.len(), 2);
    let error = tar.read(0).unwrap_err();
    assert!(
        error.to_string().contains("x/a: the image `image` is not there: the sample has the members `cls`, `txt`"),
        "{error}"
    );
    assert_eq!((tar.field(0, "y").unwrap(), tar.field(1, "y").unwrap()), (Value::Text("7".into()), Value::Missing));
}

#[test]
fn shards_without_labels_say_so() {
    let shard = named(&["a.txt", "b.txt"]);
    let schema = schema("target = { name = \"y\", kind = \"class\" }\n[features]\ncaption = \"text\"");
    let tar = open(shard.path(), &schema).unwrap();
    for skip in [false, true] {
        let error = crate::targets::Targets::read(&tar, &schema, skip, true).err().unwrap();
        assert!(
            matches!(&error, Error::TargetMissing { id, column } if id.ends_with("/a") && column == "y"),
            "{error}"
        );
    }
}
