//! How does a CSV file become records? The first line names the columns; each further one is an example.

use serde::{Deserialize, Serialize};

use super::{MAX_BYTES, Purpose, Records, check_columns, read_bytes, value_of};
use crate::card::SourceFile;
use crate::error::{Error, quoted};
use crate::example::{Record, Value};
use crate::registry::Entry;
use crate::schema::Schema;
use crate::split::Part;

/// This format in the list of formats.
pub const ENTRY: Entry = Entry { name: "csv", summary: "lines of values separated by commas, with a header line" };

/// `[format.csv]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What separates two values: one ASCII character.
    pub delimiter: char,
}

impl Default for Config {
    fn default() -> Self {
        Self { delimiter: ',' }
    }
}

/// A row that cannot be used; it is reported when it is read, so that `bad_examples = "skip"` can leave it out.
struct BadRow {
    row: usize,
    message: String,
}

/// One file, unpacked: the text of all fields in one piece, cut by their ends.
struct Table {
    file: SourceFile,
    columns: Vec<String>,
    text: String,
    /// The end in `text` of each field, row by row.
    ends: Vec<usize>,
    /// The line on which each row begins, counted from 1.
    lines: Vec<u32>,
    bad: Vec<BadRow>,
}

/// Whether a record, as its bytes stand in the file, ends before its last quoted field does. As RFC 4180 has it, a quote opens
/// a field only where the field begins, and two quotes in a row stand for one.
fn ends_inside_quotes(record: &[u8], delimiter: u8) -> bool {
    let (mut quoted, mut begins) = (false, true);
    let mut bytes = record.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' if quoted && bytes.peek() == Some(&&b'"') => {
                bytes.next();
            }
            b'"' if quoted || begins => quoted = !quoted,
            _ => {}
        }
        begins = !quoted && (byte == delimiter || byte == b'\n' || byte == b'\r');
    }
    quoted
}

/// The rows of one or more CSV files.
pub struct Csv {
    tables: Vec<Table>,
    /// The number of rows before each table, and at the end the number of all rows.
    starts: Vec<usize>,
    schema: Schema,
    purpose: Purpose,
}

impl Csv {
    /// Reads `files`; all must have the columns that the schema names, in any order.
    pub fn open(files: &[SourceFile], config: &Config, schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        if !config.delimiter.is_ascii() {
            return Err(Error::Setting {
                key: "format.csv.delimiter".into(),
                message: format!("is {:?}, which is not an ASCII character", config.delimiter),
                hint: "Use a comma, a semicolon, a tab or a bar.".into(),
            });
        }
        let mut tables = Vec::with_capacity(files.len());
        let mut starts = vec![0];
        for file in files {
            let table = Table::read(file, config, schema, purpose)?;
            starts.push(starts[starts.len() - 1] + table.lines.len());
            tables.push(table);
        }
        Ok(Self { tables, starts, schema: schema.clone(), purpose })
    }

    /// The table that holds `row`, and the row within it.
    fn locate(&self, row: usize) -> (&Table, usize) {
        let table = self.starts.partition_point(|&start| start <= row) - 1;
        (&self.tables[table], row - self.starts[table])
    }
}

impl Table {
    fn read(file: &SourceFile, config: &Config, schema: &Schema, purpose: Purpose) -> Result<Self, Error> {
        let bytes = read_bytes(&file.path, MAX_BYTES)?;
        // Excel begins UTF-8 files with a byte order mark, which is no part of the first column's name.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let malformed = |message: String| Error::Malformed { path: file.path.clone(), message };
        let mut reader = csv::ReaderBuilder::new().delimiter(config.delimiter as u8).flexible(true).from_reader(bytes);
        let header = reader.byte_headers().map_err(|error| malformed(error.to_string()))?.clone();
        let columns: Vec<String> = header
            .iter()
            .map(|name| std::str::from_utf8(name).map(|name| name.trim().to_owned()))
            .collect::<Result<_, _>>()
            .map_err(|_| malformed("its header line is not UTF-8 text".into()))?;
        if columns.is_empty() {
            return Err(malformed("it has no header line".into()));
        }
        if let Some(name) = columns.iter().enumerate().find(|(i, name)| columns[..*i].contains(name)) {
            return Err(malformed(format!("the column `{}` stands twice in its header", name.1)));
        }
        check_columns(&file.path, &columns, schema, purpose)?;

        let mut table = Self {
            file: file.clone(),
            columns,
            text: String::new(),
            ends: Vec::new(),
            lines: Vec::new(),
            bad: Vec::new(),
        };
        let mut record = csv::ByteRecord::new();
        let mut last = 0;
        while reader.read_byte_record(&mut record).map_err(|error| malformed(error.to_string()))? {
            last = record.position().map_or(0, |position| position.byte() as usize);
            table.push(&record);
        }
        // A quote that never closes swallows the rest of the file, so it is the last row that holds it.
        if !table.lines.is_empty() && ends_inside_quotes(&bytes[last..], config.delimiter as u8) {
            table.refuse_last("a quote opens in it and never closes: everything that follows became a part of it");
        }
        Ok(table)
    }

    /// Makes the last row one that cannot be used.
    fn refuse_last(&mut self, message: &str) {
        let row = self.lines.len() - 1;
        self.bad.retain(|bad| bad.row != row);
        self.bad.push(BadRow { row, message: message.to_owned() });
    }

