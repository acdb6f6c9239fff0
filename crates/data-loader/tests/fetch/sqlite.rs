//! Do the rows of a database become a file that is read as they were?

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use data_loader::{DataConfig, Dataset, Error, Value};
use rusqlite::Connection;

use crate::Place;

/// A database in the folder of a card whose file `a.csv` holds the rows of `query`.
fn place(sql: &str, query: &str, format: &str, schema: &str) -> Place {
    let place = Place::new("");
    Connection::open(place.path("data.db")).unwrap().execute_batch(sql).unwrap();
    let text = format!(
        "name = \"a\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.{format}]\n\
         [[files]]\npath = \"a.{format}\"\n[files.from.sqlite]\ndatabase = \"data.db\"\nquery = \"\"\"{query}\"\"\"\n\
         [schema]\n{schema}"
    );
    std::fs::write(place.path("card.toml"), text).unwrap();
    place
}

const SQL: &str = "CREATE TABLE t (id INTEGER, x REAL, n INTEGER, word TEXT, y TEXT);
    INSERT INTO t VALUES (2, 0.1, 9007199254740993, 'say \"hi\", you', 'b'), (1, -1e-300, NULL, 'two\nlines', 'a'),
    (3, NULL, -9223372036854775808, NULL, 'a'), (4, 3.0, 0, ' é ', 'b');";
const SCHEMA: &str = "target = { name = \"y\", kind = \"class\" }\nkey = \"id\"\n[schema.features]\nx = \"number\"\nn = \"number\"\nword = \"text\"\n";
const QUERY: &str = "SELECT id, x, n, word, y FROM t ORDER BY id";

