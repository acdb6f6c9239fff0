//! Are the rows of Parquet files those that pyarrow wrote, and are files that lie refused?

use super::*;
use crate::example::{Image, Value};
use crate::split::Part;
use crate::tables::columnar::tests::{check, everything, fixtures, json, refuses, source};

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

/// The bytes of a file whose footer says of every row group that it has `rows` rows and, if asked, as many values.
fn lying(rows: i64, values: bool) -> Vec<u8> {
    use parquet::file::metadata::{ParquetMetaDataReader, ParquetMetaDataWriter};
    let path = fixtures().join("all-none-v1.parquet");
    let bytes = std::fs::read(&path).unwrap();
    let told = ParquetMetaDataReader::new().parse_and_finish(&std::fs::File::open(&path).unwrap()).unwrap();
    let groups = told.row_groups().iter().map(|group| {
        let mut columns = group.columns().to_vec();
        if values {
            let more = |chunk: parquet::file::metadata::ColumnChunkMetaData| {
                chunk.into_builder().set_num_values(rows).build().unwrap()
            };
            columns = columns.into_iter().map(more).collect();
        }
        group.clone().into_builder().set_num_rows(rows).set_column_metadata(columns).build().unwrap()
    });
    let groups = groups.collect();
    let footer = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
    let mut lying = bytes[..bytes.len() - 8 - footer].to_vec();
    let start = lying.len();
    let mut end = Vec::new();
    ParquetMetaDataWriter::new(&mut end, &told.into_builder().set_row_groups(groups).build()).finish().unwrap();
    lying.extend(end);
    assert!(lying.len() > start);
    lying
}

#[test]
fn a_footer_that_claims_rows_that_are_not_there_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (rows, values, words) in [
        (1 << 60, false, "has 10 values for 1152921504606846976 rows"),
        (1 << 60, true, "promises 1152921504606846976 values, and its pages hold 10"),
        (11, true, "promises 11 values, and its pages hold 10"),
        (-1, false, "fewer rows than none"),
    ] {
        std::fs::write(file.path(), lying(rows, values)).unwrap();
        let Err(error) = open_one(file.path(), &everything()) else { panic!("{words}: opened") };
        assert!(error.to_string().contains(words) && error.is_usage(), "{words}: {error}");
    }
    std::fs::write(file.path(), lying(10, true)).unwrap();
    // The last group has three rows; every other claim of ten is true.
    let error = open_one(file.path(), &everything()).err().unwrap();
    assert!(error.to_string().contains("row group 2 promises 10 values, and its pages hold 3"), "{error}");
}

/// Writes a table of `rows` numbers `x`, which `value` gives, in row groups of `group`.
fn table(path: &Path, rows: usize, group: usize, value: impl Fn(usize) -> i32) {
    use arrow_array::{ArrayRef, Int32Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;
    let column: ArrayRef = Arc::new((0..rows).map(value).collect::<Int32Array>());
    let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
    let how = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), Some(how)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_never_mixes_two_versions() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("a.parquet"), folder.path().join("b.parquet"));
    table(&path, 40, 10, |row| row as i32 + 1000);
    table(&other, 40, 10, |row| row as i32 + 9000);
    assert_eq!(path.metadata().unwrap().len(), other.metadata().unwrap().len());
    let schema: Schema = toml::from_str("[features]\nx = \"number\"").unwrap();
    let file = ParquetFile::read(&path, &schema).unwrap();
    let first = |block| match &file.decode(block, &[0])?.cells[0] {
        Cells::Int(array) => Ok(array.value(0)),
        other => panic!("{other:?}"),
    };
    assert_eq!(first(0).map_err(|failure: Failure| failure.of(&path)).unwrap(), 1000);
    std::fs::rename(&other, &path).unwrap();
    if cfg!(unix) {
        assert_eq!(first(1).unwrap(), 1010, "a file that is held is the one that was opened");
    }
    file.file.let_go();
    let error = first(2).unwrap_err().of(&path);
    assert!(error.to_string().contains("changed while it was in use"), "{error}");
    assert!(!error.is_bad_example(), "its rows could be skipped one by one");
}

#[test]
fn rows_without_end_in_a_few_bytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let schema: Schema = toml::from_str("[features]\nx = \"number\"").unwrap();
    table(&path, 1 << 17, 1 << 15, |_| 0);
    assert_eq!(open_one(&path, &schema).unwrap().len(), 1 << 17);
    table(&path, (1 << 17) + 1, 1 << 15, |_| 0);
    let size = path.metadata().unwrap().len();
    assert!(size < 10_000, "{size} bytes");
    let error = open_one(&path, &schema).err().unwrap();
    assert!(matches!(error, Error::TooLarge { size: 131_073, limit: 131_072, .. }), "{error}");
    assert!(error.to_string().contains("rows that its few bytes unpack to") && error.is_usage(), "{error}");
    // As many rows that are there are read.
    table(&path, (1 << 17) + 1, 1 << 15, |row| (row as i32).wrapping_mul(0x9e37_79b1_u32 as i32));
    assert_eq!(open_one(&path, &schema).unwrap().len(), (1 << 17) + 1);
}
