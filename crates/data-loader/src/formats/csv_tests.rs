//! Are the rows of a CSV file what a person would read in it, and its mistakes found on their lines?

use super::*;
use crate::formats::open_for_prediction;
use crate::tables::csv_header::MAX_HEADER;

fn schema(key: Option<&str>) -> Schema {
    let mut schema: Schema =
        toml::from_str("target = { name = \"y\", kind = \"class\" }\n[features]\nb = \"number\"\na = \"category\"\n")
            .unwrap();
    schema.key = key.map(str::to_owned);
    schema
}

fn open(bytes: &[u8], schema: &Schema, purpose: Purpose) -> Result<Csv, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, bytes).unwrap();
    let file = SourceFile {
        name: "t.csv".into(),
        path,
        sha256: String::new(),
        bytes: 0,
        role: crate::card::Role::default(),
        part: None,
    };
    let file = &[file];
    let held = Csv::open(file, &Config::default(), schema, purpose)?;
    // Whatever is tested here holds for a file that is read where it lies, too.
    let csv = Csv::open_within(0, file, &Config::default(), schema, purpose)?;
    let all: Vec<u32> = (0..csv.len().min(1000) as u32).collect();
    assert_eq!((held.len(), visited(&held, &all)), (csv.len(), visited(&csv, &all)));
    assert_eq!(visited(&csv, &all), all.iter().map(|&row| said(csv.read(row as usize))).collect::<Vec<_>>());
    for name in ["a", "nowhere"] {
        let fields: Vec<String> = csv.fields(&all, name).into_iter().map(said).collect();
        assert_eq!(fields, all.iter().map(|&row| said(csv.field(row as usize, name))).collect::<Vec<_>>());
    }
    for (&row, key) in all.iter().zip(csv.keys(&all)) {
        // Without a key column nothing is read for a key.
        assert!(said(csv.key(row as usize)) == said(key) || schema.key.is_none() && csv.key(row as usize).is_err());
    }
    Ok(csv)
}

fn said<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.map_or_else(|error| error.to_string(), |value| format!("{value:?}"))
}

/// What a visit of `rows` meets, one after the other.
fn visited(csv: &Csv, rows: &[u32]) -> Vec<String> {
    let mut met = Vec::new();
    csv.visit(rows, &mut |record| {
        met.push(said(record));
        ControlFlow::Continue(())
    });
    met
}

#[test]
fn rows_are_read_in_the_order_of_the_schema() {
    let csv = open(b"\xef\xbb\xbfa,b,y\n\"r,ed\",1,cat\nNA,,dog\n", &schema(None), Purpose::Training).unwrap();
    assert_eq!(csv.len(), 2);
    let record = csv.read(0).unwrap();
    assert_eq!(record.id.key, "t.csv#0");
    let fields = [
        ("b".to_owned(), Value::Number(1.0)),
        ("a".to_owned(), Value::Text("r,ed".into())),
        ("y".to_owned(), Value::Text("cat".into())),
    ];
    assert_eq!(record.fields, fields);
    assert_eq!(csv.field(1, "b").unwrap(), Value::Missing);
    assert_eq!(csv.field(1, "a").unwrap(), Value::Missing);
    let keyed = open(b"a,b,y\nred,1,cat\n", &schema(Some("a")), Purpose::Training).unwrap();
    assert_eq!(keyed.read(0).unwrap().id.key, "red");
}

#[test]
fn bad_rows_name_row_and_line_and_good_rows_can_still_be_read() {
    let csv = open(b"a,b,y\nred,1\nred,1,cat\nred,1,cat,9\nr\xffd,1,cat\n", &schema(None), Purpose::Training).unwrap();
    for (row, line, word) in [(0, 2, "2 values"), (2, 4, "4 values"), (3, 5, "UTF-8")] {
        let error = csv.read(row).unwrap_err();
        assert!(matches!(&error, Error::Row { row: r, line: l, .. } if *r == row && *l == line), "{error}");
        assert!(error.to_string().contains(word) && error.is_bad_example());
    }
    assert!(csv.read(1).is_ok());
}

#[test]
fn a_quote_that_never_closes_spoils_its_row_and_no_other() {
    let csv = open(b"a,b,y\nred,1,cat\n\"red,2,cat\nred,3,cat\n", &schema(None), Purpose::Training).unwrap();
    assert_eq!(csv.len(), 2);
    assert!(csv.read(0).is_ok());
    let error = csv.read(1).unwrap_err();
    assert!(matches!(&error, Error::Row { row: 1, line: 3, .. }) && error.is_bad_example(), "{error}");
    assert!(error.to_string().contains("never closes"), "{error}");
    for closed in ["\"red\",1,\"cat\"", "\"r\"\"ed\",1,\"\"", "5\" pipe,1,cat", "\"a\nb\",1,\"c\"\r\n"] {
        let text = format!("a,b,y\nred,1,cat\n{closed}");
        let csv = open(text.as_bytes(), &schema(None), Purpose::Training).unwrap();
        assert!(csv.read(1).is_ok(), "{closed}");
    }
}