#[test]
fn rows_become_a_table_with_every_digit() {
    let csv = place(SQL, QUERY, "csv", SCHEMA);
    csv.fetch().unwrap();
    let text = String::from_utf8(csv.read("a.csv")).unwrap();
    assert_eq!(
        text,
        "id,x,n,word,y\n1,-1e-300,,\"two\nlines\",a\n2,0.1,9007199254740993,\"say \"\"hi\"\", you\",b\n\
         3,,-9223372036854775808,,a\n4,3.0,0, é ,b\n"
    );
    let jsonl = place(SQL, QUERY, "jsonl", SCHEMA);
    jsonl.fetch().unwrap();
    let text = String::from_utf8(jsonl.read("a.jsonl")).unwrap();
    assert_eq!(
        text.lines().nth(1).unwrap(),
        r#"{"id":2,"x":0.1,"n":9007199254740993,"word":"say \"hi\", you","y":"b"}"#
    );
    assert_eq!(text.lines().nth(2).unwrap(), r#"{"id":3,"x":null,"n":-9223372036854775808,"word":null,"y":"a"}"#);
    // Both are read as the same records.
    let open = |place: &Place| {
        let mut config = DataConfig::new(".");
        config.split = Some(data_loader::config::parse_toml("random = {}", std::path::Path::new("c")).unwrap());
        Dataset::open(&config, &place.card(), None, 0).unwrap()
    };
    let (csv, jsonl) = (open(&csv), open(&jsonl));
    for row in 0..4 {
        let (a, b) = (csv.record(row).unwrap(), jsonl.record(row).unwrap());
        assert_eq!((a.field("x"), a.field("n"), a.field("word")), (b.field("x"), b.field("n"), b.field("word")));
    }
    assert_eq!(csv.record(0).unwrap().field("n"), Some(&Value::Missing));
    assert_eq!(csv.record(3).unwrap().field("word"), Some(&Value::Text(" é ".into())));
}

#[test]
fn a_missing_value_is_what_the_card_reads_as_one() {
    let schema = SCHEMA.replace("key =", "missing = [\"-\"]\nkey =");
    let place = place(SQL, QUERY, "csv", &schema);
    place.fetch().unwrap();
    let text = String::from_utf8(place.read("a.csv")).unwrap();
    // A column of texts has no marker but nothing at all.
    assert!(text.contains("1,-1e-300,-,") && text.contains("3,-,-9223372036854775808,,a"), "{text}");
}

#[test]
fn what_would_be_read_otherwise_is_an_error() {
    for (sql, query, schema, words) in [
        (
            "",
            "SELECT 1 AS x, 'NA' AS y",
            "features = { x = \"number\" }\ntarget = { name = \"y\", kind = \"class\" }",
            "a.csv#0: the value `y` is the text \"NA\"",
        ),
        ("", "SELECT '' AS x", "features = { x = \"text\" }", "an empty text, and not NULL"),
        ("", "SELECT ' null ' AS x", "features = { x = \"category\" }", "\" null \""),
        ("", "SELECT ' red' AS x", "features = { x = \"category\" }", "\" red\", which the card would read as \"red\""),
        (
            "",
            "SELECT 1 AS x, 'b\n' AS y",
            "features = { x = \"number\" }\ntarget = { name = \"y\", kind = \"class\" }",
            "the value `y` is the text \"b\\n\"",
        ),
        ("", "SELECT 1 AS x, ' 7' AS id", "key = \"id\"\nfeatures = { x = \"number\" }", "would read as \"7\""),
        (
            "",
            "SELECT NULL AS x",
            "missing = []\nfeatures = { x = \"number\" }",
            "no text that stands for a missing value",
        ),
        ("", "SELECT x'00ff' AS x", "features = { x = \"text\" }", "a blob"),
        ("", "SELECT 1 AS x, 2 AS x", "features = { x = \"number\" }", "two columns called `x`"),
        ("", "SELECT wrong", "features = { x = \"number\" }", "no such column: wrong"),
        ("", "SELECT 1 AS x; DROP TABLE t", "features = { x = \"number\" }", ""),
        ("CREATE TABLE t (x);", "DELETE FROM t", "features = { x = \"number\" }", "only reads"),
        ("CREATE TABLE t (x);", "INSERT INTO t VALUES (1) RETURNING x", "features = { x = \"number\" }", ""),
        ("", "  ", "features = { x = \"number\" }", "only reads"),
    ] {
        let place = place(sql, query, "csv", schema);
        let error = place.fetch().unwrap_err();
        assert!(error.to_string().contains(words) && error.is_usage() && error.hint().is_some(), "{query}: {error}");
        assert!(std::fs::read_dir(place.card()).unwrap().count() == 2, "{query}: the card and the database");
    }
    // A text that is no missing value in its column may be any.
    for (query, schema) in [
        ("SELECT 'NA' AS x", "features = { x = \"text\" }"),
        ("SELECT 1 AS x, 'NA' AS z", "ignore = [\"z\"]\nfeatures = { x = \"number\" }"),
        ("SELECT 'NA' AS x", "missing = [\"\"]\nfeatures = { x = \"category\" }"),
        ("SELECT ' red' AS x, ' 1 ' AS n", "features = { x = \"text\", n = \"number\" }"),
    ] {
        place("", query, "csv", schema).fetch().unwrap();
    }
}

#[test]
fn a_database_that_is_none_is_an_error() {
    let missing = place("", "SELECT 1 AS x", "csv", "features = { x = \"number\" }");
    std::fs::remove_file(missing.path("data.db")).unwrap();
    assert!(matches!(missing.fetch(), Err(Error::NotFound { what: "database", .. })));
    std::fs::write(missing.path("data.db"), vec![7; 5000]).unwrap();
    let error = missing.fetch().unwrap_err();
    assert!(error.to_string().contains("data.db could not be fetched") && error.is_usage(), "{error}");
    let other = place("", "SELECT 1 AS x", "image_folder", "features = { x = \"image\" }");
    assert!(other.fetch().unwrap_err().to_string().contains("another format"));
}

#[test]
fn a_query_of_any_length_can_be_interrupted() {
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) AS x FROM n";
    let place = place("", endless, "csv", "features = { x = \"number\" }");
    let (stop, begun) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            stop.store(true, Ordering::SeqCst);
        });
        let error = place.fetch_with(&stop, &|_| None, &mut |_| {}).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error}");
    });
    assert!((Duration::from_millis(300)..Duration::from_secs(20)).contains(&begun.elapsed()));
    assert!(!place.path("a.csv").exists());
}

#[test]
fn rows_are_counted() {
    let place = place(SQL, QUERY, "csv", SCHEMA);
    let fetched = place.fetch().unwrap();
    assert_eq!((fetched[0].rows, fetched[0].pages), (Some(4), None));
    assert_eq!(place.fetch().unwrap()[0].rows, None, "of what was there nobody has counted them");
}
