//! Are the lines of a JSONL file, and the objects sent to a server, read as they are meant?

use super::*;

fn schema() -> Schema {
    toml::from_str("target = { name = \"y\", kind = \"class\" }\n[features]\nx = \"number\"\nword = \"category\"\n")
        .unwrap()
}

fn open(bytes: &[u8], purpose: Purpose) -> Jsonl {
    open_with(bytes, &schema(), purpose)
}

fn open_with(bytes: &[u8], schema: &Schema, purpose: Purpose) -> Jsonl {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.jsonl");
    std::fs::write(&path, bytes).unwrap();
    let file = SourceFile {
        name: "t.jsonl".into(),
        path,
        sha256: String::new(),
        bytes: 0,
        role: crate::card::Role::default(),
        part: None,
    };
    let file = &[file];
    let held = Jsonl::open(file, schema, purpose).unwrap();
    // Whatever is tested here holds for a file that is read where it lies, too.
    let rows = Jsonl::open_within(0, file, schema, purpose).unwrap();
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    let said = |result: Result<Record, Error>| result.map_or_else(|e| e.to_string(), |record| format!("{record:?}"));
    let one: Vec<String> = all.iter().map(|&row| said(rows.read(row as usize))).collect();
    for rows in [&rows, &held] {
        let mut met = Vec::new();
        rows.visit(&all, &mut |record| {
            met.push(said(record.cloned()));
            ControlFlow::Continue(())
        });
        assert_eq!(met, one);
    }
    for (row, value) in rows.fields(&all, "x").into_iter().enumerate() {
        assert_eq!(value.ok(), rows.field(row, "x").ok());
    }
    for (row, key) in rows.keys(&all).into_iter().enumerate() {
        assert_eq!(key.ok(), rows.key(row).ok());
    }
    rows
}

fn object(text: &str) -> Map<String, Json> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn lines_become_records_and_empty_lines_do_not() {
    let rows = open(
        b"{\"x\": 1, \"word\": \"a\", \"y\": 3}\r\n\n{\"x\": null, \"word\": true, \"y\": \"b\"}",
        Purpose::Training,
    );
    assert_eq!(rows.len(), 2);
    assert_eq!(rows.read(0).unwrap().field("y"), Some(&Value::Text("3".into())));
    assert_eq!(rows.read(1).unwrap().id.key, "t.jsonl#1");
    assert_eq!(rows.field(1, "x").unwrap(), Value::Missing);
    assert_eq!(rows.field(1, "word").unwrap(), Value::Text("true".into()));
}

#[test]
fn bad_lines_name_row_and_line() {
    let deep = "[".repeat(100_000);
    let rows = open(
        format!("{{}}\n\n{{\"x\": 1\n[1]\n{deep}\n{{\"x\": [1], \"word\": 1, \"y\": 1}}").as_bytes(),
        Purpose::Training,
    );
    assert!(matches!(rows.read(0), Err(Error::ColumnMissing { .. })));
    for (row, line) in [(1, 3), (2, 4), (3, 5)] {
        let error = rows.read(row).unwrap_err();
        assert!(matches!(error, Error::Row { row: r, line: l, .. } if (r, l) == (row, line)), "{error}");
    }
    assert!(matches!(rows.read(4), Err(Error::Field { .. })));
    assert!(matches!(open(b"\xff\xfe", Purpose::Training).read(0), Err(Error::Row { .. })));
}

