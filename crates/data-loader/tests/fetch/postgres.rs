//! Do the rows of a `PostgreSQL` database become a file? `tests/peers/postgres_rows.sh` starts a server and runs this.

use std::sync::atomic::AtomicBool;

use data_loader::fetch::Fetched;
use data_loader::{DataConfig, Dataset, Error, Value};

use crate::Place;

fn place(query: &str, format: &str, schema: &str) -> Place {
    let place = Place::new("");
    let text = format!(
        "name = \"a\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.{format}]\n\
         [[files]]\npath = \"a.{format}\"\n[files.from.postgres]\nquery = '''{query}'''\n[schema]\n{schema}"
    );
    std::fs::write(place.path("card.toml"), text).unwrap();
    place
}

fn fetch(place: &Place) -> Result<Vec<Fetched>, Error> {
    place.fetch_with(&AtomicBool::new(false), &|name| std::env::var(name).ok(), &mut |_| {})
}

/// Rows with everything that is hard to write down.
const QUERY: &str = r#"SELECT * FROM (VALUES
    (1, 0.1::float8, 123456789012345678901234567890.123456789::numeric, E'a\tb\nc\\N', true, 'x'),
    (2, 1e-300, NULL, '\N', false, 'y'),
    (3, NULL, 0, NULL, NULL, 'x'),
    (4, 3, -1, 'say "hi", you', true, 'y')) AS t (id, x, n, word, flag, y) ORDER BY id;"#;
const SCHEMA: &str = "target = { name = \"y\", kind = \"class\" }\nkey = \"id\"\n[schema.features]\nx = \"number\"\n\
                      n = \"number\"\nword = \"text\"\nflag = \"category\"\n";

#[test]
#[ignore = "needs a server: tests/peers/postgres_rows.sh starts one"]
fn rows_of_postgres_keep_every_digit() {
    let csv = place(QUERY, "csv", SCHEMA);
    fetch(&csv).unwrap();
    let text = String::from_utf8(csv.read("a.csv")).unwrap();
    assert_eq!(
        text,
        "id,x,n,word,flag,y\n1,0.1,123456789012345678901234567890.123456789,\"a\tb\nc\\N\",true,x\n\
         2,1e-300,,\\N,false,y\n3,,0,,,x\n4,3,-1,\"say \"\"hi\"\", you\",true,y\n"
    );
    let jsonl = place(QUERY, "jsonl", SCHEMA);
    fetch(&jsonl).unwrap();
    let text = String::from_utf8(jsonl.read("a.jsonl")).unwrap();
    assert_eq!(
        text.lines().next().unwrap(),
        r#"{"id":1,"x":0.1,"n":123456789012345678901234567890.123456789,"word":"a\tb\nc\\N","flag":true,"y":"x"}"#
    );
    let mut config = DataConfig::new(".");
    config.split = Some(data_loader::config::parse_toml("random = {}", std::path::Path::new("c")).unwrap());
    let data = Dataset::open(&config, &csv.card(), None, 0).unwrap();
    assert_eq!(data.record(2).unwrap().field("word"), Some(&Value::Missing));
    assert_eq!(data.record(1).unwrap().field("word"), Some(&Value::Text("\\N".into())));
}

#[test]
#[ignore = "needs a server: tests/peers/postgres_rows.sh starts one"]
fn what_is_no_query_of_postgres_is_an_error() {
    let schema = "features = { x = \"number\" }";
    for (query, words) in [
        ("SELECT wrong AS x", "wrong"),
        ("SELECT 1 AS x; SELECT 2 AS x", "multiple commands"),
        ("SELECT 1 AS x) TO PROGRAM 'touch /tmp/x' --", "syntax error"),
        ("CREATE TABLE made (x int)", "only reads"),
        ("INSERT INTO kept VALUES (1) RETURNING x", ""),
        ("SELECT $1::int AS x", "only reads"),
        ("SELECT '\\x00'::bytea AS x", "bytea"),
        ("SELECT nextval('counter') AS x", "read-only"),
    ] {
        let place = place(query, "csv", schema);
        let error = fetch(&place).unwrap_err();
        assert!(error.to_string().contains(words) && error.is_usage() && error.hint().is_some(), "{query}: {error}");
        assert!(!place.path("a.csv").exists());
    }
    let place = place("SELECT 1 AS x", "csv", schema);
    for (address, usage) in [("postgres://me:s3cret@127.0.0.1:1/x", false), ("nonsense s3cret", true)] {
        let error = place.fetch_with(&AtomicBool::new(false), &|_| Some(address.into()), &mut |_| {}).unwrap_err();
        assert!(error.is_usage() == usage && !format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}
