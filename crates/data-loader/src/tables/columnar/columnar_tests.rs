//! Are the rows of tables those that pyarrow wrote, column by column, whatever the type and the order of reading?

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::*;
use crate::card::Role;

/// What `tests/peers/formats_pyarrow.py` wrote.
pub(crate) fn fixtures() -> PathBuf {
    let committed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/formats");
    std::env::var_os("FIREBOX_FORMATS").map_or_else(committed, PathBuf::from)
}

pub(crate) fn json(path: &str) -> Json {
    serde_json::from_slice(&std::fs::read(fixtures().join(path)).unwrap()).unwrap()
}

pub(crate) fn source(path: &Path) -> SourceFile {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    SourceFile { name, path: path.into(), sha256: String::new(), bytes: 0, role: Role::Records, part: None }
}

/// The schema of the fixtures with every column.
pub(crate) fn everything() -> Schema {
    let kinds = json("expected.json")["kinds"].clone();
    // A schema may have one text; the other columns of texts are categories.
    let features: Vec<String> =
        kinds.as_object().unwrap().iter().map(|(name, kind)| format!("{name} = {kind}")).collect();
    let head = "target = { name = \"y\", kind = \"class\" }\nignore = [\"list\"]\n[features]\n";
    toml::from_str(&format!("{head}{}", features.join("\n"))).unwrap()
}

/// Every cell of `records` is what Python says it is.
pub(crate) fn check(records: &dyn Records, what: &str) {
    let expected = json("expected.json");
    let rows = expected["rows"].as_u64().unwrap() as usize;
    assert_eq!(records.len(), rows, "{what}");
    for row in (0..rows).rev() {
        let record = records.read(row).unwrap();
        assert_eq!(record.field("y"), Some(&Value::Text(expected["y"][row].as_str().unwrap().into())), "{what}, {row}");
        for (name, values) in expected["values"].as_object().unwrap() {
            let wanted = match &values[row] {
                Json::Null => Value::Missing,
                Json::Number(number) => Value::Number(number.as_f64().unwrap()),
                text => Value::Text(text.as_str().unwrap().into()),
            };
            assert_eq!(record.field(name), Some(&wanted), "{what}, row {row}, {name}");
            assert_eq!(records.field(row, name).unwrap(), wanted, "{what}, row {row}, {name}");
        }
    }
    let error = records.field(0, "list").unwrap_err();
    assert!(error.to_string().contains("a list of Float64, which is no single value"), "{error}");
}

/// What opens a file for a schema.
type Open = dyn Fn(&Schema) -> Result<Box<dyn Records>, Error>;

/// The columns of a schema that do not suit are refused when a file is opened, with the column and what to do.
pub(crate) fn refuses(open: &Open) {
    for (features, words) in [
        ("list = \"number\"", "the column `list` is a list of Float64, which is no single value"),
        ("micro = \"number\"", "which is no number"),
        ("i8 = \"text\"", "the column `i8` is a Int8, which is no text"),
        ("string = \"image\"", "and an image is the bytes of a PNG or JPEG file"),
        ("nowhere = \"number\"", "has no column `nowhere`"),
        ("i8 = \"number\"", "which its card does not mention"),
    ] {
        let mut schema: Schema = toml::from_str(&format!("[features]\n{features}")).unwrap();
        let rest = everything();
        let rest = rest.known().into_iter().filter(|name| schema.features.get(name).is_none()).map(str::to_owned);
        if !words.contains("card") {
            schema.ignore = rest.collect();
        }
        let Err(error) = open(&schema) else { panic!("{features}: opened") };
        assert!(error.to_string().contains(words) && error.is_usage() && error.hint().is_some(), "{features}: {error}");
    }
}

