//! Do texts become what a schema says, and are names of files told apart?

use super::*;

fn schema() -> Schema {
    toml::from_str("[features]\nx = \"number\"\nword = \"category\"\ntext = \"text\"").unwrap()
}

fn value(text: &str, name: &str) -> Result<Value, Error> {
    value_of(text, name, Use::of(name, &schema()), &schema(), &|| "row".into())
}

#[test]
fn texts_become_what_the_schema_says() {
    assert_eq!(value(" 1.5 ", "x").unwrap(), Value::Number(1.5));
    assert_eq!(value("NA", "x").unwrap(), Value::Missing);
    assert_eq!(value(" red ", "word").unwrap(), Value::Text("red".into()));
    assert_eq!(value(" NA", "text").unwrap(), Value::Text(" NA".into()));
    assert_eq!(value("", "text").unwrap(), Value::Missing);
}

#[test]
fn numbers_that_are_none_name_example_and_column() {
    for text in ["NaN", "nan", "inf", "-Infinity", "1e999"] {
        let error = value(text, "x").unwrap_err();
        assert!(matches!(&error, Error::NotFinite { id, column, .. } if id == "row" && column == "x"), "{error}");
        assert!(error.hint().unwrap().contains("`missing`") && error.is_usage());
    }
    for text in ["1,5", "abc", "0x10", "１"] {
        let error = value(text, "x").unwrap_err();
        assert!(matches!(error, Error::Field { .. }), "{error}");
    }
}

#[test]
fn numbers_beyond_32_bits_are_refused_as_they_are_written() {
    for text in ["1e300", "-4e38", "3.5e38"] {
        let error = value(text, "x").unwrap_err();
        assert!(error.to_string().contains(&format!("row: the number `x` is \"{text}\"")), "{error}");
        assert!(error.hint().unwrap().contains("`missing`") && error.is_bad_example());
    }
    assert_eq!(value("-3.4028234663852886e38", "x").unwrap(), Value::Number(-f64::from(f32::MAX)));
    let json = |text: &str| record_from_json(&serde_json::from_str(text).unwrap(), &schema(), "request");
    let error = json(r#"{"x": 1e300, "word": "a", "text": "b"}"#).unwrap_err();
    assert!(error.to_string().contains("request: the number `x` is \"1e+300\""), "{error}");
}

#[test]
fn a_model_of_tables_says_which_files_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["photo.png", "t10k-images-idx3-ubyte", "images.idx.gz"].map(|name| folder.path().join(name)) {
        std::fs::write(&path, b"x").unwrap();
        let Err(error) = open_for_prediction(&path, &schema()) else { panic!("{} was opened", path.display()) };
        assert!(error.to_string().contains("reads the columns `x`, `word`, `text`"), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.contains(".csv") && hint.contains(".jsonl") && !hint.contains("card"), "{hint}");
    }
    assert!(open_for_prediction(folder.path(), &schema()).is_err());
}

#[test]
fn a_name_without_a_known_ending_is_explained() {
    let file = tempfile::Builder::new().suffix(".xlsx").tempfile().unwrap();
    let Err(error) = open_for_prediction(file.path(), &schema()) else { panic!("a spreadsheet was opened") };
    assert!(error.hint().unwrap().contains(".csv"));
    let Err(error) = open_for_prediction(Path::new("/nowhere.csv"), &schema()) else { panic!("nothing was opened") };
    assert!(matches!(error, Error::NotFound { .. }));
}

#[test]
fn a_marker_that_is_a_number_stands_for_every_way_to_write_it() {
    let schema: Schema = toml::from_str(
        "missing = [\"NA\", \"-9\", \"1e3\", \"nan\"]\ntarget = { name = \"y\", kind = \"class\" }\n[features]\nx = \"number\"\nword = \"category\"",
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        crate::tables::columnar::tests::source(&path)
    };
    let numbers = ["-9", "-9.0", " -9e0 ", "1000", "1000.000", "NA", "nan", "NaN"];
    let rows: Vec<String> = numbers.iter().map(|number| format!("{number},-9.0,a\n")).collect();
    let table = file("a.csv", &format!("x,word,y\n{}-9.5,-9,b\n", rows.concat()));
    let csv = csv::Csv::open(&[table], &csv::Config::default(), &schema, Purpose::Training).unwrap();
    for (row, number) in numbers.iter().enumerate() {
        assert_eq!(csv.field(row, "x").unwrap(), Value::Missing, "{number}");
        assert_eq!(csv.field(row, "word").unwrap(), Value::Text("-9.0".into()), "a category is a text");
    }
    let last = numbers.len();
    assert_eq!(
        (csv.field(last, "x").unwrap(), csv.field(last, "word").unwrap()),
        (Value::Number(-9.5), Value::Missing)
    );
    let mut bulk = Vec::new();
    let all: Vec<u32> = (0..csv.len() as u32).collect();
    assert!(csv.numbers(&all, &["x"], &mut bulk));
    assert!(bulk[..last].iter().all(|number| number.is_nan()) && bulk[last] == -9.5);

    let numbers = ["-9", "-9.0", "\"-9\"", "-90e-1", "1000", "\"1000.0\""];
    let rows: Vec<String> =
        numbers.iter().map(|number| format!("{{\"x\": {number}, \"word\": \"a\", \"y\": \"a\"}}\n")).collect();
    let lines = jsonl::Jsonl::open(&[file("a.jsonl", &rows.concat())], &schema, Purpose::Training).unwrap();
    for (row, number) in numbers.iter().enumerate() {
        assert_eq!(lines.field(row, "x").unwrap(), Value::Missing, "{number}");
    }
}