    fn push(&mut self, record: &csv::ByteRecord) {
        let row = self.lines.len();
        self.lines.push(record.position().map_or(0, |position| position.line() as u32));
        let fields: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        let message = match fields {
            Ok(fields) if fields.len() == self.columns.len() => {
                for field in fields {
                    self.text += field;
                    self.ends.push(self.text.len());
                }
                return;
            }
            Ok(fields) => format!("it has {} values and the header has {} columns", fields.len(), self.columns.len()),
            Err(_) => "it is not UTF-8 text".to_owned(),
        };
        self.ends.extend(std::iter::repeat_n(self.text.len(), self.columns.len()));
        self.bad.push(BadRow { row, message });
    }

    fn check(&self, row: usize) -> Result<(), Error> {
        match self.bad.binary_search_by_key(&row, |bad| bad.row) {
            Ok(found) => Err(Error::Row {
                path: self.file.path.clone(),
                row,
                line: self.lines[row].into(),
                message: self.bad[found].message.clone(),
            }),
            Err(_) => Ok(()),
        }
    }

    fn text(&self, row: usize, column: usize) -> &str {
        let field = row * self.columns.len() + column;
        let start = if field == 0 { 0 } else { self.ends[field - 1] };
        &self.text[start..self.ends[field]]
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    fn value(&self, row: usize, name: &str, schema: &Schema) -> Result<Value, Error> {
        let column = self.column(name).ok_or_else(|| Error::ColumnMissing {
            place: self.file.path.display().to_string(),
            column: name.to_owned(),
            found: self.columns.clone(),
        })?;
        value_of(self.text(row, column), name, schema, &|| self.key(row, schema))
    }

    fn key(&self, row: usize, schema: &Schema) -> String {
        match schema.key.as_deref().and_then(|key| self.column(key)) {
            Some(column) => self.text(row, column).trim().to_owned(),
            None => format!("{}#{row}", self.file.name),
        }
    }
}

impl Records for Csv {
    fn len(&self) -> usize {
        self.starts[self.tables.len()]
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let (table, row) = self.locate(row);
        table.check(row)?;
        let field = |name: &String| Ok::<_, Error>((name.clone(), table.value(row, name, &self.schema)?));
        let features = self.schema.features.0.iter().map(|(name, _)| field(name)).collect::<Result<_, _>>()?;
        let target = self.schema.target.as_ref().filter(|target| table.column(&target.name).is_some());
        let target = target.map(|target| field(&target.name)).transpose()?;
        Ok(Record::new(table.key(row, &self.schema), features, target))
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        let (table, row) = self.locate(row);
        table.check(row)?;
        table.value(row, name, &self.schema)
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        let (table, row) = self.locate(row);
        table.check(row)?;
        let key = table.key(row, &self.schema);
        if key.is_empty() && self.purpose == Purpose::Training {
            return Err(Error::Row {
                path: table.file.path.clone(),
                row,
                line: table.lines[row].into(),
                message: format!("the key column is empty, {}", quoted(&key)),
            });
        }
        Ok(key)
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.locate(row).0.file.part
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::formats::open_for_prediction;

    fn schema(key: Option<&str>) -> Schema {
        let mut schema: Schema = toml::from_str(
            "target = { name = \"y\", kind = \"class\" }\n[features]\nb = \"number\"\na = \"category\"\n",
        )
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
        Csv::open(&[file], &Config::default(), schema, purpose)
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
        let csv =
            open(b"a,b,y\nred,1\nred,1,cat\nred,1,cat,9\nr\xffd,1,cat\n", &schema(None), Purpose::Training).unwrap();
        for (row, line, word) in [(0, 2, "2 values"), (2, 4, "4 values"), (3, 5, "UTF-8")] {
            let error = csv.read(row).unwrap_err();
            assert!(matches!(&error, Error::Row { row: r, line: l, .. } if *r == row && *l == line), "{error}");
            assert!(error.to_string().contains(word) && error.is_bad_example());
        }
        assert!(csv.read(1).is_ok());
    }

    #[test]
    fn a_quote_that_never_closes_spoils_its_row_and_no_other() {
        let csv =
            open(b"a,b,y\nred,1,cat\n\"red,2,cat\nred,3,cat\n", &schema(None), Purpose::Training).unwrap();
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
        for open_still in ["red,1,\"cat", "red,1,\"", "red,1,\"cat\"\"", "red,1,\"a,b\n"] {
            assert!(ends_inside_quotes(open_still.as_bytes(), b','), "{open_still}");
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
        assert_eq!(
            open(b"z,a,b\n1,red,2\n", &schema(None), Purpose::Prediction).unwrap().read(0).unwrap().fields.len(),
            2
        );
        assert!(open(b"a,b,y\n", &schema(None), Purpose::Training).unwrap().is_empty());
    }

    #[test]
    fn a_delimiter_may_be_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.tsv");
        std::fs::write(&path, "a\tb\nred\t2\n").unwrap();
        assert_eq!(open_for_prediction(&path, &schema(None)).unwrap().field(0, "b").unwrap(), Value::Number(2.0));
        assert!(Csv::open(&[], &Config { delimiter: 'é' }, &schema(None), Purpose::Training).is_err());
        assert!(Path::new(&path).exists());
    }
}
