//! How does what is sent to a server become records? As the same bytes in a file would.

use crate::error::Error;
use crate::example::{Record, Value};
use crate::formats::Records;
use crate::formats::csv::Csv;
use crate::schema::{FeatureKind, Schema};

/// What the rows of a text are called by, before their number.
const NAME: &str = "";

/// The records of a CSV text: a line of names, and a record in each further line, of which there are at most `most`. Without a key column
/// they are called `#0`, `#1` and so on.
///
/// # Errors
/// As for a file; [`Error::Mismatch`] if there are more.
pub fn records_from_csv(text: &[u8], schema: &Schema, most: usize) -> Result<Vec<Record>, Error> {
    let rows = Csv::of_text(text.to_vec(), NAME, schema)?;
    if rows.len() > most {
        return Err(Error::Mismatch {
            message: format!("The text has {} rows, and {most} are the most", rows.len()),
            hint: "Send them in several requests.".into(),
        });
    }
    (0..rows.len()).map(|row| rows.read(row)).collect()
}

/// The record of one text, for a schema that has nothing but a text; it is called `called`.
pub fn record_from_text(text: &str, schema: &Schema, called: &str) -> Option<Record> {
    let [(name, FeatureKind::Text)] = schema.features.0.as_slice() else { return None };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The end of its only line is none of it.
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    let value = if text.is_empty() { Value::Missing } else { Value::Text(text.to_owned()) };
    Some(Record::new(called.to_owned(), vec![(name.clone(), value)], None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_read_as_a_file_would_be() {
        let schema: Schema =
            toml::from_str("target = { name = \"y\", kind = \"class\" }\n[features]\na = \"number\"\nb = \"category\"")
                .unwrap();
        let text = "b,a,y\n\"x, y\",1.5,no\nNA,NA,\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.csv");
        std::fs::write(&path, text).unwrap();
        let file = crate::formats::open_for_prediction(&path, &schema).unwrap();
        let sent = records_from_csv(text.as_bytes(), &schema, 2).unwrap();
        assert_eq!((sent.len(), file.len()), (2, 2));
        for (row, sent) in sent.iter().enumerate() {
            assert_eq!((&sent.fields, sent.id.key.as_str()), (&file.read(row).unwrap().fields, ["#0", "#1"][row]));
        }
        assert!(records_from_csv(text.as_bytes(), &schema, 1).unwrap_err().to_string().contains("2 rows"));
        let error = records_from_csv(b"a\n1\n", &schema, 9).unwrap_err();
        assert!(error.to_string().contains("`b`"), "{error}");
    }

    #[test]
    fn a_text_alone_is_a_record_where_there_is_nothing_else() {
        let schema: Schema = toml::from_str("[features]\nt = \"text\"").unwrap();
        let read = |text: &str| record_from_text(text, &schema, "x").unwrap().fields[0].1.clone();
        assert_eq!(read("\u{feff}two\nlines\r\n"), Value::Text("two\nlines".into()));
        assert_eq!((read("NA"), read(""), read("\n")), (Value::Text("NA".into()), Value::Missing, Value::Missing));
        let two: Schema = toml::from_str("[features]\nt = \"text\"\nu = \"number\"").unwrap();
        assert!(record_from_text("a", &two, "x").is_none());
    }
}