#[test]
fn blocks_are_cut_by_rows_and_by_bytes() {
    assert_eq!(cut(0..10, 1000, 300).collect::<Vec<_>>(), [0, 4, 8]);
    assert_eq!(cut(0..10, 1000, 700).collect::<Vec<_>>(), [0]);
    assert_eq!(cut(0..3, u64::MAX, 1).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(cut(0..BLOCK_ROWS + 1, 1, 1 << 20).collect::<Vec<_>>(), [0]);
    assert_eq!(cut(0..BLOCK_ROWS * 2, 1, 1 << 20).collect::<Vec<_>>(), [0, BLOCK_ROWS]);
    assert_eq!(cut(0..0, 0, 1).count(), 0);
}

#[test]
fn a_decoder_that_panics_is_an_error() {
    let error = guarded::<()>(|| panic!("at byte {}", 7)).unwrap_err().of(Path::new("f")).to_string();
    assert!(error.contains("its bytes broke the decoder (at byte 7)"), "{error}");
}

#[test]
fn not_a_number_is_an_error_unless_it_stands_for_a_missing_one() {
    let cells = Cells::Double(vec![Some(1.5), Some(f64::NAN), Some(1e300), Some(-9.0), None].into());
    let value = |row: usize, schema: &str| {
        let schema: Schema = toml::from_str(schema).unwrap();
        let meaning = Meaning::new(Use::of("x", &schema), None, &schema);
        cells.value(row, "x", &meaning, &schema, &Config::default(), &|| "the row".into())
    };
    let plain = "[features]\nx = \"number\"";
    assert_eq!(value(0, plain).unwrap(), Value::Number(1.5));
    assert!(matches!(value(1, plain), Err(Error::NotFinite { id, .. }) if id == "the row"));
    assert!(matches!(value(2, plain), Err(Error::Field { .. })));
    assert_eq!(value(4, plain).unwrap(), Value::Missing);
    let markers = "missing = [\"NaN\", \"-9\"]\n[features]\nx = \"number\"";
    assert_eq!((value(1, markers).unwrap(), value(3, markers).unwrap()), (Value::Missing, Value::Missing));
    assert_eq!(value(3, "[features]\nx = \"category\"").unwrap(), Value::Text("-9.0".into()));
}

#[test]
fn a_marker_stands_for_the_number_that_it_becomes_in_its_column() {
    use arrow_array::{ArrayRef, Float16Array, Float32Array, Float64Array, Int64Array, UInt8Array};
    let half = |number: f64| <Float16Array as FromIterator<Option<_>>>::from_iter([Some(from_f64(number)), None]);
    let columns = |number: f64| -> Vec<ArrayRef> {
        vec![
            std::sync::Arc::new(half(number)),
            std::sync::Arc::new(Float32Array::from(vec![number as f32])),
            std::sync::Arc::new(Float64Array::from(vec![number])),
        ]
    };
    let read = |array: &ArrayRef, missing: &str| {
        let schema: Schema = toml::from_str(&format!("missing = [{missing}]\n[features]\nx = \"number\"")).unwrap();
        let meaning = Meaning::new(Use::of("x", &schema), None, &schema);
        let cells = Cells::new(array).unwrap();
        cells.value(0, "x", &meaning, &schema, &Config::default(), &|| "the row".into()).unwrap()
    };
    for (number, marker) in [(-999.9, "-999.9"), (0.1, "0.10"), (-9.0, "-9"), (-9.0, "-9e0"), (99.0, "99.0")] {
        for column in columns(number) {
            let found = read(&column, &format!("\"\", \"{marker}\""));
            assert_eq!(found, Value::Missing, "{marker} in a column of {}", column.data_type());
        }
        // Its neighbours are measurements.
        for column in columns(number * 1.002) {
            let found = read(&column, &format!("\"{marker}\""));
            assert!(matches!(found, Value::Number(_)), "{marker} in a column of {}", column.data_type());
        }
    }
    // In 64 bits a number that was written in 32 is another.
    let wide: ArrayRef = std::sync::Arc::new(Float64Array::from(vec![f64::from(-999.9_f32)]));
    assert!(matches!(read(&wide, "\"-999.9\""), Value::Number(_)));
    let whole: [ArrayRef; 2] =
        [std::sync::Arc::new(Int64Array::from(vec![9])), std::sync::Arc::new(UInt8Array::from(vec![9]))];
    for column in &whole {
        for marker in ["9", "9.0", "9e0", "+9"] {
            assert_eq!(read(column, &format!("\"{marker}\"")), Value::Missing, "{marker}");
        }
        assert_eq!(read(column, "\"9.5\""), Value::Number(9.0));
    }
}

/// The nearest number in 16 bits.
fn from_f64(number: f64) -> <arrow_array::types::Float16Type as arrow_array::types::ArrowPrimitiveType>::Native {
    <arrow_array::types::Float16Type as arrow_array::types::ArrowPrimitiveType>::Native::from_f64(number)
}