#[test]
fn headers_are_checked() {
    let check = |bytes: &[u8], purpose, word: &str| match open(bytes, &schema(None), purpose) {
        Ok(_) => panic!("{word}: opened"),
        Err(error) => {
            assert!(error.to_string().contains(word), "{error}");
            assert!(error.is_usage() && error.hint().is_some());
        }
    };
    check(b"", Purpose::Training, "no header line");
    check(b"a,y\n", Purpose::Prediction, "has no column `b`; it has `a`, `y`");
    check(b"a,b\n", Purpose::Training, "has no column `y`");
    check(b"a,a,b,y\n", Purpose::Training, "twice");
    check(b"a,b,y,z\n", Purpose::Training, "`z`");
    check(b"a,b,\xff\n", Purpose::Training, "UTF-8");
    assert_eq!(open(b"z,a,b\n1,red,2\n", &schema(None), Purpose::Prediction).unwrap().read(0).unwrap().fields.len(), 2);
    assert!(open(b"a,b,y\n", &schema(None), Purpose::Training).unwrap().is_empty());
}

#[test]
fn a_delimiter_may_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.tsv");
    std::fs::write(&path, "a\tb\nred\t2\n").unwrap();
    assert_eq!(open_for_prediction(&path, &schema(None)).unwrap().field(0, "b").unwrap(), Value::Number(2.0));
    assert!(Csv::open(&[], &Config { delimiter: 'é', header: None }, &schema(None), Purpose::Training).is_err());
}

#[test]
fn a_row_is_on_the_line_on_which_it_begins() {
    for (ending, name) in [("\n", "LF"), ("\r\n", "CRLF"), ("\r", "CR")] {
        // Behind the header an empty line, a good row, two empty lines, a row over two lines, and the bad one in line 8.
        let text = ["a,b,y", "", "red,1,cat", "", "", "\"r", "ed\",1,cat", "red,1", "red,1,cat,9", ""].join(ending);
        let csv = open(text.as_bytes(), &schema(None), Purpose::Training).unwrap();
        assert_eq!(csv.len(), 4, "{name}");
        let lines: Vec<u64> = (0..4).map(|row| csv.tables[0].line(row).unwrap()).collect();
        assert_eq!(lines, [3, 6, 8, 9], "{name}");
        let error = csv.read(3).unwrap_err();
        assert!(matches!(error, Error::Row { row: 3, line: 9, .. }), "{name}: {error}");
    }
}

#[test]
fn a_model_finds_the_delimiter_of_new_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    for delimiter in [",", ";", "\t", "|"] {
        std::fs::write(
            &path,
            ["a,b,other", "\"r,e;d\",2,x"]
                .join("\n")
                .replace("a,b,other", "a#b#other")
                .replace("\",2,x", "\"#2#x")
                .replace('#', delimiter),
        )
        .unwrap();
        let rows = open_for_prediction(&path, &schema(None)).unwrap();
        assert_eq!(rows.field(0, "b").unwrap(), Value::Number(2.0), "{delimiter:?}");
        assert_eq!(rows.field(0, "a").unwrap(), Value::Text("r,e;d".into()), "{delimiter:?}");
    }
    // What the card says holds for its own files.
    assert!(open(b"a;b;y\nred;1;cat\n", &schema(None), Purpose::Training).is_err());
    std::fs::write(&path, "a;c\nred;2\n").unwrap();
    let error = open_for_prediction(&path, &schema(None)).err().unwrap();
    assert!(error.to_string().contains("no column `b`; it has `a`, `c`"), "{error}");
}

#[test]
fn a_header_without_end_is_refused_and_short_rows_cost_nothing() {
    let mut long = b"a,b,y,".to_vec();
    long.resize(MAX_HEADER + 1000, b'x');
    let Err(error) = open(&long, &schema(None), Purpose::Training) else { panic!("opened") };
    assert!(matches!(error, Error::TooLarge { limit: 0x0100_0000, size: 0x0100_03e8, .. }), "{error}");
    // Room for every column in each of these rows would be 160 GB, and nothing is held of any of them.
    let columns: Vec<String> = (0..100_000).map(|i| format!("c{i}")).collect();
    let text = format!("a,b,y,{}\n{}", columns.join(","), "1\n".repeat(200_000));
    let csv = open(text.as_bytes(), &schema(None), Purpose::Prediction).unwrap();
    assert_eq!(csv.len(), 200_000);
    assert!(csv.read(199_999).is_err());
}

#[test]
fn a_row_without_its_key_is_refused_in_training_and_named_by_its_place_else() {
    let rows = b"a,b,y\n ,1,cat\n";
    let csv = open(rows, &schema(Some("a")), Purpose::Training).unwrap();
    for error in [csv.key(0).unwrap_err(), csv.read(0).unwrap_err()] {
        assert!(error.to_string().ends_with("t.csv, row 0 (line 2): the key column `a` is empty."), "{error}");
    }
    let csv = open(rows, &schema(Some("a")), Purpose::Prediction).unwrap();
    assert_eq!(csv.read(0).unwrap().id.key, "t.csv#0");
}