#[test]
fn a_request_may_lack_the_target_and_nothing_else() {
    let record = record_from_json(&object(r#"{"x": 2.5, "word": "a", "other": 1}"#), &schema(), "request").unwrap();
    assert_eq!((record.fields.len(), record.id.key.as_str()), (2, "request"));
    let error = record_from_json(&object(r#"{"word": "a"}"#), &schema(), "request").unwrap_err();
    assert_eq!(error.to_string(), "Example request has no column `x`; it has `word`.");
    for text in [r#"{"x": "NaN", "word": "a"}"#, r#"{"x": true, "word": "a"}"#, r#"{"x": {}, "word": "a"}"#] {
        assert!(record_from_json(&object(text), &schema(), "request").unwrap_err().is_usage(), "{text}");
    }
    let mut keyed = schema();
    keyed.key = Some("word".into());
    assert_eq!(record_from_json(&object(r#"{"x": 1, "word": "a"}"#), &keyed, "request").unwrap().id.key, "a");
}

#[test]
fn images_are_nested_lists() {
    let image = |text: &str| image_in(&serde_json::from_str(text).unwrap());
    assert_eq!(
        image("[[1,2],[3,4],[5,255]]").unwrap(),
        Image { channels: 1, height: 3, width: 2, pixels: vec![1, 2, 3, 4, 5, 255] }
    );
    assert_eq!(image("[[[1]],[[2]],[[3]]]").unwrap().channels, 3);
    for text in [
        "[]",
        "[[]]",
        "[[[]]]",
        "[1]",
        "[[1],[2,3]]",
        "[[256]]",
        "[[1.5]]",
        "[[-1]]",
        "[[[1]],[[2]]]",
        "[[[1]],[],[]]",
        "[[\"a\"]]",
    ] {
        assert_eq!(image(text), None, "{text}");
    }
}

#[test]
fn a_line_that_is_no_object_is_named_by_its_own_line_alone() {
    let error = open(b"\n{\"x\": 1\n", Purpose::Training).read(0).unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with("t.jsonl, row 0 (line 2): it is not a JSON object (EOF while parsing an object)."),
        "{text}"
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_object() {
    let rows = open(b"\xef\xbb\xbf{\"x\": 1, \"word\": \"a\", \"y\": 3}\n", Purpose::Training);
    assert_eq!((rows.len(), rows.field(0, "x").unwrap()), (1, Value::Number(1.0)));
}

#[test]
fn training_knows_every_key_and_prediction_does_not_care() {
    let line = b"{\"x\": 1, \"word\": \"a\", \"y\": 3, \"heigth\": 2}";
    let rows = open(line, Purpose::Training);
    for error in [rows.read(0).unwrap_err(), rows.field(0, "y").unwrap_err()] {
        assert!(error.to_string().contains("t.jsonl, row 0 (line 1) has the column `heigth`"), "{error}");
        assert!(error.hint().unwrap().contains("`ignore`") && !error.is_bad_example());
    }
    let mut ignoring = schema();
    ignoring.ignore.push("heigth".into());
    assert!(open_with(line, &ignoring, Purpose::Training).read(0).is_ok());
    assert!(open(line, Purpose::Prediction).read(0).is_ok());
}

#[test]
fn a_row_without_its_key_is_refused_in_training_and_named_by_its_place_else() {
    let mut keyed = schema();
    keyed.key = Some("id".into());
    let good = "{\"id\": \" Lee \", \"x\": 1, \"word\": \"a\", \"y\": 3}";
    for key in ["\"id\": \"\", ", "\"id\": \"  \", ", "\"id\": null, ", "\"id\": [1], ", ""] {
        let text = format!("{good}\n{}", good.replace("\"id\": \" Lee \", ", key));
        let rows = open_with(text.as_bytes(), &keyed, Purpose::Training);
        assert_eq!((rows.key(0).unwrap(), rows.read(0).unwrap().id.key), ("Lee".into(), "Lee".into()));
        for error in [rows.key(1).unwrap_err(), rows.read(1).unwrap_err()] {
            assert!(error.to_string().contains("row 1 (line 2)") && error.to_string().contains("key `id`"), "{error}");
            assert!(error.is_bad_example());
        }
        assert_eq!(open_with(text.as_bytes(), &keyed, Purpose::Prediction).read(1).unwrap().id.key, "t.jsonl#1");
    }
}

#[test]
fn lines_longer_than_a_piece_are_found() {
    let long = "b".repeat(PIECE + 10);
    let text =
        format!("\n{{\"x\": 1, \"word\": \"{long}\", \"y\": 3}}\n \n{{\"x\": 2, \"word\": \"a\", \"y\": 4}}\n[\n");
    let rows = open(text.as_bytes(), Purpose::Training);
    assert_eq!((rows.len(), rows.field(1, "x").unwrap()), (3, Value::Number(2.0)));
    assert_eq!(rows.field(0, "word").unwrap(), Value::Text(long));
    assert!(matches!(rows.read(2), Err(Error::Row { row: 2, line: 5, .. })));
}

#[test]
fn digits_that_no_double_holds_are_kept_or_refused_but_never_rounded() {
    let mut keyed = schema();
    keyed.key = Some("id".into());
    let line = |id: &str, word: &str, y: &str| format!("{{\"id\": {id}, \"x\": 1, \"word\": {word}, \"y\": {y}}}\n");
    let kept = ["9007199254740993", "18446744073709551615", "\"12345678901234567890123\""];
    let lost = ["18446744073709551616", "12345678901234567890123", "12345678901234567890124", "-9223372036854775809"];
    for good in kept {
        let rows = open_with(line(good, good, good).as_bytes(), &keyed, Purpose::Training);
        let text = good.trim_matches('"');
        assert_eq!(rows.key(0).unwrap(), text);
        for name in ["word", "y"] {
            assert_eq!(rows.field(0, name).unwrap(), Value::Text(text.into()));
        }
    }
    for bad in lost {
        for (text, name) in [(line("1", bad, "2"), "word"), (line("1", "\"a\"", bad), "y")] {
            let error = open_with(text.as_bytes(), &keyed, Purpose::Training).read(0).unwrap_err();
            assert!(error.to_string().contains(&format!("`{name}`")) && error.is_bad_example(), "{error}");
            assert!(error.to_string().contains("more than a double holds"), "{error}");
            assert!(error.hint().unwrap().contains("JSON string"));
        }
        let rows = open_with(line(bad, "\"a\"", "2").as_bytes(), &keyed, Purpose::Training);
        for error in [rows.key(0).unwrap_err(), rows.read(0).unwrap_err()] {
            assert!(error.to_string().contains("key `id`") && error.to_string().contains("as a string"), "{error}");
        }
        // A feature that is a number is a double however it is written.
        let number = line("1", "\"a\"", "2").replace("\"x\": 1", &format!("\"x\": {bad}"));
        assert!(open_with(number.as_bytes(), &keyed, Purpose::Training).read(0).is_ok());
    }
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let rows = open(b"{\"x\": 1, \"word\": \"a\", \"y\": 3, \"x\": 1000}\n", Purpose::Training);
    let error = rows.read(0).unwrap_err();
    assert!(error.to_string().contains("row 0 (line 1): the key `x` stands twice in it") && error.is_bad_example());
}