#[test]
fn rows_are_visited_in_any_order_and_blocks_lie_on_the_disk_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, rows: std::ops::Range<u32>| {
        let path = folder.path().join(name);
        let rows: Vec<String> = rows.map(|row| format!("{row}.25,\"r\ned{row}\",cat")).collect();
        std::fs::write(&path, format!("b,a,y\n{}\n", rows.join("\n"))).unwrap();
        let role = crate::card::Role::default();
        SourceFile { name: name.into(), path, sha256: String::new(), bytes: 0, role, part: None }
    };
    let files = [file("1.csv", 0..5000), file("2.csv", 5000..5003), file("3.csv", 5003..400_000)];
    let open = |room| Csv::open_within(room, &files, &Config::default(), &schema(None), Purpose::Training).unwrap();
    // The first two fit in memory, the last, of nine megabytes, does not.
    let (csv, held) = (open(1 << 20), open(IN_MEMORY));
    assert_eq!(held.blocks(), [0]);
    let blocks = csv.blocks();
    assert_eq!((blocks[..3].to_vec(), blocks.len()), (vec![0, 5000, 5003], 5), "{blocks:?}");
    let mut rows: Vec<u32> = (0..300).map(|i| i * 7919 % 400_000).collect();
    rows.extend([399_999, 5002, 5003, 5004, 0, 0, 4999, 5000]);
    rows.extend(100_000..101_000);
    let met = visited(&csv, &rows);
    assert_eq!(met, visited(&held, &rows));
    for (&row, met) in rows.iter().zip(met) {
        assert!(met.contains(&format!("Number({row}.25)")) && met.contains(&format!("r\\ned{row}\"")), "{met}");
    }
    let mut count = 0;
    csv.visit(&rows, &mut |_| {
        count += 1;
        if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(count, 3);
}

#[test]
fn a_file_without_a_header_line_has_the_columns_that_the_card_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("iris.data");
    std::fs::write(&path, "1.5,red,cat\n2.5,blue,dog\nx\n").unwrap();
    let name = "iris.data".to_owned();
    let file =
        SourceFile { name, path, sha256: String::new(), bytes: 0, role: crate::card::Role::default(), part: None };
    let open = |names: &[&str]| {
        let header = Some(names.iter().map(|&name| name.to_owned()).collect());
        Csv::open(
            std::slice::from_ref(&file),
            &Config { header, ..Config::default() },
            &schema(None),
            Purpose::Training,
        )
    };
    let csv = open(&["b", "a", "y"]).unwrap();
    assert_eq!(csv.len(), 3);
    let record = csv.read(0).unwrap();
    assert_eq!(record.field("b"), Some(&Value::Number(1.5)));
    assert_eq!(csv.field(1, "y").unwrap(), Value::Text("dog".into()));
    assert!(csv.read(2).unwrap_err().to_string().contains("row 2 (line 3)"));
    for (names, words) in [(&["b", "a", "a"][..], "`a` twice"), (&[], "is empty")] {
        let Err(error) = open(names) else { panic!("{words}: opened") };
        assert!(error.to_string().contains(words) && error.to_string().contains("format.csv.header"), "{error}");
    }
    assert!(matches!(open(&["b", "y"]), Err(Error::ColumnMissing { column, .. }) if column == "a"));
}

#[test]
fn text_behind_a_closing_quote_is_refused() {
    let error = open(b"b,a,y\n1,\"a\"x,1\n2,c,2\n", &schema(None), Purpose::Training).unwrap().read(0).unwrap_err();
    assert!(error.to_string().contains("row 0 (line 2): text follows the quote"), "{error}");
    assert!(error.is_bad_example() && error.is_usage());
    // A quote that is never closed ends at the next one, rows later: what lies between became one value.
    let mut rows: Vec<String> = (0..60).map(|row| format!("{row},c,{}", row % 2)).collect();
    (rows[10], rows[45]) = ("10,\"c,1".into(), "45,c,\"1\"".into());
    let csv = open(format!("b,a,y\n{}\n", rows.join("\n")).as_bytes(), &schema(None), Purpose::Training).unwrap();
    let error = csv.read(10).unwrap_err();
    assert!(error.to_string().contains("row 10 (line 12): text follows the quote"), "{error}");
    let good = open(b"b,a,y\n1,\"a\"\"x\",1\n2,\"\",2\r\n3,5\" pipe,1\n", &schema(None), Purpose::Training).unwrap();
    assert!((0..3).all(|row| good.read(row).is_ok()));
    let error = open(b"\"b\"c,a,y\n1,a,1\n", &schema(None), Purpose::Training).err().unwrap();
    assert!(error.to_string().contains("in its header line text follows the quote"), "{error}");
}

#[test]
fn what_cannot_separate_values_is_refused() {
    for (delimiter, words) in [('\n', "ends a line"), ('\r', "ends a line"), ('"', "is the quote"), ('\u{e9}', "ASCII")]
    {
        let error =
            Csv::open(&[], &Config { delimiter, header: None }, &schema(None), Purpose::Training).err().unwrap();
        assert!(error.to_string().contains("format.csv.delimiter") && error.to_string().contains(words), "{error}");
    }
}
